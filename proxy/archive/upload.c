#include "proxy/archive/upload.h"

#include <assert.h>
#include <stdlib.h>

#include "policy/docker/tar_sniff.h"

enum upload_state {
    UPLOAD_BEGINS, /* what came does not tell yet what it is */
    UPLOAD_PLAIN,
    UPLOAD_PACKED,
};

struct upload {
    enum upload_state state;
    struct unpack *unpack; /* UPLOAD_PACKED */
    struct unpack_room room;
    struct body_filter *filter;
    struct strbuf held; /* its first bytes, or what there was no room for */
    bool wants_room;    /* the decoder has more to tell */
    struct verdict why;
};

struct upload *upload_new(struct body_filter *filter,
                          const struct unpack_room *room)
{
    struct upload *upload = xcalloc(1, sizeof(*upload));

    upload->room = *room;
    upload->filter = filter;
    upload->held = (struct strbuf)STRBUF(LIMIT_UPLOAD_HELD);
    return upload;
}

struct upload *upload_free(struct upload *upload)
{
    if (upload) {
        unpack_free(upload->unpack);
        body_filter_free(upload->filter);
        strbuf_fini(&upload->held);
    }
    free(upload);
    return NULL;
}

const struct verdict *upload_why(const struct upload *upload)
{
    return &upload->why;
}

size_t upload_memory(const struct upload *upload)
{
    return upload->held.cap + body_filter_memory(upload->filter) +
           (upload->unpack ? unpack_memory(upload->unpack) : 0);
}

bool upload_is_plain(const struct upload *upload)
{
    return upload->state == UPLOAD_PLAIN && !upload->filter;
}

bool upload_holds(const struct upload *upload)
{
    return upload->wants_room;
}

static bool pass_on(struct upload *upload, struct str bytes, struct strbuf *out)
{
    struct body_filter *filter = upload->filter;

    if (filter)
        return filter->kind->feed(filter, bytes, out, &upload->why);
    strbuf_add(out, bytes); /* UPLOAD_MAX */
    return true;
}

static bool refuse_packed(struct upload *upload)
{
    bool crowded = unpack_is_crowded(upload->unpack);

    verdict_deny(&upload->why, crowded ? 503 : 400,
                 crowded ? "request.memory" : "request.archive", "", "%s",
                 unpack_error(upload->unpack));
    return false;
}

/* Undo as much of the compression of *BYTES as fits in ROOM. */
static bool unpack_some(struct upload *upload, struct str *bytes, size_t room,
                        struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf plain = STRBUF(room + KIB);
    enum unpack_result result =
        unpack_feed(upload->unpack, bytes, &plain, room);

    if (result == UNPACK_ERROR)
        return refuse_packed(upload);
    upload->wants_room = result == UNPACK_ROOM;
    return pass_on(upload, strbuf_str(&plain), out);
}

static bool feed_packed(struct upload *upload, struct str bytes, size_t room,
                        struct strbuf *out)
{
    bool holds = upload->held.len > 0;
    struct str in = holds ? strbuf_str(&upload->held) : bytes;
    size_t len = in.len;

    assert(!holds || bytes.len == 0);
    if (!unpack_some(upload, &in, room, out))
        return false;
    if (holds)
        strbuf_consume(&upload->held, len - in.len);
    else if (strbuf_add(&upload->held, in))
        assert(!"a piece is no longer than LIMIT_UPLOAD_HELD");
    return true;
}

/* The first bytes are there, or all there are. */
static bool begin(struct upload *upload, size_t room, struct strbuf *out)
{
    upload->unpack = unpack_new(strbuf_str(&upload->held),
                                &unpack_default_limits, &upload->room);
    if (upload->unpack) {
        upload->state = UPLOAD_PACKED;
        return feed_packed(upload, S(""), room, out);
    }
    upload->state = UPLOAD_PLAIN;
    if (!pass_on(upload, strbuf_str(&upload->held), out))
        return false;
    strbuf_fini(&upload->held);
    return true;
}

bool upload_feed(struct upload *upload, struct str bytes, size_t room,
                 struct strbuf *out)
{
    switch (upload->state) {
    case UPLOAD_BEGINS:
        strbuf_add(&upload->held, bytes);
        return (!tar_is_compressed(strbuf_str(&upload->held)) &&
                tar_may_be_compressed(strbuf_str(&upload->held))) ||
               begin(upload, room, out);
    case UPLOAD_PLAIN:
        return pass_on(upload, bytes, out);
    case UPLOAD_PACKED:
        break;
    }
    return feed_packed(upload, bytes, room, out);
}

bool upload_end(struct upload *upload, struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf rest = STRBUF(KIB);
    struct body_filter *filter = upload->filter;

    if (upload->state == UPLOAD_BEGINS && !begin(upload, KIB, out))
        return false;
    if (upload->unpack) {
        if (!unpack_end(upload->unpack, &rest))
            return refuse_packed(upload);
        if (!pass_on(upload, strbuf_str(&rest), out))
            return false;
    }
    return !filter || filter->kind->end(filter, out, &upload->why);
}
