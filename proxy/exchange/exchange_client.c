#include "proxy/exchange/exchange_private.h"

#include <limits.h>

/* ---- before it is judged ---- */

/* May there be one more this second? */
static bool is_in_time(struct connection *ex)
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

void exchange_put_continue(struct connection *ex)
{
    if (!ex->head->expect_continue)
        return;
    must(http_put_status_line(&ex->out[CLIENT].bytes, 100, S("Continue")));
    must(http_put_end_of_head(&ex->out[CLIENT].bytes));
}

/* A body that is held whole has to find room, before it comes if its length is
 * known. */
static bool refuse_for_memory(struct connection *ex, size_t more)
{
    if (exchange_has_room(ex, more))
        return false;
    verdict_deny(&ex->rq.verdict, 503, MEMORY_RULE, "", MEMORY_REASON);
    exchange_refuse(ex, AUDIT_CLOSE_DENIED);
    return true;
}

/* ---- what the reader tells ---- */

static void on_request_error(struct connection *ex)
{
    const struct http_error *error = http_reader_error(ex->reader[CLIENT]);

    if (!ex->active)
        exchange_begin(ex);
    if (ex->request_state != RQ_DRAIN)
        exchange_request_fails(ex, error->status, error->reason,
                               AUDIT_CLOSE_MALFORMED);
}

static void on_request_head(struct connection *ex)
{
    exchange_begin(ex);
    ex->head = http_reader_head(ex->reader[CLIENT]);
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

static void on_request_data(struct connection *ex, struct str data)
{
    struct strbuf *out = &ex->out[ENGINE].bytes;

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
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        assert(!"the reader is not asked in these states");
    }
}

static void on_request_end(struct connection *ex)
{
    ex->complete = true;
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
        exchange_enter(ex, RQ_DONE);
        exchange_finish_if_done(ex);
        break;
    case RQ_HEAD:
    case RQ_ASK:
    case RQ_READY:
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        assert(!"the reader is not asked in these states");
    }
}

/* ---- bytes ---- */

/* Does the request half take bytes in this state, if there is room? */
static bool wants_client(const struct connection *ex)
{
    if (ex->closing || ex->client_eof || ex->stream == STREAM_REUSABLE ||
        ex->stream == STREAM_SPENT)
        return false;
    switch (ex->request_state) {
    case RQ_HEAD:
    case RQ_COLLECT:
    case RQ_HIJACK:
        return true;
    case RQ_STREAM:
        return !exchange_upload_holds(ex);
    case RQ_DRAIN: /* once the client has its answer */
        return ex->reply_state == RP_DONE;
    case RQ_ASK:
    case RQ_READY:
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        break;
    }
    return false;
}

/* How many bytes it takes now. */
static size_t room_for_client(const struct connection *ex)
{
    switch (ex->request_state) {
    case RQ_STREAM:
        return exchange_room(ex, ENGINE);
    case RQ_HIJACK:
        if (ex->tunnel)
            return exchange_build_reads(ex, CLIENT) ? SIZE_MAX : 0;
        return exchange_room(ex, ENGINE);
    case RQ_HEAD: /* what answers it must fit */
        return exchange_room(ex, CLIENT) ? SIZE_MAX : 0;
    case RQ_COLLECT:
    case RQ_DRAIN:
    case RQ_ASK:
    case RQ_READY:
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        break;
    }
    return SIZE_MAX;
}

bool exchange_reads_client(const struct connection *ex)
{
    return wants_client(ex) && room_for_client(ex) > 0;
}

/* Is there no HTTP in what the client sends? */
static bool is_raw(const struct connection *ex)
{
    if (ex->request_state == RQ_HIJACK)
        return ex->rq.body != REQUEST_BODY_HIJACK;
    return ex->request_state == RQ_DRAIN &&
           http_reader_error(ex->reader[CLIENT])->status;
}

size_t exchange_feed_hijack(struct connection *ex, struct str part)
{
    if (ex->tunnel) {
        exchange_build_feed(ex, CLIENT, part);
    } else if (ex->request_state == RQ_HIJACK) {
        must(strbuf_add(&ex->out[ENGINE].bytes, part));
        ex->bytes[CLIENT] += part.len;
    }
    return part.len;
}

/* Returns how much of PART was taken; *MORE: there may be another event. */
static size_t feed_reader(struct connection *ex, struct str part, bool *more)
{
    struct str data;
    size_t used;

    switch (http_reader_next(ex->reader[CLIENT], part, &used, &data)) {
    case HTTP_MORE:
        *more = false;
        break;
    case HTTP_HEAD:
        on_request_head(ex);
        break;
    case HTTP_DATA:
        on_request_data(ex, data);
        break;
    case HTTP_END:
        on_request_end(ex);
        break;
    case HTTP_HIJACK:
    case HTTP_ERROR:
        on_request_error(ex);
        break;
    }
    return used;
}

/* The first bytes of a connection. Returns how much of PART was taken. */
static size_t feed_first(struct connection *ex, struct str part)
{
    struct str instead;
    size_t used = exchange_feed_preface(ex, part, &instead);
    bool more = true;

    while (instead.len && more && wants_client(ex))
        instead = str_from_index(instead, feed_reader(ex, instead, &more));
    return used;
}

size_t exchange_feed_client(struct connection *ex, struct str bytes)
{
    struct str in = bytes;
    uint64_t number = ex->number;
    bool more = true, active = ex->active;

    if (exchange_may_be_preface(ex) && wants_client(ex))
        in = str_from_index(in, feed_first(ex, in));
    /* also without room or bytes: the end of a message needs neither */
    while (wants_client(ex) && (more || in.len)) {
        struct str part = str_head(in, room_for_client(ex));
        bool drains = ex->request_state == RQ_DRAIN;
        size_t used;

        more = !is_raw(ex);
        used = more ? feed_reader(ex, part, &more)
                    : exchange_feed_hijack(ex, part);
        in = str_from_index(in, used);
        if (drains && ex->active && (ex->drained += used) > LIMIT_DRAIN)
            exchange_cut(ex, AUDIT_CLOSE_DENIED);
        if (!more && part.len == 0)
            break;
        /* the next request is taken in the next call, so that who feeds many
         * of them at once can count them */
        if (!ex->active && (active || ex->number != number))
            break;
    }
    return bytes.len - in.len;
}

void exchange_client_eof(struct connection *ex)
{
    ex->client_eof = true;
    switch (ex->request_state) {
    case RQ_HEAD:
        ex->closing = true;
        break;
    case RQ_COLLECT:
    case RQ_STREAM:
        exchange_cut(ex, AUDIT_CLOSE_CLIENT_GONE);
        break;
    case RQ_DRAIN:
        exchange_cut(ex, AUDIT_CLOSE_DONE);
        break;
    case RQ_HIJACK:
        if (ex->tunnel) {
            exchange_build_eof(ex, CLIENT);
            break;
        }
        exchange_enter(ex, RQ_SHUT);
        exchange_finish_if_done(ex);
        break;
    case RQ_ASK: /* a client may close its half and await the reply */
    case RQ_READY:
    case RQ_TAIL:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        break;
    }
}
