#include "tests/unit/unit.h"

#include <errno.h>

#include "proxy/grpc/grpc_status.h"

static void a_message_is_encoded_and_decoded(void **state)
{
    static const struct {
        const char *text, *encoded;
    } cases[] = {
        {"",             ""            },
        {"plain, 1 = 1", "plain, 1 = 1"},
        {"100%",         "100%25"      },
        {"a\nb\x7f",     "a%0Ab%7F"    },
        {"\xc3\xa4",     "%C3%A4"      },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO(strbuf_fini) struct strbuf encoded = STRBUF(100);
        AUTO(strbuf_fini) struct strbuf decoded = STRBUF(100);

        grpc_message_encode(&encoded, str_from(cases[i].text));
        assert_string_equal(strbuf_cstr(&encoded), cases[i].encoded);
        assert_int_equal(grpc_message_decode(&decoded, strbuf_str(&encoded)),
                         0);
        assert_string_equal(strbuf_cstr(&decoded), cases[i].text);
    }
}

static void what_is_no_escape_stays(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(100);

    (void)state;
    assert_int_equal(grpc_message_decode(&out, S("%zz %4 %")), 0);
    assert_string_equal(strbuf_cstr(&out), "%zz %4 %");
}

static void a_text_that_is_too_long_is_cut(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(5);

    (void)state;
    grpc_message_encode(&out, S("abc\n\n"));
    assert_int_equal(out.len, 3);
    strbuf_clear(&out);
    assert_int_equal(grpc_message_decode(&out, S("abcdef")), -ENOBUFS);
    assert_int_equal(out.len, 5);
}

static void a_code_is_a_number_there_is(void **state)
{
    (void)state;
    assert_int_equal(grpc_code_read(S("0")), GRPC_OK);
    assert_int_equal(grpc_code_read(S("16")), 16);
    assert_int_equal(grpc_code_read(S("17")), GRPC_UNKNOWN);
    assert_int_equal(grpc_code_read(S("-1")), GRPC_UNKNOWN);
    assert_int_equal(grpc_code_read(S("")), GRPC_UNKNOWN);
}

static void a_timeout_has_digits_and_a_unit(void **state)
{
    static const char *good[] = {"1S", "12345678n", "5H", "7m", "0u", "9M"};
    static const char *bad[] = {"",   "S",    "1",  "123456789S",
                                "1s", "1.5S", "-1S"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(grpc_timeout_is_valid(str_from(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(grpc_timeout_is_valid(str_from(bad[i])));
}

static void a_refusal_shows_what_cannot_be_printed(void **state)
{
    struct grpc_refusal refusal;

    (void)state;
    grpc_refuse(&refusal, GRPC_PERMISSION_DENIED, "a.rule", "no %s", "\x1b[2J");
    assert_string_equal(refusal.reason, "no \\x1b[2J");
    assert_string_equal(refusal.rule, "a.rule");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_encoded_and_decoded),
        cmocka_unit_test(what_is_no_escape_stays),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
        cmocka_unit_test(a_code_is_a_number_there_is),
        cmocka_unit_test(a_timeout_has_digits_and_a_unit),
        cmocka_unit_test(a_refusal_shows_what_cannot_be_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
