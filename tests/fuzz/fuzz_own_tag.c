/*
 * The input is "NAMESPACE NAME". Properties: a name that a runner may write
 * comes back from its own tag as it is; what is read as an own tag is written
 * the same again, so that no two names of an engine's mean the same to a
 * runner; and a text never shows an own tag that it could have restored.
 */

#include <assert.h>

#include "policy/base/limits.h"
#include "policy/docker/own_tag.h"
#include "tests/fuzz/fuzz.h"

static bool is_same(const struct image_ref *a, const struct image_ref *b)
{
    return str_eq(a->name, b->name) && str_eq(a->tag, b->tag) &&
           str_eq(a->digest, b->digest);
}

/* NAME as a runner writes it. */
static void check_there(struct str ns, struct str name)
{
    AUTO(strbuf_fini) struct strbuf own = STRBUF(OWN_TAG_MAX);
    AUTO(strbuf_fini) struct strbuf full = STRBUF(OWN_TAG_MAX);
    AUTO(strbuf_fini) struct strbuf mark = STRBUF(OWN_TAG_MAX);
    struct image_ref ref, back;

    if (image_ref_parse(name, &ref) || own_tag_is_reserved(&ref))
        return;
    image_ref_complete(&ref);
    assert(own_tag_put(&own, ns, &ref) == 0);
    assert(own_name_read(strbuf_str(&own)).kind == OWN_NAME_TAG);
    assert(own_name_is_of(strbuf_str(&own), ns));
    assert(own_tag_read(&full, ns, strbuf_str(&own), IMAGE_FULL) == 0);
    assert(image_ref_parse(strbuf_str(&full), &back) == 0);
    assert(is_same(&ref, &back));
    assert(own_push_mark_put(&mark, &ref) == 0);
    strbuf_clear(&full);
    assert(own_push_mark_read(&full, strbuf_str(&mark), IMAGE_FULL) == 0);
    assert(image_ref_parse(strbuf_str(&full), &back) == 0);
    assert(is_same(&ref, &back));
}

static void check_digest(struct str ns, struct str name)
{
    AUTO(strbuf_fini) struct strbuf own = STRBUF(OWN_TAG_MAX);
    AUTO(strbuf_fini) struct strbuf full = STRBUF(OWN_TAG_MAX);
    struct image_ref ref, back;

    if (image_ref_parse(name, &ref) || own_tag_is_reserved(&ref) ||
        own_digest_put(&own, ns, &ref))
        return;
    assert(own_digest_read(&full, ns, strbuf_str(&own), IMAGE_FULL) == 0);
    assert(image_ref_parse(strbuf_str(&full), &back) == 0);
    assert(str_eq(back.name, ref.name) && str_eq(back.digest, ref.digest));
}

/* NAME as an engine shows it. */
static void check_back(struct str ns, struct str name)
{
    AUTO(strbuf_fini) struct strbuf full = STRBUF(OWN_TAG_MAX);
    AUTO(strbuf_fini) struct strbuf own = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    if (own_tag_read(&full, ns, name, IMAGE_FULL)) {
        assert(full.len == 0);
        return;
    }
    assert(image_ref_parse(strbuf_str(&full), &ref) == 0);
    assert(own_tag_put(&own, ns, &ref) == 0);
    assert(str_eq(strbuf_str(&own), name));
}

static void check_text(struct str ns, struct str text)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);

    if (own_tag_restore_text(&out, ns, text) == 0)
        assert(out.len <= text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct str ns, name;

    str_cut(str_of((const char *)bytes, len), ' ', &ns, &name);
    if (ns.len == 0 || ns.len > LIMIT_NAMESPACE || str_find(ns, '.') >= 0 ||
        str_find(ns, '/') >= 0 || own_tag_namespace_is_reserved(ns))
        return 0;
    for (size_t i = 0; i < ns.len; i++) {
        if (!(ns.ptr[i] >= 'a' && ns.ptr[i] <= 'z') &&
            !(ns.ptr[i] >= '0' && ns.ptr[i] <= '9') && ns.ptr[i] != '-')
            return 0;
    }
    check_there(ns, name);
    check_digest(ns, name);
    check_back(ns, name);
    check_text(ns, name);
    return 0;
}
