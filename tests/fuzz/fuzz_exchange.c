/*
 * The input is a play: each byte says what happens next (who sends how much of
 * what, what becomes of the stream, which time is over), and the bytes behind
 * it are its lines. Properties: what the engine gets are requests that the
 * table of routes knows, on record before, with nothing behind them but a
 * tunnel's bytes; what the client gets is HTTP; no buffer outgrows its limit;
 * and when the client is gone, so is everything, with one end on record each.
 */

#include <assert.h>
#include <stdio.h>

#include "proxy/http_reader.h"
#include "proxy/request.h"
#include "tests/exchange_driver.h"
#include "tests/fuzz/fuzz.h"

#define METHODS_MAX 4096

static const char *const requests[] = {
    "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
    "GET /v1.45/containers/json?all=1 HTTP/1.1\r\nHost: d\r\n\r\n",
    "POST /containers/a/start HTTP/1.1\r\nHost: d\r\n\r\n",
    "POST /containers/create?name=x HTTP/1.1\r\nHost: d\r\n"
    "Content-Length: 13\r\n\r\n{\"Image\":\"a\"}",
    "POST /build?t=a HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\n"
    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    "POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: d\r\n"
    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    "POST /containers/a/attach HTTP/1.1\r\nHost: d\r\n"
    "Transfer-Encoding: chunked\r\n\r\n",
    "POST /exec/e/start HTTP/1.1\nHost: d\nContent-Length: 2\n\n{}\n",
    "POST /session HTTP/1.1\r\nHost: d\r\nUpgrade: h2c\r\n\r\n",
    "HEAD /containers/a/archive HTTP/1.1\r\nHost: d\r\n\r\n",
    "GET /containers/a/logs?follow=1 HTTP/1.0\r\n\r\n",
    "POST /plugins/pull HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc",
    "DELETE /containers/a HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
};

#define FRAMED                                                                 \
    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"         \
    "Content-Type: application/vnd.docker.multiplexed-stream\r\n\r\n"

static const char *const replies[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\nX-Trailer: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nraw",
    FRAMED,
    "\x01\0\0\0\0\0\0\x02hi",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhe",
};

struct play {
    struct exchange_driver d;
    struct str rest;
    /* what the client asked, read beside the exchange */
    struct http_reader *asks;
    bool asks_no_more;
    enum method methods[METHODS_MAX];
    size_t method_count, answered;
    /* what each side got */
    struct http_reader *client, *engine;
    bool client_raw, engine_raw;
    const struct route *route; /* of the request on this stream */
    char id[64];               /* of its exchange */
    bool record_failed;
};

static unsigned next_byte(struct play *p)
{
    unsigned byte = p->rest.len ? (unsigned char)p->rest.ptr[0] : 0;

    p->rest = str_from_index(p->rest, 1);
    return byte;
}

/* ---- what the engine gets ---- */

static bool was_decided(const struct play *p)
{
    AUTO(strbuf_fini) struct strbuf start = STRBUF(256);
    const struct strbuf *audit = &p->d.audit;

    strbuf_addf(&start, "\"event\":\"decision\",\"id\":\"%s\"", p->id);
    return audit->len && memmem(audit->ptr, audit->len, start.ptr, start.len);
}

static void check_request(struct play *p)
{
    const struct http_head *head = http_reader_head(p->engine);
    AUTO(target_fini) struct target target;
    struct route_match match;
    struct verdict verdict = {0};
    enum operation operation;
    int r;

    target_init(&target);
    r = target_parse(&target, head->target, &verdict);
    assert(r == 0);
    r = route_find(head->method, &target, &match);
    assert(r == 0);
    p->route = match.route;
    operation = match.route->operation;
    policy_operation(p->d.policy, operation, &verdict);
    assert(verdict.kind == VERDICT_ALLOW);
    assert(head->minor == 1);
    assert(str_eq(*http_head_get(head, S("Host")), S("docker")));
    assert(!head->upgrade.len || match.route->upgrade != UPGRADE_NONE);
    if (operation_mutates(operation) ||
        operation_access(operation) != ACCESS_READ)
        assert(was_decided(p));
}

static void take_engine(struct play *p)
{
    struct strbuf *out = &p->d.sides[ENGINE].out;
    struct str in = strbuf_str(out), data;
    size_t used;

    while (in.len && !p->engine_raw) {
        switch (http_reader_next(p->engine, in, &used, &data)) {
        case HTTP_MORE:
        case HTTP_DATA:
            break;
        case HTTP_HEAD:
            check_request(p);
            break;
        case HTTP_END:
            p->engine_raw = true;
            break;
        case HTTP_TUNNEL:
        case HTTP_ERROR:
            assert(!"no request");
        }
        in = str_from_index(in, used);
    }
    if (in.len) /* behind the request */
        assert(p->route->reply == REPLY_TUNNEL);
    strbuf_clear(out);
}

/* ---- what the client gets ---- */

static void expect_reply(struct play *p)
{
    http_reader_expect(p->client, p->answered < p->method_count
                                      ? p->methods[p->answered]
                                      : METHOD_GET);
}

static void take_client(struct play *p)
{
    struct strbuf *out = &p->d.sides[CLIENT].out;
    struct str in = strbuf_str(out), data;
    size_t used;

    while (in.len && !p->client_raw) {
        if (http_reader_is_idle(p->client))
            expect_reply(p);
        switch (http_reader_next(p->client, in, &used, &data)) {
        case HTTP_MORE:
        case HTTP_DATA:
        case HTTP_HEAD:
            break;
        case HTTP_END:
            p->answered += http_reader_head(p->client)->status >= 200;
            /* one reply a request, or one to something that is none */
            assert(p->answered <= p->method_count + 1);
            break;
        case HTTP_TUNNEL:
            p->client_raw = true;
            break;
        case HTTP_ERROR:
            assert(!"no reply");
        }
        in = str_from_index(in, used);
    }
    strbuf_clear(out);
}

/* ---- what happens ---- */

static void look(struct play *p)
{
    take_engine(p);
    take_client(p);
    assert(exchange_output(p->d.ex, CLIENT).len <= LIMIT_OUT + 2 * LIMIT_HEAD);
    assert(exchange_output(p->d.ex, ENGINE).len <= LIMIT_OUT + REQUEST_MAX);
}

/* Note which methods the client asks with, as it is sent. */
static void note_asked(struct play *p, struct str bytes)
{
    struct str data;
    size_t used;

    while (!p->asks_no_more) {
        switch (http_reader_next(p->asks, bytes, &used, &data)) {
        case HTTP_MORE:
            return;
        case HTTP_HEAD:
            if (p->method_count < METHODS_MAX)
                p->methods[p->method_count++] =
                    http_reader_head(p->asks)->method;
            break;
        case HTTP_DATA:
        case HTTP_END:
            break;
        case HTTP_TUNNEL:
        case HTTP_ERROR:
            p->asks_no_more = true;
        }
        bytes = str_from_index(bytes, used);
    }
}

static void send_to_exchange(struct play *p, enum side side, struct str bytes)
{
    if (side == CLIENT && (p->d.closed || p->d.sides[CLIENT].eof))
        return;
    if (side == ENGINE && (!p->d.has_stream || p->d.sides[ENGINE].eof))
        return;
    if (side == CLIENT)
        note_asked(p, bytes);
    driver_send(&p->d, side, bytes);
}

static void send_canned(struct play *p, enum side side)
{
    unsigned which = next_byte(p);
    const size_t count = side == CLIENT ? sizeof(requests) / sizeof(requests[0])
                                        : sizeof(replies) / sizeof(replies[0]);
    const char *text = (side == CLIENT ? requests : replies)[which % count];

    send_to_exchange(p, side, *text == 1 ? str_of(text, 10) : str_from(text));
}

static void send_given(struct play *p, enum side side)
{
    size_t len = next_byte(p);
    struct str bytes = str_head(p->rest, len);

    p->rest = str_from_index(p->rest, bytes.len);
    send_to_exchange(p, side, bytes);
}

static void open_stream(struct play *p)
{
    if (!driver_wants_stream(&p->d))
        return;
    p->engine = http_reader_free(p->engine);
    p->engine = http_reader_new(HTTP_REQUESTS);
    p->engine_raw = false;
    p->route = NULL;
    snprintf(p->id, sizeof(p->id), "%s", exchange_id(p->d.ex));
    driver_open_stream(&p->d);
}

/* What berth asks the engine itself is answered, well or not. */
static bool answer(struct play *p)
{
    static const char *const bodies[] = {"[]", "[1,2]", "{}", "7", ""};
    unsigned byte;
    json_t *body;

    if (!exchange_wish(p->d.ex).ask)
        return false;
    byte = next_byte(p);
    body = json_loads(bodies[byte % 5], 0, NULL);
    driver_answer(&p->d, byte & 64 ? 500 : byte & 32 ? 404 : 200, body);
    json_decref(body);
    return true;
}

static void set_room(struct play *p)
{
    unsigned byte = next_byte(p);
    struct driver_side *side = &p->d.sides[byte & 1];

    side->room = byte & 2 ? SIZE_MAX : byte >> 2;
    p->d.piece = byte & 128 ? SIZE_MAX : 1 + (byte >> 3);
    driver_settle(&p->d);
}

static void rare(struct play *p)
{
    struct exchange_driver *d = &p->d;

    switch (next_byte(p) % 12) {
    case 0:
        driver_client_gone(d);
        break;
    case 1:
        exchange_shutdown(d->ex, true);
        break;
    case 2:
        exchange_shutdown(d->ex, false);
        break;
    case 3:
        d->audit_fails = p->record_failed = true;
        break;
    case 4:
        d->audit_fails = false;
        break;
    case 5:
        driver_know_engine(d);
        break;
    case 6:
        d->host.busy = !d->host.busy;
        break;
    default:
        exchange_timeout(d->ex);
    }
    driver_settle(d);
}

static void act(struct play *p)
{
    switch (next_byte(p) & 15) {
    case 0:
    case 1:
    case 2:
        send_canned(p, CLIENT);
        break;
    case 3:
    case 4:
        send_given(p, CLIENT);
        break;
    case 5:
    case 6:
        send_canned(p, ENGINE);
        break;
    case 7:
    case 8:
        send_given(p, ENGINE);
        break;
    case 9:
    case 10:
        if (!answer(p))
            open_stream(p);
        break;
    case 11:
        if (p->d.has_stream)
            driver_eof(&p->d, ENGINE);
        break;
    case 12:
        driver_eof(&p->d, CLIENT);
        break;
    case 13:
        driver_fail_stream(&p->d, next_byte(p) & 1 ? "it broke" : NULL,
                           next_byte(p) & 1);
        break;
    case 14:
        set_room(p);
        break;
    case 15:
        rare(p);
        break;
    }
}

/* The client goes; nothing may hold the rest up. */
static void end_play(struct play *p)
{
    struct exchange_driver *d = &p->d;
    size_t ends = 0;

    d->audit_fails = false;
    d->sides[CLIENT].room = d->sides[ENGINE].room = d->piece = SIZE_MAX;
    driver_client_gone(d);
    if (!d->closed) {
        assert(exchange_wish(d->ex).timer == TIMER_DRAIN);
        exchange_timeout(d->ex);
        driver_settle(d);
    }
    assert(d->closed && exchange_is_idle(d->ex));
    assert(exchange_wish(d->ex).stream == STREAM_NONE);
    for (struct str rest = strbuf_str(&d->audit), line; rest.len;) {
        str_cut(rest, '\n', &line, &rest);
        ends += memmem(line.ptr, line.len, "\"event\":\"end\"", 13) != NULL;
    }
    assert(p->record_failed || ends == d->exchanges);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct policy *policy;
    struct play play = {.rest = str_of((const char *)bytes, len)};

    if (!policy)
        policy = driver_policy(
            "\"operations\": {\"allow\": [\"system\", \"container\", \"exec\", "
            "\"image\", \"build\", \"Session\"]}, "
            "\"container\": {\"limits\": {\"count\": 2}}, "
            "\"audit\": {\"to\": \"stdout\", \"required\": true}");
    driver_init(&play.d, policy_ref(policy));
    play.asks = http_reader_new(HTTP_REQUESTS);
    play.client = http_reader_new(HTTP_RESPONSES);
    while (play.rest.len && !play.d.closed) {
        act(&play);
        look(&play);
    }
    end_play(&play);
    http_reader_free(play.asks);
    http_reader_free(play.client);
    http_reader_free(play.engine);
    driver_fini(&play.d);
    return 0;
}
