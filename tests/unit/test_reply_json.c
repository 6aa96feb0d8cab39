#include "tests/unit/unit.h"

#include "policy/isolation/rewrite.h"

static void assert_same(const char *text)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    json_t *json = reply_json_parse(str_from(text));

    if (!json)
        fail_msg("%s is not read", text);
    assert_int_equal(reply_json_put(&out, json), 0);
    assert_string_equal(strbuf_cstr(&out), text);
    json_decref(json);
}

static void numbers_keep_every_digit(void **state)
{
    (void)state;
    assert_same("{\"limit\":18446744073709551615,\"x\":-1}");
    assert_same("[0.1,1e3,-2.50,1E-7,123456789012345678,1234567890123456789]");
    assert_same("18446744073709551615");
    assert_same("{\"a\":[1,{\"b\":99999999999999999999999}],\"c\":\"1.5\"}");
}

static void text_stays_as_it_is(void **state)
{
    (void)state;
    assert_same("{\"a\":\"<&> \xc3\xa4 \\\" \\\\ \\n 0.1\",\"b\":null}");
    assert_same("{\"out\":\"a\\u0000b\",\"t\":true,\"n\":0.25}");
    assert_same("{\"k.0.5\":0.5,\"x\\\"1.5\":\"\\\\\"}");
    assert_same("[]");
    assert_same("\"text\"");
}

/* A number is kept as a string of another kind, which no text can be. */
static void no_text_becomes_a_number(void **state)
{
    (void)state;
    assert_same("[\"\\u001a\\u0002123\",\"\xc3\xbf"
                "123\",\"-0\",-0]");
    assert_null(reply_json_parse(S("\"\xff"
                                   "123\"")));
}

static void equal_keys_leave_the_last(void **state)
{
    json_t *json = reply_json_parse(S("{\"a\":1,\"a\":{\"b\":2}}"));

    (void)state;
    assert_int_equal(json_object_size(json), 1);
    assert_true(json_is_object(json_object_get(json, "a")));
    json_decref(json);
}

static void depth_is_bounded(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4 * LIMIT_REPLY_DEPTH);

    (void)state;
    for (size_t depth = LIMIT_REPLY_DEPTH; depth <= LIMIT_REPLY_DEPTH + 1;
         depth++) {
        json_t *json;

        strbuf_clear(&text);
        for (size_t i = 0; i < depth; i++)
            strbuf_add_char(&text, '[');
        for (size_t i = 0; i < depth; i++)
            strbuf_add_char(&text, ']');
        json = reply_json_parse(strbuf_str(&text));
        assert_int_equal(json != NULL, depth <= LIMIT_REPLY_DEPTH);
        json_decref(json);
    }
}

static void what_is_no_json_is_not_read(void **state)
{
    static const char *const bad[] = {
        "",       "{",     "{\"a\":}",   "[1.2.3]", "[1 2]",
        "nul",    "[1,]",  "{\"a\":1}x", "[--1.0]", "{\"a\" 0.1}",
        "[\"a\\", "0x1.5", "[01.5.5e]",  "\"",      "{1.5:2}"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        json_t *json = reply_json_parse(str_from(bad[i]));

        if (json)
            fail_msg("%s is read", bad[i]);
    }
}

static void a_full_buffer_stays_as_it_was(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(4);
    json_t *json = reply_json_parse(S("[100000000]"));

    (void)state;
    assert_int_equal(strbuf_add(&out, S("ab")), 0);
    assert_true(reply_json_put(&out, json) < 0);
    assert_int_equal(out.len, 2);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_keep_every_digit),
        cmocka_unit_test(text_stays_as_it_is),
        cmocka_unit_test(no_text_becomes_a_number),
        cmocka_unit_test(equal_keys_leave_the_last),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(what_is_no_json_is_not_read),
        cmocka_unit_test(a_full_buffer_stays_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
