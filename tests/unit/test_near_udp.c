#include "tests/unit/near_udp_scene.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Datagrams to a port of a container, and back. */

static void a_datagram_is_carried_once_it_is_confirmed(void **state)
{
    struct sockaddr_in from;
    int fd;

    (void)state;
    udp_start();
    fd = udp_client_of(UDP_DNS);
    udp_say(fd, "one");
    udp_say(fd, "");
    udp_say(fd, "three");
    assert_int_equal(udp_asked("berth_relay"), FAKE_STREAMS);
    udp_confirm();
    udp_answer_relay();
    udp_expect(udp_service, &from, "one");
    assert_int_equal(ntohl(from.sin_addr.s_addr), UDP_OWN);
    udp_expect(udp_service, &from, "");
    udp_expect(udp_service, &from, "three");
    udp_reply(&from, "answer");
    udp_expect(fd, NULL, "answer");
    assert_int_equal(near_count(udp_near).flows, 1);
    assert_int_equal(near_count(udp_near).flows_carried, 1);
    assert_int_equal(near_count(udp_near).datagrams_in, 3);
    assert_int_equal(near_count(udp_near).datagrams_out, 1);
    assert_int_equal(near_count(udp_near).lost, 0);
    close(fd);
}

static void the_largest_goes_both_ways(void **state)
{
    static char big[WIRE_DATAGRAM_MOST];
    struct sockaddr_in from;
    int fd;

    (void)state;
    udp_start();
    fd = udp_client_of(UDP_DNS);
    memset(big, 'x', sizeof(big));
    assert_int_equal(send(fd, big, sizeof(big), 0), sizeof(big));
    udp_run();
    udp_confirm();
    udp_answer_relay();
    assert_int_equal(udp_receive(udp_service, &from), sizeof(big));
    assert_int_equal(sendto(udp_service, big, sizeof(big), 0,
                            (struct sockaddr *)&from, sizeof(from)),
                     sizeof(big));
    assert_int_equal(udp_receive(fd, NULL), sizeof(big));
    assert_memory_equal(udp_got, big, sizeof(big));
    close(fd);
}

static void clients_are_kept_apart(void **state)
{
    struct sockaddr_in first, second;
    int one, two;

    (void)state;
    udp_start();
    one = udp_client_of(UDP_DNS);
    two = udp_client_of(UDP_DNS);
    udp_say(one, "one");
    udp_confirm();
    udp_answer_relay();
    udp_expect(udp_service, &first, "one");
    udp_say(two, "two");
    udp_confirm();
    udp_expect(udp_service, &second, "two");
    assert_int_not_equal(first.sin_port, second.sin_port);
    udp_reply(&second, "for two");
    udp_reply(&first, "for one");
    udp_expect(one, NULL, "for one");
    udp_expect(two, NULL, "for two");
    close(one);
    close(two);
}

/* Where it is listened on all addresses, that is not the one that the kernel
 * would take for an answer. */
static void an_answer_comes_from_where_it_was_asked(void **state)
{
    struct sockaddr_in from, to = {.sin_family = AF_INET};
    int fd;

    (void)state;
    udp_listen_anywhere();
    udp_start();
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 4);
    to.sin_port = htons((uint16_t)atoi(udp_port_of(UDP_DNS)));
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    udp_say(fd, "x");
    udp_confirm();
    udp_answer_relay();
    udp_expect(udp_service, &from, "x");
    udp_reply(&from, "y");
    udp_expect(fd, NULL, "y");
    close(fd);
}

/* Nothing goes anywhere but to what the engine says is the container's. */
static void nothing_leads_to_what_is_not_its(void **state)
{
    int fd;

    (void)state;
    udp_start();
    fd = udp_client_of(UDP_DNS);
    udp_say(fd, "not published any more");
    udp_answer_inspect(UDP_DNS, "T1", 0, "127.5.6.8");
    udp_say(fd, "without an address");
    udp_elsewhere = "";
    udp_answer_inspect(UDP_DNS, "T1", 32768, "");
    assert_int_equal(udp_asked("berth_relay"), FAKE_STREAMS);
    assert_int_equal(near_count(udp_near).flows, 0);
    assert_int_equal(near_count(udp_near).flows_refused, 2);
    assert_int_equal(near_count(udp_near).lost, 2);
    udp_say(fd, "gone");
    udp_answer("GET /containers/" UDP_DNS "/json", 404, "{}");
    assert_int_equal(near_count(udp_near).containers, 0);
    udp_expect_nothing(udp_service);
    close(fd);
}

static void too_many_flows_end_the_oldest(void **state)
{
    int fds[LIMIT_PORT_FLOWS_EACH + 1];

    (void)state;
    udp_start();
    for (size_t i = 0; i < LIMIT_PORT_FLOWS_EACH; i++) {
        fds[i] = udp_client_of(UDP_DNS);
        udp_say(fds[i], "x");
    }
    assert_int_equal(near_count(udp_near).flows, LIMIT_PORT_FLOWS_EACH);
    assert_int_equal(near_count(udp_near).flows_refused, 0);
    udp_say(fds[0], "x"); /* it is in use */
    fds[LIMIT_PORT_FLOWS_EACH] = udp_client_of(UDP_DNS);
    udp_say(fds[LIMIT_PORT_FLOWS_EACH], "x");
    assert_int_equal(near_count(udp_near).flows, LIMIT_PORT_FLOWS_EACH);
    assert_int_equal(near_count(udp_near).flows_refused, 1);
    assert_int_equal(TAILQ_FIRST(&udp_near->flows)->held_count, 1);
    assert_int_equal(
        TAILQ_NEXT(TAILQ_FIRST(&udp_near->flows), link)->held_count, 2);
    for (size_t i = 0; i <= LIMIT_PORT_FLOWS_EACH; i++)
        close(fds[i]);
}

static void what_waits_has_its_limits(void **state)
{
    static char big[WIRE_DATAGRAM_MOST];
    size_t left =
        LIMIT_PORT_HELD - LIMIT_FLOW_HELD * sizeof(struct near_datagram);
    size_t most = left / (sizeof(big) + sizeof(struct near_datagram));
    int fds[3];

    (void)state;
    udp_start();
    fds[0] = udp_client_of(UDP_DNS);
    for (unsigned i = 0; i < LIMIT_FLOW_HELD + 1; i++)
        udp_say(fds[0], "");
    assert_int_equal(near_count(udp_near).lost, 1);
    for (size_t i = 0; i < most + 1; i++) {
        if (i % LIMIT_FLOW_HELD == 0)
            fds[1 + i / LIMIT_FLOW_HELD] = udp_client_of(UDP_DNS);
        assert_int_equal(
            send(fds[1 + i / LIMIT_FLOW_HELD], big, sizeof(big), 0),
            sizeof(big));
        udp_run();
    }
    assert_int_equal(near_count(udp_near).lost, 2);
    assert_true(udp_near->held <= LIMIT_PORT_HELD);
    assert_int_equal(udp_place.share.used, udp_near->held);
    for (size_t i = 0; i <= 1 + most / LIMIT_FLOW_HELD; i++)
        close(fds[i]);
}

static void a_port_is_one_container_s(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    json_auto_t *wish = NULL;
    struct str other;
    char *port;

    (void)state;
    udp_start();
    port = xstrdup(udp_port_of(UDP_DNS));
    assert_int_equal(udp_open_port(UDP_OTHER, port), PORT_IN_USE);
    wish = json_pack("{s:{s:[{s:s}]}}", "bindings", "80/tcp", "HostPort", port);
    assert_int_equal(/* and of TCP, another's */
                     near_open(udp_near, S(UDP_OTHER), S("web"), wish, &other,
                               &why),
                     PORT_OPEN);
    free(port);
}

#define NEAR(test)                                                             \
    cmocka_unit_test_setup_teardown(test, udp_setup, udp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NEAR(a_datagram_is_carried_once_it_is_confirmed),
        NEAR(the_largest_goes_both_ways),
        NEAR(clients_are_kept_apart),
        NEAR(an_answer_comes_from_where_it_was_asked),
        NEAR(nothing_leads_to_what_is_not_its),
        NEAR(too_many_flows_end_the_oldest),
        NEAR(what_waits_has_its_limits),
        NEAR(a_port_is_one_container_s),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
