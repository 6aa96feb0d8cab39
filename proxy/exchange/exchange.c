#include "proxy/exchange/exchange_private.h"

#include <stdlib.h>

#include "proxy/base/log.h"

struct connection *connection_new(const struct connection_host *host)
{
    struct connection *ex = xcalloc(1, sizeof(*ex));

    ex->host = host;
    ex->reader[CLIENT] = http_reader_new(HTTP_REQUESTS);
    /* a head, and an answer of our own, fit behind a full buffer */
    ex->out[CLIENT].bytes.max =
        LIMIT_OUT + 2 * LIMIT_HEAD + LIMIT_REPLY + BODY_FILTER_MAX(LIMIT_OUT);
    ex->out[ENGINE].bytes.max = LIMIT_OUT + REQUEST_MAX + UPLOAD_MAX(LIMIT_OUT);
    return ex;
}

struct connection *connection_free(struct connection *ex)
{
    if (!ex)
        return NULL;
    if (ex->active)
        exchange_cut(ex, AUDIT_CLOSE_SHUTDOWN);
    http_reader_free(ex->reader[CLIENT]);
    strbuf_fini(&ex->out[CLIENT].bytes);
    free(ex);
    return NULL;
}

/* ---- output ---- */

size_t exchange_pending(const struct connection *ex, enum side side)
{
    return ex->out[side].bytes.len - ex->out[side].sent;
}

size_t exchange_room(const struct connection *ex, enum side side)
{
    size_t used = ex->out[side].bytes.len;

    return used < LIMIT_OUT ? LIMIT_OUT - used : 0;
}

struct str connection_output(const struct connection *ex, enum side side)
{
    if (side == CLIENT && ex->client_gone)
        return S("");
    return str_from_index(strbuf_str(&ex->out[side].bytes), ex->out[side].sent);
}

void exchange_forget_output(struct connection *ex, enum side side)
{
    strbuf_fini(&ex->out[side].bytes);
    ex->out[side].sent = 0;
}

void connection_sent(struct connection *ex, enum side side, size_t len)
{
    struct outlet *out = &ex->out[side];

    out->sent += len;
    assert(out->sent <= out->bytes.len);
    if (side == CLIENT)
        ex->given += len;
    /* memmove is costly, so not for every little write */
    if (out->sent == out->bytes.len || out->sent >= LIMIT_OUT / 2) {
        strbuf_consume(&out->bytes, out->sent);
        out->sent = 0;
    }
    if (ex->tunnel) {
        exchange_build_settle(ex);
        return;
    }
    if (side == ENGINE && ex->active)
        exchange_upload_goes_on(ex);
    if (side == ENGINE && ex->active)
        exchange_finish_if_done(ex);
}

/* ---- beginning and end of an exchange ---- */

void exchange_begin(struct connection *ex)
{
    const struct connection_host *host = ex->host;

    ex->active = true;
    ex->recorded = ex->complete = ex->keep = ex->reusable = false;
    ex->retried = ex->framed = ex->decided = false;
    ex->restoring = RESTORE_NOTHING;
    ex->skips_line = false;
    ex->held_reply = (struct strbuf)STRBUF(LIMIT_REPLY);
    ex->frames = (struct stdcopy){0};
    ex->created = (struct strbuf)STRBUF(LIMIT_CREATED_REPLY);
    ex->head = NULL;
    ex->policy = policy_ref(host->policy(host->arg));
    ex->started_ns = host->clock_ns(host->arg);
    ex->bytes[CLIENT] = ex->bytes[ENGINE] = 0;
    ex->drained = 0;
    ex->status = ex->engine_status = 0;
    ex->was_sent = ex->pauses = false;
    ex->close = AUDIT_CLOSE_NONE;
    ex->number++;
    request_init(&ex->rq);
    host->identify(host->arg, ex->id, sizeof(ex->id));
}

void exchange_let_go(struct connection *ex)
{
    if (ex->stream == STREAM_WANTED)
        ex->stream =
            ex->reusable && ex->complete && !exchange_pending(ex, ENGINE)
                ? STREAM_REUSABLE
                : STREAM_SPENT;
    ex->stream_open = false;
    ex->reader[ENGINE] = http_reader_free(ex->reader[ENGINE]);
    ex->upload = upload_free(ex->upload);
    archive_budget_fini(&ex->archive.budget);
    ex->archive.saved = body_filter_free(ex->archive.saved);
    ex->list = list_filter_free(ex->list);
    exchange_forget_output(ex, ENGINE);
}

/* What came of the request, for those who count. */
static enum ticket_end end_of(const struct connection *ex)
{
    if (ex->engine_status)
        return ex->engine_status < 400 ? TICKET_MADE : TICKET_NOT_MADE;
    /* an engine makes nothing of an archive before its end */
    if (!ex->complete && !ex->rq.has_changed)
        return TICKET_NOT_MADE;
    /* what was made for it beforehand may be there still */
    return ex->was_sent || ex->rq.has_changed ? TICKET_UNKNOWN
                                              : TICKET_NOT_MADE;
}

void exchange_finish(struct connection *ex, enum audit_close close)
{
    if (ex->close == AUDIT_CLOSE_NONE)
        ex->close = close;
    exchange_record_end(ex);
    exchange_let_go(ex);
    request_leave(&ex->rq, end_of(ex));
    exchange_build_fini(ex);
    request_fini(&ex->rq);
    strbuf_fini(&ex->created);
    strbuf_fini(&ex->held_reply);
    free(ex->failure);
    free(ex->abandoned);
    ex->failure = ex->abandoned = NULL;
    policy_unref(ex->policy);
    ex->policy = NULL;
    ex->head = NULL;
    http_reader_forget(ex->reader[CLIENT]);
    if (!ex->keep || ex->client_eof || ex->stopping)
        ex->closing = true;
    ex->active = false;
    ex->request_state = RQ_HEAD;
    ex->reply_state = RP_NONE;
}

/*
 * A tunnel that is cut looks to its client like one that has ended, unless it
 * carries frames.
 */
static void put_cut_frame(struct connection *ex, enum audit_close close)
{
    if (ex->reply_state != RP_HIJACK || !ex->framed ||
        !stdcopy_at_boundary(&ex->frames))
        return;
    if (close == AUDIT_CLOSE_LINK_LOST)
        must(stdcopy_put_error(
            &ex->out[CLIENT].bytes,
            S("berth: the connection to the engine was lost\n")));
    else if (close == AUDIT_CLOSE_SHUTDOWN)
        must(stdcopy_put_error(&ex->out[CLIENT].bytes,
                               S("berth: the proxy was stopped\n")));
}

void exchange_cut(struct connection *ex, enum audit_close close)
{
    put_cut_frame(ex, close);
    ex->keep = ex->reusable = false;
    exchange_finish(ex, close);
}

/* The reply is over; what the client still sends is read away. */
static void drain_rest(struct connection *ex)
{
    if (ex->close == AUDIT_CLOSE_NONE)
        ex->close = AUDIT_CLOSE_DONE;
    exchange_record_end(ex);
    exchange_let_go(ex);
    if (ex->request_state != RQ_DRAIN)
        exchange_enter(ex, RQ_DRAIN);
}

void exchange_finish_if_done(struct connection *ex)
{
    if (!exchange_reply_is_over(ex))
        return;
    switch (ex->request_state) {
    case RQ_DONE:
        exchange_finish(ex, AUDIT_CLOSE_DONE);
        break;
    case RQ_SHUT:
        /* the engine said EOF first; it gets all that the client sent */
        if (!exchange_pending(ex, ENGINE))
            exchange_finish(ex, AUDIT_CLOSE_DONE);
        break;
    case RQ_STREAM: /* answered before all of its body had come */
    case RQ_DRAIN:
        drain_rest(ex);
        break;
    case RQ_HEAD:
    case RQ_COLLECT:
    case RQ_ASK:
    case RQ_READY:
    case RQ_TAIL: /* the engine is not read meanwhile */
    case RQ_HELD:
    case RQ_HIJACK:
        break;
    }
}

bool exchange_head_is_out(const struct connection *ex)
{
    return ex->reply_state > RP_ASK &&
           !(ex->reply_state == RP_BODY && ex->restoring == RESTORE_WHOLE);
}

void exchange_answer(struct connection *ex, int status, const char *message,
                     unsigned retry_after, enum audit_close close)
{
    const struct http_head unread = {.minor = 1};
    const struct http_head *head = ex->head ? ex->head : &unread;

    if (exchange_head_is_out(ex)) {
        exchange_cut(ex, close);
        return;
    }
    ex->keep = head->keep_alive && !ex->client_eof && !ex->stopping &&
               (ex->complete || !request_has_body(head));
    ex->status = status;
    ex->close = close;
    ex->keep = ex->keep && !ex->prior;
    if (ex->prior)
        exchange_put_goaway(&ex->out[CLIENT].bytes, str_from(message));
    else
        reply_put_message(&ex->out[CLIENT].bytes, head, status, message,
                          ex->rq.engine_words, retry_after,
                          ex->keep ? REPLY_KEEP_ALIVE : REPLY_CLOSE);
    exchange_answered_alone(ex);
}

void exchange_answered_alone(struct connection *ex)
{
    if (ex->close == AUDIT_CLOSE_NONE)
        ex->close = AUDIT_CLOSE_LOCAL;
    exchange_enter_reply(ex, RP_DONE);
    if (ex->complete)
        exchange_finish(ex, ex->close);
    else
        drain_rest(ex);
}

/* ---- in ---- */

size_t connection_feed(struct connection *ex, enum side side, struct str bytes)
{
    size_t used;

    if (side == CLIENT) {
        used = exchange_feed_client(ex, bytes);
        ex->taken += used;
    } else {
        used = exchange_feed_engine(ex, bytes);
        /* what comes behind a reply that is over would be another's reply */
        if (used < bytes.len && ex->stream == STREAM_REUSABLE)
            ex->stream = STREAM_SPENT;
    }
    if (ex->client_gone)
        exchange_forget_output(ex, CLIENT);
    return used;
}

void exchange_look_again(struct connection *ex)
{
    (void)exchange_feed_client(ex, S(""));
    (void)exchange_feed_engine(ex, S(""));
}

void connection_stream_gone(struct connection *ex)
{
    bool again = ex->active && ex->request_state == RQ_READY && !ex->pauses;

    assert(ex->stream == STREAM_REUSABLE || ex->stream == STREAM_SPENT);
    ex->stream = again ? STREAM_WANTED : STREAM_NONE;
}

void connection_eof(struct connection *ex, enum side side)
{
    if (side == CLIENT)
        exchange_client_eof(ex);
    else
        exchange_engine_eof(ex);
}

static void on_slow_request(struct connection *ex)
{
    if (!ex->active)
        exchange_begin(ex);
    exchange_request_fails(ex, 408,
                           "the rest of the request did not come in time",
                           AUDIT_CLOSE_CLIENT_SLOW);
    if (ex->active) /* nor is it waited for */
        exchange_cut(ex, AUDIT_CLOSE_CLIENT_SLOW);
}

void connection_timeout(struct connection *ex)
{
    switch (connection_wish(ex).timer) {
    case TIMER_HEAD:
    case TIMER_BODY:
        on_slow_request(ex);
        break;
    case TIMER_DRAIN:
        exchange_cut(ex, AUDIT_CLOSE_CLIENT_GONE);
        break;
    case TIMER_LINK:
        if (exchange_asks(ex))
            connection_ask_failed(ex, NULL, 0);
        else
            connection_stream_failed(ex, NULL, 0, true);
        break;
    case TIMER_TURN:
        exchange_turn_is_late(ex);
        break;
    case TIMER_PAUSE:
        ex->pauses = false;
        if (ex->stream == STREAM_NONE)
            ex->stream = STREAM_WANTED;
        break;
    case TIMER_IDLE:
        ex->closing = true;
        break;
    case TIMER_FLUSH:
        connection_client_gone(ex);
        break;
    case TIMER_NONE:
        break;
    }
}

void connection_shutdown(struct connection *ex, enum connection_end end)
{
    ex->stopping = true;
    if (!ex->active)
        ex->closing |= end != END_AFTER_NEXT;
    else if (end == END_NOW)
        exchange_cut(ex, AUDIT_CLOSE_SHUTDOWN);
}

size_t connection_memory(const struct connection *ex)
{
    size_t sum = ex->out[CLIENT].bytes.cap + ex->out[ENGINE].bytes.cap;

    if (ex->upload)
        sum += upload_memory(ex->upload);
    if (ex->tunnel)
        sum += grpc_tunnel_memory(ex->tunnel);
    sum += body_filter_memory(ex->archive.saved);
    if (ex->list)
        sum += list_filter_memory(ex->list);
    return ex->active ? sum + ex->held_reply.cap + ex->created.cap +
                            request_memory(&ex->rq)
                      : sum;
}

const char *connection_id(const struct connection *ex)
{
    return ex->id;
}

bool connection_is_idle(const struct connection *ex)
{
    return !ex->active;
}

bool connection_look(const struct connection *ex,
                     struct exchange_glance *glance)
{
    struct str query;

    if (!ex->active || ex->recorded)
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
