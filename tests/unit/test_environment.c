#include "tests/unit/unit.h"

#include "policy/base/environment.h"

#include <errno.h>

static const char *get_variable(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "NAME") == 0)
        return "r1";
    if (strcmp(name, "TRICK") == 0)
        return "${NAME}";
    return strcmp(name, "EMPTY") == 0 ? "" : NULL;
}

static const struct environment environment = {.get = get_variable};

static void assert_fills(const char *text, const char *expected)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(100);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1000);
    AUTO(strbuf_fini) struct strbuf escaped = STRBUF(200);
    AUTO(strbuf_fini) struct strbuf back = STRBUF(100);

    assert_int_equal(environment_fill(&environment, str_from(text), &out, &why),
                     0);
    assert_string_equal(strbuf_cstr(&out), expected);
    assert_int_equal(environment_escape(strbuf_str(&out), &escaped), 0);
    assert_int_equal(
        environment_fill(&environment, strbuf_str(&escaped), &back, &why), 0);
    assert_string_equal(strbuf_cstr(&back), expected);
}

static void variables_are_filled_in(void **state)
{
    (void)state;
    assert_fills("plain", "plain");
    assert_fills("", "");
    assert_fills("${NAME}", "r1");
    assert_fills("a-${NAME}-${NAME}/b", "a-r1-r1/b");
    assert_fills("[${EMPTY}]", "[]");
}

static void a_dollar_without_a_brace_is_a_dollar(void **state)
{
    (void)state;
    assert_fills("$", "$");
    assert_fills("$NAME $$ }", "$NAME $$ }");
    assert_fills("$${NAME}", "${NAME}");
    assert_fills("$$${NAME}", "$${NAME}");
}

static void what_a_variable_holds_is_taken_as_it_is(void **state)
{
    (void)state;
    assert_fills("${TRICK}", "${NAME}");
}

static void defaults_stand_in_for_what_is_unset_or_empty(void **state)
{
    (void)state;
    assert_fills("${NONE:-x}", "x");
    assert_fills("${NONE:-}", "");
    assert_fills("${EMPTY:-x}", "x");
    assert_fills("${NAME:-x}", "r1");
    assert_fills("${NONE:-${OTHER:-${NAME}}}.", "r1.");
    assert_fills("${NONE:-a:-b}", "a:-b");
}

static void assert_refused(const char *text, const char *word)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(100);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1000);

    assert_int_equal(environment_fill(&environment, str_from(text), &out, &why),
                     ENVIRONMENT_E_REFUSED);
    assert_non_null(strstr(strbuf_cstr(&why), word));
}

static void what_cannot_be_filled_in_is_refused(void **state)
{
    (void)state;
    assert_refused("${NONE}", "the environment has no NONE");
    assert_refused("a${NAME", "has no }");
    assert_refused("${}", "names no variable");
    assert_refused("${1A}", "names no variable");
    assert_refused("${NA ME}", "names no variable");
    assert_refused("${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-x}}}}}}"
                   "}}}}",
                   "inside each other");
}

static void no_lookup_means_that_nothing_is_set(void **state)
{
    const struct environment nothing = {0};
    AUTO(strbuf_fini) struct strbuf out = STRBUF(100);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1000);

    (void)state;
    assert_int_equal(environment_fill(&nothing, S("${NAME}"), &out, &why),
                     ENVIRONMENT_E_REFUSED);
    assert_int_equal(environment_fill(&nothing, S("${NAME:-x}"), &out, &why),
                     0);
}

static void a_full_buffer_is_told(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(3);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1000);

    (void)state;
    assert_int_equal(
        environment_fill(&environment, S("${NAME}${NAME}"), &out, &why),
        -ENOBUFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_filled_in),
        cmocka_unit_test(a_dollar_without_a_brace_is_a_dollar),
        cmocka_unit_test(what_a_variable_holds_is_taken_as_it_is),
        cmocka_unit_test(defaults_stand_in_for_what_is_unset_or_empty),
        cmocka_unit_test(what_cannot_be_filled_in_is_refused),
        cmocka_unit_test(no_lookup_means_that_nothing_is_set),
        cmocka_unit_test(a_full_buffer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
