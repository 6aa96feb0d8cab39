#include "proxy/exchange/exchange_private.h"

#include <stdlib.h>

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

void exchange_put_body(struct exchange *ex, struct str data)
{
    struct strbuf *out = &ex->conn->out[CLIENT].bytes;

    if (data.len == 0 || ex->framing == REPLY_FRAMING_NONE)
        return;
    if (ex->framing == REPLY_FRAMING_CHUNKED)
        put_chunk(out, data);
    else
        must(strbuf_add(out, data));
}

void exchange_put_error_line(struct exchange *ex, const char *message)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY_LINE);
    json_auto_t *line = json_pack("{s:{s:s}, s:s}", "errorDetail", "message",
                                  message, "error", message);

    if (line && reply_json_put(&out, line) == 0 &&
        strbuf_add(&out, S("\r\n")) == 0)
        exchange_put_body(ex, strbuf_str(&out));
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
    if (ex->goes_on) { /* its client knows of it by a status already */
        ex->close = close;
        exchange_put_error_line(ex, message);
        if (ex->framing == REPLY_FRAMING_CHUNKED)
            must(http_put_last_chunk(&ex->conn->out[CLIENT].bytes));
        exchange_answered_alone(ex);
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
