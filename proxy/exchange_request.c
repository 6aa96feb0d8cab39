#include "proxy/exchange_private.h"

static void refuse(struct exchange *ex)
{
    const struct verdict *verdict = &ex->rq.verdict;

    exchange_answer(
        ex, verdict->status, verdict->reason, verdict->status == 503,
        strcmp(verdict->rule, "request.http") ? AUDIT_CLOSE_DENIED
                                              : AUDIT_CLOSE_MALFORMED);
}

/* ---- the request half ---- */

static void on_request_error(struct exchange *ex)
{
    const struct http_error *error = http_reader_error(ex->reader[CLIENT]);

    if (!ex->active)
        exchange_begin(ex);
    if (ex->request_state == RQ_DRAIN) {
        exchange_cut(ex, AUDIT_CLOSE_MALFORMED);
        return;
    }
    verdict_deny(&ex->rq.verdict, error->status, "request.http", "", "%s",
                 error->reason);
    refuse(ex);
}

static bool is_ping(enum operation operation)
{
    return operation == OP_SYSTEM_PING || operation == OP_SYSTEM_PING_HEAD;
}

static char *path_as_sent(const struct request *rq)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);
    struct str path, query;

    if (route_put_target(&target, &rq->match, &rq->target))
        return xstrdup("");
    str_cut(strbuf_str(&target), '?', &path, &query);
    return xstr_dup(path);
}

/* Allowed: put it on record, and ask for a way to the engine. */
static void go(struct exchange *ex)
{
    enum operation operation = request_operation(&ex->rq);
    const struct engine_facts *engine = ex->host->engine(ex->host->arg);

    ex->sent_path = path_as_sent(&ex->rq);
    if ((operation_mutates(operation) ||
         operation_access(operation) != ACCESS_READ) &&
        exchange_record_decision(ex) < 0 && ex->policy->audit.required) {
        verdict_deny(&ex->rq.verdict, 503, "audit.required", "",
                     "the audit record cannot be written, and audit.required "
                     "forbids a change without one; the operator must make "
                     "room for it");
        refuse(ex);
        return;
    }
    if (is_ping(operation) && engine->known && ex->complete) {
        ex->keep = ex->head->keep_alive;
        ex->status = 200;
        ex->reply_state = RP_DONE;
        reply_put_ping(&ex->out[CLIENT].bytes, ex->head, engine,
                       ex->keep && !ex->stopping ? REPLY_KEEP_ALIVE
                                                 : REPLY_CLOSE);
        exchange_finish(ex, AUDIT_CLOSE_LOCAL);
        return;
    }
    exchange_enter(ex, RQ_READY);
    ex->stream = STREAM_WANTED;
}

static void judge(struct exchange *ex)
{
    request_judge(&ex->rq, ex->policy);
    if (ex->rq.verdict.kind == VERDICT_ALLOW)
        go(ex);
    else
        refuse(ex);
}

void exchange_put_continue(struct exchange *ex)
{
    if (!ex->head->expect_continue)
        return;
    must(http_put_status_line(&ex->out[CLIENT].bytes, 100, S("Continue")));
    must(http_put_end_of_head(&ex->out[CLIENT].bytes));
}

static void on_request_head(struct exchange *ex)
{
    exchange_begin(ex);
    ex->head = http_reader_head(ex->reader[CLIENT]);
    request_read_head(&ex->rq, ex->policy, ex->head);
    if (ex->host->busy)
        verdict_deny(&ex->rq.verdict, 503, "listen.clients", "",
                     "too many clients are connected; try again in a moment, "
                     "or have the operator raise listen.clients");
    if (ex->rq.verdict.kind == VERDICT_DENY) {
        refuse(ex);
        return;
    }
    switch (ex->rq.body) {
    case REQUEST_BODY_COLLECT:
    case REQUEST_BODY_DROP:
        exchange_put_continue(ex);
        exchange_enter(ex, RQ_COLLECT);
        break;
    case REQUEST_BODY_NONE:
        exchange_enter(ex, RQ_COLLECT); /* its end is the reader's next word */
        break;
    case REQUEST_BODY_STREAM:
    case REQUEST_BODY_TUNNEL:
        judge(ex);
        break;
    }
}

static void on_request_data(struct exchange *ex, struct str data)
{
    struct strbuf *out = &ex->out[ENGINE].bytes;

    switch (ex->request_state) {
    case RQ_COLLECT:
        ex->bytes[CLIENT] += data.len;
        request_add_body(&ex->rq, data);
        if (ex->rq.verdict.kind == VERDICT_DENY)
            refuse(ex);
        break;
    case RQ_STREAM:
        ex->bytes[CLIENT] += data.len;
        if (ex->head->body == HTTP_BODY_CHUNKED)
            put_chunk(out, data);
        else
            must(strbuf_add(out, data));
        break;
    case RQ_TUNNEL: /* a client that frames its tunnel's bytes as a body */
        ex->bytes[CLIENT] += data.len;
        must(strbuf_add(out, data));
        break;
    case RQ_DRAIN:
        ex->drained += data.len;
        if (ex->drained > LIMIT_DRAIN)
            exchange_cut(ex, AUDIT_CLOSE_DENIED);
        break;
    case RQ_HEAD:
    case RQ_READY:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        assert(!"the reader is not asked in these states");
    }
}

static void on_request_end(struct exchange *ex)
{
    ex->complete = true;
    switch (ex->request_state) {
    case RQ_COLLECT:
        judge(ex);
        break;
    case RQ_STREAM:
        if (ex->head->body == HTTP_BODY_CHUNKED)
            must(http_put_last_chunk(&ex->out[ENGINE].bytes));
        exchange_enter(ex, RQ_DONE);
        exchange_finish_if_done(ex);
        break;
    case RQ_TUNNEL:
        exchange_enter(ex, RQ_SHUT);
        exchange_finish_if_done(ex);
        break;
    case RQ_DRAIN:
        exchange_enter(ex, RQ_DONE);
        exchange_finish_if_done(ex);
        break;
    case RQ_HEAD:
    case RQ_READY:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        assert(!"the reader is not asked in these states");
    }
}

/* Is the request reader at work in this state, with room for what it gives? */
bool exchange_reads_client(const struct exchange *ex)
{
    if (ex->closing || ex->stream == STREAM_REUSABLE ||
        ex->stream == STREAM_SPENT || ex->client_eof)
        return false;
    switch (ex->request_state) {
    case RQ_HEAD:
        return exchange_room(ex, CLIENT) > 0;
    case RQ_COLLECT:
    case RQ_DRAIN:
        return true;
    case RQ_STREAM:
    case RQ_TUNNEL:
        return exchange_room(ex, ENGINE) > 0;
    case RQ_READY:
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        break;
    }
    return false;
}

/* In a tunnel: does the client send raw bytes, or frame them as a body? */
static bool is_raw(const struct exchange *ex)
{
    return ex->request_state == RQ_TUNNEL && ex->rq.body != REQUEST_BODY_TUNNEL;
}

size_t exchange_feed_client(struct exchange *ex, struct str bytes)
{
    struct str in = bytes, data;
    size_t used;

    while (exchange_reads_client(ex)) {
        struct str part = str_head(in, ex->request_state == RQ_STREAM ||
                                               ex->request_state == RQ_TUNNEL
                                           ? exchange_room(ex, ENGINE)
                                           : in.len);

        if (is_raw(ex)) {
            if (part.len == 0)
                break;
            must(strbuf_add(&ex->out[ENGINE].bytes, part));
            ex->bytes[CLIENT] += part.len;
            in = str_from_index(in, part.len);
            continue;
        }
        switch (http_reader_next(ex->reader[CLIENT], part, &used, &data)) {
        case HTTP_MORE:
            in = str_from_index(in, used);
            if (in.len == 0)
                return bytes.len;
            continue;
        case HTTP_HEAD:
            on_request_head(ex);
            break;
        case HTTP_DATA:
            on_request_data(ex, data);
            break;
        case HTTP_END:
            on_request_end(ex);
            break;
        case HTTP_TUNNEL:
        case HTTP_ERROR:
            on_request_error(ex);
            break;
        }
        in = str_from_index(in, used);
    }
    return bytes.len - in.len;
}

void exchange_client_eof(struct exchange *ex)
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
    case RQ_TUNNEL:
        exchange_enter(ex, RQ_SHUT);
        exchange_finish_if_done(ex);
        break;
    case RQ_READY: /* a client may close its half and await the reply */
    case RQ_HELD:
    case RQ_DONE:
    case RQ_SHUT:
        break;
    }
}
