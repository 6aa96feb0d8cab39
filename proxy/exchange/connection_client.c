#include "proxy/exchange/exchange_private.h"

#include <limits.h>

/* ---- before it is judged ---- */

/* May there be one more this second? */
static bool is_in_time(struct exchange *ex)
{
    const struct connection_host *host = ex->host;
    struct ledger *ledger = host->ledger(host->arg);
    unsigned rate = ex->policy->limits.requests;

    if (!ledger || rate == UINT_MAX ||
        ledger_request(ledger, rate, exchange_now_ms(ex)))
        return true;
    verdict_deny(&ex->rq.verdict, 429, "namespace.limits.requests", "",
                 "these are more requests than the %u a second that "
                 "namespace.limits.requests in the policy allows; send fewer",
                 rate);
    return false;
}

/* A body that is held whole has to find room, before it comes if its length is
 * known. */
static bool refuse_for_memory(struct exchange *ex, size_t more)
{
    if (exchange_has_room(ex, more))
        return false;
    verdict_deny(&ex->rq.verdict, 503, MEMORY_RULE, "", MEMORY_REASON);
    exchange_refuse(ex, AUDIT_CLOSE_DENIED);
    return true;
}

/* ---- what the reader tells ---- */

static void on_request_error(struct connection *conn)
{
    const struct http_error *error = http_reader_error(conn->reader[CLIENT]);

    if (!conn->exchange)
        exchange_begin(conn);
    if (conn->exchange->request_state != RQ_DRAIN)
        exchange_request_fails(conn->exchange, error->status, error->reason,
                               AUDIT_CLOSE_MALFORMED);
}

static void on_request_head(struct connection *conn)
{
    struct exchange *ex = exchange_begin(conn);

    ex->head = http_reader_head(conn->reader[CLIENT]);
    request_read_head(&ex->rq, ex->policy, ex->head);
    if (ex->host->busy)
        verdict_deny(&ex->rq.verdict, 503, "listen.clients", "",
                     "too many clients are connected; try again in a moment, "
                     "or have the operator raise listen.clients");
    if (ex->rq.verdict.kind == VERDICT_DENY || !is_in_time(ex)) {
        exchange_refuse(ex, AUDIT_CLOSE_DENIED);
        return;
    }
    switch (ex->rq.body) {
    case REQUEST_BODY_COLLECT:
        if (ex->head->body == HTTP_BODY_SIZED &&
            refuse_for_memory(ex, ex->head->length < LIMIT_JSON_BODY
                                      ? (size_t)ex->head->length
                                      : LIMIT_JSON_BODY))
            return;
        exchange_put_continue(ex);
        exchange_enter(ex, RQ_COLLECT);
        break;
    case REQUEST_BODY_DROP:
        exchange_put_continue(ex);
        exchange_enter(ex, RQ_COLLECT);
        break;
    case REQUEST_BODY_NONE:
        exchange_enter(ex, RQ_COLLECT); /* its end is the reader's next word */
        break;
    case REQUEST_BODY_STREAM:
    case REQUEST_BODY_HIJACK:
        exchange_judge(ex);
        break;
    }
}

static void on_request_data(struct exchange *ex, struct str data)
{
    struct strbuf *out = &ex->conn->out[ENGINE].bytes;

    if (ex->request_state == RQ_DRAIN)
        return;
    ex->bytes[CLIENT] += data.len;
    switch (ex->request_state) {
    case RQ_COLLECT:
        if (ex->rq.body == REQUEST_BODY_COLLECT &&
            refuse_for_memory(ex, data.len))
            return;
        request_add_body(&ex->rq, data);
        if (ex->rq.verdict.kind == VERDICT_DENY)
            exchange_refuse(ex, AUDIT_CLOSE_DENIED);
        break;
    case RQ_STREAM:
        exchange_upload(ex, data);
        break;
    case RQ_HIJACK: /* a client that frames its tunnel's bytes as a body */
        must(strbuf_add(out, data));
        break;
    case RQ_DRAIN:
    case RQ_HEAD:
    case RQ_ASK:
    case RQ_READY:
    case RQ_PAUSE:
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_UNREAD:
    case RQ_SHUT:
        assert(!"the reader is not asked in these states");
    }
}

static void on_request_end(struct exchange *ex)
{
    switch (ex->request_state) {
    case RQ_COLLECT:
        exchange_judge(ex);
        break;
    case RQ_STREAM:
        exchange_upload_end(ex);
        break;
    case RQ_HIJACK:
        exchange_enter(ex, RQ_SHUT);
        exchange_finish_if_done(ex);
        break;
    case RQ_DRAIN:
        exchange_finish(ex, AUDIT_CLOSE_DONE);
        break;
    case RQ_HEAD:
    case RQ_ASK:
    case RQ_READY:
    case RQ_PAUSE:
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_UNREAD:
    case RQ_SHUT:
        assert(!"the reader is not asked in these states");
    }
}

/* ---- bytes ---- */

/* Does the request half take bytes in this state, if there is room? */
static bool wants_client(const struct connection *conn)
{
    if (conn->life == LIFE_OVER || conn->client != CLIENT_OPEN ||
        conn->stream == STREAM_REUSABLE || conn->stream == STREAM_SPENT)
        return false;
    switch (connection_request_state(conn)) {
    case RQ_HEAD:
    case RQ_COLLECT:
    case RQ_HIJACK:
    case RQ_DRAIN:
        return true;
    case RQ_STREAM:
        return !exchange_upload_holds(conn->exchange);
    case RQ_ASK:
    case RQ_READY:
    case RQ_PAUSE:
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_UNREAD:
    case RQ_SHUT:
        break;
    }
    return false;
}

/* How many bytes it takes now. */
static size_t room_for_client(const struct connection *conn)
{
    switch (connection_request_state(conn)) {
    case RQ_STREAM:
        return connection_room(conn, ENGINE);
    case RQ_HIJACK:
        if (conn->exchange->tunnel)
            return exchange_build_reads(conn->exchange, CLIENT) ? SIZE_MAX : 0;
        return connection_room(conn, ENGINE);
    case RQ_HEAD: /* what answers it must fit */
        return connection_room(conn, CLIENT) ? SIZE_MAX : 0;
    case RQ_COLLECT:
    case RQ_DRAIN:
    case RQ_ASK:
    case RQ_READY:
    case RQ_PAUSE:
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_UNREAD:
    case RQ_SHUT:
        break;
    }
    return SIZE_MAX;
}

bool connection_reads_client(const struct connection *conn)
{
    return wants_client(conn) && room_for_client(conn) > 0;
}

/* Is there no HTTP in what the client sends? */
static bool is_raw(const struct connection *conn)
{
    const struct exchange *ex = conn->exchange;

    if (!ex)
        return false;
    if (ex->request_state == RQ_HIJACK)
        return ex->rq.body != REQUEST_BODY_HIJACK;
    return ex->request_state == RQ_DRAIN &&
           http_reader_error(conn->reader[CLIENT])->status;
}

/* Returns how much of PART was taken; *MORE: there may be another event. */
static size_t feed_reader(struct connection *conn, struct str part, bool *more)
{
    struct str data;
    size_t used;

    switch (http_reader_next(conn->reader[CLIENT], part, &used, &data)) {
    case HTTP_MORE:
        *more = false;
        break;
    case HTTP_HEAD:
        on_request_head(conn);
        break;
    case HTTP_DATA:
        on_request_data(conn->exchange, data);
        break;
    case HTTP_END:
        on_request_end(conn->exchange);
        break;
    case HTTP_HIJACK:
    case HTTP_ERROR:
        on_request_error(conn);
        break;
    }
    return used;
}

/* The first bytes of a connection. Returns how much of PART was taken. */
static size_t feed_first(struct connection *conn, struct str part)
{
    struct str instead;
    size_t used = connection_feed_preface(conn, part, &instead);
    bool more = true;

    while (instead.len && more && wants_client(conn))
        instead = str_from_index(instead, feed_reader(conn, instead, &more));
    return used;
}

size_t connection_feed_client(struct connection *conn, struct str bytes)
{
    const bool began = conn->exchange;
    const uint64_t number = conn->number;
    struct str in = bytes;
    bool more = true;

    if (connection_may_be_preface(conn) && wants_client(conn))
        in = str_from_index(in, feed_first(conn, in));
    /* also without room or bytes: the end of a message needs neither */
    while (wants_client(conn) && (more || in.len)) {
        struct str part = str_head(in, room_for_client(conn));
        bool drains = connection_request_state(conn) == RQ_DRAIN;
        size_t used;

        more = !is_raw(conn);
        used = more ? feed_reader(conn, part, &more)
                    : exchange_feed_hijack(conn->exchange, part);
        in = str_from_index(in, used);
        if (drains && conn->exchange &&
            (conn->exchange->drained += used) > LIMIT_DRAIN)
            exchange_cut(conn->exchange, AUDIT_CLOSE_DENIED);
        if (!more && part.len == 0)
            break;
        /* the next request is taken in the next call, so that who feeds many
         * of them at once can count them */
        if (!conn->exchange && (began || conn->number != number))
            break;
    }
    return bytes.len - in.len;
}

static void on_eof_in_hijack(struct exchange *ex)
{
    if (ex->tunnel) {
        exchange_build_eof(ex, CLIENT);
        return;
    }
    exchange_enter(ex, RQ_SHUT);
    exchange_finish_if_done(ex);
}

void connection_client_eof(struct connection *conn)
{
    if (conn->client == CLIENT_OPEN)
        conn->client = CLIENT_EOF;
    switch (connection_request_state(conn)) {
    case RQ_HEAD:
        conn->life = LIFE_OVER;
        break;
    case RQ_COLLECT:
    case RQ_STREAM:
        exchange_cut(conn->exchange, AUDIT_CLOSE_CLIENT_GONE);
        break;
    case RQ_UNREAD:
    case RQ_DRAIN:
        exchange_cut(conn->exchange, AUDIT_CLOSE_DONE);
        break;
    case RQ_HIJACK:
        on_eof_in_hijack(conn->exchange);
        break;
    case RQ_ASK: /* a client may close its half and await the reply */
    case RQ_READY:
    case RQ_PAUSE:
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        break;
    }
}
