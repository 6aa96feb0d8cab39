/* What a transcript (tests/wire) cannot say. */

#include "tests/unit/unit.h"

#include <malloc.h>
#include <stdlib.h>

#include "tests/support/exchange_driver.h"

#define ALLOW                                                                  \
    "\"build\": {\"remotes\": [\"*\"]}, "                                      \
    "\"operations\": {\"allow\": [\"container\", \"build\"]}"
#define LIST  "GET /containers/json HTTP/1.1\r\nHost: d\r\n\r\n"
#define EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static struct exchange_driver driver;

static int setup(void **state)
{
    (void)state;
    driver_init(&driver, driver_policy(ALLOW));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    driver_fini(&driver);
    return 0;
}

static void send_text(enum side side, const char *text)
{
    driver_send(&driver, side, str_from(text));
}

static void send_zeros(enum side side, size_t len)
{
    char *zeros = xcalloc(1, len);

    driver_send(&driver, side, str_of(zeros, len));
    free(zeros);
}

static bool record_has(const char *text)
{
    return driver.audit.len &&
           memmem(driver.audit.ptr, driver.audit.len, text, strlen(text));
}

/* What SIDE got since it was last looked at is TEXT. */
static void assert_got(enum side side, struct str text)
{
    struct strbuf *out = &driver.sides[side].out;

    if (!str_eq(strbuf_str(out), text))
        fail_msg("got %.*s", STR_FMT(strbuf_str(out)));
    strbuf_clear(out);
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define UPGRADE                                                                \
    "POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n"           \
    "Upgrade: h2c\r\nContent-Length: 0\r\n\r\n"
#define SWITCHED                                                               \
    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

/* A new driver, whose clients may open BuildKit's tunnels; it has nothing that
 * judges builds. */
static void let_tunnels_pass(void)
{
    driver_fini(&driver);
    driver_init(&driver,
                driver_policy("\"isolation\": \"none\", \"operations\": "
                              "{\"allow\": [\"Grpc\", \"container\"]}"));
}

static void http2_taken_for_granted_leads_to_grpc(void **state)
{
    const struct str text = S(PREFACE "frames");

    (void)state;
    for (size_t cut = 0; cut <= text.len; cut++) {
        let_tunnels_pass();
        driver_send(&driver, CLIENT, str_head(text, cut));
        driver_send(&driver, CLIENT, str_from_index(text, cut));
        assert_true(driver_open_stream(&driver));
        assert_got(ENGINE, S(UPGRADE));
        send_text(ENGINE, SWITCHED "more");
        assert_got(ENGINE, S(PREFACE "frames"));
        assert_got(CLIENT, S("more"));
        driver_eof(&driver, ENGINE);
        driver_eof(&driver, CLIENT);
        assert_true(driver.closed);
        assert_true(record_has("\"operation\":\"Grpc\""));
    }
}

/* SETTINGS, and GOAWAY with HTTP_1_1_REQUIRED and a text. */
static void assert_goaway(const char *text)
{
    struct str got = strbuf_str(&driver.sides[CLIENT].out);
    const char start[] = "\0\0\0\x04\0\0\0\0\0\0", type[] = "\x07";

    assert_true(got.len > 26);
    assert_memory_equal(got.ptr, start, 10);
    assert_int_equal(
        got.len,
        9 + 9 + ((unsigned char)got.ptr[10] << 8 | (unsigned char)got.ptr[11]));
    assert_int_equal(got.ptr[12], type[0]);
    assert_int_equal(got.ptr[25], 0xd);
    assert_true(str_has_prefix(str_from_index(got, 26), str_from(text)));
    assert_true(driver.closed);
}

static void http2_that_is_refused_is_told_so_in_http2(void **state)
{
    (void)state;
    driver_fini(&driver);
    driver_init(&driver,
                driver_policy("\"operations\": {\"allow\": [\"container\"]}"));
    send_text(CLIENT, PREFACE);
    assert_goaway("Grpc is not allowed by the policy");
    let_tunnels_pass();
    send_text(CLIENT, PREFACE);
    assert_true(driver_open_stream(&driver));
    driver_fail_stream(&driver, "it broke", false);
    assert_goaway("the connection to the engine was lost");
    let_tunnels_pass();
    send_text(CLIENT, PREFACE);
    assert_true(driver_open_stream(&driver));
    send_text(ENGINE, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    assert_goaway("the engine");
}

static void what_begins_like_http2_is_what_it_is(void **state)
{
    (void)state;
    let_tunnels_pass();
    send_text(CLIENT, "PRI * HTTP/1.1\r\n\r\n");
    assert_true(str_has_prefix(strbuf_str(&driver.sides[CLIENT].out),
                               S("HTTP/1.1 400 ")));
    let_tunnels_pass();
    send_text(CLIENT, LIST);
    assert_true(driver_open_stream(&driver));
    send_text(ENGINE, EMPTY);
    assert_got(CLIENT, S(EMPTY));
    send_text(CLIENT, PREFACE); /* not the first on this connection */
    assert_true(str_has_prefix(strbuf_str(&driver.sides[CLIENT].out),
                               S("HTTP/1.1 505 ")));
}

static void bytes_behind_a_reply_spend_the_stream(void **state)
{
    (void)state;
    send_text(CLIENT, LIST);
    assert_true(driver_open_stream(&driver));
    send_text(ENGINE, EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
    assert_int_equal(driver.fate, STREAM_SPENT);
    assert_true(str_eq(strbuf_str(&driver.sides[CLIENT].out), S(EMPTY)));

    /* the exchange alone tells it, too, without its driver's help */
    send_text(CLIENT, LIST);
    driver.has_stream = true;
    connection_stream_open(driver.connection);
    assert_int_equal(connection_feed(driver.connection, ENGINE,
                                     S(EMPTY "HTTP/1.1 200 OK\r\n")),
                     strlen(EMPTY));
    assert_int_equal(connection_wish(driver.connection).stream, STREAM_SPENT);
    driver_settle(&driver);
}

static size_t memory_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void an_idle_connection_takes_little_memory(void **state)
{
    AUTO(strbuf_fini) struct strbuf head = STRBUF(LIMIT_HEAD);
    struct connection *busy;
    size_t before, after;

    (void)state;
    strbuf_addf(&head, "GET /containers/json?Env=");
    for (size_t i = 0; i < 200000; i++)
        strbuf_add_char(&head, 'x');
    strbuf_addf(&head, " HTTP/1.1\r\nHost: d\r\n\r\n");

    /* its fields are let grow by one connection, and counted with another */
    send_text(CLIENT, LIST);
    driver_open_stream(&driver);
    before = memory_in_use();
    busy = connection_new(&driver.host);
    assert_int_equal(connection_feed(busy, CLIENT, strbuf_str(&head)),
                     head.len);
    connection_stream_open(busy);
    connection_sent(busy, ENGINE, connection_output(busy, ENGINE).len);
    connection_feed(busy, ENGINE,
                    S("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"));
    for (size_t i = 0; i < 100; i++) {
        static const char zeros[2000];

        connection_feed(busy, ENGINE, str_of(zeros, sizeof(zeros)));
    }
    connection_sent(busy, CLIENT, connection_output(busy, CLIENT).len);
    assert_int_equal(connection_wish(busy).stream, STREAM_REUSABLE);
    connection_stream_gone(busy);
    assert_true(connection_is_idle(busy));
    after = memory_in_use();
    /* the record of it is the test's, and counted here */
    if (after > before + 48 * KIB)
        fail_msg("%zu bytes", after - before);
    connection_free(busy);
}

static void output_is_bounded_however_small_the_chunks(void **state)
{
    (void)state;
    send_text(CLIENT, "POST /build HTTP/1.1\r\nHost: d\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    driver.sides[ENGINE].room = 0;
    assert_true(driver_open_stream(&driver));
    for (size_t i = 0; i < LIMIT_OUT; i++)
        send_text(CLIENT, "1\r\nx\r\n");
    assert_true(connection_output(driver.connection, ENGINE).len <=
                LIMIT_OUT + 16);
    assert_true(connection_output(driver.connection, ENGINE).len >= LIMIT_OUT);
    assert_false(connection_wish(driver.connection).read[CLIENT]);
}

static void a_body_s_time_begins_anew_with_its_bytes(void **state)
{
    uint64_t turn;

    (void)state;
    send_text(CLIENT, "POST /containers/create HTTP/1.1\r\nHost: d\r\n"
                      "Content-Length: 9\r\n\r\n{");
    assert_int_equal(connection_wish(driver.connection).timer, TIMER_BODY);
    turn = connection_wish(driver.connection).timer_turn;
    driver_settle(&driver);
    assert_int_equal(connection_wish(driver.connection).timer_turn, turn);
    send_text(CLIENT, " ");
    assert_int_not_equal(connection_wish(driver.connection).timer_turn, turn);
}

static void a_head_s_time_does_not_but_the_next_head_has_its_own(void **state)
{
    uint64_t turn;

    (void)state;
    send_text(CLIENT, "GET /info HTTP/1.1\r\n");
    assert_int_equal(connection_wish(driver.connection).timer, TIMER_HEAD);
    turn = connection_wish(driver.connection).timer_turn;
    send_text(CLIENT, "Host: d\r\n");
    assert_int_equal(connection_wish(driver.connection).timer, TIMER_HEAD);
    assert_int_equal(connection_wish(driver.connection).timer_turn, turn);
    /* refused at once, and the next begins with the same bytes */
    send_text(CLIENT, "\r\nGET /info HTTP/1.1\r\n");
    assert_int_equal(connection_wish(driver.connection).timer, TIMER_HEAD);
    assert_int_not_equal(connection_wish(driver.connection).timer_turn, turn);
}

static void a_client_that_reads_slowly_is_not_idle(void **state)
{
    uint64_t turn;

    (void)state;
    driver.sides[CLIENT].room = 10;
    send_text(CLIENT, "GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_int_equal(connection_wish(driver.connection).timer, TIMER_IDLE);
    turn = connection_wish(driver.connection).timer_turn;
    driver.sides[CLIENT].room = 1;
    driver_settle(&driver);
    assert_int_equal(connection_wish(driver.connection).timer, TIMER_IDLE);
    assert_int_not_equal(connection_wish(driver.connection).timer_turn, turn);
}

static void an_exchange_is_judged_by_the_policy_it_began_with(void **state)
{
    struct policy *old = driver.policy;

    (void)state;
    send_text(CLIENT, "POST /containers/a/start HTTP/1.1\r\nHost: d\r\n"
                      "Content-Length: 2\r\n\r\n");
    driver.policy = driver_policy("\"operations\": {\"allow\": []}");
    policy_unref(old); /* the exchange has a reference of its own */
    send_text(CLIENT, "{}");
    assert_true(driver_open_stream(&driver));
    send_text(ENGINE, "HTTP/1.1 204 No Content\r\n\r\n");
    strbuf_clear(&driver.sides[CLIENT].out);
    send_text(CLIENT, "POST /containers/a/start HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_false(driver_wants_stream(&driver));
    assert_true(str_has_prefix(strbuf_str(&driver.sides[CLIENT].out),
                               S("HTTP/1.1 403 ")));
}

static void what_runs_when_it_is_freed_is_on_record(void **state)
{
    struct connection *connection;

    (void)state;
    connection = connection_new(&driver.host);
    connection_feed(connection, CLIENT, S(LIST));
    assert_false(record_has("\"event\":\"end\""));
    assert_null(connection_free(connection));
    assert_true(record_has("\"event\":\"end\""));
    assert_true(record_has("\"close\":\"shutdown\""));
    assert_null(connection_free(NULL));
}

static void a_stream_that_was_let_go_fails_in_vain(void **state)
{
    (void)state;
    send_text(CLIENT, "POST /build HTTP/1.1\r\nHost: d\r\n"
                      "Content-Length: 5\r\n\r\nhe");
    assert_true(driver_open_stream(&driver));
    send_text(ENGINE, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(connection_wish(driver.connection).stream, STREAM_NONE);
    connection_stream_failed(driver.connection, "too late", 1, false);
    connection_eof(driver.connection, ENGINE);
    driver_settle(&driver);
    assert_false(driver.closed);
    send_text(CLIENT, "llo");
    assert_true(driver.closed);
}

static void a_created_id_is_read_from_a_short_reply_only(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        AUTO(strbuf_fini) struct strbuf reply = STRBUF(2 * LIMIT_CREATED_REPLY);
        size_t pad = LIMIT_CREATED_REPLY - strlen("{\"Id\":\"c1\"}") + over;

        strbuf_addf(&reply,
                    "HTTP/1.1 201 Created\r\nContent-Length: %zu\r\n\r\n"
                    "{\"Id\":\"c1\"",
                    LIMIT_CREATED_REPLY + over);
        for (size_t i = 0; i < pad; i++)
            strbuf_add_char(&reply, ' ');
        strbuf_add_char(&reply, '}');
        strbuf_clear(&driver.audit);
        send_text(CLIENT, "POST /containers/create HTTP/1.1\r\nHost: d\r\n"
                          "Content-Length: 2\r\n\r\n{}");
        assert_true(driver_open_stream(&driver));
        driver_send(&driver, ENGINE, strbuf_str(&reply));
        assert_true(connection_is_idle(driver.connection));
        assert_int_equal(record_has("\"object\":\"c1\""), !over);
    }
}

static void a_clock_that_is_set_back_makes_no_long_time(void **state)
{
    (void)state;
    send_text(CLIENT, LIST);
    driver_open_stream(&driver);
    driver.now_ns -= 5000000000;
    send_text(ENGINE, EMPTY);
    assert_true(record_has("\"duration_ms\":0.000"));
}

static void its_state_has_a_name_for_the_log(void **state)
{
    (void)state;
    assert_string_equal(connection_state(driver.connection), "head");
    send_text(CLIENT, LIST);
    assert_string_equal(connection_state(driver.connection), "ready");
    assert_string_equal(connection_id(driver.connection), "x-1");
    driver_open_stream(&driver);
    assert_string_equal(connection_state(driver.connection), "done");
}

static void a_client_gone_twice_is_gone_once(void **state)
{
    (void)state;
    send_text(CLIENT, LIST);
    driver_client_gone(&driver);
    connection_client_gone(driver.connection);
    connection_shutdown(driver.connection, END_NOW);
    connection_timeout(driver.connection);
    assert_int_equal(connection_output(driver.connection, CLIENT).len, 0);
    assert_true(connection_wish(driver.connection).close);
}

static void what_a_client_that_left_is_sent_is_not_kept(void **state)
{
    (void)state;
    send_text(CLIENT, "POST /containers/a/start HTTP/1.1\r\nHost: d\r\n\r\n");
    driver_open_stream(&driver);
    driver_client_gone(&driver);
    send_text(ENGINE, "HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n");
    send_zeros(ENGINE, 8000000);
    assert_int_equal(driver.sides[ENGINE].in.len, 0); /* all was taken */
    assert_int_equal(driver.sides[CLIENT].out.len, 0);
    assert_false(driver.closed);
    send_zeros(ENGINE, 1000000);
    assert_true(driver.closed);
    assert_int_equal(driver.fate, STREAM_REUSABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(http2_taken_for_granted_leads_to_grpc),
        TEST(http2_that_is_refused_is_told_so_in_http2),
        TEST(what_begins_like_http2_is_what_it_is),
        TEST(bytes_behind_a_reply_spend_the_stream),
        TEST(an_idle_connection_takes_little_memory),
        TEST(output_is_bounded_however_small_the_chunks),
        TEST(a_body_s_time_begins_anew_with_its_bytes),
        TEST(a_head_s_time_does_not_but_the_next_head_has_its_own),
        TEST(a_client_that_reads_slowly_is_not_idle),
        TEST(an_exchange_is_judged_by_the_policy_it_began_with),
        TEST(what_runs_when_it_is_freed_is_on_record),
        TEST(a_stream_that_was_let_go_fails_in_vain),
        TEST(a_created_id_is_read_from_a_short_reply_only),
        TEST(a_clock_that_is_set_back_makes_no_long_time),
        TEST(its_state_has_a_name_for_the_log),
        TEST(a_client_gone_twice_is_gone_once),
        TEST(what_a_client_that_left_is_sent_is_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
