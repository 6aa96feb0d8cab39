#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/exchange_driver.h"

/*
 * Many clients of one namespace race for the last places, each over an exchange
 * of its own, against an engine that answers in any order. What the ledger
 * promises has to come true for whole requests, however they end.
 */

enum { CLIENTS = 64, ROUNDS = 1000, FEWER_ROUNDS = 200, LIMIT = 3 };

#define CREATE                                                                 \
    "POST /v1.45/containers/create HTTP/1.1\r\nHost: docker\r\n"               \
    "Content-Type: application/json\r\nContent-Length: 13\r\n\r\n"             \
    "{\"Image\":\"a\"}"

static struct exchange_driver clients[CLIENTS];
static json_t *seen[CLIENTS]; /* what the engine saw there is, for each */
static struct ledger *ledger;
static size_t there; /* containers on the engine */

static void start_clients(void)
{
    struct policy *policy = driver_policy(
        "\"namespace\": {\"name\": \"r1\", \"limits\": {\"containers\": 3}}, "
        "\"operations\": {\"allow\": [\"container\"]}");

    ledger = ledger_new();
    for (size_t i = 0; i < CLIENTS; i++) {
        driver_init(&clients[i], policy_ref(policy));
        clients[i].ledger = ledger;
    }
    policy_unref(policy);
}

static void end_clients(void)
{
    for (size_t i = 0; i < CLIENTS; i++)
        driver_fini(&clients[i]);
    ledger = ledger_free(ledger);
}

static json_t *list(void)
{
    json_t *all = json_array();

    for (size_t i = 0; i < there; i++)
        json_array_append_new(all, json_pack("{s:s}", "Id", "c"));
    return all;
}

static bool got(const struct exchange_driver *d, const char *status)
{
    return str_has_prefix(strbuf_str(&d->sides[CLIENT].out), str_from(status));
}

/* It was answered, or its client has left and all is over. */
static bool is_over(const struct exchange_driver *d)
{
    return d->closed ||
           (d->sides[CLIENT].out.len && connection_is_idle(d->connection));
}

/* What a step of a client's request may come to, by chance. */
struct chances {
    unsigned leaves_in; /* one client of so many leaves; 0: none */
    unsigned fails_in;  /* one create of so many is refused by the engine */
    unsigned breaks_in; /* one stream of so many breaks */
};

static bool happens(unsigned in)
{
    return in && (unsigned)rand() % in == 0;
}

static void carry_out(struct exchange_driver *d, const struct chances *chances)
{
    bool fails = happens(chances->fails_in);

    there += !fails;
    if (there > LIMIT)
        fail_msg("%zu containers are there", there);
    if (happens(chances->breaks_in)) {
        driver_fail_stream(d, "it broke", false);
        return;
    }
    driver_send(d, ENGINE,
                fails ? S("HTTP/1.1 500 No\r\nContent-Length: 15\r\n\r\n"
                          "{\"message\":\"n\"}")
                      : S("HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n"
                          "{\"Id\":\"c\"}"));
}

/* One thing happens to client I. False: nothing could. */
static bool step(size_t i, const struct chances *chances)
{
    struct exchange_driver *d = &clients[i];

    driver_settle(d); /* its turn may have come */
    if (is_over(d))
        return false;
    if (happens(chances->leaves_in)) {
        /* what was sent is carried out all the same */
        if (d->has_stream)
            there++;
        if (there > LIMIT)
            fail_msg("%zu containers are there", there);
        driver_client_gone(d);
        if (!d->closed && connection_wish(d->connection).timer == TIMER_DRAIN)
            connection_timeout(d->connection);
        driver_settle(d);
        return true;
    }
    if (connection_wish(d->connection).ask && !seen[i]) {
        seen[i] = list(); /* the answer is on its way */
        return true;
    }
    if (seen[i]) {
        json_t *answer = seen[i];

        seen[i] = NULL;
        driver_answer(d, 200, answer);
        json_decref(answer);
        return true;
    }
    if (driver_open_stream(d))
        return true;
    if (d->has_stream) {
        carry_out(d, chances);
        return true;
    }
    return false; /* it waits for others */
}

static void race(unsigned seed, const struct chances *chances)
{
    size_t over, stuck = 0;

    srand(seed);
    there = (unsigned)rand() % (LIMIT + 1);
    for (size_t i = 0; i < CLIENTS; i++) {
        driver_reconnect(&clients[i]);
        clients[i].now_ns += (uint64_t)LEDGER_LOST_MS * 1000000;
        driver_send(&clients[i], CLIENT, S(CREATE));
    }
    do {
        bool moved = false;

        for (size_t n = 0; n < CLIENTS; n++)
            moved |= step((size_t)rand() % CLIENTS, chances);
        over = 0;
        for (size_t i = 0; i < CLIENTS; i++)
            over += is_over(&clients[i]);
        stuck = moved ? 0 : stuck + 1;
        assert_true(stuck < 1000);
    } while (over < CLIENTS);
    for (size_t i = 0; i < CLIENTS; i++) {
        json_decref(seen[i]);
        seen[i] = NULL;
    }
}

/* All places that are not taken on the engine are free. */
static void no_place_is_lost(void)
{
    struct ticket ticket = {0};
    const struct shares limits = {{[SHARE_CONTAINERS] = LIMIT}};
    const struct shares used = {{[SHARE_CONTAINERS] = there}};
    const struct shares rest = {{[SHARE_CONTAINERS] = LIMIT - there}};
    enum share full;
    uint64_t taken;

    ledger_enter(ledger, &ticket, &rest, NULL, NULL);
    assert_int_equal(ticket.state, TICKET_COUNTING);
    ledger_count(&ticket);
    assert_int_equal(
        ledger_ask(&ticket, &used, &limits, UINT64_MAX / 2, &full, &taken),
        LEDGER_GRANTED);
    ledger_leave(&ticket, TICKET_NOT_MADE, 0);
}

static void run(const struct chances *chances, unsigned rounds)
{
    start_clients();
    rounds = rounds_of(rounds);
    for (unsigned seed = 0; seed < rounds; seed++) {
        size_t made = 0, before;

        race(seed, chances);
        for (size_t i = 0; i < CLIENTS; i++)
            made += got(&clients[i], "HTTP/1.1 201");
        srand(seed);
        before = (unsigned)rand() % (LIMIT + 1);
        if (chances->leaves_in || chances->breaks_in)
            assert_true(made <= LIMIT - before);
        else
            assert_int_equal(made, LIMIT - before);
        no_place_is_lost();
    }
    end_clients();
}

static void the_last_places_go_to_as_many(void **state)
{
    const struct chances none = {0};

    (void)state;
    run(&none, ROUNDS);
}

static void what_the_engine_refuses_leaves_its_place(void **state)
{
    const struct chances chances = {.fails_in = 4};

    (void)state;
    run(&chances, FEWER_ROUNDS);
}

static void who_leaves_and_what_breaks_takes_no_place_for_ever(void **state)
{
    const struct chances chances = {
        .leaves_in = 20, .fails_in = 4, .breaks_in = 3};

    (void)state;
    run(&chances, FEWER_ROUNDS);
}

/* ---- turns ---- */

#define PULL                                                                   \
    "POST /v1.45/images/create?fromImage=a&tag=1 HTTP/1.1\r\n"                 \
    "Host: docker\r\nContent-Length: 0\r\n\r\n"

/* Two clients of a namespace that may pull one image at a time. */
static void start_pulls(struct exchange_driver pulls[2])
{
    struct policy *policy = driver_policy(
        "\"namespace\": {\"name\": \"r1\", \"limits\": {\"pulls\": 1, "
        "\"requests\": 3}}, \"operations\": {\"allow\": [\"image\"]}");

    ledger = ledger_new();
    for (size_t i = 0; i < 2; i++) {
        driver_init(&pulls[i], policy_ref(policy));
        pulls[i].ledger = ledger;
        driver_send(&pulls[i], CLIENT, S(PULL));
    }
    policy_unref(policy);
    assert_true(driver_open_stream(&pulls[0]));
    assert_false(driver_wants_stream(&pulls[1]));
    assert_int_equal(connection_wish(pulls[1].connection).timer, TIMER_TURN);
    assert_true(connection_wish(pulls[1].connection).watch);
    assert_false(connection_wish(pulls[1].connection).ask);
}

static void end_pulls(struct exchange_driver pulls[2])
{
    driver_fini(&pulls[0]);
    driver_fini(&pulls[1]);
    ledger = ledger_free(ledger);
}

static void a_pull_waits_for_the_one_before_it(void **state)
{
    struct exchange_driver pulls[2];

    (void)state;
    start_pulls(pulls);
    driver_send(&pulls[0], ENGINE,
                S("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"));
    driver_settle(&pulls[1]);
    assert_false(driver_wants_stream(&pulls[1]));
    driver_send(&pulls[0], ENGINE, S("\n"));
    driver_settle(&pulls[1]);
    assert_true(driver_wants_stream(&pulls[1]));
    end_pulls(pulls);
}

static void one_that_is_cut_lets_the_next_one_in(void **state)
{
    struct exchange_driver pulls[2];

    (void)state;
    start_pulls(pulls);
    driver_fail_stream(&pulls[0], "it broke", false);
    driver_settle(&pulls[1]);
    assert_true(driver_wants_stream(&pulls[1]));
    end_pulls(pulls);
}

static void who_waits_too_long_is_told_so(void **state)
{
    struct exchange_driver pulls[2];

    (void)state;
    start_pulls(pulls);
    connection_timeout(pulls[1].connection);
    driver_settle(&pulls[1]);
    assert_true(got(&pulls[1], "HTTP/1.1 429 "));
    assert_non_null(strstr(strbuf_cstr(&pulls[1].sides[CLIENT].out),
                           "namespace.limits.wait"));
    assert_non_null(
        strstr(strbuf_cstr(&pulls[1].sides[CLIENT].out), "Retry-After: 1"));
    end_pulls(pulls);
}

static void who_leaves_while_it_waits_is_gone(void **state)
{
    struct exchange_driver pulls[2];

    (void)state;
    start_pulls(pulls);
    driver_client_gone(&pulls[1]);
    assert_true(pulls[1].closed);
    end_pulls(pulls); /* the ledger has no tickets left */
}

static void berth_may_stop_meanwhile(void **state)
{
    struct exchange_driver pulls[2];

    (void)state;
    start_pulls(pulls);
    connection_shutdown(pulls[1].connection, END_NOW);
    driver_settle(&pulls[1]);
    assert_true(pulls[1].closed);
    end_pulls(pulls);
}

static void too_many_requests_a_second_are_refused(void **state)
{
    struct exchange_driver pulls[2];

    (void)state;
    start_pulls(pulls); /* two of three */
    driver_reconnect(&pulls[1]);
    for (unsigned i = 0; i < 2; i++) {
        assert_false(got(&pulls[1], "HTTP/1.1 429 "));
        driver_send(&pulls[1], CLIENT,
                    S("GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"));
        if (driver_open_stream(&pulls[1]))
            driver_send(&pulls[1], ENGINE,
                        S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"));
        if (i == 0)
            strbuf_clear(&pulls[1].sides[CLIENT].out);
    }
    assert_true(got(&pulls[1], "HTTP/1.1 429 "));
    assert_non_null(strstr(strbuf_cstr(&pulls[1].sides[CLIENT].out),
                           "namespace.limits.requests"));
    end_pulls(pulls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_places_go_to_as_many),
        cmocka_unit_test(what_the_engine_refuses_leaves_its_place),
        cmocka_unit_test(who_leaves_and_what_breaks_takes_no_place_for_ever),
        cmocka_unit_test(a_pull_waits_for_the_one_before_it),
        cmocka_unit_test(one_that_is_cut_lets_the_next_one_in),
        cmocka_unit_test(who_waits_too_long_is_told_so),
        cmocka_unit_test(who_leaves_while_it_waits_is_gone),
        cmocka_unit_test(berth_may_stop_meanwhile),
        cmocka_unit_test(too_many_requests_a_second_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
