#include "tests/unit/unit.h"

#include <errno.h>
#include <jansson.h>

#include "policy/base/json_line.h"

static struct strbuf out;

static int setup(void **state)
{
    (void)state;
    out = (struct strbuf)STRBUF(4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    strbuf_fini(&out);
    return 0;
}

static void an_object_without_members_is_written(void **state)
{
    struct json_line line;

    (void)state;
    json_line_begin(&line, &out);
    assert_int_equal(json_line_end(&line), 0);
    assert_string_equal(strbuf_cstr(&out), "{}");
}

static void members_stand_in_the_order_they_came(void **state)
{
    struct json_line line;

    (void)state;
    json_line_begin(&line, &out);
    json_line_text(&line, "z", S("text"));
    json_line_int(&line, "i", INT64_MIN);
    json_line_uint(&line, "u", UINT64_MAX);
    json_line_int(&line, "zero", 0);
    json_line_null(&line, "n");
    json_line_json(&line, "t", S("{\"a\":[1,null]}"));
    json_line_text(&line, "empty", S(""));
    assert_int_equal(json_line_end(&line), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "{\"z\":\"text\",\"i\":-9223372036854775808,"
                        "\"u\":18446744073709551615,\"zero\":0,\"n\":null,"
                        "\"t\":{\"a\":[1,null]},\"empty\":\"\"}");
}

static void milliseconds_have_three_decimals(void **state)
{
    struct json_line line;

    (void)state;
    json_line_begin(&line, &out);
    json_line_millis(&line, "a", 0);
    json_line_millis(&line, "b", 7);
    json_line_millis(&line, "c", 1234050);
    assert_int_equal(json_line_end(&line), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "{\"a\":0.000,\"b\":0.007,\"c\":1234.050}");
}

/* What is written is read back the same by another's reader. */
static void every_character_comes_back(void **state)
{
    char all[1 + 0x7f + 4];
    struct json_line line;
    const json_t *back;
    json_t *tree;

    (void)state;
    for (int i = 0; i <= 0x7f; i++)
        all[i] = (char)i;
    memcpy(all + 0x80, "\xf0\x9f\x90\xb3", 4);
    json_line_begin(&line, &out);
    json_line_text(&line, "all", str_of(all, sizeof(all)));
    assert_int_equal(json_line_end(&line), 0);
    assert_int_equal(str_find(strbuf_str(&out), '\n'), -1);
    tree = json_loadb(out.ptr, out.len, JSON_ALLOW_NUL, NULL);
    back = json_object_get(tree, "all");
    assert_int_equal(json_string_length(back), sizeof(all));
    assert_memory_equal(json_string_value(back), all, sizeof(all));
    json_decref(tree);
}

static void text_that_is_no_utf8_is_said_to_be_none(void **state)
{
    struct json_line line;

    (void)state;
    json_line_begin(&line, &out);
    json_line_text(&line, "bad", S("a\xff"));
    assert_int_equal(json_line_end(&line), 0);
    assert_string_equal(strbuf_cstr(&out), "{\"bad\":\"(not UTF-8)\"}");
}

/* Whichever part finds no room: all of the object goes, and nothing else. */
static void a_full_buffer_is_left_as_it_was(void **state)
{
    const size_t whole = strlen("before{\"a\":\"b\\n\",\"c\":12}");

    (void)state;
    for (size_t max = strlen("before"); max <= whole; max++) {
        struct strbuf small = STRBUF(max);
        struct json_line line;
        int r;

        strbuf_add(&small, S("before"));
        json_line_begin(&line, &small);
        json_line_text(&line, "a", S("b\n"));
        json_line_uint(&line, "c", 12);
        r = json_line_end(&line);
        assert_int_equal(r, max < whole ? -ENOBUFS : 0);
        assert_int_equal(small.len, max < whole ? strlen("before") : whole);
        strbuf_fini(&small);
    }
}

static void an_object_inside_is_taken_back_without_members(void **state)
{
    struct json_line line, inner, innermost;

    (void)state;
    json_line_begin(&line, &out);
    json_line_open(&line, "none", &inner);
    json_line_close(&line, &inner);
    json_line_open(&line, "some", &inner);
    json_line_int(&inner, "a", 1);
    json_line_open(&inner, "deep", &innermost);
    json_line_close(&inner, &innermost);
    json_line_open(&inner, "deeper", &innermost);
    json_line_null(&innermost, "b");
    json_line_close(&inner, &innermost);
    json_line_close(&line, &inner);
    json_line_int(&line, "c", 2);
    assert_int_equal(json_line_end(&line), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "{\"some\":{\"a\":1,\"deeper\":{\"b\":null}},\"c\":2}");
}

static void an_object_inside_that_does_not_fit_is_told_at_the_end(void **state)
{
    struct json_line line, inner;

    (void)state;
    for (out.max = 1; out.max < 20; out.max++) {
        json_line_begin(&line, &out);
        json_line_open(&line, "some", &inner);
        json_line_int(&inner, "a", 1);
        json_line_close(&line, &inner);
        if (json_line_end(&line) == 0)
            break;
        assert_int_equal(out.len, 0);
    }
    assert_string_equal(strbuf_cstr(&out), "{\"some\":{\"a\":1}}");
    assert_int_equal(out.len, out.max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_object_without_members_is_written,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(members_stand_in_the_order_they_came,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(milliseconds_have_three_decimals, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_character_comes_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(text_that_is_no_utf8_is_said_to_be_none,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_left_as_it_was, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            an_object_inside_is_taken_back_without_members, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_object_inside_that_does_not_fit_is_told_at_the_end, setup,
            teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
