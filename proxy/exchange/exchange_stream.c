#include "proxy/exchange/exchange_private.h"

#include "proxy/base/log.h"

/* The stream to the engine that a request goes out on, and its loss. */

void exchange_stream_open(struct exchange *ex)
{
    struct connection *conn = ex->conn;

    /* the judge has seen to it that it can be written */
    must(request_put(&conn->out[ENGINE].bytes, &ex->rq, ex->head));
    ex->was_sent = true;
    conn->reader[ENGINE] = http_reader_new(HTTP_RESPONSES);
    http_reader_expect(conn->reader[ENGINE], ex->head->method);
    exchange_enter_reply(ex, RP_AWAIT);
    if (ex->rq.body == REQUEST_BODY_STREAM) {
        exchange_upload_begin(ex);
    } else {
        exchange_enter(ex, ex->rq.match.route->reply == REPLY_HIJACK ? RQ_HELD
                                                                     : RQ_DONE);
    }
}

/* Can the request be put on a fresh stream, with no byte missing? */
static bool can_retry(const struct exchange *ex)
{
    return !ex->retried && ex->reply_state == RP_AWAIT &&
           ex->rq.body != REQUEST_BODY_STREAM;
}

/*
 * May it be sent again although it may have reached the engine? A GET changes
 * nothing (RFC 9110, 9.2.2), and an engine that closes an idle connection just
 * as it is used (9112, 9.3.1) is no failure. Not behind the beginning of a
 * reply, and not when the connection was to become the client's.
 */
static bool is_repeatable(const struct exchange *ex)
{
    return (ex->head->method == METHOD_GET ||
            ex->head->method == METHOD_HEAD) &&
           ex->rq.match.route->reply != REPLY_HIJACK && !ex->rq.upgrade &&
           http_reader_is_idle(ex->conn->reader[ENGINE]);
}

static void retry(struct exchange *ex, const char *why)
{
    log_debug("exchange %s: once more, because %s", ex->id, why);
    ex->retried = true;
    ex->was_sent = false;
    exchange_let_go(ex); /* and it is wanted again once it is gone */
    exchange_enter_reply(ex, RP_NONE);
    exchange_enter(ex, RQ_READY);
}

static void answer_lost(struct exchange *ex, const char *why,
                        unsigned retry_after)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4 * LIMIT_REASON);

    must(strbuf_addf(&text,
                     "the connection to the engine was lost after the request "
                     "was sent, so it may have been carried out; look before "
                     "repeating it. %.*s",
                     LIMIT_REASON, why));
    exchange_answer(ex, 502, strbuf_cstr(&text), retry_after,
                    AUDIT_CLOSE_LINK_LOST);
}

/* There is no way for it. What was prepared for it goes before its client hears
 * of that. */
static void answer_no_way(struct exchange *ex, const char *reason,
                          unsigned retry_after, enum audit_close close)
{
    if (!exchange_undo(ex, reason, retry_after))
        exchange_answer(ex, 503, reason, retry_after, close);
}

/* No byte of it has left, and that not for the first time, or its body, which
 * was streamed, is gone. */
static void give_up_unsent(struct exchange *ex, const char *reason,
                           unsigned retry_after)
{
    ex->was_sent = false;
    exchange_let_go(ex);
    exchange_enter_reply(ex, RP_NONE);
    exchange_enter(ex, RQ_READY);
    answer_no_way(ex, reason, retry_after, AUDIT_CLOSE_LINK_LOST);
}

/* The stream of a tunnel that is seen through is gone: its calls say so. */
static void cut_build(struct exchange *ex)
{
    struct connection *conn = ex->conn;

    ex->close = AUDIT_CLOSE_LINK_LOST;
    exchange_build_eof(ex, ENGINE);
    if (conn->exchange)
        exchange_cut(conn->exchange, AUDIT_CLOSE_LINK_LOST);
}

void exchange_stream_failed(struct exchange *ex, const char *why,
                            unsigned retry_after, bool pristine)
{
    const char *reason = why ? why : "there is no way to the engine";

    if (ex->request_state == RQ_READY) {
        answer_no_way(ex, reason, retry_after, AUDIT_CLOSE_LINK_DOWN);
    } else if (can_retry(ex) && (pristine || is_repeatable(ex))) {
        retry(ex, reason);
    } else if (ex->reply_state == RP_AWAIT && pristine) {
        give_up_unsent(ex, reason, retry_after);
    } else if (!exchange_head_is_out(ex)) {
        answer_lost(ex, why ? why : "", retry_after);
    } else if (ex->tunnel && ex->reply_state == RP_HIJACK) {
        cut_build(ex);
    } else if (ex->reply_state == RP_SHUT && !why) {
        exchange_cut(ex, AUDIT_CLOSE_DONE); /* both were through */
    } else {
        exchange_cut(ex, AUDIT_CLOSE_LINK_LOST);
    }
}
