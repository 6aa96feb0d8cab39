#include "proxy/exchange/exchange_private.h"

#include "proxy/base/log.h"

/* ---- the reply half ---- */

/* The engine said something that cannot be passed on. */
static void on_engine_error(struct exchange *ex, const char *what)
{
    log_debug("exchange %s: the engine's reply: %s", ex->id, what);
    exchange_answer(
        ex, 502,
        "the engine's reply is not valid HTTP for this request; the "
        "request may have been carried out. See berth's log",
        0, AUDIT_CLOSE_ENGINE);
}

/* Does this reply hijack the connection? */
static bool opens_hijack(const struct exchange *ex,
                         const struct http_head *reply)
{
    if (reply->status == 101)
        return true;
    return reply->status == 200 && reply->body == HTTP_BODY_EOF &&
           ex->rq.match.route->reply == REPLY_HIJACK;
}

static bool was_asked_for(const struct exchange *ex,
                          const struct http_head *reply)
{
    return ex->request_state == RQ_HELD && ex->rq.upgrade &&
           str_eq_nocase(reply->upgrade, ex->head->upgrade);
}

static bool is_multiplexed(const struct http_head *reply)
{
    const struct str *type = http_head_get(reply, S("Content-Type"));

    return type &&
           str_eq_nocase(*type, S("application/vnd.docker.multiplexed-stream"));
}

static void enter_hijack(struct exchange *ex, const struct http_head *reply)
{
    ex->keep = false;
    if (is_multiplexed(reply))
        ex->frames = xcalloc(1, sizeof(*ex->frames));
    exchange_enter_reply(ex, RP_HIJACK);
    exchange_enter(ex, RQ_HIJACK);
    exchange_build_start(ex);
    if (ex->conn->protocol == PROTOCOL_HTTP2)
        exchange_feed_hijack(ex, connection_preface(ex->conn));
    if (ex->tunnel && ex->conn->client != CLIENT_OPEN)
        exchange_build_eof(ex, CLIENT);
    else if (ex->tunnel)
        exchange_build_settle(ex);
    else if (ex->conn->client != CLIENT_OPEN)
        exchange_enter(ex, RQ_SHUT);
}

/* How the client gets the body, when it goes as it comes. */
static enum reply_framing framing_of(const struct exchange *ex,
                                     const struct http_head *reply)
{
    enum reply_framing framing = reply_framing(ex->head, reply);

    /* what is restored changes its length */
    if (framing == REPLY_FRAMING_SIZED && ex->restoring != RESTORE_NOTHING)
        framing =
            ex->head->minor == 0 ? REPLY_FRAMING_RAW : REPLY_FRAMING_CHUNKED;
    return framing;
}

/* The engine's head as the client gets it; CHANGED is room for another one. */
static const struct http_head *head_to_pass(const struct exchange *ex,
                                            struct http_head *changed)
{
    const struct http_head *reply = http_reader_head(ex->conn->reader[ENGINE]);
    enum operation operation = request_operation(&ex->rq);

    if ((operation != OP_SYSTEM_PING && operation != OP_SYSTEM_PING_HEAD) ||
        !exchange_build_is_classic(ex))
        return reply;
    *changed = *reply;
    for (size_t i = 0; i < changed->header_count; i++) {
        if (str_eq_nocase(changed->headers[i].name, S("Builder-Version")))
            changed->headers[i].value = S("1");
    }
    return changed;
}

static void pass_head(struct exchange *ex)
{
    struct http_head changed;
    const struct http_head *reply = head_to_pass(ex, &changed);
    bool hijack = opens_hijack(ex, reply);

    if (ex->conn->protocol == PROTOCOL_HTTP2 && !hijack) {
        exchange_answer(ex, reply->status,
                        "the engine does not serve BuildKit (POST /grpc); use "
                        "HTTP/1.1",
                        0, AUDIT_CLOSE_ENGINE);
        return;
    }

    /* an error before the body has come: nobody wants the rest of it */
    ex->keep = ex->head->keep_alive && connection_goes_on(ex->conn) &&
               (exchange_is_complete(ex) || reply->status < 400);
    ex->restoring = hijack ? RESTORE_NOTHING : exchange_restoring(ex, reply);
    ex->framing = hijack ? REPLY_FRAMING_HIJACK : framing_of(ex, reply);
    if (ex->framing == REPLY_FRAMING_RAW && ex->restoring != RESTORE_WHOLE)
        ex->keep = false;
    if (!(hijack && ex->conn->protocol == PROTOCOL_HTTP2) &&
        ex->restoring != RESTORE_WHOLE &&
        reply_put_head(&ex->conn->out[CLIENT].bytes, ex->head, reply,
                       ex->framing, reply->length,
                       ex->keep ? REPLY_KEEP_ALIVE : REPLY_CLOSE)) {
        on_engine_error(ex, "its head cannot be written anew");
        return;
    }
    ex->status = reply->status;
    if (hijack) {
        enter_hijack(ex, reply);
        return;
    }
    exchange_restore_begin(ex);
    exchange_enter_reply(ex, RP_BODY);
    if (ex->request_state == RQ_HELD)
        exchange_enter(ex, exchange_is_complete(ex) ? RQ_DONE : RQ_UNREAD);
}

static bool is_prune(enum operation operation)
{
    return operation == OP_CONTAINER_PRUNE || operation == OP_NETWORK_PRUNE ||
           operation == OP_VOLUME_PRUNE || operation == OP_IMAGE_PRUNE ||
           operation == OP_BUILD_PRUNE;
}

/*
 * An engine prunes for one client at a time and refuses the others. A runner
 * knows of no others, so it waits, for as long as it may wait for its turn.
 */
static bool is_held_up(const struct exchange *ex)
{
    uint64_t now = ex->host->clock_ns(ex->host->arg);
    uint64_t wait = (uint64_t)ex->policy->limits.wait * 1000000;

    return is_prune(request_operation(&ex->rq)) && now >= ex->started_ns &&
           now - ex->started_ns < wait;
}

/* The request was not carried out, and is sent again in a while. */
static void pause_prune(struct exchange *ex)
{
    ex->conn->answers++; /* the timer begins anew */
    exchange_let_go(ex);
    exchange_enter_reply(ex, RP_NONE);
    exchange_enter(ex, RQ_PAUSE);
}

static void on_reply_head(struct exchange *ex)
{
    const struct http_head *reply = http_reader_head(ex->conn->reader[ENGINE]);

    if (reply->status < 200 && reply->status != 101)
        return; /* an interim reply */
    if (reply->status == 101 && !was_asked_for(ex, reply)) {
        on_engine_error(ex, "it switches protocols unasked");
        return;
    }
    if (reply->status == 409 && is_held_up(ex)) {
        pause_prune(ex);
        return;
    }
    ex->engine_status = reply->status;
    if (request_after(&ex->rq, reply->status))
        exchange_enter_reply(ex, RP_ASK);
    else
        pass_head(ex);
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

static void on_reply_data(struct exchange *ex, struct str data)
{
    ex->bytes[ENGINE] += data.len;
    if (ex->status == 201 && strbuf_add(&ex->created, data))
        ex->created.max = ex->created.len; /* too long: it ends here */
    if (ex->restoring == RESTORE_NOTHING)
        exchange_put_body(ex, data);
    else
        exchange_restore(ex, data);
}

/* Does the engine's side of a tunnel end, rather than a reply? */
static bool is_tunnel(const struct exchange *ex)
{
    return ex->request_state == RQ_HIJACK || ex->request_state == RQ_SHUT;
}

void exchange_reply_ends(struct exchange *ex)
{
    if (is_tunnel(ex)) {
        exchange_enter_reply(ex, RP_SHUT);
        exchange_finish_if_done(ex);
        return;
    }
    if (!exchange_restore_end(ex))
        return;
    exchange_put_last_line(ex);
    if (ex->framing == REPLY_FRAMING_CHUNKED)
        must(http_put_last_chunk(&ex->conn->out[CLIENT].bytes));
    if (http_reader_head(ex->conn->reader[ENGINE])->keep_alive &&
        exchange_is_complete(ex) && !connection_pending(ex->conn, ENGINE))
        ex->conn->stream = STREAM_REUSABLE;
    exchange_enter_reply(ex, RP_DONE);
    exchange_finish_if_done(ex);
}

static void on_reply_end(struct exchange *ex)
{
    if (ex->reply_state == RP_AWAIT)
        return; /* it was an interim one */
    if (!exchange_restore_rest(ex))
        return;
    if (request_finish(&ex->rq, strbuf_str(&ex->created)))
        exchange_enter_reply(ex, RP_FINISH);
    else
        exchange_reply_ends(ex);
}

/* ---- bytes ---- */

/* Does the reply half take bytes in this state, if there is room? */
static bool wants_engine(const struct connection *conn)
{
    const struct exchange *ex = conn->exchange;

    return ex && conn->stream == STREAM_USED && ex->request_state != RQ_TAIL &&
           (ex->reply_state == RP_AWAIT || ex->reply_state == RP_BODY ||
            ex->reply_state == RP_HIJACK);
}

bool connection_reads_engine(const struct connection *conn)
{
    if (!wants_engine(conn))
        return false;
    return conn->exchange->tunnel ? exchange_build_reads(conn->exchange, ENGINE)
                                  : connection_room(conn, CLIENT) > 0;
}

static size_t feed_hijack(struct exchange *ex, struct str part)
{
    if (ex->tunnel) {
        exchange_build_feed(ex, ENGINE, part);
        return part.len;
    }
    must(strbuf_add(&ex->conn->out[CLIENT].bytes, part));
    ex->bytes[ENGINE] += part.len;
    if (ex->frames)
        stdcopy_follow(ex->frames, part);
    return part.len;
}

/* Returns how much of PART was taken; *MORE: there may be another event. */
static size_t feed_reader(struct exchange *ex, struct str part, bool *more)
{
    struct http_reader *reader = ex->conn->reader[ENGINE];
    struct str data;
    size_t used;

    switch (http_reader_next(reader, part, &used, &data)) {
    case HTTP_MORE:
        *more = false;
        break;
    case HTTP_HEAD:
        on_reply_head(ex);
        break;
    case HTTP_DATA:
        on_reply_data(ex, data);
        break;
    case HTTP_END:
        on_reply_end(ex);
        break;
    case HTTP_HIJACK: /* a tunnel does not ask the reader */
    case HTTP_ERROR:
        on_engine_error(ex, http_reader_error(reader)->reason);
        break;
    }
    return used;
}

size_t connection_feed_engine(struct connection *conn, struct str bytes)
{
    struct str in = bytes;
    bool more = true;

    /* also without room or bytes: the end of a message needs neither */
    while (wants_engine(conn) && (more || in.len)) {
        struct exchange *ex = conn->exchange;
        struct str part =
            ex->tunnel ? in : str_head(in, connection_room(conn, CLIENT));

        more = ex->reply_state != RP_HIJACK;
        in = str_from_index(in, more ? feed_reader(ex, part, &more)
                                     : feed_hijack(ex, part));
        if (!more && part.len == 0)
            break;
    }
    return bytes.len - in.len;
}

void exchange_reply_goes_on(struct exchange *ex)
{
    pass_head(ex);
}

/* ---- the stream ---- */

void connection_stream_open(struct connection *conn)
{
    struct exchange *ex = conn->exchange;

    assert(ex->request_state == RQ_READY && conn->stream == STREAM_WANTED);
    conn->stream = STREAM_USED;
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
    connection_look_again(conn);
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

static void on_stream_failed(struct exchange *ex, const char *why,
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

void connection_stream_failed(struct connection *conn, const char *why,
                              unsigned retry_after, bool pristine)
{
    struct exchange *ex = conn->exchange;

    if (!connection_has_stream(conn) || ex->reply_state == RP_FINISH)
        return; /* it was let go already, or has brought all there is */
    on_stream_failed(ex, why, retry_after, pristine);
    connection_look_again(conn);
}

void connection_engine_eof(struct connection *conn)
{
    struct exchange *ex = conn->exchange;

    if (!wants_engine(conn))
        return;
    if (ex->tunnel) {
        exchange_build_eof(ex, ENGINE);
        return;
    }
    if (ex->reply_state == RP_HIJACK) {
        if (request_finish(&ex->rq, S("")))
            exchange_enter_reply(ex, RP_FINISH);
        else
            exchange_reply_ends(ex);
        return;
    }
    switch (http_reader_eof(conn->reader[ENGINE])) {
    case HTTP_END:
        on_reply_end(ex);
        break;
    case HTTP_MORE:
        connection_stream_failed(
            conn, "The engine closed it without an answer.", 0, false);
        break;
    case HTTP_HEAD:
    case HTTP_DATA:
    case HTTP_HIJACK:
    case HTTP_ERROR:
        connection_stream_failed(conn, "The engine closed it in mid-reply.", 0,
                                 false);
        break;
    }
}
