#include "tests/unit/near_scene.h"

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
