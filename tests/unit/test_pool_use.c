#include "tests/unit/unit.h"

#include "proxy/upstream/pool_use.h"
#include "tests/unit/fake_upstream.h"

static struct fake_upstream fake;
static struct pool_use use;

static int setup(void **state)
{
    (void)state;
    fake_upstream_init(&fake);
    fake.status.open_us = POOL_FAR_US - 1;
    use = (struct pool_use){0};
    pool_use_opened(&use, &fake.upstream);
    return 0;
}

static void turns(unsigned count)
{
    while (count--)
        pool_use_turn(&use, 0, &fake.upstream);
}

static void burst(unsigned count)
{
    unsigned begun[POOL_CROWD * 4];

    for (unsigned i = 0; i < count; i++)
        begun[i] = pool_use_begin(&use);
    pool_use_note(&use, 0);
    for (unsigned i = 0; i < count; i++)
        pool_use_end(&use, begun[i]);
    assert_int_equal(use.used, 0);
}

static void near_a_burst_is_forgotten_in_two_turns(void **state)
{
    (void)state;
    burst(40);
    assert_int_equal(pool_use_level(&use), 40 + POOL_IDLE_LEAST);
    turns(POOL_NEAR_TURNS - 1);
    assert_int_equal(pool_use_level(&use), 40 + POOL_IDLE_LEAST);
    turns(1);
    assert_int_equal(pool_use_level(&use), POOL_IDLE_LEAST);
}

static void far_it_counts_for_half_a_minute(void **state)
{
    (void)state;
    fake.status.open_us = POOL_FAR_US;
    burst(40);
    turns(POOL_FAR_TURNS - 1);
    assert_int_equal(pool_use_level(&use), 40 + POOL_IDLE_LEAST);
    turns(1);
    assert_int_equal(pool_use_level(&use), POOL_IDLE_LEAST);
}

static void who_waits_counts_as_one_in_use(void **state)
{
    (void)state;
    pool_use_note(&use, 7);
    assert_int_equal(pool_use_level(&use), 7 + POOL_IDLE_LEAST);
    pool_use_turn(&use, 3, &fake.upstream);
    turns(1);
    assert_int_equal(pool_use_level(&use), 3 + POOL_IDLE_LEAST);
}

static void fill(unsigned count)
{
    while (count--)
        pool_use_begin(&use);
}

static void among_many_a_taker_waits(void **state)
{
    (void)state;
    fill(POOL_CROWD - 1);
    assert_true(pool_use_may_open(&use, 0));
    assert_false(pool_use_may_open(&use, 1));
    fill(1);
    assert_false(pool_use_may_open(&use, 0));
    pool_use_end(&use, use.turn);
    assert_true(pool_use_may_open(&use, 0));
}

static void not_where_it_gains_nothing(void **state)
{
    (void)state;
    fill(POOL_CROWD);
    fake.status.direct = true;
    pool_use_opened(&use, &fake.upstream);
    assert_true(pool_use_may_open(&use, 0));
    fake.status = (struct upstream_status){.open_us = POOL_FAR_US};
    pool_use_opened(&use, &fake.upstream);
    assert_true(pool_use_may_open(&use, 0));
}

static void after_a_moment_who_would_wait_another_does_not(void **state)
{
    (void)state;
    fill(POOL_CROWD);
    pool_use_begin_moment(&use);
    assert_false(pool_use_may_open(&use, 0));
    pool_use_end(&use, use.turn);
    fill(1);
    pool_use_end_moment(&use, 3); /* one was handed out in it */
    assert_true(pool_use_may_open(&use, 0));
    assert_true(pool_use_may_open(&use, 1));
    assert_false(pool_use_may_open(&use, 2));
    pool_use_end_moment(&use, 3);
    pool_use_begin_moment(&use);
    assert_false(pool_use_may_open(&use, 0));
    pool_use_end_moment(&use, 0);
    assert_false(pool_use_may_open(&use, 0));
}

static void nobody_counts_on_long_ones(void **state)
{
    unsigned begun;

    (void)state;
    begun = pool_use_begin(&use);
    fill(POOL_CROWD);
    turns(1);
    assert_false(pool_use_may_open(&use, 0));
    turns(1);
    assert_true(pool_use_may_open(&use, 0));
    fill(POOL_CROWD);
    pool_use_end(&use, begun); /* which makes no place among the young */
    assert_false(pool_use_may_open(&use, 0));
    assert_int_equal(use.used, 2 * POOL_CROWD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(near_a_burst_is_forgotten_in_two_turns, setup),
        cmocka_unit_test_setup(far_it_counts_for_half_a_minute, setup),
        cmocka_unit_test_setup(who_waits_counts_as_one_in_use, setup),
        cmocka_unit_test_setup(among_many_a_taker_waits, setup),
        cmocka_unit_test_setup(not_where_it_gains_nothing, setup),
        cmocka_unit_test_setup(after_a_moment_who_would_wait_another_does_not,
                               setup),
        cmocka_unit_test_setup(nobody_counts_on_long_ones, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
