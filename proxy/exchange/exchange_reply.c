#include "proxy/exchange/exchange_private.h"

#include "proxy/base/log.h"

/* ---- the reply half ---- */

/* The engine said something that cannot be passed on. */
void exchange_engine_error(struct exchange *ex, const char *what)
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

/* The reply goes on with that to another request: an error is its last line. */
static void pass_on(struct exchange *ex)
{
    const struct http_head *reply = http_reader_head(ex->conn->reader[ENGINE]);

    ex->restoring = reply->status < 400 ? RESTORE_LINES : RESTORE_WHOLE;
    exchange_enter_reply(ex, RP_BODY);
}

static void pass_head(struct exchange *ex)
{
    struct http_head changed;
    const struct http_head *reply = head_to_pass(ex, &changed);
    bool hijack = opens_hijack(ex, reply);

    if (ex->goes_on) {
        pass_on(ex);
        return;
    }
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
        exchange_engine_error(ex, "its head cannot be written anew");
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

void exchange_reply_head(struct exchange *ex)
{
    const struct http_head *reply = http_reader_head(ex->conn->reader[ENGINE]);

    if (reply->status < 200 && reply->status != 101)
        return; /* an interim reply */
    if (reply->status == 101 && !was_asked_for(ex, reply)) {
        exchange_engine_error(ex, "it switches protocols unasked");
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

void exchange_reply_data(struct exchange *ex, struct str data)
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

/* Who is attached hears why the files of what has ended are not there, where
 * that can be told from what it wrote. */
static void put_not_brought(struct exchange *ex)
{
    struct str why = ex->rq.rewriting ? ex->rq.rewrite.not_brought : S("");
    AUTO(strbuf_fini) struct strbuf text = STRBUF(2 * LIMIT_REASON);

    if (why.len && ex->frames && stdcopy_at_boundary(ex->frames) &&
        strbuf_addf(&text, "berth: %.*s\n", STR_FMT(why)) == 0)
        (void)!stdcopy_put_error(&ex->conn->out[CLIENT].bytes,
                                 strbuf_str(&text));
}

void exchange_leave_stream(struct exchange *ex)
{
    if (http_reader_head(ex->conn->reader[ENGINE])->keep_alive &&
        exchange_is_complete(ex) && !connection_pending(ex->conn, ENGINE))
        ex->conn->stream = STREAM_REUSABLE;
}

void exchange_finish_reply(struct exchange *ex)
{
    if (is_tunnel(ex)) {
        put_not_brought(ex);
        exchange_enter_reply(ex, RP_SHUT);
        exchange_finish_if_done(ex);
        return;
    }
    if (!exchange_restore_end(ex))
        return;
    exchange_put_last_line(ex);
    if (ex->framing == REPLY_FRAMING_CHUNKED)
        must(http_put_last_chunk(&ex->conn->out[CLIENT].bytes));
    exchange_leave_stream(ex);
    exchange_enter_reply(ex, RP_DONE);
    exchange_finish_if_done(ex);
}

/* What there is of its body, for those who go by it. */
static const struct strbuf *kept_of_reply(const struct exchange *ex)
{
    return ex->restoring == RESTORE_WHOLE && ex->rq.rewriting &&
                   rewrite_reads_reply(&ex->rq.rewrite)
               ? &ex->held_reply
               : &ex->created;
}

void exchange_reply_end(struct exchange *ex)
{
    if (ex->reply_state == RP_AWAIT)
        return; /* it was an interim one */
    if (!exchange_restore_rest(ex))
        return;
    if (request_finish(&ex->rq, strbuf_str(kept_of_reply(ex))))
        exchange_enter_reply(ex, RP_FINISH);
    else
        exchange_finish_reply(ex);
}

void exchange_reply_goes_on(struct exchange *ex)
{
    pass_head(ex);
}
