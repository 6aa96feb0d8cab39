#include "tests/unit/unit.h"

#include "policy/base/pattern.h"

static void stars_stand_for_any_run(void **state)
{
    (void)state;
    assert_true(pattern_matches(S("*"), S("")));
    assert_true(pattern_matches(S("a*c*e"), S("abcde")));
    assert_true(pattern_matches(S("a*"), S("a")));
    assert_true(pattern_matches(S("*ab"), S("aab")));
    assert_true(pattern_matches(S("a**b"), S("ab")));
    assert_false(pattern_matches(S("a*c"), S("abcd")));
    assert_false(pattern_matches(S(""), S("a")));
    assert_false(pattern_matches(S("a"), S("A")));
    assert_false(pattern_matches(S("a?"), S("ab")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stars_stand_for_any_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
