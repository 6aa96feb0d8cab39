#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "proxy/companion/companion.h"
#include "proxy/companion/wire.h"
#include "proxy/near/near_private.h"
#include "tests/unit/fake_upstream.h"
#include "tests/unit/listener_place.h"

/*
 * Datagrams to a port of a container. The test plays the engine; the relay is
 * the real program, in a process of its own, and the container's network is
 * this machine's loopback.
 */

#define ADDRESS "127.9.8.7"
#define DNS     "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
#define OTHER   "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"
#define EXEC    "c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3"
#define OWN     0x7f050608 /* 127.5.6.8, the container's own */

static struct event_base *base;
static struct fake_upstream fake;
static struct listener_place place;
static struct pool *pool;
static struct near *near;
static char loopback[] = "127.0.0.1", any_address[] = "0.0.0.0";
static char *items[] = {loopback};
static const struct strings listen_on = {items, 1};
static size_t events;         /* the stream that these come on */
static int service;           /* of the container */
static unsigned inside;       /* its port */
static const char *elsewhere; /* its address on another network */

static struct {
    pid_t pid;
    int in, out;
    size_t at; /* the stream that it is behind */
} relay;

/* ---- the engine ---- */

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

static void answer_inspect(const char *id, const char *started, unsigned port,
                           const char *address)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(4 * KIB);
    AUTO(strbuf_fini) struct strbuf question = STRBUF(KIB);

    strbuf_addf(&body,
                "{\"Id\": \"%s\", \"Name\": \"/r1.dns\", \"Config\": "
                "{\"Labels\": {\"berth.namespace\": \"r1\"}}, \"State\": "
                "{\"Running\": true, \"StartedAt\": \"%s\"}, \"HostConfig\": "
                "{\"NetworkMode\": \"r1.net\"}, \"NetworkSettings\": "
                "{\"Networks\": {\"r1.other\": {\"IPAddress\": \"%s\"}, "
                "\"r1.net\": {\"IPAddress\": \"%s\"}}, \"Ports\": "
                "{\"%u/udp\": [{\"HostIp\": \"" ADDRESS
                "\", \"HostPort\": \"%u\"}]}}}",
                id, started, elsewhere, address, inside, port);
    strbuf_addf(&question, "GET /containers/%s/json", id);
    answer(strbuf_cstr(&question), 200, strbuf_cstr(&body));
}

static void event(const char *action, const char *id)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(4 * KIB);
    AUTO(strbuf_fini) struct strbuf chunk = STRBUF(4 * KIB);

    strbuf_addf(&line,
                "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":"
                "\"%s\",\"Attributes\":{\"berth.namespace\":\"r1\",\"name\":"
                "\"r1.dns\",\"berth.ports\":\"{\\\"bindings\\\":{\\\"%u/udp\\\""
                ":[]}}\"}}}\n",
                action, id, inside);
    strbuf_addf(&chunk, "%zx\r\n%.*s\r\n", line.len,
                STR_FMT(strbuf_str(&line)));
    fake_feed(&fake, events, strbuf_cstr(&chunk));
    run();
}

/* ---- the relay ---- */

static void end_relay(void)
{
    if (!relay.pid)
        return;
    close(relay.in);
    close(relay.out);
    kill(relay.pid, SIGKILL);
    waitpid(relay.pid, NULL, 0);
    relay.pid = 0;
}

static void begin_relay(const char *nonce)
{
    int in[2], out[2];

    end_relay();
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    relay.pid = fork();
    if (relay.pid == 0) {
        for (int fd = 3; fd < 1000; fd++) {
            if (fd != in[0] && fd != out[1])
                close(fd);
        }
        _exit(companion_relay(in[0], out[1], nonce));
    }
    close(in[0]);
    close(out[1]);
    relay.in = in[1];
    relay.out = out[0];
    fcntl(relay.out, F_SETFL, O_NONBLOCK);
}

/* What each of the two has for the other. */
static void pump(void)
{
    struct fake_stream *stream = &fake.streams[relay.at];
    unsigned char head[8] = {1};
    char bytes[32 * 1024];
    ssize_t n;

    run();
    if (!relay.pid || stream->closed)
        return;
    if (stream->out.len) {
        assert_int_equal(write(relay.in, stream->out.ptr, stream->out.len),
                         stream->out.len);
        strbuf_clear(&stream->out);
    }
    n = read(relay.out, bytes, sizeof(bytes));
    if (n > 0) {
        wire_put(head + 4, 4, (uint32_t)n);
        strbuf_add(&stream->in, str_of((char *)head, sizeof(head)));
        strbuf_add(&stream->in, str_of(bytes, (size_t)n));
        fake_feed(&fake, relay.at, "");
    }
    run();
}

/* The exec that was asked for is created, and the program answers. */
static void answer_exec(void)
{
    const char *text, *nonce;
    char said[WIRE_NONCE + 1] = "";
    size_t at;

    run();
    at = asked("\"relay\"");
    assert_int_not_equal(at, FAKE_STREAMS);
    text = strbuf_cstr(&fake.streams[at].out);
    nonce = strstr(text, "\"relay\",\"");
    assert_non_null(nonce);
    memcpy(said, nonce + 9, WIRE_NONCE);
    answer("/exec", 201, "{\"Id\":\"" EXEC "\"}");
    relay.at = asked("POST /exec/" EXEC "/start");
    assert_int_not_equal(relay.at, FAKE_STREAMS);
    strbuf_clear(&fake.streams[relay.at].out);
    begin_relay(said);
    fake_feed(&fake, relay.at,
              "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
              "Upgrade: tcp\r\n\r\n");
}

/* Its container is there already. */
static void answer_relay(void)
{
    answer("GET /containers/berth_relay.r1.", 200,
           "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{"
           "\"berth.companion\":\"r1\"}}}");
    answer_exec();
}

/* ---- the test's world ---- */

static void begin_near(void)
{
    struct near_config config = {
        .ns = S("r1"), .listen = &listen_on, .address = ADDRESS};

    config.base = base;
    config.turns = &place.group;
    config.memory = &place.share;
    config.pool = pool;
    config.upstream = &fake.upstream;
    near = near_new(&config);
    run();
    events = asked("GET /events");
    assert_int_not_equal(events, FAKE_STREAMS);
    strbuf_clear(&fake.streams[events].out);
    fake_feed(&fake, events,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    answer("GET /containers/json", 200, "[]");
}

static int setup(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(OWN)};
    socklen_t size = sizeof(at);

    (void)state;
    elsewhere = "192.0.2.1";
    service = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(service, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(service, (struct sockaddr *)&at, &size), 0);
    inside = ntohs(at.sin_port);
    base = event_base_new();
    listener_place_init(&place, base);
    fake_upstream_init(&fake);
    pool = pool_new(base, &fake.upstream);
    begin_near();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    near = near_free(near);
    run_loop(base);
    assert_int_equal(place.share.used, 0);
    end_relay();
    close(service);
    pool_free(pool);
    listener_place_fini(&place);
    fake_upstream_fini(&fake);
    event_base_free(base);
    return 0;
}

static enum port_open open_port(const char *id, const char *port)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    char name[PORT_NAME];
    json_auto_t *wish = NULL;
    struct str other;

    snprintf(name, sizeof(name), "%u/udp", inside);
    wish = json_pack("{s:{s:[{s:s}]}}", "bindings", name, "HostPort", port);
    return near_open(near, str_from(id), S("dns"), wish, &other, &why);
}

static const char *port_of(const char *id)
{
    char name[PORT_NAME];

    snprintf(name, sizeof(name), "%u/udp", inside);
    return json_string_value(json_object_get(
        json_array_get(json_object_get(near_shown(near, str_from(id)), name),
                       0),
        "HostPort"));
}

/* A client of the port of ID. */
static int client_of(const char *id)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port_of(id))),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
    run();
}

static char got[WIRE_DATAGRAM_MOST + 1];

/* The next datagram for FD. */
static ssize_t receive(int fd, struct sockaddr_in *from)
{
    for (unsigned i = 0; i < 20000; i++) {
        socklen_t size = sizeof(*from);
        ssize_t n = recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)from,
                             from ? &size : NULL);

        if (n >= 0)
            return n;
        pump();
        poll(NULL, 0, 1);
    }
    fail_msg("no datagram comes");
    return -1;
}

static void expect(int fd, struct sockaddr_in *from, const char *text)
{
    assert_int_equal(receive(fd, from), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void reply(const struct sockaddr_in *to, const char *text)
{
    assert_int_equal(sendto(service, text, strlen(text), 0,
                            (const struct sockaddr *)to, sizeof(*to)),
                     strlen(text));
}

/* Nothing is there for FD, and none is under way. */
static void expect_nothing(int fd)
{
    for (unsigned i = 0; i < 20; i++) {
        pump();
        poll(NULL, 0, 1);
    }
    assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
    assert_int_equal(errno, EAGAIN);
}

static void start(void)
{
    assert_int_equal(open_port(DNS, ""), PORT_OPEN);
    event("start", DNS);
    answer_inspect(DNS, "T1", 32768, "127.5.6.8");
}

/* The engine says again that it is there. */
static void confirm(void)
{
    answer_inspect(DNS, "T1", 32768, "127.5.6.8");
}

/* A client whose first datagram, TEXT, has arrived, FROM there. */
static int begin_flow(const char *text, struct sockaddr_in *from)
{
    int fd;

    start();
    fd = client_of(DNS);
    say(fd, text);
    confirm();
    answer_relay();
    expect(service, from, text);
    return fd;
}

/* ---- tests ---- */

static void a_datagram_is_carried_once_it_is_confirmed(void **state)
{
    struct sockaddr_in from;
    int fd;

    (void)state;
    start();
    fd = client_of(DNS);
    say(fd, "one");
    say(fd, "");
    say(fd, "three");
    assert_int_equal(asked("berth_relay"), FAKE_STREAMS);
    confirm();
    answer_relay();
    expect(service, &from, "one");
    assert_int_equal(ntohl(from.sin_addr.s_addr), OWN);
    expect(service, &from, "");
    expect(service, &from, "three");
    reply(&from, "answer");
    expect(fd, NULL, "answer");
    assert_int_equal(near_count(near).flows, 1);
    assert_int_equal(near_count(near).flows_carried, 1);
    assert_int_equal(near_count(near).datagrams_in, 3);
    assert_int_equal(near_count(near).datagrams_out, 1);
    assert_int_equal(near_count(near).lost, 0);
    close(fd);
}

static void the_largest_goes_both_ways(void **state)
{
    static char big[WIRE_DATAGRAM_MOST];
    struct sockaddr_in from;
    int fd;

    (void)state;
    start();
    fd = client_of(DNS);
    memset(big, 'x', sizeof(big));
    assert_int_equal(send(fd, big, sizeof(big), 0), sizeof(big));
    run();
    confirm();
    answer_relay();
    assert_int_equal(receive(service, &from), sizeof(big));
    assert_int_equal(sendto(service, big, sizeof(big), 0,
                            (struct sockaddr *)&from, sizeof(from)),
                     sizeof(big));
    assert_int_equal(receive(fd, NULL), sizeof(big));
    assert_memory_equal(got, big, sizeof(big));
    close(fd);
}

static void clients_are_kept_apart(void **state)
{
    struct sockaddr_in first, second;
    int one, two;

    (void)state;
    start();
    one = client_of(DNS);
    two = client_of(DNS);
    say(one, "one");
    confirm();
    answer_relay();
    expect(service, &first, "one");
    say(two, "two");
    confirm();
    expect(service, &second, "two");
    assert_int_not_equal(first.sin_port, second.sin_port);
    reply(&second, "for two");
    reply(&first, "for one");
    expect(one, NULL, "for one");
    expect(two, NULL, "for two");
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
    items[0] = any_address;
    near_free(near);
    begin_near();
    items[0] = loopback;
    start();
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 4);
    to.sin_port = htons((uint16_t)atoi(port_of(DNS)));
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    say(fd, "x");
    confirm();
    answer_relay();
    expect(service, &from, "x");
    reply(&from, "y");
    expect(fd, NULL, "y");
    close(fd);
}

static void the_relay_is_held_in(void **state)
{
    const char *body;
    size_t at;
    int fd;

    (void)state;
    start();
    fd = client_of(DNS);
    say(fd, "x");
    confirm();
    answer("GET /containers/berth_relay.r1.", 404, "{}");
    answer("GET /version", 200, "{\"Arch\":\"amd64\"}");
    run();
    at = asked("POST /containers/create?name=berth_relay.r1.");
    assert_int_not_equal(at, FAKE_STREAMS);
    body = strbuf_cstr(&fake.streams[at].out);
    assert_non_null(strstr(body, "\"NetworkMode\":\"container:" DNS "\""));
    assert_non_null(strstr(body, "\"CapDrop\":[\"ALL\"]"));
    assert_null(strstr(body, "CapAdd"));
    assert_null(strstr(body, "Mounts"));
    assert_non_null(strstr(body, "\"ReadonlyRootfs\":true"));
    assert_non_null(strstr(body, "no-new-privileges"));
    assert_non_null(strstr(body, "\"User\":\"65534:65534\""));
    assert_non_null(strstr(body, "\"AutoRemove\":true"));
    assert_null(strstr(body, "berth.namespace"));
    answer("POST /containers/create?name=berth_relay.r1.", 201, "{}");
    answer("/start", 204, "");
    answer_exec();
    expect(service, NULL, "x");
    close(fd);
}

/* Nothing goes anywhere but to what the engine says is the container's. */
static void nothing_leads_to_what_is_not_its(void **state)
{
    int fd;

    (void)state;
    start();
    fd = client_of(DNS);
    say(fd, "not published any more");
    answer_inspect(DNS, "T1", 0, "127.5.6.8");
    say(fd, "without an address");
    elsewhere = "";
    answer_inspect(DNS, "T1", 32768, "");
    assert_int_equal(asked("berth_relay"), FAKE_STREAMS);
    assert_int_equal(near_count(near).flows, 0);
    assert_int_equal(near_count(near).flows_refused, 2);
    assert_int_equal(near_count(near).lost, 2);
    say(fd, "gone");
    answer("GET /containers/" DNS "/json", 404, "{}");
    assert_int_equal(near_count(near).containers, 0);
    expect_nothing(service);
    close(fd);
}

static void an_address_that_is_gone_is_asked_for_again(void **state)
{
    struct sockaddr_in from;
    int fd;

    (void)state;
    start();
    fd = client_of(DNS);
    say(fd, "x");
    answer_inspect(DNS, "T1", 32768, "192.0.2.7"); /* of no one here */
    answer_relay();
    for (unsigned i = 0; i < 20000 && near_count(near).flows; i++) {
        pump();
        poll(NULL, 0, 1);
    }
    assert_int_equal(near_count(near).flows, 0);
    say(fd, "again");
    confirm();
    expect(service, &from, "again");
    close(fd);
}

static void a_restart_has_another_relay(void **state)
{
    struct sockaddr_in from;
    int fd;

    (void)state;
    fd = begin_flow("one", &from);
    assert_int_equal(open_port(DNS, ""), PORT_OPEN); /* a restart is to come */
    event("die", DNS);
    assert_true(fake.streams[relay.at].closed);
    assert_int_equal(near_count(near).flows, 0);
    event("start", DNS);
    answer_inspect(DNS, "T2", 32769, "127.5.6.8");
    say(fd, "two");
    answer_inspect(DNS, "T2", 32769, "127.5.6.8");
    answer_relay();
    expect(service, &from, "two");
    close(fd);
}

/* One that no event told of. */
static void a_restart_that_was_missed_has_another_relay(void **state)
{
    struct sockaddr_in from;
    int fd, other;

    (void)state;
    start();
    fd = client_of(DNS);
    other = client_of(DNS);
    say(fd, "one");
    confirm();
    answer_relay();
    expect(service, &from, "one");
    say(other, "two");
    answer_inspect(DNS, "T2", 32768, "127.5.6.8");
    assert_true(fake.streams[relay.at].closed);
    answer_relay();
    expect(service, &from, "two");
    close(fd);
    close(other);
}

static void a_relay_that_is_lost_is_made_up_for(void **state)
{
    struct sockaddr_in from;
    int fd;

    (void)state;
    fd = begin_flow("one", &from);
    fake_fail(&fake, relay.at, "the link was lost");
    run();
    assert_int_equal(near_count(near).flows, 0);
    end_relay();
    for (;;) { /* not at once */
        say(fd, "two");
        confirm();
        if (asked("GET /containers/berth_relay.r1.") != FAKE_STREAMS)
            break;
        poll(NULL, 0, 1);
    }
    answer_relay();
    expect(service, &from, "two");
    close(fd);
}

static void idle_flows_end_and_then_the_relay(void **state)
{
    struct sockaddr_in from, talks;
    uint64_t now;
    int one, two;

    (void)state;
    start();
    one = client_of(DNS);
    two = client_of(DNS);
    say(one, "one");
    confirm();
    answer_relay();
    expect(service, &from, "one");
    say(two, "two");
    confirm();
    expect(service, &talks, "two");
    reply(&talks, "yes");
    expect(two, NULL, "yes");
    now = TAILQ_FIRST(&near->flows)->used;
    near_flow_sweep(near, now + NEAR_FLOW_S - 5);
    assert_int_equal(near_count(near).flows, 2);
    near_flow_sweep(near, now + NEAR_FLOW_S + 1);
    assert_int_equal(near_count(near).flows, 1);
    near_flow_sweep(near, now + NEAR_TALK_S - 5);
    assert_int_equal(near_count(near).flows, 1);
    near_flow_sweep(near, now + NEAR_TALK_S + 1);
    assert_int_equal(near_count(near).flows, 0);
    assert_false(fake.streams[relay.at].closed);
    near_flow_sweep(near, now + NEAR_TALK_S + NEAR_RELAY_S + 1);
    assert_true(fake.streams[relay.at].closed);
    close(one);
    close(two);
}

static void too_many_flows_end_the_oldest(void **state)
{
    int fds[LIMIT_PORT_FLOWS_EACH + 1];

    (void)state;
    start();
    for (size_t i = 0; i < LIMIT_PORT_FLOWS_EACH; i++) {
        fds[i] = client_of(DNS);
        say(fds[i], "x");
    }
    assert_int_equal(near_count(near).flows, LIMIT_PORT_FLOWS_EACH);
    assert_int_equal(near_count(near).flows_refused, 0);
    say(fds[0], "x"); /* it is in use */
    fds[LIMIT_PORT_FLOWS_EACH] = client_of(DNS);
    say(fds[LIMIT_PORT_FLOWS_EACH], "x");
    assert_int_equal(near_count(near).flows, LIMIT_PORT_FLOWS_EACH);
    assert_int_equal(near_count(near).flows_refused, 1);
    assert_int_equal(TAILQ_FIRST(&near->flows)->held_count, 1);
    assert_int_equal(TAILQ_NEXT(TAILQ_FIRST(&near->flows), link)->held_count,
                     2);
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
    start();
    fds[0] = client_of(DNS);
    for (unsigned i = 0; i < LIMIT_FLOW_HELD + 1; i++)
        say(fds[0], "");
    assert_int_equal(near_count(near).lost, 1);
    for (size_t i = 0; i < most + 1; i++) {
        if (i % LIMIT_FLOW_HELD == 0)
            fds[1 + i / LIMIT_FLOW_HELD] = client_of(DNS);
        assert_int_equal(
            send(fds[1 + i / LIMIT_FLOW_HELD], big, sizeof(big), 0),
            sizeof(big));
        run();
    }
    assert_int_equal(near_count(near).lost, 2);
    assert_true(near->held <= LIMIT_PORT_HELD);
    assert_int_equal(place.share.used, near->held);
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
    start();
    port = xstrdup(port_of(DNS));
    assert_int_equal(open_port(OTHER, port), PORT_IN_USE);
    wish = json_pack("{s:{s:[{s:s}]}}", "bindings", "80/tcp", "HostPort", port);
    assert_int_equal(/* and of TCP, another's */
                     near_open(near, S(OTHER), S("web"), wish, &other, &why),
                     PORT_OPEN);
    free(port);
}

#define NEAR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NEAR(a_datagram_is_carried_once_it_is_confirmed),
        NEAR(the_largest_goes_both_ways),
        NEAR(clients_are_kept_apart),
        NEAR(an_answer_comes_from_where_it_was_asked),
        NEAR(the_relay_is_held_in),
        NEAR(nothing_leads_to_what_is_not_its),
        NEAR(an_address_that_is_gone_is_asked_for_again),
        NEAR(a_restart_has_another_relay),
        NEAR(a_restart_that_was_missed_has_another_relay),
        NEAR(a_relay_that_is_lost_is_made_up_for),
        NEAR(idle_flows_end_and_then_the_relay),
        NEAR(too_many_flows_end_the_oldest),
        NEAR(what_waits_has_its_limits),
        NEAR(a_port_is_one_container_s),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
