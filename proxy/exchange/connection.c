#include "proxy/exchange/exchange_private.h"

#include <stdlib.h>

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

/* ---- bytes ---- */

void connection_look_again(struct connection *conn)
{
    (void)connection_feed_client(conn, S(""));
    (void)connection_feed_engine(conn, S(""));
}

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
    if (side == ENGINE && conn->exchange &&
        exchange_upload_goes_on(conn->exchange))
        connection_look_again(conn); /* the body's end may have come before */
    if (side == ENGINE && conn->exchange)
        exchange_finish_if_done(conn->exchange);
}

/* ---- the stream ---- */

void connection_stream_open(struct connection *conn)
{
    assert(connection_request_state(conn) == RQ_READY &&
           conn->stream == STREAM_WANTED);
    conn->stream = STREAM_USED;
    exchange_stream_open(conn->exchange);
    connection_look_again(conn);
}

int connection_put_request(const struct connection *conn, struct strbuf *out)
{
    assert(conn->stream == STREAM_WANTED);
    return request_put(out, &conn->exchange->rq, conn->exchange->head);
}

void connection_stream_failed(struct connection *conn, const char *why,
                              unsigned retry_after, bool pristine)
{
    struct exchange *ex = conn->exchange;

    if (!connection_has_stream(conn) || ex->reply_state == RP_FINISH)
        return; /* it was let go already, or has brought all there is */
    exchange_stream_failed(ex, why, retry_after, pristine);
    connection_look_again(conn);
}

void connection_stream_gone(struct connection *conn)
{
    const struct exchange *ex = conn->exchange;
    bool again = ex && ex->request_state == RQ_READY;

    assert(conn->stream == STREAM_REUSABLE || conn->stream == STREAM_SPENT);
    conn->stream = again ? STREAM_WANTED : STREAM_NONE;
}

/* ---- ends ---- */

void connection_eof(struct connection *conn, enum side side)
{
    const char *why;

    if (side == CLIENT) {
        connection_client_eof(conn);
        return;
    }
    why = connection_engine_eof(conn);
    if (why)
        connection_stream_failed(conn, why, 0, false);
}

void connection_client_gone(struct connection *conn)
{
    if (conn->client == CLIENT_GONE)
        return;
    conn->client = CLIENT_GONE;
    connection_forget_output(conn, CLIENT);
    if (conn->exchange)
        exchange_client_gone(conn->exchange);
    else
        conn->life = LIFE_OVER;
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

/* ---- a look at it ---- */

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
