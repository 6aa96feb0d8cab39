#include "tests/unit/unit.h"

#include <stdlib.h>

#include "proxy/base/log.h"
#include "tests/unit/lease_world.h"

/* Many courses of events; BERTH_WORLD_SEEDS says how many, BERTH_WORLD_TEST (a
 * pattern) of which test. */
static struct world_result run_all(const struct world_rules *rules)
{
    const char *wish = getenv("BERTH_WORLD_SEEDS");
    unsigned seeds = wish ? (unsigned)strtoul(wish, NULL, 10) : 12;
    struct world_result sum = {.kills = 0};

    log_set_level(LOG_LEVEL_ERROR);

    for (unsigned seed = 1; seed <= seeds; seed++) {
        struct world_result one = world_run(seed, rules);

        if (one.touched || one.left[0])
            fail_msg("seed %u: %u touched, left: %s", seed, one.touched,
                     one.left);
        sum.kills += one.kills;
        sum.freezes += one.freezes;
        sum.jumps += one.jumps;
        sum.stops += one.stops;
        sum.created += one.created;
        sum.swept += one.swept;
        sum.refused += one.refused;
    }
    print_message("%u kills, %u frozen links, %u jumps of the clock, %u stops "
                  "of the engine, %u made, %u swept, %u refused\n",
                  sum.kills, sum.freezes, sum.jumps, sum.stops, sum.created,
                  sum.swept, sum.refused);
    assert_true(sum.kills && sum.created && sum.swept);
    return sum;
}

static void what_the_dead_leave_goes_and_nothing_of_the_living(void **state)
{
    const struct world_rules rules = {.term_s = 900, .hours = 4};

    (void)state;
    run_all(&rules);
}

static void nor_in_a_storm_of_restarts(void **state)
{
    const struct world_rules rules = {
        .term_s = 900, .hours = 4, .storms = true};

    (void)state;
    run_all(&rules);
}

static void nor_when_the_engine_s_clock_is_set(void **state)
{
    const struct world_rules rules = {
        .term_s = 900, .hours = 4, .clock_jumps = true};

    (void)state;
    assert_true(run_all(&rules).jumps);
}

static void nor_when_links_freeze_for_longer_than_a_lease(void **state)
{
    const struct world_rules rules = {
        .term_s = 300, .hours = 4, .freezes = true};

    (void)state;
    assert_true(run_all(&rules).freezes);
}

static void nor_when_the_engine_stops(void **state)
{
    const struct world_rules rules = {
        .term_s = 600, .hours = 4, .engine_stops = true, .storms = true};

    (void)state;
    assert_true(run_all(&rules).stops);
}

static void nor_when_answers_do_not_come(void **state)
{
    const struct world_rules rules = {
        .term_s = 300, .hours = 4, .storms = true, .hangs = true};

    (void)state;
    run_all(&rules);
}

/* Nobody sees a lease for as long as it lasts, and no two clocks agree. */
static void nor_where_no_berth_lives_as_long_as_a_lease(void **state)
{
    const struct world_rules rules = {
        .term_s = 900, .hours = 4, .lives_s = 300};

    (void)state;
    run_all(&rules);
}

static void nor_there_when_all_of_it_happens(void **state)
{
    const struct world_rules rules = {.term_s = 900,
                                      .hours = 6,
                                      .lives_s = 400,
                                      .clock_jumps = true,
                                      .engine_stops = true,
                                      .freezes = true,
                                      .storms = true,
                                      .companions = true};

    (void)state;
    run_all(&rules);
}

static void nor_when_all_of_it_happens(void **state)
{
    const struct world_rules rules = {.term_s = 300,
                                      .hours = 6,
                                      .clock_jumps = true,
                                      .engine_stops = true,
                                      .freezes = true,
                                      .storms = true,
                                      .hangs = true,
                                      .companions = true};

    (void)state;
    run_all(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_dead_leave_goes_and_nothing_of_the_living),
        cmocka_unit_test(nor_in_a_storm_of_restarts),
        cmocka_unit_test(nor_when_the_engine_s_clock_is_set),
        cmocka_unit_test(nor_when_links_freeze_for_longer_than_a_lease),
        cmocka_unit_test(nor_when_the_engine_stops),
        cmocka_unit_test(nor_when_answers_do_not_come),
        cmocka_unit_test(nor_where_no_berth_lives_as_long_as_a_lease),
        cmocka_unit_test(nor_there_when_all_of_it_happens),
        cmocka_unit_test(nor_when_all_of_it_happens),
    };

    cmocka_set_test_filter(getenv("BERTH_WORLD_TEST")); /* NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
