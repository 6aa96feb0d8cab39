/*
 * The input is a Dockerfile. Property: what is written of it names no image
 * but those that were resolved, fetches the same, has the same steps, and is
 * then written the same way: an engine cannot read another image in it.
 */

#include <assert.h>
#include <stdio.h>

#include "policy/base/limits.h"
#include "policy/docker/dockerfile.h"
#include "tests/fuzz/fuzz.h"

static const char id[] = "sha256:0123456789012345678901234567890123456789012345"
                         "6789012345678901";

static bool is_id(struct str name)
{
    return name.len == 71 && str_has_prefix(name, str_from(id)) &&
           hex_digit(name.ptr[69]) >= 0 && hex_digit(name.ptr[70]) >= 0;
}

/* Each image becomes an ID of its own; one that is an ID stays. */
static void resolve(struct dockerfile *df)
{
    for (size_t i = 0; i < dockerfile_image_count(df); i++) {
        struct str name = dockerfile_image(df, i);
        char sent[80];

        snprintf(sent, sizeof(sent), "%s%02x", id, (unsigned)i & 0xff);
        dockerfile_resolve(df, i, is_id(name) ? name : str_from(sent), NULL);
    }
}

static void assert_same(const struct dockerfile *a, const struct dockerfile *b)
{
    assert(dockerfile_url_count(a) == dockerfile_url_count(b));
    for (size_t i = 0; i < dockerfile_url_count(a); i++)
        assert(str_eq(dockerfile_url(a, i), dockerfile_url(b, i)));
    assert(dockerfile_image_count(b) <= dockerfile_image_count(a));
    for (size_t i = 0; i < dockerfile_image_count(b); i++)
        assert(is_id(dockerfile_image(b, i)));
    for (size_t i = 1; dockerfile_step(a, i).len || dockerfile_step(b, i).len;
         i++)
        assert(dockerfile_step(a, i).len && dockerfile_step(b, i).len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(2 * LIMIT_DOCKERFILE_WRITTEN);
    AUTO(strbuf_fini)
    struct strbuf twice = STRBUF(2 * LIMIT_DOCKERFILE_WRITTEN);
    json_auto_t *args = json_pack("{s:s, s:n}", "a", "b", "c");
    struct verdict why = {0};
    struct dockerfile *df, *again;

    df = dockerfile_read(str_of((const char *)bytes, len), args, S("t"), &why);
    if (!df) {
        assert(why.kind == VERDICT_DENY && why.status == 400 && why.reason[0]);
        return 0;
    }
    resolve(df);
    if (dockerfile_check(df, &why) == 0 &&
        dockerfile_put(df, &out, &why) == 0 && out.len <= LIMIT_DOCKERFILE) {
        again = dockerfile_read(strbuf_str(&out), args, S("t"), &why);
        assert(again);
        resolve(again);
        assert(dockerfile_check(again, &why) == 0);
        assert(dockerfile_put(again, &twice, &why) == 0);
        assert_same(df, again);
        assert(str_eq(strbuf_str(&out), strbuf_str(&twice)));
        dockerfile_free(again);
    }
    dockerfile_free(df);
    return 0;
}
