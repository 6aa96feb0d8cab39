#include "proxy/exchange_private.h"

#include <stdlib.h>

#include "proxy/log.h"

#define BIT(n) (1u << (n))

static const struct state {
    const char *name;
    unsigned next; /* the states that may follow, as bits */
} request_states[] = {
    [RQ_HEAD] = {"head",    BIT(RQ_COLLECT) | BIT(RQ_READY) | BIT(RQ_DRAIN)   },
    [RQ_COLLECT] = {"collect", BIT(RQ_READY) | BIT(RQ_DONE) | BIT(RQ_DRAIN)      },
    [RQ_READY] = {"ready",
                 BIT(RQ_STREAM) | BIT(RQ_HELD) | BIT(RQ_DONE) | BIT(RQ_DRAIN) },
    [RQ_STREAM] = {"stream",  BIT(RQ_DONE) | BIT(RQ_DRAIN)                      },
    [RQ_HELD] = {"held",
                 BIT(RQ_READY) | BIT(RQ_DONE) | BIT(RQ_TUNNEL) | BIT(RQ_DRAIN)},
    [RQ_DONE] = {"done",    BIT(RQ_READY) | BIT(RQ_HEAD) | BIT(RQ_DRAIN)      },
    [RQ_TUNNEL] = {"tunnel",  BIT(RQ_SHUT) | BIT(RQ_DONE)                       },
    [RQ_SHUT] = {"shut",    BIT(RQ_DONE)                                      },
    [RQ_DRAIN] = {"drain",   BIT(RQ_DONE)                                      },
};

struct exchange *exchange_new(const struct exchange_host *host)
{
    struct exchange *ex = xcalloc(1, sizeof(*ex));

    ex->host = host;
    ex->reader[CLIENT] = http_reader_new(HTTP_REQUESTS);
    /* a head, and an answer of our own, fit behind a full buffer */
    ex->out[CLIENT].bytes.max = LIMIT_OUT + 2 * LIMIT_HEAD;
    ex->out[ENGINE].bytes.max = LIMIT_OUT + 2 * LIMIT_HEAD + LIMIT_JSON_WRITTEN;
    ex->created.max = LIMIT_CREATED_REPLY;
    return ex;
}

static void forget(struct exchange *ex)
{
    if (!ex->active)
        return;
    ex->active = false;
    request_fini(&ex->rq);
    strbuf_fini(&ex->created);
    policy_unref(ex->policy);
    ex->policy = NULL;
    free(ex->sent_path);
    ex->sent_path = NULL;
    ex->reader[ENGINE] = http_reader_free(ex->reader[ENGINE]);
    strbuf_fini(&ex->out[ENGINE].bytes);
    ex->out[ENGINE].sent = 0;
}

struct exchange *exchange_free(struct exchange *ex)
{
    if (!ex)
        return NULL;
    forget(ex);
    http_reader_free(ex->reader[CLIENT]);
    strbuf_fini(&ex->out[CLIENT].bytes);
    free(ex);
    return NULL;
}

void exchange_enter(struct exchange *ex, enum request_state to)
{
    enum request_state from = ex->request_state;

    assert(request_states[from].next & BIT(to));
    log_debug("exchange %s: %s -> %s", ex->id, request_states[from].name,
              request_states[to].name);
    ex->request_state = to;
}

/* ---- output ---- */

size_t exchange_pending(const struct exchange *ex, enum side side)
{
    return ex->out[side].bytes.len - ex->out[side].sent;
}

size_t exchange_room(const struct exchange *ex, enum side side)
{
    size_t used = ex->out[side].bytes.len;

    return used < LIMIT_OUT ? LIMIT_OUT - used : 0;
}

struct str exchange_output(const struct exchange *ex, enum side side)
{
    if (side == CLIENT && ex->client_gone)
        return S("");
    return str_from_index(strbuf_str(&ex->out[side].bytes), ex->out[side].sent);
}

void exchange_sent(struct exchange *ex, enum side side, size_t len)
{
    struct outlet *out = &ex->out[side];

    out->sent += len;
    assert(out->sent <= out->bytes.len);
    /* moving the rest up is dear, so not for every little write */
    if (out->sent == out->bytes.len || out->sent >= LIMIT_OUT / 2) {
        strbuf_consume(&out->bytes, out->sent);
        out->sent = 0;
    }
}

/* ---- beginning and end of an exchange ---- */

void exchange_begin(struct exchange *ex)
{
    const struct exchange_host *host = ex->host;

    ex->active = true;
    ex->recorded = ex->complete = ex->keep = ex->reusable = false;
    ex->interim = ex->retried = false;
    ex->head = NULL;
    ex->policy = policy_ref(host->policy(host->arg));
    ex->started_ns = host->clock_ns(host->arg);
    ex->bytes[CLIENT] = ex->bytes[ENGINE] = 0;
    ex->drained = 0;
    ex->status = 0;
    ex->close = AUDIT_CLOSE_NONE;
    ex->reply_state = RP_NONE;
    request_init(&ex->rq);
    host->identify(host->arg, ex->id, sizeof(ex->id));
}

/* The exchange is over: on to the next request, or to the end. */
void exchange_finish(struct exchange *ex, enum audit_close close)
{
    if (ex->close == AUDIT_CLOSE_NONE)
        ex->close = close;
    exchange_record_end(ex);
    if (ex->stream != STREAM_NONE)
        ex->stream =
            ex->reusable && ex->complete && !exchange_pending(ex, ENGINE)
                ? STREAM_REUSABLE
                : STREAM_SPENT;
    ex->stream_open = false;
    forget(ex);
    if (!ex->keep || ex->client_eof || ex->stopping)
        ex->closing = true;
    ex->request_state = RQ_HEAD;
    ex->reply_state = RP_NONE;
}

/* The reply cannot be completed: the client must see that it is cut. */
void exchange_cut(struct exchange *ex, enum audit_close close)
{
    ex->keep = ex->reusable = false;
    exchange_finish(ex, close);
}

void exchange_finish_if_done(struct exchange *ex)
{
    bool request_over =
        ex->request_state == RQ_DONE || ex->request_state == RQ_SHUT;
    bool reply_over = ex->reply_state == RP_DONE || ex->reply_state == RP_SHUT;

    if (!reply_over)
        return;
    if (request_over) {
        exchange_finish(ex, AUDIT_CLOSE_DONE);
    } else if (ex->request_state == RQ_STREAM) {
        /* answered before its body had come: nobody wants the rest */
        ex->keep = ex->reusable = false;
        ex->close = AUDIT_CLOSE_DONE;
        exchange_record_end(ex);
        exchange_enter(ex, RQ_DRAIN);
    }
}

/* Answer in the engine's stead, then take the next request or close. */
void exchange_answer(struct exchange *ex, int status, const char *message,
                     unsigned retry_after, enum audit_close close)
{
    const struct http_head unread = {.minor = 1};
    const struct http_head *head = ex->head ? ex->head : &unread;

    if (ex->reply_state > RP_AWAIT) {
        exchange_cut(ex, close);
        return;
    }
    ex->keep = head->keep_alive && (ex->complete || !request_has_body(head));
    ex->status = status;
    ex->close = close;
    reply_put_message(
        &ex->out[CLIENT].bytes, head, status, message, retry_after,
        ex->keep && !ex->client_eof && !ex->stopping ? REPLY_KEEP_ALIVE
                                                     : REPLY_CLOSE);
    ex->reply_state = RP_DONE;
    exchange_record_end(ex);
    if (ex->complete)
        exchange_finish(ex, close);
    else
        exchange_enter(ex, RQ_DRAIN);
}

size_t exchange_feed(struct exchange *ex, enum side side, struct str bytes)
{
    size_t used = side == CLIENT ? exchange_feed_client(ex, bytes)
                                 : exchange_feed_engine(ex, bytes);

    if (ex->client_gone) {
        strbuf_fini(&ex->out[CLIENT].bytes);
        ex->out[CLIENT].sent = 0;
    }
    return used;
}

void exchange_stream_gone(struct exchange *ex)
{
    assert(ex->stream == STREAM_REUSABLE || ex->stream == STREAM_SPENT);
    ex->stream = ex->active && ex->request_state == RQ_READY ? STREAM_WANTED
                                                             : STREAM_NONE;
}

void exchange_eof(struct exchange *ex, enum side side)
{
    if (side == CLIENT)
        exchange_client_eof(ex);
    else
        exchange_engine_eof(ex);
}

/*
 * A change that was asked for in full is let through although nobody waits
 * for its answer, as the engine itself would.
 */
static bool outlives_client(const struct exchange *ex)
{
    return ex->stream_open && operation_mutates(request_operation(&ex->rq)) &&
           (ex->request_state == RQ_DONE || ex->request_state == RQ_TUNNEL ||
            ex->request_state == RQ_SHUT) &&
           ex->reply_state != RP_SHUT && ex->reply_state != RP_DONE;
}

void exchange_client_gone(struct exchange *ex)
{
    if (ex->client_gone)
        return;
    ex->client_eof = ex->client_gone = true;
    ex->keep = false;
    if (!ex->active) {
        ex->closing = true;
    } else if (outlives_client(ex)) {
        if (ex->request_state == RQ_TUNNEL)
            exchange_enter(ex, RQ_SHUT);
    } else {
        exchange_cut(ex,
                     ex->reply_state == RP_SHUT || ex->reply_state == RP_DONE
                         ? AUDIT_CLOSE_DONE
                         : AUDIT_CLOSE_CLIENT_GONE);
    }
}

void exchange_timeout(struct exchange *ex)
{
    switch (exchange_wish(ex).timer) {
    case TIMER_HEAD:
    case TIMER_BODY:
        if (!ex->active && !ex->closing)
            exchange_begin(ex);
        if (!ex->active || ex->request_state == RQ_DRAIN) {
            exchange_client_gone(ex);
            break;
        }
        verdict_deny(&ex->rq.verdict, 408, "request.http", "",
                     "the rest of the request did not come in time");
        exchange_answer(ex, 408, ex->rq.verdict.reason, 0,
                        AUDIT_CLOSE_CLIENT_SLOW);
        if (ex->active)
            exchange_cut(ex, AUDIT_CLOSE_CLIENT_SLOW);
        break;
    case TIMER_DRAIN:
        exchange_cut(ex, ex->client_gone ? AUDIT_CLOSE_CLIENT_GONE
                                         : AUDIT_CLOSE_DENIED);
        break;
    case TIMER_LINK:
        exchange_stream_failed(ex, "there is no way to the engine", 0, true);
        break;
    case TIMER_IDLE:
        ex->closing = true;
        break;
    case TIMER_NONE:
        break;
    }
}

void exchange_shutdown(struct exchange *ex, bool now)
{
    ex->stopping = true;
    if (!ex->active)
        ex->closing = true;
    else if (now)
        exchange_cut(ex, AUDIT_CLOSE_SHUTDOWN);
}

/* ---- wishes ---- */

static enum exchange_timer timer_of(const struct exchange *ex)
{
    if (ex->closing)
        return exchange_pending(ex, CLIENT) ? TIMER_BODY : TIMER_NONE;
    if (ex->client_gone)
        return TIMER_DRAIN;
    switch (ex->request_state) {
    case RQ_HEAD:
        return http_reader_in_head(ex->reader[CLIENT]) ? TIMER_HEAD
                                                       : TIMER_IDLE;
    case RQ_COLLECT:
    case RQ_STREAM:
        return exchange_reads_client(ex) ? TIMER_BODY : TIMER_NONE;
    case RQ_READY:
        return TIMER_LINK;
    case RQ_DRAIN:
        return TIMER_DRAIN;
    case RQ_HELD:
    case RQ_DONE:
    case RQ_TUNNEL:
    case RQ_SHUT:
        break;
    }
    return TIMER_NONE;
}

struct exchange_wish exchange_wish(const struct exchange *ex)
{
    bool drained_away = ex->request_state == RQ_DRAIN && !ex->keep &&
                        ex->reply_state == RP_DONE;

    return (struct exchange_wish){
        .read = {[CLIENT] = exchange_reads_client(ex),
                 [ENGINE] = exchange_reads_engine(ex)   },
        .shut = {[CLIENT] = ex->reply_state == RP_SHUT || drained_away,
                 [ENGINE] = ex->request_state == RQ_SHUT},
        .stream = ex->stream,
        .timer = timer_of(ex),
        .watch = ex->active &&
                 (ex->request_state == RQ_READY ||
                  ex->request_state == RQ_DONE || ex->request_state == RQ_SHUT),
        .close = ex->closing,
    };
}

const char *exchange_state(const struct exchange *ex)
{
    return request_states[ex->request_state].name;
}

const char *exchange_id(const struct exchange *ex)
{
    return ex->id;
}

bool exchange_is_idle(const struct exchange *ex)
{
    return !ex->active;
}
