#include "proxy/exchange/exchange_private.h"

/* ---- the way to the verdict ---- */

void exchange_refuse(struct exchange *ex, enum audit_close close)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_ERROR_TEXT);
    const struct verdict *verdict = &ex->rq.verdict;

    request_put_refusal(&ex->rq, ex->policy, &text);
    exchange_answer(ex, verdict->status, strbuf_cstr(&text),
                    (verdict->status == 503 && !ex->rq.engine_words) ||
                        verdict->status == 429,
                    close);
}

void exchange_request_fails(struct exchange *ex, int status, const char *why,
                            enum audit_close close)
{
    /* behind its verdict, the request keeps it */
    if (ex->request_state == RQ_HEAD || ex->request_state == RQ_COLLECT)
        verdict_deny(&ex->rq.verdict, status, "request.http", "", "%s", why);
    exchange_answer(ex, status, why, 0, close);
}

static bool is_ping(enum operation operation)
{
    return operation == OP_SYSTEM_PING || operation == OP_SYSTEM_PING_HEAD;
}

static void answer_ping(struct exchange *ex, const struct engine_facts *engine)
{
    ex->keep = ex->head->keep_alive && ex->conn->life == LIFE_OPEN;
    ex->status = 200;
    reply_put_ping(&ex->conn->out[CLIENT].bytes, ex->head, engine,
                   exchange_build_is_classic(ex),
                   ex->keep ? REPLY_KEEP_ALIVE : REPLY_CLOSE);
    exchange_enter_reply(ex, RP_DONE);
    exchange_finish(ex, AUDIT_CLOSE_LOCAL);
}

/* Must the engine not see it before it is on record? */
static bool needs_decision(enum operation operation)
{
    return operation_mutates(operation) ||
           operation_access(operation) != ACCESS_READ;
}

/* Each of several that are pushed, before it is; once. */
static int record_push(struct exchange *ex)
{
    size_t at;
    struct str name = rewrite_pushed_of_several(&ex->rq.rewrite, &at);

    if (name.len == 0 || ex->on_record > at)
        return 0;
    ex->on_record = at + 1;
    return exchange_record_push(ex, name);
}

/* Put the decision on record, once. False: it had to be refused instead. */
static bool put_on_record(struct exchange *ex)
{
    bool first = !ex->decided;
    int r = 0;

    ex->decided = true; /* the record has the verdict by that */
    if (first)
        r = exchange_record_decision(ex);
    if (r == 0)
        r = record_push(ex);
    if (r == 0 || !ex->policy->audit.required)
        return true;
    verdict_deny(&ex->rq.verdict, 503, "audit.required", "",
                 "the audit record cannot be written, and audit.required "
                 "forbids a change without one; the operator must make room "
                 "for it");
    exchange_refuse(ex, AUDIT_CLOSE_DENIED);
    return false;
}

/* Allowed, and nothing for the engine to do: answer in its stead. */
static void answer_alone(struct exchange *ex)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(LIMIT_REPLY);
    const struct http_head *head = ex->head;

    if (ex->rq.answer && reply_json_put(&body, ex->rq.answer) == 0)
        strbuf_add_char(&body, '\n');
    ex->keep = head->keep_alive && connection_goes_on(ex->conn) &&
               (exchange_is_complete(ex) || !request_has_body(head));
    ex->status = ex->rq.answer_status;
    reply_put_json(&ex->conn->out[CLIENT].bytes, head, ex->status,
                   strbuf_str(&body),
                   ex->keep ? REPLY_KEEP_ALIVE : REPLY_CLOSE);
    exchange_answered_alone(ex);
}

/* Allowed: put it on record, and ask for a way to the engine. */
static void go(struct exchange *ex)
{
    enum operation operation = request_operation(&ex->rq);
    const struct engine_facts *engine = ex->host->engine(ex->host->arg);

    if (needs_decision(operation) && !put_on_record(ex))
        return;
    if (ex->rq.answers) {
        answer_alone(ex);
        return;
    }
    if (is_ping(operation) && engine->known && exchange_is_complete(ex)) {
        answer_ping(ex, engine);
        return;
    }
    exchange_enter(ex, RQ_READY);
    if (ex->conn->stream == STREAM_NONE) /* else once it is gone */
        ex->conn->stream = STREAM_WANTED;
}

void exchange_settle(struct exchange *ex)
{
    if (request_asks(&ex->rq)) {
        if (lookups_change(&ex->rq.lookups) && !put_on_record(ex))
            return;
        if (ex->request_state != RQ_ASK)
            exchange_enter(ex, RQ_ASK);
    } else if (ex->conn->client == CLIENT_GONE) {
        exchange_cut(ex, AUDIT_CLOSE_CLIENT_GONE);
    } else if (ex->rq.waits) {
        if (ex->request_state != RQ_ASK)
            exchange_enter(ex, RQ_ASK);
    } else if (ex->given_up.state == GIVEN_UP_UNDOES) {
        exchange_answer(ex, 503, ex->given_up.why, ex->given_up.retry_after,
                        AUDIT_CLOSE_LINK_DOWN);
    } else if (ex->rq.verdict.kind == VERDICT_ALLOW) {
        go(ex);
    } else {
        exchange_refuse(ex, AUDIT_CLOSE_DENIED);
    }
}

uint64_t exchange_now_ms(void *arg)
{
    const struct exchange *ex = arg;

    return ex->host->clock_ns(ex->host->arg) / 1000000;
}

static void on_turn(void *arg)
{
    const struct exchange *ex = arg;

    ex->host->turn(ex->host->arg);
}

void exchange_judge(struct exchange *ex)
{
    const struct connection_host *host = ex->host;
    const struct engine_facts *engine = host->engine(host->arg);
    const struct request_world world = {
        .ledger = host->ledger(host->arg),
        .now_ms = exchange_now_ms,
        .oldest = engine->oldest,
        .asks_oldest = engine->oldest == 0,
        .on_turn = on_turn,
        .arg = ex,
    };
    const struct rewrite_context context = {
        .ns = str_from(ex->policy->namespace),
        .engine_minor = engine->minor,
        .health_interval = ex->policy->rules.container.limits.health_interval,
        .log_driver = str_from(engine->log_driver),
        .owned = host->owned(host->arg),
        .shared = &ex->policy->rules.images.shared,
        .port_address = str_from(ex->policy->port_address),
        .mounts = &ex->policy->rules.container.mounts,
        .runner = str_from(ex->policy->rules.container.runner
                               ? ex->policy->rules.container.runner
                               : ""),
        .port_bind = str_from(
            ex->policy->rules.ports.bind ? ex->policy->rules.ports.bind : ""),
        .gateway = policy_gateway(ex->policy, host->peer.container != NULL),
        .ports = host->ports ? host->ports(host->arg) : NULL,
        .random = host->random(host->arg),
        .match_steps = host->match_steps ? host->match_steps(host->arg) : NULL,
    };

    if (exchange_build_prepare(ex))
        request_judge(&ex->rq, ex->policy, &context, &world);
    exchange_settle(ex);
}
