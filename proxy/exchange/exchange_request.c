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

/* Put the decision on record, once. False: it had to be refused instead. */
static bool put_on_record(struct exchange *ex)
{
    if (ex->decided)
        return true;
    ex->decided = true;
    if (exchange_record_decision(ex) == 0 || !ex->policy->audit.required)
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
    ex->conn->stream = STREAM_WANTED;
}

/* The verdict, or what the engine must be asked for it. */
static void settle(struct exchange *ex)
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
        .ports = host->ports ? host->ports(host->arg) : NULL,
        .random = host->random(host->arg),
        .match_steps = host->match_steps ? host->match_steps(host->arg) : NULL,
    };

    if (exchange_build_prepare(ex))
        request_judge(&ex->rq, ex->policy, &context, &world);
    settle(ex);
}

/* ---- turns ---- */

void connection_turn(struct connection *conn)
{
    struct exchange *ex = conn->exchange;

    if (!ex || !exchange_waits(ex))
        return;
    request_turn(&ex->rq, ex->policy);
    settle(ex);
    connection_look_again(conn);
}

void exchange_turn_is_late(struct exchange *ex)
{
    struct connection *conn = ex->conn;

    request_turn_is_late(&ex->rq, ex->policy);
    settle(ex);
    connection_look_again(conn);
}

/* ---- what berth itself asks ---- */

const struct lookups *connection_lookups(const struct connection *conn)
{
    static const struct lookups none;

    return conn->exchange ? &conn->exchange->rq.lookups : &none;
}

const struct lookup *connection_next_lookup(const struct connection *conn,
                                            size_t *index)
{
    const struct lookups *set = connection_lookups(conn);

    *index = connection_asks(conn) ? lookups_next(set) : set->count;
    return *index < set->count ? &set->items[*index] : NULL;
}

bool connection_awaits_lookup(const struct connection *conn, size_t index)
{
    const struct lookups *set = connection_lookups(conn);

    return connection_asks(conn) && index < set->count &&
           set->items[index].state == LOOKUP_SENT;
}

void connection_lookup_sent(struct connection *conn, size_t index)
{
    struct lookup *lookup = &conn->exchange->rq.lookups.items[index];

    assert(connection_asks(conn) && lookup->state == LOOKUP_OPEN);
    lookup->state = LOOKUP_SENT;
}

/* What its request asked is answered. */
static void on_answered(struct exchange *ex, size_t index, int status,
                        json_t *reply)
{
    request_answered(&ex->rq, ex->policy, index, status, json_incref(reply));
    if (ex->request_state == RQ_ASK)
        settle(ex);
    else if (ex->request_state == RQ_TAIL)
        exchange_upload_answered(ex);
    else if (!request_asks(&ex->rq) && ex->reply_state == RP_FINISH)
        exchange_reply_ends(ex);
    else if (!request_asks(&ex->rq) && ex->reply_state == RP_LINE)
        exchange_lines_go_on(ex);
    else if (!request_asks(&ex->rq))
        exchange_reply_goes_on(ex);
}

void connection_answered(struct connection *conn, size_t index, int status,
                         json_t *reply)
{
    struct exchange *ex = conn->exchange;

    assert(connection_asks(conn));
    conn->answers++;
    if (ex->tunnel) {
        exchange_build_answered(ex, status, reply);
        return;
    }
    if (ex->given_up.state == GIVEN_UP_AWAITS) {
        lookups_answer(&ex->rq.lookups, index, status, json_incref(reply));
        exchange_give_up_if_known(ex);
        return;
    }
    on_answered(ex, index, status, reply);
    connection_look_again(conn);
}

void connection_ask_failed(struct connection *conn, const char *why,
                           unsigned retry_after)
{
    struct exchange *ex = conn->exchange;

    assert(connection_asks(conn));
    if (ex->request_state == RQ_ASK) {
        exchange_abandon(ex, why, retry_after);
        exchange_give_up(ex);
        connection_look_again(conn);
        return;
    }
    /* the reply is there all the same */
    for (size_t i = 0;
         connection_asks(conn) && i < connection_lookups(conn)->count; i++) {
        if (connection_lookups(conn)->items[i].state != LOOKUP_ANSWERED)
            connection_answered(conn, i, 0, NULL);
    }
}

void connection_lookup_failed(struct connection *conn, size_t index,
                              const char *why, unsigned retry_after)
{
    struct exchange *ex = conn->exchange;

    assert(connection_asks(conn));
    if (ex->request_state == RQ_ASK && ex->given_up.state != GIVEN_UP_UNDOES)
        exchange_abandon(ex, why, retry_after);
    connection_answered(conn, index, 0, NULL);
    connection_look_again(conn);
}
