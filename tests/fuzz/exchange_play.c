/* See exchange_play.h. */

#include <assert.h>
#include <stdio.h>

#include "proxy/exchange/request.h"
#include "proxy/http/http_reader.h"
#include "tests/fuzz/exchange_play.h"
#include "tests/support/exchange_driver.h"

#define METHODS_MAX 4096

struct play {
    struct exchange_driver d;
    const struct lines *lines;
    const struct watch *watch;
    struct str rest;
    /* what the client asked, read beside the exchange */
    struct http_reader *asks;
    bool asks_no_more;
    enum method methods[METHODS_MAX];
    enum operation operations[METHODS_MAX];
    size_t method_count, answered;
    /* what each side got */
    struct http_reader *client, *engine;
    bool client_raw, engine_raw;
    const struct route *route;    /* of the request on this stream */
    struct strbuf request, reply; /* their bodies, when they are watched */
    char id[64];                  /* of its exchange */
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

static void find_route(const struct http_head *head, struct target *target,
                       struct route_match *match)
{
    struct verdict why = {0};
    int r;

    target_init(target);
    r = target_parse(target, head->target, &why);
    assert(r == 0);
    r = route_find(head->method, target, match);
    assert(r == 0);
}

static void check_request(struct play *p)
{
    const struct http_head *head = http_reader_head(p->engine);
    AUTO(target_fini) struct target target;
    struct route_match match;
    struct verdict verdict = {0};
    enum operation operation;

    find_route(head, &target, &match);
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

static void watch_request(struct play *p)
{
    AUTO(target_fini) struct target target;
    struct route_match match;
    json_t *body;

    if (!p->watch || !p->watch->request)
        return;
    find_route(http_reader_head(p->engine), &target, &match);
    body = json_loadb(p->request.len ? p->request.ptr : "", p->request.len, 0,
                      NULL);
    p->watch->request(&match, &target, body, p->d.owned);
    json_decref(body);
}

static void take_engine(struct play *p)
{
    struct strbuf *out = &p->d.sides[ENGINE].out;
    struct str in = strbuf_str(out), data;
    size_t used;

    while (in.len && !p->engine_raw) {
        switch (http_reader_next(p->engine, in, &used, &data)) {
        case HTTP_MORE:
            break;
        case HTTP_DATA:
            strbuf_add(&p->request, data);
            break;
        case HTTP_HEAD:
            strbuf_clear(&p->request);
            check_request(p);
            break;
        case HTTP_END:
            watch_request(p);
            p->engine_raw = true;
            break;
        case HTTP_HIJACK:
        case HTTP_ERROR:
            assert(!"no request");
        }
        in = str_from_index(in, used);
    }
    if (in.len) /* behind the request */
        assert(p->route->reply == REPLY_HIJACK);
    strbuf_clear(out);
}

/* ---- what the client gets ---- */

static void expect_reply(struct play *p)
{
    http_reader_expect(p->client, p->answered < p->method_count
                                      ? p->methods[p->answered]
                                      : METHOD_GET);
}

static void watch_reply(struct play *p)
{
    int status = http_reader_head(p->client)->status;

    if (p->watch && p->watch->reply && p->answered < p->method_count &&
        status >= 200)
        p->watch->reply(p->operations[p->answered], status,
                        strbuf_str(&p->reply));
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
            break;
        case HTTP_DATA:
            strbuf_add(&p->reply, data);
            break;
        case HTTP_HEAD:
            strbuf_clear(&p->reply);
            break;
        case HTTP_END:
            watch_reply(p);
            p->answered += http_reader_head(p->client)->status >= 200;
            /* one reply a request, or one to something that is none */
            assert(p->answered <= p->method_count + 1);
            break;
        case HTTP_HIJACK:
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
    assert(connection_output(p->d.connection, CLIENT).len <=
           LIMIT_OUT + 2 * LIMIT_HEAD);
    assert(connection_output(p->d.connection, ENGINE).len <=
           LIMIT_OUT + REQUEST_MAX);
}

static void note_request(struct play *p, const struct http_head *head)
{
    AUTO(target_fini) struct target target;
    struct route_match match;
    struct verdict why;

    if (p->method_count == METHODS_MAX)
        return;
    target_init(&target);
    p->operations[p->method_count] =
        target_parse(&target, head->target, &why) == 0 &&
                route_find(head->method, &target, &match) == 0
            ? match.route->operation
            : OP_NONE;
    p->methods[p->method_count++] = head->method;
}

/* Note what the client asks, as it is sent. */
static void note_asked(struct play *p, struct str bytes)
{
    struct str data;
    size_t used;

    while (!p->asks_no_more) {
        switch (http_reader_next(p->asks, bytes, &used, &data)) {
        case HTTP_MORE:
            return;
        case HTTP_HEAD:
            note_request(p, http_reader_head(p->asks));
            break;
        case HTTP_DATA:
        case HTTP_END:
            break;
        case HTTP_HIJACK:
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
    const char *text = side == CLIENT
                           ? p->lines->requests[which % p->lines->request_count]
                           : p->lines->replies[which % p->lines->reply_count];

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
    snprintf(p->id, sizeof(p->id), "%s", connection_id(p->d.connection));
    driver_open_stream(&p->d);
}

/* What berth asks the engine itself is answered, well or not. */
static bool answer(struct play *p)
{
    unsigned byte;
    json_t *body;

    if (!connection_wish(p->d.connection).ask)
        return false;
    byte = next_byte(p);
    body =
        json_loads(p->lines->answers[byte % p->lines->answer_count], 0, NULL);
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

    switch (next_byte(p) % 13) {
    case 0:
        driver_client_gone(d);
        break;
    case 1:
        connection_shutdown(d->connection, END_NOW);
        break;
    case 2:
        connection_shutdown(d->connection, END_AFTER_THIS);
        break;
    case 12:
        connection_shutdown(d->connection, END_AFTER_NEXT);
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
        connection_timeout(d->connection);
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

/* Timeouts until an exchange has given up all that it asks for: an answer is
 * followed by an undoing, and that by what was borrowed for it. */
enum { STEPS_TO_END = 8 };

/* The client goes; nothing may hold the rest up. */
static void end_play(struct play *p)
{
    struct exchange_driver *d = &p->d;
    size_t ends = 0;

    d->audit_fails = false;
    d->sides[CLIENT].room = d->sides[ENGINE].room = d->piece = SIZE_MAX;
    driver_client_gone(d);
    /* what has to be put right for it is asked for; an engine that does not
     * answer ends that, step by step */
    for (size_t steps = 0; !d->closed; steps++) {
        struct connection_wish wish = connection_wish(d->connection);

        assert(steps < STEPS_TO_END);
        assert(wish.timer == (wish.ask ? TIMER_LINK : TIMER_DRAIN));
        connection_timeout(d->connection);
        driver_settle(d);
    }
    assert(d->closed && connection_is_idle(d->connection));
    assert(connection_wish(d->connection).stream == STREAM_NONE);
    for (struct str rest = strbuf_str(&d->audit), line; rest.len;) {
        str_cut(rest, '\n', &line, &rest);
        ends += memmem(line.ptr, line.len, "\"event\":\"end\"", 13) != NULL;
    }
    assert(p->record_failed || ends + d->idle_pings == d->exchanges);
}

void play(const uint8_t *bytes, size_t len, struct policy *policy,
          const struct lines *lines, const struct watch *watch)
{
    struct play p = {.lines = lines,
                     .watch = watch,
                     .rest = str_of((const char *)bytes, len),
                     .request = STRBUF(REQUEST_MAX),
                     .reply = STRBUF(LIMIT_REPLY)};

    driver_init(&p.d, policy_ref(policy));
    p.d.owned = watch ? own_ids_new(LIMIT_OWNED) : NULL;
    p.asks = http_reader_new(HTTP_REQUESTS);
    p.client = http_reader_new(HTTP_RESPONSES);
    while (p.rest.len && !p.d.closed) {
        act(&p);
        look(&p);
    }
    end_play(&p);
    http_reader_free(p.asks);
    http_reader_free(p.client);
    http_reader_free(p.engine);
    strbuf_fini(&p.request);
    strbuf_fini(&p.reply);
    own_ids_free(p.d.owned);
    driver_fini(&p.d);
}
