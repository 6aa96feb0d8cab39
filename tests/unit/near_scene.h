#pragma once

/*
 * Ports of TCP on the runner's localhost. The test plays the engine, and the
 * streams to its host's ports. For the programs that are about these.
 */

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

static inline void run(void)
{
    fake_run(&fake, base);
}

static inline size_t asked(const char *text)
{
    return fake_asked(&fake, text);
}

static inline void answer(const char *question, int status, const char *body)
{
    fake_answer(&fake, base, question, status, body);
}

static inline void answer_inspect(const char *id, bool runs, unsigned port)
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

static inline void event(const char *action, const char *id, const char *ns)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline enum port_open open_port(const char *id, const char *port)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    json_auto_t *wish =
        json_pack("{s:{s:[{s:s}]}}", "bindings", "80/tcp", "HostPort", port);
    struct str other;

    return near_open(near, str_from(id), S("web"), wish, &other, &why);
}

static inline const char *port_of(const char *id)
{
    const json_t *shown = near_shown(near, str_from(id));

    return json_string_value(json_object_get(
        json_array_get(json_object_get(shown, "80/tcp"), 0), "HostPort"));
}

static inline int dial(const char *port)
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
static inline size_t way_to(unsigned port)
{
    for (size_t at = 0; at < fake.count; at++) {
        if (fake.streams[at].port == port && !fake.streams[at].closed)
            return at;
    }
    return FAKE_STREAMS;
}

static inline void assert_closed(int fd)
{
    char byte;
    ssize_t n;

    run();
    n = recv(fd, &byte, 1, 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}
