#include "tests/unit/unit.h"

#include "policy/judge/amounts.h"

#include <limits.h>
#include <math.h>

static const struct limit_rules no_limits = {
    .memory = UINT64_MAX,
    .memory_swap = UINT64_MAX,
    .shm = UINT64_MAX,
    .tmpfs = UINT64_MAX,
    .cpus = INFINITY,
    .cpu_shares = UINT_MAX,
    .pids = UINT_MAX,
    .count = UINT_MAX,
};
static const struct default_rules no_defaults = {
    .memory = UINT64_MAX,
    .cpus = INFINITY,
    .pids = UINT_MAX,
};

static void without_limits_nothing_is_filled_in_or_over(void **state)
{
    struct amounts amounts = {0};

    (void)state;
    amounts_fill(&amounts, &no_limits, &no_defaults, true);
    for (int i = 0; i < AMOUNT_COUNT; i++)
        assert_true(amounts.of[i] == 0);
    for (int i = 0; i < AMOUNT_COUNT; i++)
        amounts.of[i] = INT64_MAX;
    assert_int_equal(amounts_over(&amounts, &no_limits), AMOUNT_COUNT);
    for (int i = 0; i < AMOUNT_COUNT; i++)
        amounts.of[i] = -1;
    assert_int_equal(amounts_over(&amounts, &no_limits), AMOUNT_COUNT);
}

static void defaults_stand_below_limits_and_without_them(void **state)
{
    struct default_rules defaults = no_defaults;
    struct limit_rules limits = no_limits;
    struct amounts amounts = {0};

    (void)state;
    defaults.memory = 1000;
    defaults.pids = 10;
    amounts_fill(&amounts, &limits, &defaults, true);
    assert_true(amounts.of[AMOUNT_MEMORY] == 1000);
    assert_true(amounts.of[AMOUNT_MEMORY_SWAP] == 0);
    assert_true(amounts.of[AMOUNT_PIDS] == 10);
    limits.memory = 500;
    amounts = (struct amounts){0};
    amounts_fill(&amounts, &limits, &defaults, true);
    assert_true(amounts.of[AMOUNT_MEMORY] == 500);
    assert_true(amounts.of[AMOUNT_MEMORY_SWAP] == 500);
}

static void huge_amounts_do_not_wrap(void **state)
{
    struct limit_rules limits = no_limits;
    struct amounts amounts = {0};

    (void)state;
    limits.memory = INT64_MAX - 1;
    limits.cpus = 1e30;
    amounts.of[AMOUNT_MEMORY] = INT64_MAX;
    assert_int_equal(amounts_over(&amounts, &limits), AMOUNT_MEMORY);
    amounts.of[AMOUNT_MEMORY] = INT64_MAX - 1;
    amounts.of[AMOUNT_CPU_QUOTA] = INT64_MAX;
    amounts.of[AMOUNT_CPU_PERIOD] = INT64_MAX;
    assert_int_equal(amounts_over(&amounts, &limits), AMOUNT_COUNT);
    amounts_fill(&amounts, &limits, &no_defaults, true);
    assert_true(amounts.of[AMOUNT_MEMORY_SWAP] == INT64_MAX - 1);
}

static void a_negative_amount_is_over_any_limit(void **state)
{
    struct limit_rules limits = no_limits;
    struct amounts amounts = {0};

    (void)state;
    limits.shm = 1000;
    amounts.of[AMOUNT_SHM] = INT64_MIN;
    assert_int_equal(amounts_over(&amounts, &limits), AMOUNT_SHM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_nothing_is_filled_in_or_over),
        cmocka_unit_test(defaults_stand_below_limits_and_without_them),
        cmocka_unit_test(huge_amounts_do_not_wrap),
        cmocka_unit_test(a_negative_amount_is_over_any_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
