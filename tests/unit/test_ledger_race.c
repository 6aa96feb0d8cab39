#include "tests/unit/unit.h"

#include "policy/judge/ledger.h"

#include <stdlib.h>

/* ---- a race: many clients, one engine, every order of events ---- */

enum { CLIENTS = 64, ROUNDS = 1000 };

/* What a client waits for next. */
enum step {
    ENTERS,
    ASKS,           /* what there is */
    IS_COUNTED,     /* the engine looks at it */
    HEARS_COUNT,    /* and its answer arrives */
    WAITS,          /* for its turn */
    IS_CARRIED_OUT, /* the engine does what was asked */
    HEARS_REPLY,
    IS_OVER,
};

struct client {
    enum step step;
    struct ticket ticket;
    struct race *race;
    uint64_t counted;
    bool made;
    bool left; /* nobody waits for the reply any more */
};

struct race {
    struct ledger *ledger;
    struct client clients[CLIENTS];
    struct shares limits;
    uint64_t there; /* on the engine */
    uint64_t now_ms;
    unsigned granted, refused;
    unsigned fails_in; /* one create of so many fails; 0: none */
    unsigned lost_in;  /* one of so many replies never comes; 0: all do */
};

static unsigned pick(unsigned n)
{
    return (unsigned)rand() % n;
}

static void on_turn(void *arg)
{
    struct client *client = arg;

    assert_int_equal(client->step, WAITS);
    client->step = ASKS;
}

static void hear_count(struct client *client)
{
    struct race *race = client->race;
    struct shares used = {{[SHARE_CONTAINERS] = client->counted}};
    enum share full;
    uint64_t taken;

    switch (ledger_ask(&client->ticket, &used, &race->limits, race->now_ms,
                       &full, &taken)) {
    case LEDGER_GRANTED:
        race->granted++;
        client->step = IS_CARRIED_OUT;
        break;
    case LEDGER_FULL:
        assert_int_equal(full, SHARE_CONTAINERS);
        assert_true(taken >= race->limits.of[SHARE_CONTAINERS]);
        race->refused++;
        client->step = IS_OVER;
        break;
    case LEDGER_WAIT:
        client->step = WAITS;
        break;
    case LEDGER_AGAIN:
        client->step = ASKS;
        break;
    }
}

static bool happens(unsigned in)
{
    return in && pick(in) == 0;
}

/* The engine does it, if nothing is wrong with it. The client may be gone by
 * then. */
static void carry_out(struct client *client)
{
    struct race *race = client->race;

    if (!client->left && happens(race->lost_in)) {
        ledger_leave(&client->ticket, TICKET_UNKNOWN, race->now_ms);
        client->left = true;
        return;
    }
    client->made = !happens(race->fails_in);
    race->there += client->made;
    assert_true(race->there <= race->limits.of[SHARE_CONTAINERS]);
    client->step = client->left ? IS_OVER : HEARS_REPLY;
}

static void hear_reply(struct client *client)
{
    struct race *race = client->race;
    enum ticket_end end = happens(race->lost_in) ? TICKET_UNKNOWN
                          : client->made         ? TICKET_MADE
                                                 : TICKET_NOT_MADE;

    client->step = IS_OVER;
    ledger_leave(&client->ticket, end, race->now_ms);
}

static void move(struct client *client)
{
    struct race *race = client->race;
    const struct shares one = {{[SHARE_CONTAINERS] = 1}};

    switch (client->step) {
    case ENTERS:
        ledger_enter(race->ledger, &client->ticket, &one, on_turn, client);
        client->step = client->ticket.state == TICKET_WAITING ? WAITS : ASKS;
        break;
    case ASKS:
        ledger_count(&client->ticket);
        client->step = IS_COUNTED;
        break;
    case IS_COUNTED:
        client->counted = race->there;
        client->step = HEARS_COUNT;
        break;
    case HEARS_COUNT:
        hear_count(client);
        break;
    case IS_CARRIED_OUT:
        carry_out(client);
        break;
    case HEARS_REPLY:
        hear_reply(client);
        break;
    case WAITS:
    case IS_OVER:
        break;
    }
}

/* All of them, in an order of chance. */
static void run(struct race *race)
{
    size_t over;

    for (size_t i = 0; i < CLIENTS; i++)
        race->clients[i] = (struct client){.race = race};
    do {
        size_t moved = 0;

        over = 0;
        for (size_t i = 0; i < 2 * CLIENTS; i++) {
            struct client *client = &race->clients[pick(CLIENTS)];

            moved += client->step != WAITS && client->step != IS_OVER;
            move(client);
        }
        for (size_t i = 0; i < CLIENTS; i++)
            over += race->clients[i].step == IS_OVER;
        if (moved || over == CLIENTS)
            continue;
        for (size_t i = 0; i < CLIENTS; i++) /* somebody must be able to */
            moved += race->clients[i].step != WAITS &&
                     race->clients[i].step != IS_OVER;
        assert_true(moved > 0);
    } while (over < CLIENTS);
}

/* How many places does the ledger believe to be free? */
static uint64_t places(struct race *race)
{
    struct ticket ticket = {0};
    uint64_t free_places = 0, taken;
    enum share full;

    for (uint64_t wants = 1; wants <= race->limits.of[SHARE_CONTAINERS];
         wants++) {
        const struct shares some = {{[SHARE_CONTAINERS] = wants}};
        const struct shares used = {{[SHARE_CONTAINERS] = race->there}};

        ledger_enter(race->ledger, &ticket, &some, on_turn, NULL);
        ledger_count(&ticket);
        if (ledger_ask(&ticket, &used, &race->limits, race->now_ms, &full,
                       &taken) != LEDGER_GRANTED)
            break;
        ledger_leave(&ticket, TICKET_NOT_MADE, race->now_ms);
        free_places = wants;
    }
    return free_places;
}

static void race_once(unsigned limit, unsigned there, unsigned fails_in,
                      unsigned lost_in)
{
    struct race race = {
        .ledger = ledger_new(),
        .limits = {{[SHARE_CONTAINERS] = limit}},
        .there = there,
        .now_ms = 1000,
        .fails_in = fails_in,
        .lost_in = lost_in,
    };

    run(&race);
    assert_int_equal(race.granted + race.refused, CLIENTS);
    if (!fails_in && !lost_in) {
        assert_int_equal(race.granted, limit - there);
        assert_int_equal(race.there, limit);
    }
    /* whatever happened, no place is lost for good */
    race.now_ms += LEDGER_LOST_MS;
    assert_int_equal(places(&race), limit - race.there);
    ledger_free(race.ledger);
}

static void the_last_place_goes_to_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        srand(i);
        race_once(10, 9, 0, 0);
    }
}

static void as_many_as_there_is_room_for_get_in(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        srand(i);
        race_once(1 + pick(40), 0, 0, 0);
    }
}

static void what_fails_leaves_its_place_to_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        srand(i);
        race_once(1 + pick(10), 0, 2, 0);
    }
}

static void what_may_have_been_made_is_not_made_twice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        srand(i);
        race_once(1 + pick(10), 0, 3, 2);
    }
}

/* ---- single places ---- */

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
        cmocka_unit_test(the_last_place_goes_to_one),
        cmocka_unit_test(as_many_as_there_is_room_for_get_in),
        cmocka_unit_test(what_fails_leaves_its_place_to_others),
        cmocka_unit_test(what_may_have_been_made_is_not_made_twice),
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
