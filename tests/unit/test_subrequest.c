#include "tests/unit/unit.h"

#include <stdlib.h>

#include "proxy/upstream/engine_probe.h"
#include "proxy/upstream/subrequest.h"
#include "tests/unit/fake_upstream.h"

static struct event_base *base;
static struct fake_upstream fake;
static struct pool *pool;
static unsigned told;
static int status;
static char *body, *why_not;

static void give_back(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    (void)waiter;
    (void)why;
    pool_give(pool, stream);
}

/* The pool has one stream, open and idle. */
static int setup(void **state)
{
    struct pool_waiter waiter = {.on_stream = give_back};

    (void)state;
    base = event_base_new();
    fake_upstream_init(&fake);
    pool = pool_new(base, &fake.upstream);
    pool_take(pool, &waiter);
    fake_open(&fake, 0);
    run_loop(base);
    told = 0;
    status = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pool_free(pool);
    fake_upstream_fini(&fake);
    event_base_free(base);
    free(body);
    free(why_not);
    body = why_not = NULL;
    return 0;
}

static void on_reply(const struct http_head *head, struct str text,
                     const char *why, void *arg)
{
    (void)arg;
    told++;
    status = head ? head->status : 0;
    free(body);
    free(why_not);
    body = xstr_dup(text);
    why_not = why ? xstrdup(why) : NULL;
}

static struct subrequest *ask(enum method method, const char *json)
{
    return subrequest_new(base, pool, method, S("/x"), str_from(json), on_reply,
                          NULL);
}

static void the_whole_reply_comes_at_once(void **state)
{
    (void)state;
    ask(METHOD_GET, "");
    assert_int_equal(told, 0);
    run_loop(base);
    assert_string_equal(strbuf_cstr(&fake.streams[0].out),
                        "GET /x HTTP/1.1\r\nHost: docker\r\n"
                        "User-Agent: berth\r\n\r\n");
    fake_feed(&fake, 0, "HTTP/1.1 100 Continue\r\n\r\n");
    fake_feed(&fake, 0,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    fake_feed(&fake, 0, "2\r\n[]\r\n");
    assert_int_equal(told, 0);
    fake_feed(&fake, 0, "0\r\n\r\n");
    assert_int_equal(told, 1);
    assert_int_equal(status, 200);
    assert_string_equal(body, "[]");
    assert_int_equal(pool_count(pool).used, 0);
    assert_false(fake.streams[0].closed); /* fit for the next one */
}

static void count_wake(void *arg)
{
    ++*(unsigned *)arg;
}

/* As much as its reader takes at a time, and never before it asks. */
static void a_reply_may_be_read_in_turns(void **state)
{
    struct subrequest *asked = ask(METHOD_GET, "");
    unsigned wakes = 0;

    (void)state;
    subrequest_in_turns(asked, count_wake, &wakes);
    run_loop(base);
    subrequest_read(asked, KIB);
    wakes = 0;
    fake_feed(&fake, 0, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[12]");
    assert_int_equal(told, 0);
    assert_int_equal(wakes, 1);
    assert_int_equal(subrequest_read(asked, 40), 40);
    assert_int_equal(told, 0);
    assert_int_equal(wakes, 2);
    assert_int_equal(subrequest_read(asked, KIB), 2);
    assert_int_equal(told, 1);
    assert_string_equal(body, "[12]");
    assert_int_equal(wakes, 2);
}

static void a_body_is_sent_with_its_length(void **state)
{
    (void)state;
    ask(METHOD_POST, "{\"Name\":\"n\"}");
    run_loop(base);
    assert_string_equal(strbuf_cstr(&fake.streams[0].out),
                        "POST /x HTTP/1.1\r\nHost: docker\r\n"
                        "User-Agent: berth\r\n"
                        "Content-Type: application/json\r\n"
                        "Content-Length: 12\r\n\r\n{\"Name\":\"n\"}");
    fake_feed(&fake, 0,
              "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n"
              "Connection: close\r\n\r\n");
    assert_int_equal(status, 201);
    assert_true(fake.streams[0].closed);
}

static void a_question_is_asked_again_on_a_fresh_stream(void **state)
{
    (void)state;
    ask(METHOD_GET, "");
    run_loop(base);
    fake_eof(&fake, 0);
    assert_int_equal(told, 0);
    assert_true(fake.streams[0].closed);
    fake_open(&fake, 1);
    run_loop(base);
    fake_feed(&fake, 1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    assert_int_equal(status, 200);
    /* a change is not, and nothing is a third time */
    told = 0;
    ask(METHOD_POST, "{}");
    run_loop(base);
    fake_eof(&fake, 1);
    assert_int_equal(told, 1);
}

static void an_end_in_the_middle_is_a_failure(void **state)
{
    (void)state;
    ask(METHOD_GET, "");
    run_loop(base);
    fake_feed(&fake, 0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12");
    fake_eof(&fake, 0);
    assert_int_equal(told, 1);
    assert_int_equal(status, 0);
    assert_non_null(why_not);
    assert_true(fake.streams[0].closed);
}

static void nonsense_is_a_failure(void **state)
{
    (void)state;
    ask(METHOD_GET, "");
    run_loop(base);
    fake_feed(&fake, 0, "SSH-2.0-what\r\n\r\n");
    assert_int_equal(told, 1);
    assert_int_equal(status, 0);
}

static void count_up(void *arg)
{
    ++*(unsigned *)arg;
}

static bool has_room(void *arg, size_t more)
{
    return more <= *(const size_t *)arg;
}

static void whose_fault_a_failure_is_is_told(void **state)
{
    size_t room = 4;
    unsigned broken = 0;
    struct subrequest *subrequest = ask(METHOD_POST, "");

    (void)state;
    subrequest_on_broken(subrequest, count_up, &broken);
    run_loop(base);
    fake_feed(&fake, 0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
    assert_int_equal(status, 200);
    assert_int_equal(broken, 0);
    subrequest = ask(METHOD_POST, "");
    subrequest_on_broken(subrequest, count_up, &broken);
    run_loop(base);
    fake_feed(&fake, 0, "SSH-2.0-x\r\n");
    assert_int_equal(told, 2);
    assert_int_equal(broken, 1);
    subrequest = ask(METHOD_GET, "");
    subrequest_on_broken(subrequest, count_up, &broken);
    subrequest_bound(subrequest, has_room, &room);
    run_loop(base);
    fake_open(&fake, 1);
    run_loop(base);
    fake_feed(&fake, 1,
              "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1,2,3,4]");
    assert_string_equal(why_not, SUBREQUEST_CROWDED);
    assert_int_equal(broken, 1);
}

static void a_reply_without_room_is_a_failure(void **state)
{
    size_t room = 4;
    struct subrequest *subrequest = ask(METHOD_GET, "");

    (void)state;
    subrequest_bound(subrequest, has_room, &room);
    run_loop(base);
    fake_feed(&fake, 0, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1,");
    assert_int_equal(told, 0);
    assert_true(subrequest_memory(subrequest) >= 3);
    fake_feed(&fake, 0, "2,3,]");
    assert_int_equal(told, 1);
    assert_int_equal(status, 0);
    assert_string_equal(why_not, SUBREQUEST_CROWDED);
    assert_true(fake.streams[0].closed);
}

static void one_that_is_cancelled_says_nothing(void **state)
{
    (void)state;
    subrequest_cancel(ask(METHOD_GET, ""));
    run_loop(base);
    assert_int_equal(told, 0);
    assert_int_equal(pool_count(pool).used, 0);
}

static void answer_ping(size_t at, const char *version)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(1000);

    strbuf_addf(&text,
                "HTTP/1.1 200 OK\r\nApi-Version: %s\r\nOstype: linux\r\n"
                "Date: today\r\nContent-Length: 2\r\n\r\nOK",
                version);
    fake_feed(&fake, at, strbuf_cstr(&text));
}

static void the_engine_is_known_from_its_ping(void **state)
{
    static const struct strings any;
    struct engine_probe *engine =
        engine_probe_new(base, &fake.upstream, pool, &any);

    (void)state;
    assert_false(engine_probe_get(engine)->known);
    run_loop(base);
    answer_ping(0, "1.45");
    assert_true(engine_probe_get(engine)->known);
    assert_true(str_eq(strbuf_str(&engine_probe_get(engine)->headers),
                       S("Api-Version: 1.45\r\nOstype: linux\r\n")));
    /* then it is asked for its log driver */
    run_loop(base);
    fake_feed(&fake, 0,
              "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n"
              "{\"LoggingDriver\":\"journald\"}");
    assert_string_equal(engine_probe_get(engine)->log_driver, "journald");
    /* and for the oldest API version that it speaks */
    assert_int_equal(engine_probe_get(engine)->oldest, 0);
    run_loop(base);
    fake_feed(&fake, 0,
              "HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n"
              "{\"MinAPIVersion\":\"1.44\"}");
    assert_int_equal(engine_probe_get(engine)->oldest, 44);
    /* a request has failed: it is asked anew, and unknown meanwhile */
    engine_probe_doubt(engine);
    assert_false(engine_probe_get(engine)->known);
    assert_int_equal(engine_probe_get(engine)->oldest, 0);
    run_loop(base);
    answer_ping(0, "1.46");
    assert_true(engine_probe_get(engine)->known);
    /* the link went */
    fake.status.up = false;
    fake.upstream.on_status(&fake.upstream, fake.upstream.status_arg);
    assert_false(engine_probe_get(engine)->known);
    engine_probe_free(engine);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_whole_reply_comes_at_once),
        TEST(a_reply_may_be_read_in_turns),
        TEST(a_body_is_sent_with_its_length),
        TEST(a_question_is_asked_again_on_a_fresh_stream),
        TEST(an_end_in_the_middle_is_a_failure),
        TEST(nonsense_is_a_failure),
        TEST(a_reply_without_room_is_a_failure),
        TEST(whose_fault_a_failure_is_is_told),
        TEST(one_that_is_cancelled_says_nothing),
        TEST(the_engine_is_known_from_its_ping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
