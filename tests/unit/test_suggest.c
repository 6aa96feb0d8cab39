#include "tests/unit/unit.h"

#include "policy/base/suggest.h"

static const char *suggest(const char *typed)
{
    struct suggestion suggestion = SUGGESTION(str_from(typed));

    suggestion_weigh(&suggestion, "container");
    suggestion_weigh(&suggestion, "network");
    suggestion_weigh(&suggestion, "networks");
    suggestion_weigh(&suggestion, "exec");
    return suggestion.best;
}

static void slips_are_forgiven(void **state)
{
    (void)state;
    assert_string_equal(suggest("contaner"), "container");
    assert_string_equal(suggest("conttainer"), "container");
    assert_string_equal(suggest("cantainer"), "container");
    assert_string_equal(suggest("containre"), "container");
    assert_string_equal(suggest("CONTAINER"), "container");
    assert_string_equal(suggest("exce"), "exec");
}

static void the_nearest_word_wins(void **state)
{
    (void)state;
    assert_string_equal(suggest("networkss"), "networks");
    assert_string_equal(suggest("netwrk"), "network");
}

static void other_words_are_left_alone(void **state)
{
    (void)state;
    assert_null(suggest("volume"));
    assert_null(suggest(""));
    assert_null(suggest("ex"));
    assert_null(suggest("containerscontainerscontainerscontainerscontainers"
                        "containerscontainerscontainers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slips_are_forgiven),
        cmocka_unit_test(the_nearest_word_wins),
        cmocka_unit_test(other_words_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
