#include "proxy/exchange_private.h"

#include "proxy/log.h"

/* ---- the reply half ---- */

/* The engine said something that cannot be passed on. */
static void on_engine_error(struct exchange *ex, const char *what)
{
    log_debug("exchange %s: the engine's reply: %s", ex->id, what);
    ex->reusable = false;
    exchange_answer(
        ex, 502,
        "the engine's reply is not valid HTTP for this request; the "
        "request may have been carried out. See berth's log",
        0, AUDIT_CLOSE_ENGINE);
}

/* Does this reply hijack the connection? */
static bool opens_tunnel(const struct exchange *ex,
                         const struct http_head *reply)
{
    if (reply->status == 101)
        return true;
    return reply->status == 200 && reply->body == HTTP_BODY_EOF &&
           ex->rq.match.route->reply == REPLY_TUNNEL;
}

static void on_reply_head(struct exchange *ex)
{
    const struct http_head *reply = http_reader_head(ex->reader[ENGINE]);
    bool tunnel = opens_tunnel(ex, reply);

    ex->interim = reply->status < 200 && reply->status != 101;
    if (ex->interim)
        return;
    if (reply->status == 101 &&
        !(ex->rq.upgrade && str_eq_nocase(reply->upgrade, ex->head->upgrade))) {
        on_engine_error(ex, "it switches protocols unasked");
        return;
    }
    ex->status = reply->status;
    /* an error before the body has come: nobody wants the rest of it */
    ex->keep = ex->head->keep_alive && !tunnel && !ex->stopping &&
               !ex->client_eof && (ex->complete || reply->status < 400);
    if (reply_put_head(&ex->out[CLIENT].bytes, ex->head, reply, tunnel,
                       ex->keep ? REPLY_KEEP_ALIVE : REPLY_CLOSE,
                       &ex->framing)) {
        on_engine_error(ex, "its head cannot be written anew");
        return;
    }
    if (ex->framing == REPLY_FRAMING_RAW)
        ex->keep = false;
    ex->reply_state = tunnel ? RP_TUNNEL : RP_BODY;
    if (ex->request_state != RQ_HELD)
        return;
    if (tunnel) {
        if (reply->status != 101)
            http_reader_tunnel(ex->reader[ENGINE]);
        exchange_enter(ex, RQ_TUNNEL);
        if (ex->client_eof)
            exchange_enter(ex, RQ_SHUT);
    } else {
        exchange_enter(ex, ex->complete ? RQ_DONE : RQ_DRAIN);
    }
}

static void on_reply_data(struct exchange *ex, struct str data)
{
    struct strbuf *out = &ex->out[CLIENT].bytes;

    ex->bytes[ENGINE] += data.len;
    if (ex->status == 201)
        (void)strbuf_add(&ex->created, data); /* too long: no ID on record */
    if (ex->framing == REPLY_FRAMING_CHUNKED)
        put_chunk(out, data);
    else if (ex->framing != REPLY_FRAMING_NONE)
        must(strbuf_add(out, data));
}

static void on_reply_end(struct exchange *ex)
{
    if (ex->interim)
        return;
    if (ex->framing == REPLY_FRAMING_CHUNKED)
        must(http_put_last_chunk(&ex->out[CLIENT].bytes));
    ex->reusable = http_reader_head(ex->reader[ENGINE])->keep_alive &&
                   http_reader_is_idle(ex->reader[ENGINE]);
    ex->reply_state = RP_DONE;
    exchange_finish_if_done(ex);
}

bool exchange_reads_engine(const struct exchange *ex)
{
    return ex->stream_open && ex->active && exchange_room(ex, CLIENT) > 0 &&
           (ex->reply_state == RP_AWAIT || ex->reply_state == RP_BODY ||
            ex->reply_state == RP_TUNNEL);
}

size_t exchange_feed_engine(struct exchange *ex, struct str bytes)
{
    struct str in = bytes, data;
    size_t used;

    while (exchange_reads_engine(ex)) {
        struct str part = str_head(in, exchange_room(ex, CLIENT));

        if (ex->reply_state == RP_TUNNEL) {
            if (part.len == 0)
                break;
            must(strbuf_add(&ex->out[CLIENT].bytes, part));
            ex->bytes[ENGINE] += part.len;
            in = str_from_index(in, part.len);
            continue;
        }
        switch (http_reader_next(ex->reader[ENGINE], part, &used, &data)) {
        case HTTP_MORE:
            in = str_from_index(in, used);
            if (in.len == 0)
                return bytes.len;
            continue;
        case HTTP_HEAD:
            in = str_from_index(in, used);
            on_reply_head(ex);
            continue;
        case HTTP_DATA:
            in = str_from_index(in, used);
            on_reply_data(ex, data);
            continue;
        case HTTP_END:
            in = str_from_index(in, used);
            on_reply_end(ex);
            continue;
        case HTTP_TUNNEL:
        case HTTP_ERROR:
            on_engine_error(ex, http_reader_error(ex->reader[ENGINE])->reason);
            return bytes.len;
        }
    }
    return bytes.len - in.len;
}

void exchange_stream_open(struct exchange *ex)
{
    assert(ex->request_state == RQ_READY && ex->stream == STREAM_WANTED);
    ex->stream_open = true;
    if (request_put(&ex->out[ENGINE].bytes, &ex->rq, ex->head)) {
        exchange_answer(ex, 431,
                        "the request head is too long to be written anew", 0,
                        AUDIT_CLOSE_DENIED);
        return;
    }
    ex->reader[ENGINE] = http_reader_free(ex->reader[ENGINE]);
    ex->reader[ENGINE] = http_reader_new(HTTP_RESPONSES);
    http_reader_expect(ex->reader[ENGINE], ex->head->method);
    ex->reply_state = RP_AWAIT;
    if (ex->rq.body == REQUEST_BODY_STREAM) {
        exchange_put_continue(ex);
        exchange_enter(ex, RQ_STREAM);
    } else {
        exchange_enter(ex, ex->rq.match.route->reply == REPLY_TUNNEL ? RQ_HELD
                                                                     : RQ_DONE);
    }
}

/* Can the request be put on a fresh stream, with no byte missing? */
static bool can_retry(const struct exchange *ex)
{
    return !ex->retried && ex->reply_state == RP_AWAIT &&
           (ex->request_state == RQ_HELD || ex->request_state == RQ_DONE);
}

void exchange_stream_failed(struct exchange *ex, const char *why,
                            unsigned retry_after, bool pristine)
{
    if (!ex->active)
        return;
    if (ex->request_state == RQ_READY) {
        exchange_answer(ex, 503, why, retry_after, AUDIT_CLOSE_LINK_DOWN);
    } else if (pristine && can_retry(ex)) {
        log_debug("exchange %s: once more, because %s", ex->id, why);
        ex->retried = true;
        ex->stream = STREAM_SPENT; /* and wanted again once it is gone */
        ex->stream_open = false;
        ex->reply_state = RP_NONE;
        strbuf_fini(&ex->out[ENGINE].bytes);
        ex->out[ENGINE].sent = 0;
        exchange_enter(ex, RQ_READY);
    } else if (ex->reply_state == RP_SHUT) {
        /* the tunnel's engine was through anyway */
        ex->keep = false;
        exchange_finish(ex, AUDIT_CLOSE_DONE);
    } else if (ex->reply_state == RP_AWAIT) {
        AUTO(strbuf_fini) struct strbuf text = STRBUF(4 * LIMIT_REASON);

        must(strbuf_addf(&text,
                         "the connection to the engine was lost after the "
                         "request was sent, so it may have been carried out; "
                         "look before repeating it. %.*s",
                         LIMIT_REASON, why ? why : ""));
        exchange_answer(ex, 502, strbuf_cstr(&text), retry_after,
                        AUDIT_CLOSE_LINK_LOST);
    } else {
        exchange_cut(ex, AUDIT_CLOSE_LINK_LOST);
    }
}

void exchange_engine_eof(struct exchange *ex)
{
    if (!ex->active || !ex->stream_open)
        return;
    ex->reusable = false;
    if (ex->reply_state == RP_TUNNEL) {
        ex->reply_state = RP_SHUT;
        exchange_finish_if_done(ex);
        return;
    }
    if (ex->reply_state != RP_AWAIT && ex->reply_state != RP_BODY)
        return;
    switch (http_reader_eof(ex->reader[ENGINE])) {
    case HTTP_END:
        on_reply_end(ex);
        break;
    case HTTP_MORE:
        exchange_stream_failed(ex, "The engine closed it without an answer.", 0,
                               false);
        break;
    case HTTP_HEAD:
    case HTTP_DATA:
    case HTTP_TUNNEL:
    case HTTP_ERROR:
        exchange_stream_failed(ex, "The engine closed it in mid-reply.", 0,
                               false);
        break;
    }
}
