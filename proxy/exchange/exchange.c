#include "proxy/exchange/exchange_private.h"

#include <stdlib.h>

#include "proxy/base/log.h"

struct connection *connection_new(const struct connection_host *host)
{
    struct connection *conn = xcalloc(1, sizeof(*conn));

    conn->host = host;
    conn->reader[CLIENT] = http_reader_new(HTTP_REQUESTS);
    /* a head, and an answer of our own, fit behind a full buffer */
    conn->out[CLIENT].bytes.max =
        LIMIT_OUT + 2 * LIMIT_HEAD + LIMIT_REPLY + BODY_FILTER_MAX(LIMIT_OUT);
    conn->out[ENGINE].bytes.max =
        LIMIT_OUT + REQUEST_MAX + UPLOAD_MAX(LIMIT_OUT);
    return conn;
}

struct connection *connection_free(struct connection *conn)
{
    if (!conn)
        return NULL;
    if (conn->exchange)
        exchange_cut(conn->exchange, AUDIT_CLOSE_SHUTDOWN);
    http_reader_free(conn->reader[CLIENT]);
    strbuf_fini(&conn->out[CLIENT].bytes);
    free(conn);
    return NULL;
}

/* ---- output ---- */

size_t connection_pending(const struct connection *conn, enum side side)
{
    return conn->out[side].bytes.len - conn->out[side].sent;
}

size_t connection_room(const struct connection *conn, enum side side)
{
    size_t used = conn->out[side].bytes.len;

    return used < LIMIT_OUT ? LIMIT_OUT - used : 0;
}

struct str connection_output(const struct connection *conn, enum side side)
{
    if (side == CLIENT && conn->client == CLIENT_GONE)
        return S("");
    return str_from_index(strbuf_str(&conn->out[side].bytes),
                          conn->out[side].sent);
}

void connection_forget_output(struct connection *conn, enum side side)
{
    strbuf_fini(&conn->out[side].bytes);
    conn->out[side].sent = 0;
}

void connection_sent(struct connection *conn, enum side side, size_t len)
{
    struct outlet *out = &conn->out[side];

    out->sent += len;
    assert(out->sent <= out->bytes.len);
    if (side == CLIENT)
        conn->given += len;
    /* memmove is costly, so not for every little write */
    if (out->sent == out->bytes.len || out->sent >= LIMIT_OUT / 2) {
        strbuf_consume(&out->bytes, out->sent);
        out->sent = 0;
    }
    if (conn->exchange && conn->exchange->tunnel) {
        exchange_build_settle(conn->exchange);
        return;
    }
    if (side == ENGINE && conn->exchange)
        exchange_upload_goes_on(conn->exchange);
    if (side == ENGINE && conn->exchange)
        exchange_finish_if_done(conn->exchange);
}

/* ---- beginning and end of an exchange ---- */

struct exchange *exchange_begin(struct connection *conn)
{
    const struct connection_host *host = conn->host;
    struct exchange *ex = xcalloc(1, sizeof(*ex));

    assert(!conn->exchange);
    conn->exchange = ex;
    conn->number++;
    ex->conn = conn;
    ex->host = host;
    ex->held_reply = (struct strbuf)STRBUF(LIMIT_REPLY);
    ex->created = (struct strbuf)STRBUF(LIMIT_CREATED_REPLY);
    ex->policy = policy_ref(host->policy(host->arg));
    ex->started_ns = host->clock_ns(host->arg);
    request_init(&ex->rq);
    host->identify(host->arg, ex->id, sizeof(ex->id));
    return ex;
}

void exchange_let_go(struct exchange *ex)
{
    if (connection_has_stream(ex->conn))
        ex->conn->stream = STREAM_SPENT;
    ex->conn->reader[ENGINE] = http_reader_free(ex->conn->reader[ENGINE]);
    ex->upload = upload_free(ex->upload);
    archive_budget_fini(&ex->archive.budget);
    ex->archive.saved = body_filter_free(ex->archive.saved);
    ex->list = list_filter_free(ex->list);
    connection_forget_output(ex->conn, ENGINE);
}

/* What came of the request, for those who count. */
static enum ticket_end end_of(const struct exchange *ex)
{
    if (ex->engine_status)
        return ex->engine_status < 400 ? TICKET_MADE : TICKET_NOT_MADE;
    /* an engine makes nothing of an archive before its end */
    if (!exchange_is_complete(ex) && !ex->rq.has_changed)
        return TICKET_NOT_MADE;
    /* what was made for it beforehand may be there still */
    return ex->was_sent || ex->rq.has_changed ? TICKET_UNKNOWN
                                              : TICKET_NOT_MADE;
}

void exchange_finish(struct exchange *ex, enum audit_close close)
{
    struct connection *conn = ex->conn;

    if (ex->close == AUDIT_CLOSE_NONE)
        ex->close = close;
    if (ex->request_state != RQ_DRAIN)
        exchange_record_end(ex);
    exchange_let_go(ex);
    request_leave(&ex->rq, end_of(ex));
    exchange_build_fini(ex);
    request_fini(&ex->rq);
    strbuf_fini(&ex->created);
    strbuf_fini(&ex->held_reply);
    free(ex->given_up.why);
    free(ex->frames);
    policy_unref(ex->policy);
    http_reader_forget(conn->reader[CLIENT]);
    if (!ex->keep || !connection_goes_on(conn))
        conn->life = LIFE_OVER;
    conn->exchange = NULL;
    free(ex);
}

/*
 * A tunnel that is cut looks to its client like one that has ended, unless it
 * carries frames.
 */
static void put_cut_frame(struct exchange *ex, enum audit_close close)
{
    if (ex->reply_state != RP_HIJACK || !ex->frames ||
        !stdcopy_at_boundary(ex->frames))
        return;
    if (close == AUDIT_CLOSE_LINK_LOST)
        must(stdcopy_put_error(
            &ex->conn->out[CLIENT].bytes,
            S("berth: the connection to the engine was lost\n")));
    else if (close == AUDIT_CLOSE_SHUTDOWN)
        must(stdcopy_put_error(&ex->conn->out[CLIENT].bytes,
                               S("berth: the proxy was stopped\n")));
}

void exchange_cut(struct exchange *ex, enum audit_close close)
{
    put_cut_frame(ex, close);
    ex->keep = false;
    exchange_finish(ex, close);
}

/* The reply is over; what the client still sends is read away. */
static void drain_rest(struct exchange *ex)
{
    if (ex->close == AUDIT_CLOSE_NONE)
        ex->close = AUDIT_CLOSE_DONE;
    exchange_record_end(ex);
    exchange_let_go(ex);
    exchange_enter(ex, RQ_DRAIN);
}

void exchange_finish_if_done(struct exchange *ex)
{
    if (!exchange_reply_is_over(ex))
        return;
    switch (ex->request_state) {
    case RQ_DONE:
        exchange_finish(ex, AUDIT_CLOSE_DONE);
        break;
    case RQ_SHUT:
        /* the engine said EOF first; it gets all that the client sent */
        if (!connection_pending(ex->conn, ENGINE))
            exchange_finish(ex, AUDIT_CLOSE_DONE);
        break;
    case RQ_STREAM: /* answered before all of its body had come */
    case RQ_UNREAD:
        drain_rest(ex);
        break;
    case RQ_HEAD:
    case RQ_COLLECT:
    case RQ_ASK:
    case RQ_READY:
    case RQ_PAUSE:
    case RQ_TAIL: /* the engine is not read meanwhile */
    case RQ_HELD:
    case RQ_HIJACK:
    case RQ_DRAIN:
        break;
    }
}

bool exchange_head_is_out(const struct exchange *ex)
{
    return ex->reply_state > RP_ASK &&
           !(ex->reply_state == RP_BODY && ex->restoring == RESTORE_WHOLE);
}

void exchange_answer(struct exchange *ex, int status, const char *message,
                     unsigned retry_after, enum audit_close close)
{
    const struct http_head unread = {.minor = 1};
    const struct http_head *head = ex->head ? ex->head : &unread;

    if (exchange_head_is_out(ex)) {
        exchange_cut(ex, close);
        return;
    }
    ex->keep = head->keep_alive && connection_goes_on(ex->conn) &&
               (exchange_is_complete(ex) || !request_has_body(head));
    ex->status = status;
    ex->close = close;
    ex->keep = ex->keep && ex->conn->protocol != PROTOCOL_HTTP2;
    if (ex->conn->protocol == PROTOCOL_HTTP2)
        exchange_put_goaway(&ex->conn->out[CLIENT].bytes, str_from(message));
    else
        reply_put_message(&ex->conn->out[CLIENT].bytes, head, status, message,
                          ex->rq.engine_words, retry_after,
                          ex->keep ? REPLY_KEEP_ALIVE : REPLY_CLOSE);
    exchange_answered_alone(ex);
}

void exchange_answered_alone(struct exchange *ex)
{
    if (ex->close == AUDIT_CLOSE_NONE)
        ex->close = AUDIT_CLOSE_LOCAL;
    exchange_enter_reply(ex, RP_DONE);
    if (exchange_is_complete(ex))
        exchange_finish(ex, ex->close);
    else
        drain_rest(ex);
}

/* ---- in ---- */

size_t connection_feed(struct connection *conn, enum side side,
                       struct str bytes)
{
    size_t used;

    if (side == CLIENT) {
        used = connection_feed_client(conn, bytes);
        conn->taken += used;
    } else {
        used = connection_feed_engine(conn, bytes);
        /* what comes behind a reply that is over would be another's reply */
        if (used < bytes.len && conn->stream == STREAM_REUSABLE)
            conn->stream = STREAM_SPENT;
    }
    if (conn->client == CLIENT_GONE)
        connection_forget_output(conn, CLIENT);
    return used;
}

void connection_look_again(struct connection *conn)
{
    (void)connection_feed_client(conn, S(""));
    (void)connection_feed_engine(conn, S(""));
}

void connection_stream_gone(struct connection *conn)
{
    const struct exchange *ex = conn->exchange;
    bool again = ex && ex->request_state == RQ_READY;

    assert(conn->stream == STREAM_REUSABLE || conn->stream == STREAM_SPENT);
    conn->stream = again ? STREAM_WANTED : STREAM_NONE;
}

void connection_eof(struct connection *conn, enum side side)
{
    if (side == CLIENT)
        connection_client_eof(conn);
    else
        connection_engine_eof(conn);
}

static void on_slow_request(struct connection *conn)
{
    if (!conn->exchange)
        exchange_begin(conn);
    exchange_request_fails(conn->exchange, 408,
                           "the rest of the request did not come in time",
                           AUDIT_CLOSE_CLIENT_SLOW);
    if (conn->exchange) /* nor is it waited for */
        exchange_cut(conn->exchange, AUDIT_CLOSE_CLIENT_SLOW);
}

static void on_pause_over(struct connection *conn)
{
    exchange_enter(conn->exchange, RQ_READY);
    if (conn->stream == STREAM_NONE)
        conn->stream = STREAM_WANTED;
}

void connection_timeout(struct connection *conn)
{
    switch (connection_wish(conn).timer) {
    case TIMER_HEAD:
    case TIMER_BODY:
        on_slow_request(conn);
        break;
    case TIMER_DRAIN:
        exchange_cut(conn->exchange, AUDIT_CLOSE_CLIENT_GONE);
        break;
    case TIMER_LINK:
        if (connection_asks(conn))
            connection_ask_failed(conn, NULL, 0);
        else
            connection_stream_failed(conn, NULL, 0, true);
        break;
    case TIMER_TURN:
        exchange_turn_is_late(conn->exchange);
        break;
    case TIMER_PAUSE:
        on_pause_over(conn);
        break;
    case TIMER_IDLE:
        conn->life = LIFE_OVER;
        break;
    case TIMER_FLUSH:
        connection_client_gone(conn);
        break;
    case TIMER_NONE:
        break;
    }
}

void connection_shutdown(struct connection *conn, enum connection_end end)
{
    if (!conn->exchange && end != END_AFTER_NEXT)
        conn->life = LIFE_OVER;
    else if (conn->life == LIFE_OPEN)
        conn->life = LIFE_LAST;
    if (conn->exchange && end == END_NOW)
        exchange_cut(conn->exchange, AUDIT_CLOSE_SHUTDOWN);
}

size_t connection_memory(const struct connection *conn)
{
    const struct exchange *ex = conn->exchange;
    size_t sum = conn->out[CLIENT].bytes.cap + conn->out[ENGINE].bytes.cap;

    if (!ex)
        return sum;
    if (ex->upload)
        sum += upload_memory(ex->upload);
    if (ex->tunnel)
        sum += grpc_tunnel_memory(ex->tunnel);
    if (ex->list)
        sum += list_filter_memory(ex->list);
    return sum + body_filter_memory(ex->archive.saved) + ex->held_reply.cap +
           ex->created.cap + request_memory(&ex->rq);
}

const char *connection_id(const struct connection *conn)
{
    return conn->exchange ? conn->exchange->id : "";
}

bool connection_is_idle(const struct connection *conn)
{
    return !conn->exchange;
}

bool connection_look(const struct connection *conn,
                     struct exchange_glance *glance)
{
    const struct exchange *ex = conn->exchange;
    struct str query;

    if (!ex || ex->request_state == RQ_DRAIN)
        return false;
    *glance = (struct exchange_glance){
        .operation = request_operation(&ex->rq),
        .started_ns = ex->started_ns,
        .bytes_in = ex->bytes[CLIENT],
        .bytes_out = ex->bytes[ENGINE],
    };
    if (ex->head)
        str_cut(ex->head->target, '?', &glance->path, &query);
    return true;
}
