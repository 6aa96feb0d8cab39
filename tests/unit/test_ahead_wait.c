#include "tests/unit/unit.h"

#include "proxy/server/ahead_wait.h"
#include "tests/unit/fake_upstream.h"

#define FOUR(digit)    digit digit digit digit
#define SIXTEEN(digit) FOUR(digit) FOUR(digit) FOUR(digit) FOUR(digit)
#define ID_OF(digit)   SIXTEEN(digit) SIXTEEN(digit) SIXTEEN(digit) SIXTEEN(digit)
#define FIRST          ID_OF("a")
#define SECOND         ID_OF("b")
#define END            " HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"
#define ATTACH(id)                                                             \
    S("POST /v1.45/containers/" id "/attach?stream=1 HTTP/1.1\r\n\r\n")
#define WAIT(id) "POST /v1.45/containers/" id "/wait?condition=removed" END
#define OTHER_WAIT(id)                                                         \
    "POST /v1.45/containers/" id "/wait?condition=next-exit" END
#define HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

enum { FAR_US = 20000 };

static struct event_base *base;
static struct fake_upstream fake;
static struct backend backend, another;
static struct ahead_wait *ahead;

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    (void)waiter;
    (void)stream;
    (void)why;
}

/* The pool has one more stream that is idle; its number. */
static size_t add_idle(void)
{
    struct pool_waiter waiter = {.on_stream = on_stream};
    size_t at = fake.count;

    assert_null(pool_take(backend.pool, &waiter));
    pool_cancel(backend.pool, &waiter);
    assert_int_equal(fake.count, at + 1);
    fake_open(&fake, at);
    return at;
}

static int setup(void **state)
{
    (void)state;
    base = event_base_new();
    fake_upstream_init(&fake);
    fake.status.open_us = FAR_US;
    backend = another = (struct backend){.upstream = &fake.upstream, .refs = 1};
    backend.pool = pool_new(base, &fake.upstream);
    ahead = ahead_wait_new(base, &fake);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ahead_wait_free(ahead);
    assert_int_equal(backend.refs, 1);
    pool_free(backend.pool);
    fake_upstream_fini(&fake);
    event_base_free(base);
    return 0;
}

static void learn(void)
{
    ahead_wait_attached(ahead, &backend, ATTACH(FIRST), true);
    ahead_wait_waited(ahead, S(WAIT(FIRST)));
}

/* It is sent on the stream that is returned. */
static size_t send_along(void)
{
    size_t at;

    learn();
    at = add_idle();
    ahead_wait_attached(ahead, &backend, ATTACH(SECOND), true);
    assert_string_equal(strbuf_cstr(&fake.streams[at].out), WAIT(SECOND));
    return at;
}

static struct stream *take(struct str request)
{
    return ahead_wait_take(ahead, &backend, request);
}

static void assert_sent_nothing(void)
{
    for (size_t i = 0; i < fake.count; i++)
        assert_int_equal(fake.streams[i].out.len, 0);
}

static void
the_wait_behind_the_last_attach_goes_along_with_the_next(void **state)
{
    size_t at = send_along();
    struct stream *stream;

    (void)state;
    fake_feed(&fake, at, HEAD);
    stream = take(S(WAIT(SECOND)));
    assert_ptr_equal(stream, &fake.streams[at].stream);
    assert_null(stream->on_change);
    assert_true(str_eq(stream_peek(stream), S(HEAD)));
    assert_null(take(S(WAIT(SECOND)))); /* once */
    pool_discard(backend.pool, stream);
}

static void it_may_still_be_without_an_answer(void **state)
{
    size_t at = send_along();
    struct stream *stream = take(S(WAIT(SECOND)));

    (void)state;
    assert_ptr_equal(stream, &fake.streams[at].stream);
    pool_discard(backend.pool, stream);
}

static void without_an_example_nothing_is_sent(void **state)
{
    (void)state;
    add_idle();
    ahead_wait_attached(ahead, &backend, ATTACH(FIRST), true);
    /* a wait for another is none */
    ahead_wait_waited(ahead, S(WAIT(SECOND)));
    ahead_wait_attached(ahead, &backend, ATTACH(SECOND), true);
    assert_sent_nothing();
}

static void nothing_is_sent_where_it_may_not_be_or_nothing_is_won(void **state)
{
    (void)state;
    learn();
    add_idle();
    ahead_wait_attached(ahead, &backend, ATTACH(SECOND), false);
    assert_sent_nothing();
    fake.status.open_us = 100; /* near */
    ahead_wait_attached(ahead, &backend, ATTACH(SECOND), true);
    assert_sent_nothing();
}

static void a_name_or_a_short_id_is_not_waited_for(void **state)
{
    static const struct str requests[] = {
        STR("POST /v1.45/containers/r1.web/attach HTTP/1.1\r\n\r\n"),
        STR("POST /v1.45/containers/aaaaaaaa/attach HTTP/1.1\r\n\r\n"),
        STR("POST /v1.45/containers/" FIRST "/start HTTP/1.1\r\n\r\n"),
        STR("POST /v1.45/exec/" FIRST "/attach HTTP/1.1\r\n\r\n"),
        STR(""),
    };

    (void)state;
    learn();
    add_idle();
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
        ahead_wait_attached(ahead, &backend, requests[i], true);
    assert_sent_nothing();
}

static void without_a_stream_at_hand_it_is_not_sent(void **state)
{
    (void)state;
    learn();
    ahead_wait_attached(ahead, &backend, ATTACH(SECOND), true);
    for (size_t i = 0; i < fake.count; i++)
        fake_open(&fake, i);
    run_loop(base);
    assert_sent_nothing();
}

static void another_wait_is_not_answered_by_it(void **state)
{
    size_t at = send_along();

    (void)state;
    assert_null(take(S(OTHER_WAIT(SECOND))));
    assert_null(take(S(WAIT(FIRST))));
    assert_null(ahead_wait_take(ahead, &another, S(WAIT(SECOND))));
    assert_false(fake.streams[at].closed);
}

static void a_container_that_has_ended_is_asked_for_anew(void **state)
{
    size_t at = send_along();

    (void)state;
    fake_feed(&fake, at, HEAD "e\r\n{\"StatusCode\":");
    assert_null(take(S(WAIT(SECOND))));
    assert_true(fake.streams[at].closed);
}

static void a_stream_that_ends_is_given_up(void **state)
{
    size_t at = send_along();

    (void)state;
    fake_eof(&fake, at);
    assert_true(fake.streams[at].closed);
    assert_null(take(S(WAIT(SECOND))));
}

static void one_that_nobody_asks_for_is_given_up(void **state)
{
    size_t at = send_along(), next = add_idle();

    (void)state;
    ahead_wait_attached(ahead, &backend, ATTACH(FIRST), true);
    assert_true(fake.streams[at].closed);
    event_base_loopexit(base, &(struct timeval){AHEAD_WAIT_MS / 1000, 300000});
    event_base_dispatch(base);
    assert_true(fake.streams[next].closed);
}

static void after_some_in_vain_there_is_none_until_another_example(void **state)
{
    size_t at = 0;

    (void)state;
    learn();
    for (unsigned i = 0; i < AHEAD_WAIT_VAIN + 1; i++) {
        at = add_idle();
        ahead_wait_attached(ahead, &backend, ATTACH(SECOND), true);
        assert_int_equal(fake.streams[at].out.len > 0, i < AHEAD_WAIT_VAIN);
    }
    ahead_wait_waited(ahead, S(WAIT(SECOND)));
    ahead_wait_attached(ahead, &backend, ATTACH(FIRST), true);
    assert_string_equal(strbuf_cstr(&fake.streams[at].out), WAIT(FIRST));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_wait_behind_the_last_attach_goes_along_with_the_next),
        TEST(it_may_still_be_without_an_answer),
        TEST(without_an_example_nothing_is_sent),
        TEST(nothing_is_sent_where_it_may_not_be_or_nothing_is_won),
        TEST(a_name_or_a_short_id_is_not_waited_for),
        TEST(without_a_stream_at_hand_it_is_not_sent),
        TEST(another_wait_is_not_answered_by_it),
        TEST(a_container_that_has_ended_is_asked_for_anew),
        TEST(a_stream_that_ends_is_given_up),
        TEST(one_that_nobody_asks_for_is_given_up),
        TEST(after_some_in_vain_there_is_none_until_another_example),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
