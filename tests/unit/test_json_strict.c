#include "tests/unit/unit.h"

#include "policy/base/json_strict.h"

static json_t *parse(struct str text)
{
    struct verdict why = {0};
    json_t *tree = NULL;

    if (json_strict_parse(text, "", &tree, &why) != 0)
        fail_msg("refused: %s", why.reason);
    assert_non_null(tree);
    return tree;
}

/* The reason is left in a static buffer for a closer look. */
static const char *refusal(struct str text, int status)
{
    static struct verdict why;
    json_t *tree = NULL;

    why = (struct verdict){0};
    if (json_strict_parse(text, "query x", &tree, &why) != JSON_E_REFUSED)
        fail_msg("accepted: %.*s", STR_FMT(text));
    assert_null(tree);
    assert_int_equal(why.kind, VERDICT_DENY);
    assert_int_equal(why.status, status);
    assert_string_equal(why.rule, "request.body");
    assert_string_equal(why.field, "query x");
    return why.reason;
}

static void one_value_is_read_as_it_stands(void **state)
{
    json_auto_t *tree =
        parse(S(" {\"Labels\":{\"a\":\"\\u00e9 \\ud83d\\ude00\"},"
                "\"Memory\":9223372036854775807,\"n\":null}\n"));

    (void)state;
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(tree, "Labels"), "a")),
                        "\xc3\xa9 \xf0\x9f\x98\x80");
    assert_true(json_integer_value(json_object_get(tree, "Memory")) ==
                INT64_MAX);
    assert_true(json_is_null(json_object_get(tree, "n")));
}

static void a_lone_scalar_is_json_too(void **state)
{
    json_auto_t *tree = parse(S("null"));

    (void)state;
    assert_true(json_is_null(tree));
}

static void what_readers_understand_differently_is_refused(void **state)
{
    static const struct str bodies[] = {
        STR(""),
        STR("  "),
        STR("{}{}"), /* two values */
        STR("{} x"), /* something behind it */
        STR("{}}"),  /* Go's decoder overlooks this one */
        STR("{}\0"), /* a NUL behind it */
        STR("1\0 "),
        STR("[1\0 ]"),
        STR("{\"a\":1,\"a\":2}"), /* which one? */
        STR("{\"a\":{\"b\":1,\"b\":1}}"),
        STR("{\"a\":1,\"\\u0061\":2}"), /* the same key, escaped */
        STR("{\"a\":\"\\u0000\"}"),
        STR("{\"\\u0000\":1}"),
        STR("{\"a\0b\":1}"),
        STR("{\"a\":\"\xff\"}"),         /* not UTF-8 */
        STR("{\"a\":\"\xc0\xaf\"}"),     /* overlong "/" */
        STR("{\"a\":\"\xed\xa0\x80\"}"), /* a surrogate in UTF-8 */
        STR("{\"a\":\"\\ud800\"}"),      /* alone */
        STR("{\"a\":\"\\udc00\\ud800\"}"),
        STR("{\"a\":9223372036854775808}"),
        STR("{\"a\":-9223372036854775809}"),
        STR("{\"a\":1e999}"),
        STR("{\"a\":01}"),
        STR("{\"a\":NaN}"),
        STR("{\"a\":tru}"),
        STR("{\"a\":1,}"),
        STR("{'a':1}"),
        STR("{\"a\":\"\n\"}"),
        STR("// no comments\n{}"),
        STR("\xef\xbb\xbf{}"), /* byte order mark */
        STR("{\"a\":1"),
        STR("{\"a"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        refusal(bodies[i], 400);
}

static void a_refusal_says_where_and_quotes_nothing(void **state)
{
    const char *reason = refusal(S("{\n \"Env\": [\"TOKEN=hunter2]\n}"), 400);

    (void)state;
    assert_non_null(strstr(reason, "line 2"));
    assert_null(strstr(reason, "hunter2"));
}

/* LEN bytes of JSON: VALUES zeros in DEPTH brackets, then blanks. */
static void build(struct strbuf *out, size_t depth, size_t values, size_t len)
{
    for (size_t i = 0; i < depth; i++)
        strbuf_add_char(out, '[');
    for (size_t i = 0; i < values; i++)
        strbuf_add(out, i ? S(",0") : S("0"));
    for (size_t i = 0; i < depth; i++)
        strbuf_add_char(out, ']');
    while (out->len < len)
        strbuf_add_char(out, ' ');
}

static void check_edge(size_t depth, size_t values, size_t len, int status)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(2 * LIMIT_JSON_BODY);

    build(&text, depth, values, len);
    if (status)
        refusal(strbuf_str(&text), status);
    else
        json_decref(parse(strbuf_str(&text)));
}

static void depth_values_and_size_end_at_their_limits(void **state)
{
    (void)state;
    check_edge(LIMIT_JSON_DEPTH, 1, 0, 0);
    check_edge(LIMIT_JSON_DEPTH + 1, 1, 0, 400);
    check_edge(1, LIMIT_JSON_VALUES - 1, 0, 0); /* and the list itself */
    check_edge(1, LIMIT_JSON_VALUES, 0, 413);
    check_edge(1, 1, LIMIT_JSON_BODY, 0);
    check_edge(1, 1, LIMIT_JSON_BODY + 1, 413);
}

static void brackets_in_strings_are_not_depth(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(MIB);

    (void)state;
    strbuf_add(&text, S("[\"\\\""));
    for (size_t i = 0; i < LIMIT_JSON_VALUES; i++)
        strbuf_add(&text, S("[,"));
    strbuf_add(&text, S("\\\\\"]"));
    json_decref(parse(strbuf_str(&text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_is_read_as_it_stands),
        cmocka_unit_test(a_lone_scalar_is_json_too),
        cmocka_unit_test(what_readers_understand_differently_is_refused),
        cmocka_unit_test(a_refusal_says_where_and_quotes_nothing),
        cmocka_unit_test(depth_values_and_size_end_at_their_limits),
        cmocka_unit_test(brackets_in_strings_are_not_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
