#include "tests/unit/unit.h"

#include "policy/judge/ledger.h"

static const struct shares limits = {
    {
     [SHARE_CONTAINERS] = 2,
     [SHARE_MEMORY] = 100,
     [SHARE_BUILDS] = 1,
     [SHARE_PULLS] = 1,
     }
};

static void count_turns(void *arg)
{
    ++*(unsigned *)arg;
}

static enum ledger_answer enter(struct ledger *ledger, struct ticket *ticket,
                                struct shares wants, struct shares used,
                                unsigned *turns)
{
    uint64_t taken;
    enum share full;

    ledger_enter(ledger, ticket, &wants, count_turns, turns);
    if (ticket->state == TICKET_WAITING)
        return LEDGER_WAIT;
    ledger_count(ticket);
    return ledger_ask(ticket, &used, &limits, 0, &full, &taken);
}

static void amounts_add_up(void **state)
{
    const struct shares none = {{0}};
    const struct shares used = {{[SHARE_MEMORY] = 50}};
    const struct shares forty = {{[SHARE_MEMORY] = 40}};
    const struct shares eleven = {{[SHARE_MEMORY] = 11}};
    struct ledger *ledger = ledger_new();
    struct ticket a = {0}, b = {0};
    unsigned turns = 0;

    (void)state;
    assert_int_equal(enter(ledger, &a, forty, used, &turns), LEDGER_GRANTED);
    assert_int_equal(enter(ledger, &b, eleven, used, &turns), LEDGER_WAIT);
    ledger_leave(&a, TICKET_NOT_MADE, 0);
    assert_int_equal(turns, 1);
    ledger_leave(&b, TICKET_NOT_MADE, 0);
    assert_int_equal(enter(ledger, &b, none, used, &turns), LEDGER_GRANTED);
    ledger_leave(&b, TICKET_NOT_MADE, 0);
    ledger_free(ledger);
}

static void builds_come_one_after_the_other(void **state)
{
    const struct shares none = {{0}}, one = {{[SHARE_BUILDS] = 1}};
    struct ledger *ledger = ledger_new();
    struct ticket tickets[3] = {{0}};
    unsigned turns[3] = {0};
    uint64_t taken;
    enum share full;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(enter(ledger, &tickets[i], one, none, &turns[i]),
                         i ? LEDGER_WAIT : LEDGER_GRANTED);
    for (size_t i = 0; i + 1 < 3; i++) {
        ledger_leave(&tickets[i], TICKET_MADE, 0);
        assert_int_equal(turns[i + 1], 1);
        ledger_count(&tickets[i + 1]);
        assert_int_equal(
            ledger_ask(&tickets[i + 1], &none, &limits, 0, &full, &taken),
            LEDGER_GRANTED);
    }
    ledger_leave(&tickets[2], TICKET_MADE, 0);
    ledger_free(ledger);
}

static void one_who_waits_for_a_build_keeps_nobody_from_a_pull(void **state)
{
    const struct shares none = {{0}};
    const struct shares build = {{[SHARE_BUILDS] = 1}};
    const struct shares pull = {{[SHARE_PULLS] = 1}};
    struct ledger *ledger = ledger_new();
    struct ticket a = {0}, b = {0}, c = {0};
    unsigned turns = 0;

    (void)state;
    assert_int_equal(enter(ledger, &a, build, none, &turns), LEDGER_GRANTED);
    assert_int_equal(enter(ledger, &b, build, none, &turns), LEDGER_WAIT);
    assert_int_equal(enter(ledger, &c, pull, none, &turns), LEDGER_GRANTED);
    ledger_leave(&c, TICKET_MADE, 0);
    assert_int_equal(turns, 0);
    ledger_leave(&b, TICKET_NOT_MADE, 0); /* it gave up */
    ledger_leave(&a, TICKET_MADE, 0);
    assert_int_equal(turns, 0);
    ledger_free(ledger);
}

static void a_turn_that_is_not_used_goes_to_the_next(void **state)
{
    const struct shares none = {{0}}, one = {{[SHARE_BUILDS] = 1}};
    struct ledger *ledger = ledger_new();
    struct ticket a = {0}, b = {0}, c = {0};
    unsigned turns[3] = {0};

    (void)state;
    assert_int_equal(enter(ledger, &a, one, none, &turns[0]), LEDGER_GRANTED);
    assert_int_equal(enter(ledger, &b, one, none, &turns[1]), LEDGER_WAIT);
    assert_int_equal(enter(ledger, &c, one, none, &turns[2]), LEDGER_WAIT);
    ledger_leave(&a, TICKET_MADE, 0);
    assert_int_equal(turns[1], 1);
    ledger_leave(&b, TICKET_NOT_MADE, 0); /* its client is gone */
    assert_int_equal(turns[2], 1);
    ledger_leave(&c, TICKET_NOT_MADE, 0);
    ledger_free(ledger);
}

/* A start of a container that runs already, or a create whose volumes are
 * there: at the count, nothing more is wanted. */
static void a_turn_that_is_not_needed_goes_to_the_next(void **state)
{
    const struct shares none = {{0}}, one = {{[SHARE_BUILDS] = 1}};
    struct ledger *ledger = ledger_new();
    struct ticket a = {0}, b = {0}, c = {0};
    unsigned turns[3] = {0};
    uint64_t taken;
    enum share full;

    (void)state;
    assert_int_equal(enter(ledger, &a, one, none, &turns[0]), LEDGER_GRANTED);
    assert_int_equal(enter(ledger, &b, one, none, &turns[1]), LEDGER_WAIT);
    assert_int_equal(enter(ledger, &c, one, none, &turns[2]), LEDGER_WAIT);
    ledger_leave(&a, TICKET_MADE, 0);
    assert_int_equal(turns[1], 1);
    ledger_count(&b);
    ledger_want(&b, SHARE_BUILDS, 0);
    assert_int_equal(ledger_ask(&b, &none, &limits, 0, &full, &taken),
                     LEDGER_GRANTED);
    assert_int_equal(turns[2], 1);
    ledger_leave(&b, TICKET_MADE, 0);
    ledger_leave(&c, TICKET_NOT_MADE, 0);
    ledger_free(ledger);
}

/* What is free again is several things, for which others wait apart. */
static void each_thing_that_is_free_is_somebody_s_turn(void **state)
{
    const struct shares none = {{0}};
    const struct shares both = {
        {[SHARE_BUILDS] = 1, [SHARE_PULLS] = 1}
    };
    const struct shares build = {{[SHARE_BUILDS] = 1}};
    const struct shares pull = {{[SHARE_PULLS] = 1}};
    struct ledger *ledger = ledger_new();
    struct ticket a = {0}, b = {0}, c = {0};
    unsigned turns[3] = {0};

    (void)state;
    assert_int_equal(enter(ledger, &a, both, none, &turns[0]), LEDGER_GRANTED);
    assert_int_equal(enter(ledger, &b, build, none, &turns[1]), LEDGER_WAIT);
    assert_int_equal(enter(ledger, &c, pull, none, &turns[2]), LEDGER_WAIT);
    ledger_leave(&a, TICKET_MADE, 0);
    assert_int_equal(turns[1], 1);
    assert_int_equal(turns[2], 1);
    ledger_leave(&b, TICKET_NOT_MADE, 0);
    ledger_leave(&c, TICKET_NOT_MADE, 0);
    ledger_free(ledger);
}

static void a_lost_reply_holds_its_place_for_a_while(void **state)
{
    const struct shares one = {{[SHARE_CONTAINERS] = 2}};
    const struct shares none = {{0}};
    struct ledger *ledger = ledger_new();
    struct ticket a = {0}, b = {0};
    uint64_t taken;
    enum share full;
    unsigned turns = 0;

    (void)state;
    assert_int_equal(enter(ledger, &a, one, none, &turns), LEDGER_GRANTED);
    ledger_leave(&a, TICKET_UNKNOWN, 1000);
    for (uint64_t now = 1000; now <= 1000 + LEDGER_LOST_MS;
         now += LEDGER_LOST_MS) {
        ledger_enter(ledger, &b, &one, count_turns, &turns);
        ledger_count(&b);
        assert_int_equal(ledger_ask(&b, &none, &limits, now, &full, &taken),
                         now == 1000 ? LEDGER_FULL : LEDGER_GRANTED);
        ledger_leave(&b, TICKET_NOT_MADE, now);
    }
    ledger_free(ledger);
}

static void more_lost_replies_than_are_listed_are_not_forgotten(void **state)
{
    struct shares most = {{[SHARE_CONTAINERS] = LIMIT_LOST + 10}};
    const struct shares one = {{[SHARE_CONTAINERS] = 1}}, none = {{0}};
    struct ledger *ledger = ledger_new();
    enum ledger_answer answer = LEDGER_GRANTED;
    struct ticket ticket = {0};
    uint64_t taken, granted = 0;
    enum share full;
    unsigned turns = 0;

    (void)state;
    while (answer == LEDGER_GRANTED) {
        ledger_enter(ledger, &ticket, &one, count_turns, &turns);
        ledger_count(&ticket);
        answer = ledger_ask(&ticket, &none, &most, 5, &full, &taken);
        granted += answer == LEDGER_GRANTED;
        ledger_leave(&ticket, TICKET_UNKNOWN, 5);
    }
    assert_int_equal(granted, LIMIT_LOST + 10);
    ledger_free(ledger);
}

static void so_many_requests_a_second_and_no_more(void **state)
{
    struct ledger *ledger = ledger_new();
    unsigned passed = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        passed += ledger_request(ledger, 10, 5000);
    assert_int_equal(passed, 10); /* as many at once */
    for (unsigned ms = 1; ms <= 10000; ms++)
        passed += ledger_request(ledger, 10, 5000 + ms);
    assert_int_equal(passed, 10 + 100);
    /* quiet does not add up, and a clock that goes back gives nothing */
    for (unsigned i = 0; i < 100; i++)
        passed += ledger_request(ledger, 10, 100000);
    assert_int_equal(passed, 10 + 100 + 10);
    for (unsigned i = 0; i < 100; i++)
        passed += ledger_request(ledger, 10, 50000);
    assert_int_equal(passed, 10 + 100 + 10);
    ledger_free(ledger);
}

static void who_cannot_wait_has_a_place_at_once_or_none(void **state)
{
    struct ledger *ledger = ledger_new();
    const struct shares one = {{[SHARE_IMAGES] = 1}}, none = {{0}};
    struct shares most, seen;
    struct ticket tickets[2] = {{0}}, third = {0};
    enum share full;
    uint64_t taken;

    (void)state;
    for (unsigned i = 0; i < SHARE_COUNT; i++)
        most.of[i] = SHARE_UNLIMITED;
    most.of[SHARE_IMAGES] = 2;
    ledger_mark(ledger, &seen);
    for (size_t i = 0; i < 2; i++)
        assert_true(ledger_take(ledger, &tickets[i], &one, &none, &seen, &most,
                                0, &full, &taken));
    assert_false(ledger_take(ledger, &third, &one, &none, &seen, &most, 0,
                             &full, &taken));
    assert_int_equal(full, SHARE_IMAGES);
    assert_int_equal(taken, 2);
    /* made since the count began, which did not see it */
    ledger_leave(&tickets[0], TICKET_MADE, 0);
    assert_false(ledger_take(ledger, &third, &one, &none, &seen, &most, 0,
                             &full, &taken));
    ledger_mark(ledger, &seen);
    assert_false(ledger_take(ledger, &third, &one, &one, &seen, &most, 0, &full,
                             &taken));
    ledger_leave(&tickets[1], TICKET_NOT_MADE, 0);
    assert_true(ledger_take(ledger, &third, &one, &one, &seen, &most, 0, &full,
                            &taken));
    ledger_leave(&third, TICKET_NOT_MADE, 0);
    ledger_free(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_add_up),
        cmocka_unit_test(builds_come_one_after_the_other),
        cmocka_unit_test(one_who_waits_for_a_build_keeps_nobody_from_a_pull),
        cmocka_unit_test(a_turn_that_is_not_used_goes_to_the_next),
        cmocka_unit_test(a_turn_that_is_not_needed_goes_to_the_next),
        cmocka_unit_test(each_thing_that_is_free_is_somebody_s_turn),
        cmocka_unit_test(a_lost_reply_holds_its_place_for_a_while),
        cmocka_unit_test(more_lost_replies_than_are_listed_are_not_forgotten),
        cmocka_unit_test(so_many_requests_a_second_and_no_more),
        cmocka_unit_test(who_cannot_wait_has_a_place_at_once_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
