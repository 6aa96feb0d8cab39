#include "tests/unit/unit.h"

#include <stdio.h>

#include "policy/base/limits.h"
#include "proxy/upstream/pool.h"
#include "proxy/upstream/pool_use.h"
#include "tests/unit/fake_upstream.h"

enum {
    BURST = 12,
};

struct taker {
    struct pool_waiter waiter;
    struct stream *stream;
    char said[64]; /* WHY, which is not ours to keep */
    unsigned told;
};

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    struct taker *taker = (struct taker *)waiter;

    taker->stream = stream;
    snprintf(taker->said, sizeof(taker->said), "%s", why ? why : "");
    taker->told++;
}

static struct event_base *base;
static struct fake_upstream fake;
static struct pool *pool;

static int setup(void **state)
{
    (void)state;
    base = event_base_new();
    fake_upstream_init(&fake);
    pool = pool_new(base, &fake.upstream);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pool_free(pool);
    fake_upstream_fini(&fake);
    event_base_free(base);
    return 0;
}

/* The stream opens, and its taker has been told. */
static void open_and_tell(size_t at)
{
    fake_open(&fake, at);
    run_loop(base);
}

static struct taker taker(void)
{
    return (struct taker){.waiter.on_stream = on_stream};
}

static void a_stream_is_opened_for_who_wants_one_and_kept(void **state)
{
    struct taker t = taker();

    (void)state;
    assert_int_equal(fake.count, 0);
    assert_null(pool_take(pool, &t.waiter));
    assert_int_equal(fake.count, 1);
    open_and_tell(0);
    assert_ptr_equal(t.stream, &fake.streams[0].stream);
    assert_int_equal(pool_count(pool).used, 1);
    pool_give(pool, t.stream);
    assert_int_equal(pool_count(pool).used, 0);
    assert_int_equal(pool_count(pool).idle, 1);
    assert_ptr_equal(pool_take(pool, &t.waiter), &fake.streams[0].stream);
    assert_int_equal(fake.count, 1);
}

static void who_waits_is_served_in_order(void **state)
{
    struct taker a = taker(), b = taker(), c = taker();

    (void)state;
    assert_null(pool_take(pool, &a.waiter));
    assert_null(pool_take(pool, &b.waiter));
    assert_null(pool_take(pool, &c.waiter));
    pool_cancel(pool, &b.waiter);
    pool_cancel(pool, &b.waiter);
    open_and_tell(1);
    assert_ptr_equal(a.stream, &fake.streams[1].stream);
    assert_null(c.stream);
    /* one that comes back is as good as a new one */
    pool_give(pool, a.stream);
    run_loop(base);
    assert_ptr_equal(c.stream, &fake.streams[1].stream);
    assert_int_equal(b.told, 0);
    pool_discard(pool, c.stream);
    assert_true(fake.streams[1].closed);
}

/* However many takers one listener has. */
static void listeners_are_served_in_turns(void **state)
{
    struct taker mine[4], theirs[2];
    int me, them;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        mine[i] = taker();
        assert_null(pool_take(pool, &mine[i].waiter));
        pool_wait_for(pool, &mine[i].waiter, &me);
    }
    for (size_t i = 0; i < 2; i++) {
        theirs[i] = taker();
        pool_wait_for(pool, &theirs[i].waiter, &them);
        assert_null(pool_take(pool, &theirs[i].waiter));
    }
    open_and_tell(0);
    assert_non_null(mine[0].stream);
    open_and_tell(1);
    assert_non_null(theirs[0].stream);
    open_and_tell(2);
    assert_non_null(mine[1].stream);
    assert_null(theirs[1].stream);
    open_and_tell(3);
    assert_non_null(theirs[1].stream);
    open_and_tell(4);
    open_and_tell(5);
    assert_non_null(mine[2].stream);
    assert_non_null(mine[3].stream);
    for (size_t i = 0; i < 4; i++)
        pool_discard(pool, mine[i].stream);
    for (size_t i = 0; i < 2; i++)
        pool_discard(pool, theirs[i].stream);
}

/* Whose streams linger at the SSH server, since the engine does not read. */
static void who_has_given_up_too_many_waits_and_nobody_else(void **state)
{
    struct taker mine = taker(), theirs = taker(), more = taker();
    int me = 0, them = 0;

    (void)state;
    pool_wait_for(pool, &mine.waiter, &me);
    pool_wait_for(pool, &theirs.waiter, &them);
    pool_wait_for(pool, &more.waiter, &them);
    fake.given_up_by = &me;
    fake.lingering = LIMIT_GIVEN_UP;
    assert_null(pool_take(pool, &mine.waiter));
    assert_null(pool_take(pool, &theirs.waiter));
    open_and_tell(0);
    open_and_tell(1);
    assert_null(mine.stream);
    assert_non_null(theirs.stream);
    assert_ptr_equal(theirs.stream->who, &them);
    /* a stream is there, and it is not kept for the one that waits */
    assert_int_equal(pool_count(pool).idle, 1);
    assert_null(pool_take(pool, &more.waiter));
    run_loop(base);
    assert_non_null(more.stream);
    pool_give(pool, more.stream);
    assert_null(fake.streams[1].stream.who);
    /* one is gone: then it is served, without anybody's doing */
    fake.lingering = LIMIT_GIVEN_UP - 1;
    while (!mine.told)
        event_base_loop(base, EVLOOP_ONCE);
    assert_non_null(mine.stream);
    assert_ptr_equal(mine.stream->who, &me);
    pool_discard(pool, mine.stream);
    pool_discard(pool, theirs.stream);
}

static void a_stream_that_cannot_be_opened_is_told_to_one(void **state)
{
    struct taker a = taker(), b = taker();

    (void)state;
    assert_null(pool_take(pool, &a.waiter));
    assert_null(pool_take(pool, &b.waiter));
    fake_fail(&fake, 0, "no such socket");
    assert_int_equal(a.told, 0);
    run_loop(base);
    assert_int_equal(a.told, 1);
    assert_null(a.stream);
    assert_string_equal(a.said, "no such socket");
    assert_int_equal(b.told, 0);
    assert_true(fake.streams[0].closed);
    pool_cancel(pool, &b.waiter);
}

/* COUNT streams, used once and idle now. */
static void park(size_t count)
{
    struct taker t[BURST];

    for (size_t i = 0; i < count; i++) {
        t[i] = taker();
        t[i].stream = pool_take(pool, &t[i].waiter);
    }
    for (size_t i = 0; i < fake.count; i++) {
        if (fake.streams[i].stream.state == STREAM_OPENING)
            fake_open(&fake, i);
    }
    run_loop(base);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(t[i].stream);
        pool_give(pool, t[i].stream);
    }
}

static void count_up(void *arg)
{
    ++*(unsigned *)arg;
}

static void an_idle_stream_that_speaks_or_ends_is_not_handed_out(void **state)
{
    struct taker t = taker();
    unsigned ends = 0;

    (void)state;
    park(2);
    pool_watch(pool, count_up, &ends);
    assert_int_equal(pool_count(pool).idle, 2);
    fake_feed(&fake, 0, "HTTP/1.1 400 Bad Request\r\n");
    assert_true(fake.streams[0].closed);
    /* ended, but nobody was told yet */
    fake.streams[1].stream.eof = true;
    assert_null(pool_take(pool, &t.waiter));
    assert_true(fake.streams[1].closed);
    assert_int_equal(ends, 2); /* and each is told */
    pool_cancel(pool, &t.waiter);
}

static void a_stream_that_ended_in_use_is_not_kept(void **state)
{
    struct taker t = taker();
    struct stream *stream;

    (void)state;
    park(1);
    stream = pool_take(pool, &t.waiter);
    fake.streams[0].stream.eof = true;
    pool_give(pool, stream);
    assert_true(fake.streams[0].closed);
}

/* A taker that takes again in its callback, and gives back what it has. */
struct greedy {
    struct taker taker;
    struct taker other;
    bool inside;
};

static void on_greedy_stream(struct pool_waiter *waiter, struct stream *stream,
                             const char *why)
{
    struct greedy *g = (struct greedy *)waiter;

    g->inside = true;
    on_stream(waiter, stream, why);
    assert_null(pool_take(pool, &g->other.waiter));
    pool_give(pool, stream);
    g->inside = false;
}

static void on_other_stream(struct pool_waiter *waiter, struct stream *stream,
                            const char *why)
{
    struct greedy *g = (struct greedy *)((char *)waiter -
                                         offsetof(struct greedy, other.waiter));

    assert_false(g->inside);
    on_stream(waiter, stream, why);
}

static void nobody_is_called_from_inside_a_call_on_the_pool(void **state)
{
    struct greedy g = {.taker.waiter.on_stream = on_greedy_stream,
                       .other.waiter.on_stream = on_other_stream};
    struct taker third = taker();

    (void)state;
    assert_null(pool_take(pool, &g.taker.waiter));
    fake_open(&fake, 0);
    assert_int_equal(g.taker.told, 0); /* nor from a stream's callback */
    assert_null(pool_take(pool, &third.waiter));
    run_loop(base);
    assert_int_equal(g.taker.told, 1);
    assert_ptr_equal(third.stream, &fake.streams[0].stream);
    assert_int_equal(g.other.told, 0);
    pool_give(pool, third.stream);
    assert_int_equal(g.other.told, 0);
    run_loop(base);
    assert_ptr_equal(g.other.stream, &fake.streams[0].stream);
    pool_discard(pool, g.other.stream);
}

static void nobody_overtakes_those_who_wait(void **state)
{
    struct taker t = taker(), first = taker(), second = taker();

    (void)state;
    assert_null(pool_take(pool, &t.waiter));
    open_and_tell(0);
    assert_null(pool_take(pool, &first.waiter));
    pool_give(pool, t.stream);
    /* it is idle, but promised */
    assert_null(pool_take(pool, &second.waiter));
    run_loop(base);
    assert_ptr_equal(first.stream, &fake.streams[0].stream);
    assert_null(second.stream);
    pool_discard(pool, first.stream);
    pool_cancel(pool, &second.waiter);
}

static void who_distrusts_idle_streams_gets_a_new_one(void **state)
{
    struct taker t = taker();

    (void)state;
    park(2);
    pool_close_idle(pool);
    assert_true(fake.streams[0].closed);
    assert_true(fake.streams[1].closed);
    assert_null(pool_take(pool, &t.waiter));
    assert_int_equal(fake.count, 3);
    pool_cancel(pool, &t.waiter);
}

static void what_a_burst_used_is_kept_for_the_next(void **state)
{
    struct taker t = taker();

    (void)state;
    park(BURST);
    assert_int_equal(pool_count(pool).idle, BURST);
    for (size_t i = 0; i < BURST; i++)
        assert_non_null(pool_take(pool, &t.waiter));
    assert_int_equal(fake.count, BURST);
}

static void where_an_open_is_quick_idle_streams_go_soon(void **state)
{
    (void)state;
    fake.status.open_us = POOL_FAR_US - 1;
    park(BURST);
    assert_int_equal(pool_count(pool).idle, BURST);
    for (unsigned turn = 0; turn <= POOL_NEAR_TURNS; turn++)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    assert_int_equal(pool_count(pool).idle, POOL_IDLE_LEAST);
}

/* Where an open is quick and each stream slows all others. */
static void among_many_a_taker_waits_for_one_that_comes_back(void **state)
{
    struct taker t[POOL_CROWD], one = taker(), other = taker();

    (void)state;
    fake.status.open_us = POOL_FAR_US - 1;
    for (size_t i = 0; i < POOL_CROWD; i++) {
        t[i] = taker();
        assert_null(pool_take(pool, &t[i].waiter));
        open_and_tell(i);
    }
    assert_null(pool_take(pool, &one.waiter));
    assert_null(pool_take(pool, &other.waiter));
    assert_int_equal(fake.count, POOL_CROWD);
    pool_give(pool, t[3].stream);
    run_loop(base);
    assert_ptr_equal(one.stream, &fake.streams[3].stream);
    /* nothing else comes back, so the other one waits no longer than that */
    while (fake.count == POOL_CROWD)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    assert_int_equal(fake.count, POOL_CROWD + 1);
    open_and_tell(POOL_CROWD);
    assert_ptr_equal(other.stream, &fake.streams[POOL_CROWD].stream);
}

static void while_it_is_held_only_who_is_let_in_gets_a_stream(void **state)
{
    struct taker before = taker(), during = taker(), asker = taker();

    (void)state;
    pool_take(pool, &before.waiter);
    pool_hold(pool, NULL);
    assert_null(pool_take(pool, &during.waiter));
    assert_null(pool_take(pool, &asker.waiter));
    pool_let_in(pool, &asker.waiter);
    run_loop(base);
    open_and_tell(0);
    assert_non_null(asker.stream);
    assert_int_equal(before.told + during.told, 0);
    assert_int_equal(pool_count(pool).waiting, 2);
    pool_give(pool, asker.stream);
    assert_true(fake.streams[0].closed);
    pool_release(pool);
    run_loop(base);
    open_and_tell(1);
    open_and_tell(2);
    assert_non_null(before.stream);
    assert_non_null(during.stream);
    pool_give(pool, before.stream);
    pool_give(pool, during.stream);
}

static void who_waits_for_that_can_be_told_why(void **state)
{
    struct taker once = taker(), kept = taker(), gone = taker(),
                 later = taker();

    (void)state;
    pool_hold(pool, NULL);
    pool_take(pool, &once.waiter);
    pool_take(pool, &gone.waiter);
    pool_cancel(pool, &gone.waiter);
    pool_fail_kept(pool, "not yet");
    run_loop(base);
    assert_string_equal(once.said, "not yet");
    pool_take(pool, &kept.waiter);
    run_loop(base);
    assert_int_equal(kept.told, 0);
    pool_hold(pool, "another");
    run_loop(base);
    assert_string_equal(kept.said, "another");
    pool_take(pool, &later.waiter);
    run_loop(base);
    assert_string_equal(later.said, "another");
    assert_int_equal(gone.told, 0);
    assert_int_equal(fake.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_stream_is_opened_for_who_wants_one_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_served_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(listeners_are_served_in_turns, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            who_has_given_up_too_many_waits_and_nobody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_stream_that_cannot_be_opened_is_told_to_one, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_idle_stream_that_speaks_or_ends_is_not_handed_out, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_ended_in_use_is_not_kept,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            nobody_is_called_from_inside_a_call_on_the_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_overtakes_those_who_wait, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            who_distrusts_idle_streams_gets_a_new_one, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_burst_used_is_kept_for_the_next,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            where_an_open_is_quick_idle_streams_go_soon, setup, teardown),
        cmocka_unit_test_setup_teardown(
            among_many_a_taker_waits_for_one_that_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(
            while_it_is_held_only_who_is_let_in_gets_a_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_that_can_be_told_why,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
