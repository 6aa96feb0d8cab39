#include "tests/unit/unit.h"

#include "proxy/upstream/pool.h"
#include "tests/unit/fake_upstream.h"

enum {
    BURST = 12,
};

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
    fake_open(&fake, 0);
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
    for (size_t i = 0; i < count; i++) {
        assert_non_null(t[i].stream);
        pool_give(pool, t[i].stream);
    }
}

static void an_idle_stream_that_speaks_or_ends_is_not_handed_out(void **state)
{
    struct taker t = taker();

    (void)state;
    park(2);
    assert_int_equal(pool_count(pool).idle, 2);
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
    park(1);
    stream = pool_take(pool, &t.waiter);
    fake.streams[0].stream.eof = true;
    pool_give(pool, stream);
    assert_true(fake.streams[0].closed);
}

static void who_waits_is_told_when_the_pool_ends(void **state)
{
    struct fake_upstream other;
    struct taker t = taker();
    struct pool *waiting;

    (void)state;
    fake_upstream_init(&other);
    waiting = pool_new(base, &other.upstream);
    assert_null(pool_take(waiting, &t.waiter));
    assert_int_equal(other.count, 1);
    pool_free(waiting);
    assert_int_equal(t.told, 1);
    assert_non_null(t.why);
    fake_upstream_fini(&other);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_stream_is_opened_for_who_wants_one_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_served_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_stream_that_cannot_be_opened_is_told_to_one, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_idle_stream_that_speaks_or_ends_is_not_handed_out, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_ended_in_use_is_not_kept,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told_when_the_pool_ends,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_burst_used_is_kept_for_the_next,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
