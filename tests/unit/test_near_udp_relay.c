#include "tests/unit/near_udp_scene.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* The relay of the datagrams to a container: what it is, and when there is
 * another. */

static void the_relay_is_held_in(void **state)
{
    const char *body;
    size_t at;
    int fd;

    (void)state;
    udp_start();
    fd = udp_client_of(UDP_DNS);
    udp_say(fd, "x");
    udp_confirm();
    udp_answer("GET /containers/berth_relay.r1.", 404, "{}");
    udp_answer("GET /version", 200, "{\"Arch\":\"amd64\"}");
    udp_run();
    at = udp_asked("POST /containers/create?name=berth_relay.r1.");
    assert_int_not_equal(at, FAKE_STREAMS);
    body = strbuf_cstr(&udp_fake.streams[at].out);
    assert_non_null(strstr(body, "\"NetworkMode\":\"container:" UDP_DNS "\""));
    assert_non_null(strstr(body, "\"CapDrop\":[\"ALL\"]"));
    assert_null(strstr(body, "CapAdd"));
    assert_null(strstr(body, "Mounts"));
    assert_non_null(strstr(body, "\"ReadonlyRootfs\":true"));
    assert_non_null(strstr(body, "no-new-privileges"));
    assert_non_null(strstr(body, "\"User\":\"65534:65534\""));
    assert_non_null(strstr(body, "\"AutoRemove\":true"));
    assert_null(strstr(body, "berth.namespace"));
    udp_answer("POST /containers/create?name=berth_relay.r1.", 201, "{}");
    udp_answer("/start", 204, "");
    udp_answer_exec();
    udp_expect(udp_service, NULL, "x");
    close(fd);
}

static void an_address_that_is_gone_is_asked_for_again(void **state)
{
    struct sockaddr_in from;
    int fd;

    (void)state;
    udp_start();
    fd = udp_client_of(UDP_DNS);
    udp_say(fd, "x");
    udp_answer_inspect(UDP_DNS, "T1", 32768, "192.0.2.7"); /* of no one here */
    udp_answer_relay();
    for (unsigned i = 0; i < 20000 && near_count(udp_near).flows; i++) {
        udp_pump();
        poll(NULL, 0, 1);
    }
    assert_int_equal(near_count(udp_near).flows, 0);
    udp_say(fd, "again");
    udp_confirm();
    udp_expect(udp_service, &from, "again");
    close(fd);
}

static void a_restart_has_another_relay(void **state)
{
    struct sockaddr_in from;
    int fd;

    (void)state;
    fd = udp_begin_flow("one", &from);
    assert_int_equal(udp_open_port(UDP_DNS, ""),
                     PORT_OPEN); /* a restart is to come */
    udp_event("die", UDP_DNS);
    assert_true(udp_relay_is_closed());
    assert_int_equal(near_count(udp_near).flows, 0);
    udp_event("start", UDP_DNS);
    udp_answer_inspect(UDP_DNS, "T2", 32769, "127.5.6.8");
    udp_say(fd, "two");
    udp_answer_inspect(UDP_DNS, "T2", 32769, "127.5.6.8");
    udp_answer_relay();
    udp_expect(udp_service, &from, "two");
    close(fd);
}

/* One that no event told of. */
static void a_restart_that_was_missed_has_another_relay(void **state)
{
    struct sockaddr_in from;
    int fd, other;

    (void)state;
    udp_start();
    fd = udp_client_of(UDP_DNS);
    other = udp_client_of(UDP_DNS);
    udp_say(fd, "one");
    udp_confirm();
    udp_answer_relay();
    udp_expect(udp_service, &from, "one");
    udp_say(other, "two");
    udp_answer_inspect(UDP_DNS, "T2", 32768, "127.5.6.8");
    assert_true(udp_relay_is_closed());
    udp_answer_relay();
    udp_expect(udp_service, &from, "two");
    close(fd);
    close(other);
}

static void a_relay_that_is_lost_is_made_up_for(void **state)
{
    struct sockaddr_in from;
    int fd;

    (void)state;
    fd = udp_begin_flow("one", &from);
    udp_lose_relay();
    for (;;) { /* not at once */
        udp_say(fd, "two");
        udp_confirm();
        if (udp_asked("GET /containers/berth_relay.r1.") != FAKE_STREAMS)
            break;
        poll(NULL, 0, 1);
    }
    udp_answer_relay();
    udp_expect(udp_service, &from, "two");
    close(fd);
}

static void idle_flows_end_and_then_the_relay(void **state)
{
    struct sockaddr_in from, talks;
    uint64_t now;
    int one, two;

    (void)state;
    udp_start();
    one = udp_client_of(UDP_DNS);
    two = udp_client_of(UDP_DNS);
    udp_say(one, "one");
    udp_confirm();
    udp_answer_relay();
    udp_expect(udp_service, &from, "one");
    udp_say(two, "two");
    udp_confirm();
    udp_expect(udp_service, &talks, "two");
    udp_reply(&talks, "yes");
    udp_expect(two, NULL, "yes");
    now = TAILQ_FIRST(&udp_near->flows)->used;
    near_flow_sweep(udp_near, now + NEAR_FLOW_S - 5);
    assert_int_equal(near_count(udp_near).flows, 2);
    near_flow_sweep(udp_near, now + NEAR_FLOW_S + 1);
    assert_int_equal(near_count(udp_near).flows, 1);
    near_flow_sweep(udp_near, now + NEAR_TALK_S - 5);
    assert_int_equal(near_count(udp_near).flows, 1);
    near_flow_sweep(udp_near, now + NEAR_TALK_S + 1);
    assert_int_equal(near_count(udp_near).flows, 0);
    assert_false(udp_relay_is_closed());
    near_flow_sweep(udp_near, now + NEAR_TALK_S + NEAR_RELAY_S + 1);
    assert_true(udp_relay_is_closed());
    close(one);
    close(two);
}

#define NEAR(test)                                                             \
    cmocka_unit_test_setup_teardown(test, udp_setup, udp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NEAR(the_relay_is_held_in),
        NEAR(an_address_that_is_gone_is_asked_for_again),
        NEAR(a_restart_has_another_relay),
        NEAR(a_restart_that_was_missed_has_another_relay),
        NEAR(a_relay_that_is_lost_is_made_up_for),
        NEAR(idle_flows_end_and_then_the_relay),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
