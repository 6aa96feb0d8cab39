/*
 * The input is an upload to "docker load": compressed, or a tar, or neither.
 * Properties: however it is cut, the same comes of it; what comes out is plain,
 * reads as an archive by the same rules, has no name that was not mapped, and
 * writing it anew once more changes nothing but the names.
 */

#include <assert.h>

#include "policy/docker/tar_sniff.h"
#include "proxy/archive/image_archive.h"
#include "proxy/archive/upload.h"
#include "tests/fuzz/fuzz.h"

/* A name is mapped once; what is mapped already stays. */
static enum archive_name_result map(void *arg, struct str name, bool full,
                                    struct strbuf *out, struct verdict *why)
{
    (void)arg;
    (void)full;
    if (str_find(name, 'q') >= 0) {
        verdict_deny(why, 403, "images.tags", "", "no");
        return ARCHIVE_NAME_REFUSED;
    }
    if (!str_has_prefix(name, S("r1.berth.invalid/")))
        strbuf_add(out, S("r1.berth.invalid/"));
    return strbuf_add(out, name) ? ARCHIVE_NAME_DROP : ARCHIVE_NAME_OK;
}

static bool upload_all(struct upload *upload, struct str all, size_t step,
                       struct strbuf *out)
{
    while (all.len) {
        if (!upload_feed(upload, str_head(all, step), 64 * KIB, out))
            return false;
        all = str_from_index(all, step);
        while (upload_holds(upload)) {
            if (out->len > 2 * MIB)
                return false; /* enough of it */
            if (!upload_feed(upload, S(""), 64 * KIB, out))
                return false;
        }
    }
    return upload_end(upload, out);
}

static bool run(struct str input, size_t step, bool filters, struct strbuf *out)
{
    static const struct archive_names names = {.map = map};
    static const struct unpack_room any_room;
    struct upload *upload =
        upload_new(filters ? image_archive_new(&names) : NULL, &any_room);
    bool good = upload_all(upload, input, step, out);

    assert(
        good || out->len > 2 * MIB ||
        (upload_why(upload)->status >= 400 && upload_why(upload)->reason[0]));
    upload_free(upload);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct str input = str_of((const char *)bytes, len);
    AUTO(strbuf_fini) struct strbuf plain = STRBUF(64 * MIB);
    AUTO(strbuf_fini) struct strbuf whole = STRBUF(64 * MIB);
    AUTO(strbuf_fini) struct strbuf cut = STRBUF(64 * MIB);
    AUTO(strbuf_fini) struct strbuf again = STRBUF(64 * MIB);

    if (len > 256 * KIB)
        return 0;
    if (run(input, SIZE_MAX, false, &plain))
        assert(!tar_is_compressed(strbuf_str(&plain)));
    if (!run(input, 64 * KIB, true, &whole)) {
        assert(!run(input, len / 9 + 1, true, &cut));
        return 0;
    }
    assert(run(input, len / 9 + 1, true, &cut));
    assert(str_eq(strbuf_str(&whole), strbuf_str(&cut)));
    assert(run(strbuf_str(&whole), 64 * KIB, true, &again));
    assert(str_eq(strbuf_str(&whole), strbuf_str(&again)));
    return 0;
}
