#include "tests/unit/unit.h"

#include "policy/base/json_locate.h"

static const struct str text =
    STR("{\n"
        "  \"a\": [10, {\"b\": \"x,]}\\\"\"}, [[]], -1.5e3],\n"
        "  \"\\u0063\" : { \"a\": true, \"\xc3\xa4\": \"\xc3\xb6\", \"z\":0 }\n"
        "}\n");

static void assert_at(const struct json_path *path, unsigned line,
                      unsigned column)
{
    struct json_position at = {0, 0};

    assert_true(json_locate(text, path, &at));
    assert_int_equal(at.line, line);
    assert_int_equal(at.column, column);
}

static void values_are_found_by_key_and_index(void **state)
{
    const struct json_path a = {NULL, "a", 0};
    const struct json_path a0 = {&a, NULL, 0}, a1 = {&a, NULL, 1};
    const struct json_path a1b = {&a1, "b", 0};
    const struct json_path a2 = {&a, NULL, 2}, a20 = {&a2, NULL, 0};
    const struct json_path a3 = {&a, NULL, 3};

    (void)state;
    assert_at(NULL, 1, 1);
    assert_at(&a, 2, 8);
    assert_at(&a0, 2, 9);
    assert_at(&a1, 2, 13);
    assert_at(&a1b, 2, 19);
    assert_at(&a20, 2, 31);
    assert_at(&a3, 2, 36);
}

static void keys_are_compared_as_what_they_mean(void **state)
{
    const struct json_path c = {NULL, "c", 0}, ca = {&c, "a", 0};

    (void)state;
    assert_at(&c, 3, 14);
    assert_at(&ca, 3, 21);
}

static void columns_count_characters(void **state)
{
    const struct json_path c = {NULL, "c", 0};
    const struct json_path umlaut = {&c, "\xc3\xa4", 0}, z = {&c, "z", 0};
    struct json_position at;

    (void)state;
    assert_at(&umlaut, 3, 32);
    assert_at(&z, 3, 41);
    assert_true(json_locate_key(text, &z, &at));
    assert_int_equal(at.line, 3);
    assert_int_equal(at.column, 37);
}

static void what_is_not_there_is_not_found(void **state)
{
    const struct json_path a = {NULL, "a", 0}, b = {NULL, "b", 0};
    const struct json_path a4 = {&a, NULL, 4}, ax = {&a, "x", 0};
    const struct json_path a0 = {&a, NULL, 0}, a00 = {&a0, NULL, 0};
    const struct json_path first = {NULL, NULL, 0};
    struct json_position at = {7, 7};

    (void)state;
    assert_false(json_locate(text, &b, &at));
    assert_false(json_locate(text, &a4, &at));
    assert_false(json_locate(text, &ax, &at));
    assert_false(json_locate(text, &a00, &at));
    assert_false(json_locate(text, &first, &at));
    assert_false(json_locate(S(""), NULL, &at));
    assert_int_equal(at.line, 7);
}

static void a_text_that_ends_early_does_no_harm(void **state)
{
    const struct json_path c = {NULL, "c", 0}, z = {&c, "z", 0};
    struct json_position at;

    (void)state;
    for (size_t len = 0; len < text.len; len++)
        json_locate(str_head(text, len), &z, &at);
}

static void the_token_before_a_position_is_found(void **state)
{
    (void)state;
    assert_int_equal(json_token_start(S("{ \"abc\": 12"), 7), 2);
    assert_int_equal(json_token_start(S("{ \"abc\": 12"), 11), 9);
    assert_int_equal(json_token_start(S("{ \"abc"), 6), 2);
    assert_int_equal(json_token_start(S(""), 0), 0);
}

static void paths_are_written_with_dots_and_brackets(void **state)
{
    const struct json_path a = {NULL, "container", 0};
    const struct json_path b = {&a, "mounts", 0}, c = {&b, NULL, 12};
    const struct json_path d = {&c, "source", 0};
    AUTO(strbuf_fini) struct strbuf out = STRBUF(100);

    (void)state;
    assert_int_equal(json_path_put(&out, NULL), 0);
    assert_int_equal(out.len, 0);
    assert_int_equal(json_path_put(&out, &d), 0);
    assert_string_equal(strbuf_cstr(&out), "container.mounts[12].source");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_by_key_and_index),
        cmocka_unit_test(keys_are_compared_as_what_they_mean),
        cmocka_unit_test(columns_count_characters),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(a_text_that_ends_early_does_no_harm),
        cmocka_unit_test(the_token_before_a_position_is_found),
        cmocka_unit_test(paths_are_written_with_dots_and_brackets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
