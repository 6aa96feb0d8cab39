#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "proxy/near/near.h"
#include "tests/unit/fake_upstream.h"
#include "tests/unit/listener_place.h"

#define ADDRESS "127.9.8.7"
#define WEB     "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
#define OTHER   "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"

static struct event_base *base;
static struct fake_upstream fake;
static struct listener_place place;
static struct pool *pool;
static struct near *near;
static char *items[] = {(char[]){"127.0.0.1"}};
static const struct strings listen_on = {items, 1};
static size_t events; /* the stream that these come on */

static void run(void)
{
    fake_run(&fake, base);
}

static size_t asked(const char *text)
{
    return fake_asked(&fake, text);
}

static void answer(const char *question, int status, const char *body)
{
    fake_answer(&fake, base, question, status, body);
}

static void answer_inspect(const char *id, bool runs, unsigned port)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(4 * KIB);
    AUTO(strbuf_fini) struct strbuf question = STRBUF(KIB);

    strbuf_addf(&body,
                "{\"Id\": \"%s\", \"Name\": \"/r1.web\", \"Config\": "
                "{\"Labels\": {\"berth.namespace\": \"r1\"}}, \"State\": "
                "{\"Running\": %s}, \"NetworkSettings\": {\"Ports\": "
                "{\"80/tcp\": [{\"HostIp\": \"" ADDRESS
                "\", \"HostPort\": \"%u\"}]}}}",
                id, runs ? "true" : "false", port);
    strbuf_addf(&question, "GET /containers/%s/json", id);
    answer(strbuf_cstr(&question), 200, strbuf_cstr(&body));
}

static void event(const char *action, const char *id, const char *ns)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(4 * KIB);
    AUTO(strbuf_fini) struct strbuf chunk = STRBUF(4 * KIB);

    strbuf_addf(&line,
                "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":"
                "\"%s\",\"Attributes\":{\"berth.namespace\":\"%s\",\"name\":"
                "\"%s.web\",\"berth.ports\":\"{\\\"bindings\\\":{\\\"80/tcp\\\""
                ":[]}}\"}}}\n",
                action, id, ns, ns);
    strbuf_addf(&chunk, "%zx\r\n%.*s\r\n", line.len,
                STR_FMT(strbuf_str(&line)));
    fake_feed(&fake, events, strbuf_cstr(&chunk));
    run();
}

static int setup(void **state)
{
    const struct near_config config = {
        .base = NULL, .ns = S("r1"), .listen = &listen_on, .address = ADDRESS};
    struct near_config mine = config;

    (void)state;
    base = event_base_new();
    listener_place_init(&place, base);
    fake_upstream_init(&fake);
    pool = pool_new(base, &fake.upstream);
    mine.base = base;
    mine.turns = &place.group;
    mine.memory = &place.share;
    mine.pool = pool;
    mine.upstream = &fake.upstream;
    near = near_new(&mine);
    assert_true(near_is_as(near, &mine));
    run();
    events = asked("GET /events");
    assert_int_not_equal(events, FAKE_STREAMS);
    strbuf_clear(&fake.streams[events].out);
    fake_feed(&fake, events,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    answer("GET /containers/json", 200, "[]");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    near = near_free(near);
    run_loop(base);
    pool_free(pool);
    listener_place_fini(&place);
    fake_upstream_fini(&fake);
    event_base_free(base);
    return 0;
}

static enum port_open open_port(const char *id, const char *port)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    json_auto_t *wish =
        json_pack("{s:{s:[{s:s}]}}", "bindings", "80/tcp", "HostPort", port);
    struct str other;

    return near_open(near, str_from(id), S("web"), wish, &other, &why);
}

static const char *port_of(const char *id)
{
    const json_t *shown = near_shown(near, str_from(id));

    return json_string_value(json_object_get(
        json_array_get(json_object_get(shown, "80/tcp"), 0), "HostPort"));
}

static int dial(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    run();
    return fd;
}

/* The stream to PORT of the engine's host that its owner still has. */
static size_t way_to(unsigned port)
{
    for (size_t at = 0; at < fake.count; at++) {
        if (fake.streams[at].port == port && !fake.streams[at].closed)
            return at;
    }
    return FAKE_STREAMS;
}

static void assert_closed(int fd)
{
    char byte;
    ssize_t n;

    run();
    n = recv(fd, &byte, 1, 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

static void a_connection_is_carried_once_it_is_confirmed(void **state)
{
    char got[16] = "";
    size_t at;
    int fd;

    (void)state;
    assert_int_equal(open_port(WEB, ""), PORT_OPEN);
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    fd = dial(port_of(WEB));
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    run();
    at = way_to(32768);
    assert_int_not_equal(at, FAKE_STREAMS);
    fake_open(&fake, at);
    fake_feed(&fake, at, "early");
    run();
    assert_int_equal(fake.streams[at].out.len, 0);
    assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
    answer_inspect(WEB, true, 32768);
    assert_string_equal(strbuf_cstr(&fake.streams[at].out), "hello");
    assert_int_equal(recv(fd, got, sizeof(got), 0), 5);
    assert_memory_equal(got, "early", 5);
    assert_int_equal(near_count(near).connections, 1);

    shutdown(fd, SHUT_WR);
    run();
    assert_true(fake.streams[at].shut);
    fake_feed(&fake, at, "late");
    run();
    assert_int_equal(recv(fd, got, sizeof(got), 0), 4);
    fake_eof(&fake, at);
    run();
    assert_int_equal(recv(fd, got, sizeof(got), 0), 0);
    fake_fail(&fake, at, NULL);
    run();
    assert_int_equal(near_count(near).connections, 0);
    close(fd);
}

static void a_port_that_is_another_container_s_by_now_gets_nothing(void **state)
{
    size_t at;
    int fd;

    (void)state;
    open_port(WEB, "");
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    fd = dial(port_of(WEB));
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    at = way_to(32768);
    fake_open(&fake, at);
    answer_inspect(WEB, true, 32769); /* the engine was restarted */
    assert_true(fake.streams[at].closed);
    assert_int_equal(fake.streams[at].out.len, 0);
    at = way_to(32769);
    assert_int_not_equal(at, FAKE_STREAMS);
    fake_open(&fake, at);
    assert_int_equal(fake.streams[at].out.len, 0);
    answer_inspect(WEB, true, 32769);
    assert_string_equal(strbuf_cstr(&fake.streams[at].out), "hello");
    close(fd);
    run();
}

static void one_that_never_stays_the_same_is_given_up(void **state)
{
    int fd;

    (void)state;
    open_port(WEB, "");
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    fd = dial(port_of(WEB));
    for (unsigned i = 1; i <= 3; i++)
        answer_inspect(WEB, true, 32768 + i);
    assert_closed(fd);
    assert_int_equal(near_count(near).connections, 0);
}

static void what_comes_during_a_question_waits_for_the_next(void **state)
{
    int first, second;
    size_t at;

    (void)state;
    open_port(WEB, "");
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    first = dial(port_of(WEB));
    second = dial(port_of(WEB));
    assert_int_equal(near_count(near).connections, 2);
    answer_inspect(WEB, true, 32768);
    assert_int_equal(near_count(near).carried, 1);
    at = way_to(32768);
    fake_open(&fake, at);
    answer_inspect(WEB, true, 32768);
    assert_int_equal(near_count(near).carried, 2);
    close(first);
    close(second);
    run();
}

static void a_container_that_has_ended_is_not_listened_for(void **state)
{
    char *port;
    int fd;

    (void)state;
    open_port(WEB, "");
    event("start", WEB, "r1");
    port = xstrdup(port_of(WEB));
    fd = dial(port);
    event("die", WEB, "r1");
    assert_null(near_shown(near, S(WEB)));
    assert_closed(fd);
    assert_int_equal(dial(port), -1);
    free(port);
}

static void a_restart_keeps_what_it_has(void **state)
{
    const char *port;

    (void)state;
    open_port(WEB, "");
    event("start", WEB, "r1");
    port = port_of(WEB);
    assert_int_equal(open_port(WEB, ""), PORT_OPEN);
    event("die", WEB, "r1");
    assert_ptr_equal(port_of(WEB), port);
    event("start", WEB, "r1");
    assert_ptr_equal(port_of(WEB), port);
    event("die", WEB, "r1");
    assert_null(port_of(WEB));
}

static void a_start_that_fails_keeps_nothing(void **state)
{
    (void)state;
    open_port(WEB, "");
    near_doubt(near, S(WEB));
    answer_inspect(WEB, false, 0);
    assert_null(port_of(WEB));
    open_port(WEB, "");
    near_learn(near, S(WEB), NULL);
    assert_null(port_of(WEB));
}

static void a_port_that_is_taken_is_told_in_the_engine_s_words(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    json_auto_t *wish = NULL;
    struct str other;
    char *port;

    (void)state;
    open_port(WEB, "");
    port = xstrdup(port_of(WEB));
    wish = json_pack("{s:{s:[{s:s}]}}", "bindings", "80/tcp", "HostPort", port);
    assert_int_equal(near_open(near, S(OTHER), S("two"), wish, &other, &why),
                     PORT_IN_USE);
    assert_string_equal(other.ptr, WEB);
    assert_non_null(strstr(strbuf_cstr(&why),
                           "endpoint two (" OTHER "): Bind for 0.0.0.0:"));
    assert_non_null(
        strstr(strbuf_cstr(&why), " failed: port is already allocated"));
    assert_null(near_shown(near, S(OTHER)));
    near_learn(near, S(WEB), NULL);
    assert_int_equal(open_port(OTHER, port), PORT_OPEN);
    assert_string_equal(port_of(OTHER), port);
    free(port);
}

static void one_of_another_process_as_well(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(at);
    char port[16];

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&at, &size);
    snprintf(port, sizeof(port), "%u", ntohs(at.sin_port));
    assert_int_equal(open_port(WEB, port), PORT_REFUSED);
    assert_int_equal(near_count(near).listeners, 0);
    close(fd);
}

static void events_of_others_are_nothing(void **state)
{
    (void)state;
    event("start", WEB, "r2");
    assert_null(near_shown(near, S(WEB)));
    event("start", WEB, "r1");
    assert_non_null(near_shown(near, S(WEB)));
}

static void a_list_tells_what_runs(void **state)
{
    (void)state;
    event("start", WEB, "r1");
    assert_non_null(near_shown(near, S(WEB)));
    fake_eof(&fake, events);
    run();
    usleep(1100 * 1000); /* it begins anew */
    run();
    events = asked("GET /events");
    assert_int_not_equal(events, FAKE_STREAMS);
    strbuf_clear(&fake.streams[events].out);
    fake_feed(&fake, events,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    answer("GET /containers/json", 200,
           "[{\"Id\": \"" OTHER "\", \"Names\": [\"/r1.two\"], \"Labels\": "
           "{\"berth.namespace\": \"r1\", \"berth.ports\": "
           "\"{\\\"bindings\\\": {\\\"80/tcp\\\": []}}\"}}]");
    assert_null(near_shown(near, S(WEB)));
    assert_non_null(port_of(OTHER));
}

static void what_was_made_is_remembered_for_a_while(void **state)
{
    json_auto_t *wish = json_pack("{s:{}}", "bindings");
    struct str name;
    json_t *noted;

    (void)state;
    assert_false(near_noted(near, S(WEB), &name, &noted));
    near_note(near, S(WEB), S("web"), wish);
    near_note(near, S(OTHER), S("two"), NULL);
    assert_true(near_noted(near, S(WEB), &name, &noted));
    assert_true(json_equal(noted, wish) && str_eq(name, S("web")));
    assert_true(near_noted(near, S(OTHER), &name, &noted));
    assert_null(noted);
    for (unsigned i = 0; i < LIMIT_PORT_NOTES; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%u", i);
        near_note(near, str_from(id), S("x"), NULL);
    }
    assert_false(near_noted(near, S(WEB), &name, &noted));
}

static void who_yields_listens_no_more_but_carries_on(void **state)
{
    char *port;
    size_t at;
    int fd;

    (void)state;
    open_port(WEB, "");
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    port = xstrdup(port_of(WEB));
    fd = dial(port);
    at = way_to(32768);
    fake_open(&fake, at);
    answer_inspect(WEB, true, 32768);
    near_yield(near);
    assert_int_equal(dial(port), -1);
    assert_int_equal(near_count(near).listeners, 0);
    assert_int_equal(open_port(OTHER, ""), PORT_OPEN);
    event("start", OTHER, "r1");
    assert_int_equal(near_count(near).listeners, 0);
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    run();
    assert_string_equal(strbuf_cstr(&fake.streams[at].out), "hello");
    close(fd);
    free(port);
}

/* A connection to WEB that is carried, over the stream *AT. */
static int carry(size_t *at)
{
    int fd;

    open_port(WEB, "");
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    fd = dial(port_of(WEB));
    *at = way_to(32768);
    fake_open(&fake, *at);
    answer_inspect(WEB, true, 32768);
    assert_int_equal(near_count(near).carried, 1);
    return fd;
}

static void its_bytes_wait_for_a_turn_of_the_listener(void **state)
{
    char got[16] = "";
    size_t at;
    int fd = carry(&at);

    (void)state;
    place.turns.last = NULL;
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    run();
    assert_string_equal(strbuf_cstr(&fake.streams[at].out), "hello");
    assert_ptr_equal(place.turns.last, &place.group);

    fake_feed(&fake, at, "world");
    assert_false(TAILQ_EMPTY(&place.group.waiting));
    assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
    run();
    assert_int_equal(recv(fd, got, sizeof(got), 0), 5);

    fake_feed(&fake, at, "more"); /* and then it goes before its turn */
    close(fd);
    near = near_free(near);
    assert_true(TAILQ_EMPTY(&place.group.waiting));
}

static void a_connection_is_in_the_account_of_memory(void **state)
{
    size_t at;
    int fd = carry(&at);

    (void)state;
    assert_int_equal(place.share.used, LIMIT_PORT_INPUT);
    close(fd);
    fake_fail(&fake, at, NULL);
    run();
    assert_int_equal(near_count(near).connections, 0);
    assert_int_equal(place.share.used, 0);
}

static void where_memory_is_short_it_waits(void **state)
{
    int fd;

    (void)state;
    open_port(WEB, "");
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    listener_place_crowd(&place, LIMIT_PORT_INPUT - 1);
    fd = dial(port_of(WEB));
    assert_int_not_equal(fd, -1);
    assert_int_equal(near_count(near).connections, 0);
    listener_place_crowd(&place, LIMIT_PORT_INPUT);
    while (near_count(near).connections == 0) { /* it is looked for */
        usleep(1000);
        run();
    }
    assert_true(memory_has_room(&place.share, 0));
    assert_false(memory_has_room(&place.share, 1));
    close(fd);
    run();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_connection_is_carried_once_it_is_confirmed),
        TEST(a_port_that_is_another_container_s_by_now_gets_nothing),
        TEST(one_that_never_stays_the_same_is_given_up),
        TEST(what_comes_during_a_question_waits_for_the_next),
        TEST(a_container_that_has_ended_is_not_listened_for),
        TEST(a_restart_keeps_what_it_has),
        TEST(a_start_that_fails_keeps_nothing),
        TEST(a_port_that_is_taken_is_told_in_the_engine_s_words),
        TEST(one_of_another_process_as_well),
        TEST(events_of_others_are_nothing),
        TEST(a_list_tells_what_runs),
        TEST(what_was_made_is_remembered_for_a_while),
        TEST(who_yields_listens_no_more_but_carries_on),
        TEST(its_bytes_wait_for_a_turn_of_the_listener),
        TEST(a_connection_is_in_the_account_of_memory),
        TEST(where_memory_is_short_it_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
