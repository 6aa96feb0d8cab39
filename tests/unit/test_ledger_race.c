#include "tests/unit/unit.h"

#include "policy/judge/ledger.h"

#include <stdlib.h>

/* Many clients, one engine, every order of events. */

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
    for (unsigned i = 0; i < rounds_of(ROUNDS); i++) {
        srand(i);
        race_once(10, 9, 0, 0);
    }
}

static void as_many_as_there_is_room_for_get_in(void **state)
{
    (void)state;
    for (unsigned i = 0; i < rounds_of(ROUNDS); i++) {
        srand(i);
        race_once(1 + pick(40), 0, 0, 0);
    }
}

static void what_fails_leaves_its_place_to_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < rounds_of(ROUNDS); i++) {
        srand(i);
        race_once(1 + pick(10), 0, 2, 0);
    }
}

static void what_may_have_been_made_is_not_made_twice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < rounds_of(ROUNDS); i++) {
        srand(i);
        race_once(1 + pick(10), 0, 3, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_place_goes_to_one),
        cmocka_unit_test(as_many_as_there_is_room_for_get_in),
        cmocka_unit_test(what_fails_leaves_its_place_to_others),
        cmocka_unit_test(what_may_have_been_made_is_not_made_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
