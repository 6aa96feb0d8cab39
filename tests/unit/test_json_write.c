#include "tests/unit/unit.h"

#include "policy/base/json_write.h"

#include <errno.h>

static void check(const char *text)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(4096);
    json_auto_t *tree = json_loads(text, JSON_DECODE_ANY, NULL);
    json_auto_t *again = NULL;

    assert_non_null(tree);
    assert_int_equal(json_write(&out, tree), 0);
    again = json_loadb(out.ptr, out.len, JSON_DECODE_ANY, NULL);
    if (!again || !json_equal(tree, again))
        fail_msg("%s became %s", text, strbuf_cstr(&out));
}

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    check("{}");
    check("[]");
    check("null");
    check("\"\"");
    check("[true, false, null, 0, -1, 9223372036854775807, "
          "-9223372036854775808, 1.5, 1e300, -0.0]");
    check("{\"a\": {\"b\": [{}, [], [[1]]]}, \"\": \"\", \"\\\"\": \"\\\\\"}");
    check("\"\\u0001\\b\\f\\n\\r\\t\\u001f\\u007f </ \\u00e9 \\u2028 "
          "\\ud83d\\ude00\"");
}

static void it_is_written_without_blanks_and_in_order(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(4096);
    json_auto_t *tree =
        json_loads("{\"z\": [1, \"x\\n\\u0001\"], \"a\": true}", 0, NULL);

    (void)state;
    assert_int_equal(json_write(&out, tree), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "{\"z\":[1,\"x\\n\\u0001\"],\"a\":true}");
}

static void what_does_not_fit_says_so(void **state)
{
    json_auto_t *tree =
        json_loads("{\"a\": [1, \"\\n\", null], \"b\": 1.5}", 0, NULL);
    AUTO(strbuf_fini) struct strbuf whole = STRBUF(4096);

    (void)state;
    assert_int_equal(json_write(&whole, tree), 0);
    for (size_t max = 0; max <= whole.len; max++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(max);

        assert_int_equal(json_write(&out, tree),
                         max < whole.len ? -ENOBUFS : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(it_is_written_without_blanks_and_in_order),
        cmocka_unit_test(what_does_not_fit_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
