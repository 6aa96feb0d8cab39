#include "tests/unit/unit.h"

#include "policy/base/json_diff.h"

#include <stdlib.h>

static void expect(const char *before, const char *after, const char *rows)
{
    json_auto_t *one = json_loads(before, JSON_DECODE_ANY, NULL);
    json_auto_t *two = json_loads(after, JSON_DECODE_ANY, NULL);
    json_auto_t *diff = json_diff(one, two);
    char *text = json_dumps(diff, JSON_COMPACT | JSON_SORT_KEYS);

    assert_string_equal(text, rows);
    free(text);
}

static void what_is_alike_has_no_rows(void **state)
{
    (void)state;
    expect("{\"a\":[1,{\"b\":\"c\"}]}", "{\"a\":[1,{\"b\":\"c\"}]}", "[]");
}

static void a_value_has_a_row_where_it_stands(void **state)
{
    (void)state;
    expect("{\"H\":{\"B\":[\"x\",\"y\"],\"M\":1}}",
           "{\"H\":{\"B\":[\"x\",\"z\",\"w\"],\"P\":2}}",
           "[{\"after\":\"z\",\"before\":\"y\",\"path\":\"H.B[1]\"},"
           "{\"after\":\"w\",\"path\":\"H.B[2]\"},"
           "{\"before\":1,\"path\":\"H.M\"},{\"after\":2,\"path\":\"H.P\"}]");
}

static void null_is_nothing(void **state)
{
    (void)state;
    expect("{\"a\":null,\"b\":null}", "{\"b\":1,\"c\":null}",
           "[{\"after\":1,\"path\":\"b\"}]");
    expect("null", "{\"a\":1}", "[{\"after\":{\"a\":1},\"path\":\"\"}]");
}

static void another_type_is_another_value(void **state)
{
    (void)state;
    expect("{\"a\":{\"b\":1}}", "{\"a\":[1]}",
           "[{\"after\":[1],\"before\":{\"b\":1},\"path\":\"a\"}]");
}

static void a_key_in_another_spelling_is_renamed(void **state)
{
    (void)state;
    expect("{\"hostconfig\":{\"a\":1}}", "{\"HostConfig\":{\"a\":2}}",
           "[{\"path\":\"hostconfig\",\"renamed\":\"HostConfig\"},"
           "{\"after\":2,\"before\":1,\"path\":\"HostConfig.a\"}]");
    /* but not where both spellings were data */
    expect("{\"a\":1,\"A\":2}", "{\"A\":2}", "[{\"before\":1,\"path\":\"a\"}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_alike_has_no_rows),
        cmocka_unit_test(a_value_has_a_row_where_it_stands),
        cmocka_unit_test(null_is_nothing),
        cmocka_unit_test(another_type_is_another_value),
        cmocka_unit_test(a_key_in_another_spelling_is_renamed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
