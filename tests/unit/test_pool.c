#include "tests/unit/unit.h"

#include "proxy/pool.h"
#include "tests/unit/fake_upstream.h"

struct taker {
    struct pool_waiter waiter;
    struct stream *stream;
    const char *why;
    unsigned told;
};

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    struct taker *taker = (struct taker *)waiter;

    taker->stream = stream;
    taker->why = why;
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
    pool = pool_new(base, &fake.upstream, 8);
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

static struct taker taker(void)
{
    return (struct taker){.waiter.on_stream = on_stream};
}

static void two_are_opened_ahead_and_taken_at_once(void **state)
{
    struct taker t = taker();
    struct stream *stream;

    (void)state;
    assert_int_equal(fake.count, 2);
    fake_open(&fake, 0);
    fake_open(&fake, 1);
    assert_int_equal(pool_count(pool).idle, 2);
    stream = pool_take(pool, &t.waiter);
    assert_non_null(stream);
    assert_int_equal(pool_count(pool).used, 1);
    assert_int_equal(fake.count, 3); /* there is one ahead again */
    pool_give(pool, stream);
    assert_int_equal(pool_count(pool).used, 0);
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
    fake_open(&fake, 1);
    assert_ptr_equal(a.stream, &fake.streams[1].stream);
    assert_null(c.stream);
    /* one that comes back is as good as a new one */
    pool_give(pool, a.stream);
    assert_ptr_equal(c.stream, &fake.streams[1].stream);
    assert_int_equal(b.told, 0);
    pool_discard(pool, c.stream);
    assert_true(fake.streams[1].closed);
}

static void a_stream_that_cannot_be_opened_is_told_to_one(void **state)
{
    struct taker a = taker(), b = taker();

    (void)state;
    assert_null(pool_take(pool, &a.waiter));
    assert_null(pool_take(pool, &b.waiter));
    fake_fail(&fake, 0, "no such socket");
    assert_int_equal(a.told, 1);
    assert_null(a.stream);
    assert_string_equal(a.why, "no such socket");
    assert_int_equal(b.told, 0);
    assert_true(fake.streams[0].closed);
    pool_cancel(pool, &b.waiter);
}

static void an_idle_stream_that_speaks_or_ends_is_not_handed_out(void **state)
{
    struct taker t = taker();

    (void)state;
    fake_open(&fake, 0);
    fake_open(&fake, 1);
    fake_feed(&fake, 0, "HTTP/1.1 400 Bad Request\r\n");
    assert_true(fake.streams[0].closed);
    /* ended, but nobody was told yet */
    fake.streams[1].stream.eof = true;
    assert_null(pool_take(pool, &t.waiter));
    assert_true(fake.streams[1].closed);
    pool_cancel(pool, &t.waiter);
}

static void a_stream_that_ended_in_use_is_not_kept(void **state)
{
    struct taker t = taker();
    struct stream *stream;

    (void)state;
    fake_open(&fake, 0);
    stream = pool_take(pool, &t.waiter);
    fake.streams[0].stream.eof = true;
    pool_give(pool, stream);
    assert_true(fake.streams[0].closed);
}

static void while_the_link_is_down_nothing_is_opened_ahead(void **state)
{
    struct fake_upstream down;
    struct taker t = taker();
    struct pool *waiting;

    (void)state;
    fake_upstream_init(&down);
    down.status.up = false;
    waiting = pool_new(base, &down.upstream, 8);
    assert_int_equal(down.count, 0);
    assert_null(pool_take(waiting, &t.waiter));
    assert_int_equal(down.count, 1);
    pool_free(waiting);
    assert_int_equal(t.told, 1); /* the end is told, too */
    fake_upstream_fini(&down);
}

static void no_more_are_kept_than_spares(void **state)
{
    struct taker t = taker();
    struct stream *used[12];

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        assert_true(pool_take(pool, &t.waiter) == NULL || i > 0);
        pool_cancel(pool, &t.waiter);
        for (size_t s = 0; s < fake.count; s++) {
            if (fake.streams[s].stream.state == STREAM_OPENING)
                fake_open(&fake, s);
        }
        used[i] = pool_take(pool, &t.waiter);
        if (!used[i])
            pool_cancel(pool, &t.waiter);
    }
    for (size_t i = 0; i < 12; i++) {
        if (used[i])
            pool_give(pool, used[i]);
    }
    assert_true(pool_count(pool).idle <= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_are_opened_ahead_and_taken_at_once,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_served_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_stream_that_cannot_be_opened_is_told_to_one, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_idle_stream_that_speaks_or_ends_is_not_handed_out, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_ended_in_use_is_not_kept,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            while_the_link_is_down_nothing_is_opened_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(no_more_are_kept_than_spares, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
