#include "proxy/archive/unpack.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/archive/unpack_codec.h"

const struct unpack_limits unpack_default_limits = {
    .memory = LIMIT_UNPACK_MEMORY,
    .free = LIMIT_UNPACK_FREE,
    .factor = LIMIT_UNPACK_FACTOR,
};

static enum unpack_result unpack_fail(struct unpack *unpack, const char *format)
{
    /* every format has one %s, for the kind of compression */
    _Pragma("GCC diagnostic push")
        _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"") snprintf(
            unpack->error, sizeof(unpack->error), format, unpack->codec->name);
    _Pragma("GCC diagnostic pop") return UNPACK_ERROR;
}

static void fail_for_memory(struct unpack *unpack)
{
    if (unpack->crowded)
        unpack_fail(unpack, "berth has no memory left at the moment for "
                            "undoing the %s compression of this archive; try "
                            "again, with fewer of them at a time");
    else
        unpack_fail(unpack, "unpacking this archive takes more memory than "
                            "there is for it; compress it with a smaller %s "
                            "dictionary or window");
}

struct unpack *unpack_new(struct str first_bytes,
                          const struct unpack_limits *limits,
                          const struct unpack_room *room)
{
    const struct unpack_codec *codec = unpack_codec_of(first_bytes);
    struct unpack *unpack;

    if (!codec)
        return NULL;
    unpack = xcalloc(1, sizeof(*unpack));
    unpack->codec = codec;
    unpack->limits = *limits;
    unpack->room = *room;
    if (!codec->begin(unpack))
        fail_for_memory(unpack);
    return unpack;
}

struct unpack *unpack_free(struct unpack *unpack)
{
    if (unpack)
        unpack->codec->end(unpack);
    free(unpack);
    return NULL;
}

const char *unpack_error(const struct unpack *unpack)
{
    return unpack->error;
}

bool unpack_is_crowded(const struct unpack *unpack)
{
    return unpack->crowded;
}

size_t unpack_memory(const struct unpack *unpack)
{
    return unpack->memory;
}

static bool is_bomb(const struct unpack *unpack)
{
    return unpack->given > unpack->limits.free &&
           unpack->given / unpack->limits.factor > unpack->taken;
}

/* Between two members, padding may begin, and then nothing else comes. */
static bool skip_padding(struct unpack *unpack, struct str *in)
{
    const struct unpack_codec *codec = unpack->codec;

    if (codec->concatenates)
        return true;
    if (unpack->between && in->len && in->ptr[0] == '\0')
        unpack->padding = true;
    while (unpack->padding && in->len) {
        if (in->ptr[0] != '\0')
            return false;
        *in = str_from_index(*in, 1);
    }
    return !(unpack->between && in->len && codec->follows) ||
           codec->follows((unsigned char)in->ptr[0]);
}

/* Run the decoder once over *IN, into OUT; returns how many bytes came out, or
 * -1 after a failure. */
static ssize_t unpack_run(struct unpack *unpack, struct str *in, char *out,
                          size_t room)
{
    struct unpack_span span = {*in, out, room};
    enum unpack_step step;

    if (in->len)
        unpack->between = false;
    step = unpack->codec->run(unpack, &span);
    unpack->taken += in->len - span.in.len;
    unpack->given += room - span.room;
    *in = span.in;
    switch (step) {
    case STEP_ON:
        break;
    case STEP_MEMBER:
        unpack->between = true;
        break;
    case STEP_FAULT:
        unpack_fail(unpack, "the archive is not valid %s");
        return -1;
    case STEP_MEMORY:
        fail_for_memory(unpack);
        return -1;
    }
    if (is_bomb(unpack)) {
        unpack_fail(unpack, "the archive grows out of proportion when its %s "
                            "compression is undone; send it uncompressed");
        return -1;
    }
    return (ssize_t)(room - span.room);
}

/* The first bytes that come out are held back until it can be told what they
 * are. */
static bool head_is_good(struct unpack *unpack)
{
    if (!tar_is_compressed(str_of(unpack->head, unpack->head_len)))
        return true;
    unpack_fail(unpack, "the archive is compressed twice; undo one more than "
                        "its %s");
    return false;
}

static enum unpack_result feed_head(struct unpack *unpack, struct str *in,
                                    struct strbuf *out)
{
    while (unpack->head_len < sizeof(unpack->head)) {
        size_t before = in->len;
        ssize_t got;

        if (!skip_padding(unpack, in))
            return unpack_fail(unpack, "something follows the %s archive");
        if (unpack->between && in->len == 0)
            return UNPACK_MORE;
        got = unpack_run(unpack, in, unpack->head + unpack->head_len,
                         sizeof(unpack->head) - unpack->head_len);
        if (got < 0)
            return UNPACK_ERROR;
        unpack->head_len += (size_t)got;
        if (got == 0 && in->len == before)
            return UNPACK_MORE;
    }
    if (!head_is_good(unpack))
        return UNPACK_ERROR;
    unpack->told = true;
    strbuf_add(out, str_of(unpack->head, unpack->head_len));
    return UNPACK_ROOM;
}

enum unpack_result unpack_feed(struct unpack *unpack, struct str *in,
                               struct strbuf *out, size_t room)
{
    enum unpack_result result;

    if (unpack->error[0])
        return UNPACK_ERROR;
    if (!unpack->told) {
        if (room < sizeof(unpack->head))
            return UNPACK_ROOM;
        result = feed_head(unpack, in, out);
        if (result != UNPACK_ROOM)
            return result;
        room -= sizeof(unpack->head);
    }
    while (room) {
        size_t before = in->len, step = room < 64 * KIB ? room : 64 * KIB;
        char *to;
        ssize_t got;

        if (!skip_padding(unpack, in))
            return unpack_fail(unpack, "something follows the %s archive");
        if (unpack->between && in->len == 0)
            return UNPACK_MORE;
        to = strbuf_reserve(out, step);
        if (!to)
            return UNPACK_ROOM;
        got = unpack_run(unpack, in, to, step);
        if (got < 0)
            return UNPACK_ERROR;
        strbuf_commit(out, (size_t)got);
        room -= (size_t)got;
        if (got == 0 && in->len == before)
            return UNPACK_MORE;
    }
    return UNPACK_ROOM;
}

bool unpack_end(struct unpack *unpack, struct strbuf *out)
{
    if (unpack->error[0])
        return false;
    if (!unpack->codec->finish(unpack)) {
        unpack_fail(unpack, "the %s archive is cut short");
        return false;
    }
    if (!unpack->told)
        strbuf_add(out, str_of(unpack->head, unpack->head_len));
    unpack->told = true;
    return true;
}
