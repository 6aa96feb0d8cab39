#include "tests/unit/unit.h"

#include <errno.h>

#include "proxy/base/base64.h"

/* RFC 4648, 10 */
static const struct {
    const char *plain;
    const char *encoded;
} vectors[] = {
    {"",       ""        },
    {"f",      "Zg=="    },
    {"fo",     "Zm8="    },
    {"foo",    "Zm9v"    },
    {"foob",   "Zm9vYg=="},
    {"fooba",  "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void encodes_and_decodes_the_vectors_of_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        AUTO(strbuf_fini) struct strbuf text = STRBUF(64);
        AUTO(strbuf_fini) struct strbuf back = STRBUF(64);

        assert_int_equal(base64_encode(str_from(vectors[i].plain), &text), 0);
        assert_string_equal(strbuf_cstr(&text), vectors[i].encoded);
        assert_int_equal(base64_decode(strbuf_str(&text), &back), 0);
        assert_string_equal(strbuf_cstr(&back), vectors[i].plain);
    }
}

static void every_byte_survives(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(1024);
    AUTO(strbuf_fini) struct strbuf back = STRBUF(1024);
    char all[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    assert_int_equal(base64_encode(str_of(all, 256), &text), 0);
    assert_int_equal(base64_decode(strbuf_str(&text), &back), 0);
    assert_true(str_eq(strbuf_str(&back), str_of(all, 256)));
}

static void padding_may_be_left_out(void **state)
{
    AUTO(strbuf_fini) struct strbuf back = STRBUF(64);

    (void)state;
    assert_int_equal(base64_decode(S("Zm9vYg"), &back), 0);
    assert_string_equal(strbuf_cstr(&back), "foob");
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const bad[] = {
        "Z", "Zm9vY", "Zm9-", "Zm 9", "Zh==", "Zm9=", "Zg=", "====", "Zg==Zg==",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        AUTO(strbuf_fini) struct strbuf back = STRBUF(64);

        assert_int_equal(base64_decode(str_from(bad[i]), &back), -EINVAL);
        assert_int_equal(back.len, 0);
    }
}

static void a_full_buffer_is_left_alone(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(6);

    (void)state;
    assert_int_equal(base64_encode(S("abc"), &out), 0);
    assert_int_equal(base64_encode(S("abc"), &out), -ENOBUFS);
    assert_int_equal(base64_decode(S("Zm9vYmFy"), &out), -ENOBUFS);
    assert_int_equal(out.len, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_and_decodes_the_vectors_of_the_rfc),
        cmocka_unit_test(every_byte_survives),
        cmocka_unit_test(padding_may_be_left_out),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(a_full_buffer_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
