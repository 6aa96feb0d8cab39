#include "tests/unit/near_udp_scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/companion/companion.h"

#define ADDRESS "127.9.8.7"
#define EXEC    "c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3"

static struct event_base *base;
struct fake_upstream udp_fake;
struct listener_place udp_place;
static struct pool *pool;
struct near *udp_near;
static char loopback[] = "127.0.0.1", any_address[] = "0.0.0.0";
static char *items[] = {loopback};
static const struct strings listen_on = {items, 1};
static size_t events;      /* the stream that these come on */
int udp_service;           /* of the container */
static unsigned inside;    /* its port */
const char *udp_elsewhere; /* its address on another network */

static struct {
    pid_t pid;
    int in, out;
    size_t at; /* the stream that it is behind */
} relay;

/* ---- the engine ---- */

void udp_run(void)
{
    fake_run(&udp_fake, base);
}

size_t udp_asked(const char *text)
{
    return fake_asked(&udp_fake, text);
}

void udp_answer(const char *question, int status, const char *body)
{
    fake_answer(&udp_fake, base, question, status, body);
}

void udp_answer_inspect(const char *id, const char *started, unsigned port,
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
                id, started, udp_elsewhere, address, inside, port);
    strbuf_addf(&question, "GET /containers/%s/json", id);
    udp_answer(strbuf_cstr(&question), 200, strbuf_cstr(&body));
}

void udp_event(const char *action, const char *id)
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
    fake_feed(&udp_fake, events, strbuf_cstr(&chunk));
    udp_run();
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
void udp_pump(void)
{
    struct fake_stream *stream = &udp_fake.streams[relay.at];
    unsigned char head[8] = {1};
    char bytes[32 * 1024];
    ssize_t n;

    udp_run();
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
        fake_feed(&udp_fake, relay.at, "");
    }
    udp_run();
}

/* The exec that was asked for is created, and the program answers. */
void udp_answer_exec(void)
{
    const char *text, *nonce;
    char said[WIRE_NONCE + 1] = "";
    size_t at;

    udp_run();
    at = udp_asked("\"relay\"");
    assert_int_not_equal(at, FAKE_STREAMS);
    text = strbuf_cstr(&udp_fake.streams[at].out);
    nonce = strstr(text, "\"relay\",\"");
    assert_non_null(nonce);
    memcpy(said, nonce + 9, WIRE_NONCE);
    udp_answer("/exec", 201, "{\"Id\":\"" EXEC "\"}");
    relay.at = udp_asked("POST /exec/" EXEC "/start");
    assert_int_not_equal(relay.at, FAKE_STREAMS);
    strbuf_clear(&udp_fake.streams[relay.at].out);
    begin_relay(said);
    fake_feed(&udp_fake, relay.at,
              "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
              "Upgrade: tcp\r\n\r\n");
}

/* Its container is there already. */
void udp_answer_relay(void)
{
    udp_answer("GET /containers/berth_relay.r1.", 200,
               "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{"
               "\"berth.companion\":\"r1\"}}}");
    udp_answer_exec();
}

bool udp_relay_is_closed(void)
{
    return udp_fake.streams[relay.at].closed;
}

void udp_lose_relay(void)
{
    fake_fail(&udp_fake, relay.at, "the link was lost");
    udp_run();
    assert_int_equal(near_count(udp_near).flows, 0);
    end_relay();
}

/* ---- the test's world ---- */

static void begin_near(void)
{
    struct near_config config = {
        .ns = S("r1"), .listen = &listen_on, .address = ADDRESS};

    config.base = base;
    config.turns = &udp_place.group;
    config.memory = &udp_place.share;
    config.pool = pool;
    config.upstream = &udp_fake.upstream;
    udp_near = near_new(&config);
    udp_run();
    events = udp_asked("GET /events");
    assert_int_not_equal(events, FAKE_STREAMS);
    strbuf_clear(&udp_fake.streams[events].out);
    fake_feed(&udp_fake, events,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    udp_answer("GET /containers/json", 200, "[]");
}

int udp_setup(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(UDP_OWN)};
    socklen_t size = sizeof(at);

    (void)state;
    udp_elsewhere = "192.0.2.1";
    udp_service = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(udp_service, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(udp_service, (struct sockaddr *)&at, &size),
                     0);
    inside = ntohs(at.sin_port);
    base = event_base_new();
    listener_place_init(&udp_place, base);
    fake_upstream_init(&udp_fake);
    pool = pool_new(base, &udp_fake.upstream);
    begin_near();
    return 0;
}

int udp_teardown(void **state)
{
    (void)state;
    udp_near = near_free(udp_near);
    run_loop(base);
    assert_int_equal(udp_place.share.used, 0);
    end_relay();
    close(udp_service);
    pool_free(pool);
    listener_place_fini(&udp_place);
    fake_upstream_fini(&udp_fake);
    event_base_free(base);
    return 0;
}

void udp_listen_anywhere(void)
{
    near_free(udp_near);
    items[0] = any_address;
    begin_near();
    items[0] = loopback;
}

enum port_open udp_open_port(const char *id, const char *port)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    char name[PORT_NAME];
    json_auto_t *wish = NULL;
    struct str other;

    snprintf(name, sizeof(name), "%u/udp", inside);
    wish = json_pack("{s:{s:[{s:s}]}}", "bindings", name, "HostPort", port);
    return near_open(udp_near, str_from(id), S("dns"), wish, &other, &why);
}

const char *udp_port_of(const char *id)
{
    char name[PORT_NAME];

    snprintf(name, sizeof(name), "%u/udp", inside);
    return json_string_value(json_object_get(
        json_array_get(
            json_object_get(near_shown(udp_near, str_from(id)), name), 0),
        "HostPort"));
}

/* A client of the port of ID. */
int udp_client_of(const char *id)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(udp_port_of(id))),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

void udp_say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
    udp_run();
}

char udp_got[WIRE_DATAGRAM_MOST + 1];

/* The next datagram for FD. */
ssize_t udp_receive(int fd, struct sockaddr_in *from)
{
    for (unsigned i = 0; i < 20000; i++) {
        socklen_t size = sizeof(*from);
        ssize_t n = recvfrom(fd, udp_got, sizeof(udp_got), 0,
                             (struct sockaddr *)from, from ? &size : NULL);

        if (n >= 0)
            return n;
        udp_pump();
        poll(NULL, 0, 1);
    }
    fail_msg("no datagram comes");
    return -1;
}

void udp_expect(int fd, struct sockaddr_in *from, const char *text)
{
    assert_int_equal(udp_receive(fd, from), strlen(text));
    assert_memory_equal(udp_got, text, strlen(text));
}

void udp_reply(const struct sockaddr_in *to, const char *text)
{
    assert_int_equal(sendto(udp_service, text, strlen(text), 0,
                            (const struct sockaddr *)to, sizeof(*to)),
                     strlen(text));
}

/* Nothing is there for FD, and none is under way. */
void udp_expect_nothing(int fd)
{
    for (unsigned i = 0; i < 20; i++) {
        udp_pump();
        poll(NULL, 0, 1);
    }
    assert_int_equal(recv(fd, udp_got, sizeof(udp_got), 0), -1);
    assert_int_equal(errno, EAGAIN);
}

void udp_start(void)
{
    assert_int_equal(udp_open_port(UDP_DNS, ""), PORT_OPEN);
    udp_event("start", UDP_DNS);
    udp_answer_inspect(UDP_DNS, "T1", 32768, "127.5.6.8");
}

/* The engine says again that it is there. */
void udp_confirm(void)
{
    udp_answer_inspect(UDP_DNS, "T1", 32768, "127.5.6.8");
}

/* A client whose first datagram, TEXT, has arrived, FROM there. */
int udp_begin_flow(const char *text, struct sockaddr_in *from)
{
    int fd;

    udp_start();
    fd = udp_client_of(UDP_DNS);
    udp_say(fd, text);
    udp_confirm();
    udp_answer_relay();
    udp_expect(udp_service, from, text);
    return fd;
}
