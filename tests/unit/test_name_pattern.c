#include "tests/unit/unit.h"

#include "policy/isolation/name_pattern.h"

static bool matches(const char *text, const char *name)
{
    size_t steps = LIMIT_MATCH_ALL;
    struct name_pattern *pattern = name_pattern_new(str_from(text), &steps);
    bool yes = name_pattern_matches(pattern, str_from(name));

    name_pattern_free(pattern);
    return yes;
}

static void a_pattern_matches_anywhere_in_a_name(void **state)
{
    (void)state;
    assert_true(matches("db", "db"));
    assert_true(matches("db", "my-db-1"));
    assert_false(matches("db", "cache"));
    assert_true(matches("", "anything"));
    assert_true(matches("^/?db$", "/db"));
    assert_true(matches("^db$", "db"));
    assert_false(matches("^db$", "db2"));
    assert_true(matches("web|db", "a-db"));
    assert_true(matches("(?i)DB", "db"));
    assert_true(matches("^[a-c]+\\d{2}$", "abc42"));
    assert_true(matches("(?P<x>a)(?:b)", "ab"));
    assert_true(matches("[[:alpha:]]_\\w", "a_b"));
}

static void dollar_is_the_end_and_not_a_newline_before_it(void **state)
{
    (void)state;
    assert_false(matches("db$", "db\n"));
    assert_true(matches("(?m)db$", "db\n"));
}

static void what_go_cannot_read_matches_only_its_own_text(void **state)
{
    static const char *const bad[] = {
        "(",       "*",      "a**",    "a*+",        "a{2}{3}", "(?=a)",
        "(?<!b)a", "(a)\\1", "a\\",    "\\Ka",       "(?>a)",   "(*FAIL)|a",
        "(?R)|a",  "[a",     "(?#x)a", "\\Qa\\E\\R", "a++",     "[[.a.]]",
        "\\Z|a",   "(?|a)",  "\\h*a",  "a?+"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (matches(bad[i], "aaa"))
            fail_msg("%s matches", bad[i]);
        assert_true(matches(bad[i], bad[i]));
    }
}

static void lazy_repetition_is_gos_too(void **state)
{
    (void)state;
    assert_true(matches("a*?b", "aab"));
    assert_true(matches("a{2,3}?b", "aab"));
    assert_true(matches("a{,2}", "xa{,2}"));
}

static void an_exploding_pattern_is_given_up(void **state)
{
    char name[4096];

    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(matches("^(a+)+(a+)+(a+)+$b", name));
    assert_false(matches("(a|aa)*(a|aa)*(a|aa)*b", name));
}

static void patterns_share_their_steps(void **state)
{
    size_t steps = 100;
    struct name_pattern *greedy = name_pattern_new(S("^(a|b)*c"), &steps);
    struct name_pattern *other = name_pattern_new(S("d."), &steps);

    (void)state;
    assert_true(name_pattern_matches(other, S("db")));
    assert_in_range(steps, 1, 99);
    for (int i = 0; i < 20; i++)
        assert_false(name_pattern_matches(greedy, S("ababababababab-c-d")));
    assert_int_equal(steps, 0);
    assert_false(name_pattern_matches(other, S("db")));
    assert_true(name_pattern_matches(other, S("d.")));
    name_pattern_free(greedy);
    name_pattern_free(other);
}

static void a_pattern_may_fill_the_limit_and_no_more(void **state)
{
    char text[LIMIT_PATTERN + 2];

    (void)state;
    memset(text, '.', sizeof(text));
    text[0] = 'a';
    text[1] = '*';
    text[2] = '|';
    text[LIMIT_PATTERN] = '\0';
    assert_true(matches(text, "a"));
    text[LIMIT_PATTERN] = '.';
    text[LIMIT_PATTERN + 1] = '\0';
    assert_false(matches(text, "a"));
}

static void bytes_that_are_no_utf8_match_nothing(void **state)
{
    (void)state;
    assert_false(matches("\xff", "a\xff"));
    assert_false(matches("a", "a\xff"));
    assert_true(matches("^.$", "\xc3\xa4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_matches_anywhere_in_a_name),
        cmocka_unit_test(dollar_is_the_end_and_not_a_newline_before_it),
        cmocka_unit_test(what_go_cannot_read_matches_only_its_own_text),
        cmocka_unit_test(lazy_repetition_is_gos_too),
        cmocka_unit_test(an_exploding_pattern_is_given_up),
        cmocka_unit_test(patterns_share_their_steps),
        cmocka_unit_test(a_pattern_may_fill_the_limit_and_no_more),
        cmocka_unit_test(bytes_that_are_no_utf8_match_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
