#include "tests/unit/unit.h"

#include "proxy/base/backoff.h"

static void pauses_double_up_to_the_longest(void **state)
{
    struct backoff backoff = {0};
    unsigned want = 250;

    (void)state;
    for (int i = 0; i < 100; i++) {
        unsigned pause = backoff_next(&backoff, false);

        assert_in_range(pause, want * 3 / 4, want);
        want = want * 2 > 30000 ? 30000 : want * 2;
    }
}

static void stubborn_failures_wait_longer(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    assert_in_range(backoff_next(&backoff, true), 3750, 5000);
    assert_in_range(backoff_next(&backoff, true), 7500, 10000);
    for (int i = 0; i < 100; i++)
        backoff_next(&backoff, true);
    assert_in_range(backoff_next(&backoff, true), 45000, 60000);
}

static void success_begins_anew(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    for (int i = 0; i < 5; i++)
        backoff_next(&backoff, false);
    backoff_reset(&backoff);
    assert_in_range(backoff_next(&backoff, false), 187, 250);
}

static void pauses_differ(void **state)
{
    unsigned first = 0, different = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct backoff backoff = {.failures = 7};
        unsigned pause = backoff_next(&backoff, false);

        if (!first)
            first = pause;
        different += pause != first;
    }
    assert_true(different > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_up_to_the_longest),
        cmocka_unit_test(stubborn_failures_wait_longer),
        cmocka_unit_test(success_begins_anew),
        cmocka_unit_test(pauses_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
