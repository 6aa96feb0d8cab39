#include "proxy/exchange/exchange_private.h"

#include "policy/record/traceparent.h"

/* ---- the record ---- */

static struct str path_of(struct str target)
{
    struct str path, query;

    str_cut(target, '?', &path, &query);
    return path;
}

/* The trace that the client says its call is a part of. Given twice, or not as
 * it should be, it says nothing (W3C Trace Context, 3.2). */
static struct str trace_of(const struct http_head *head)
{
    struct str trace = S("");

    for (size_t i = 0; i < head->header_count; i++) {
        if (!str_eq_nocase(head->headers[i].name, S("traceparent")))
            continue;
        if (trace.len || !traceparent_is_valid(head->headers[i].value))
            return S("");
        trace = head->headers[i].value;
    }
    return trace;
}

/* ---- whose job it is ---- */

/* What its body says, or what is known of the thing that its path names; a new
 * reference, or NULL. */
static json_t *job_of(const struct exchange *ex)
{
    const struct strings *words = &ex->policy->audit.job;
    const struct route_match *match = &ex->rq.match;
    json_t *job = NULL;

    if (words->count == 0 || !ex->host->jobs)
        return NULL;
    job = job_find(words, request_operation(&ex->rq), ex->rq.tree);
    if (!job && match->route && match->param_count)
        job = json_incref(job_book_find(ex->host->jobs(ex->host->arg),
                                        match->params[0].kind,
                                        match->params[0].value));
    return job;
}

static struct str query_value(const struct target *target, struct str key)
{
    for (size_t i = 0; i < target->query_count; i++) {
        if (str_eq(target->query[i].key, key))
            return target->query[i].value;
    }
    return S("");
}

/* What was made is of JOB, and so is a container that it has a command run in.
 * OBJECT is its ID. */
static void note_job(const struct exchange *ex, struct str object, json_t *job)
{
    enum operation operation = request_operation(&ex->rq);
    const json_t *name = json_object_get(ex->rq.tree, "Name");
    struct job_book *book;

    if (ex->policy->audit.job.count == 0 || !ex->host->jobs ||
        ex->status != 201)
        return;
    book = ex->host->jobs(ex->host->arg);
    if (operation == OP_CONTAINER_CREATE) {
        job_book_put(book, REF_CONTAINER, object, job);
        job_book_put(book, REF_CONTAINER,
                     query_value(&ex->rq.target, S("name")), job);
    } else if (operation == OP_CONTAINER_EXEC) {
        job_book_put(book, REF_EXEC, object, job);
        if (job)
            job_book_put(book, REF_CONTAINER, ex->rq.match.params[0].value,
                         job);
    } else if (operation == OP_NETWORK_CREATE) {
        job_book_put(book, REF_NETWORK, object, job);
        job_book_put(book, REF_NETWORK, str_from(json_string_value(name)), job);
    } else if (operation == OP_VOLUME_CREATE) {
        job_book_put(book, REF_VOLUME, str_from(json_string_value(name)), job);
    }
}

/* JOB is the caller's, and must outlive FACTS. */
static void fill_facts(const struct exchange *ex, const json_t *job,
                       struct audit_facts *facts)
{
    const struct http_head *head = ex->head;
    bool allowed = ex->rq.verdict.kind == VERDICT_ALLOW;
    /* allowed is also what it is before there is a verdict */
    bool judged = !allowed || ex->rq.sent.len || ex->rq.answers || ex->decided;

    *facts = (struct audit_facts){
        .id = ex->id,
        .namespace_ = ex->policy->namespace,
        .listener = ex->host->listener,
        .peer = ex->host->peer,
        .trace = head ? trace_of(head) : S(""),
        .job = job,
        .time_ns = ex->host->clock_ns(ex->host->arg),
        .method = head ? head->method : METHOD_OTHER,
        .operation = request_operation(&ex->rq),
        .path = str_head(head ? path_of(head->target) : S(""), LIMIT_PATH),
        .api = ex->rq.client_minor,
        .sent = allowed ? path_of(strbuf_str(&ex->rq.sent)) : S(""),
        .target = &ex->rq.target,
        .match = ex->rq.match.route ? &ex->rq.match : NULL,
        .body = ex->rq.tree,
        .changes = ex->rq.changes,
        .lacks = ex->rq.lacks,
        .verdict = !judged             ? NULL
                   : ex->rq.would_deny ? &ex->rq.reported
                                       : &ex->rq.verdict,
        .would_deny = ex->rq.would_deny,
    };
    if (facts->time_ns > ex->started_ns) /* the clock may be set back */
        facts->duration_ns = facts->time_ns - ex->started_ns;
}

static int record(const struct exchange *ex,
                  int (*put)(struct strbuf *, const struct audit_facts *),
                  const struct audit_facts *facts)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(LIMIT_AUDIT_LINE);
    int r;

    strbuf_reserve(&line, 2 * KIB); /* which most fit into */
    r = put(&line, facts);
    return r < 0 ? r : ex->host->audit(ex->host->arg, strbuf_str(&line));
}

int exchange_record_decision(const struct exchange *ex)
{
    AUTO(json_decrefp) json_t *job = job_of(ex);
    struct audit_facts facts;

    fill_facts(ex, job, &facts);
    return record(ex, audit_put_decision, &facts);
}

int exchange_record_call(const struct exchange *ex,
                         const struct tunnel_event *event)
{
    AUTO(json_decrefp) json_t *job = job_of(ex);
    struct audit_facts facts;

    fill_facts(ex, job, &facts);
    facts.verdict = event->verdict;
    facts.would_deny = event->would_deny;
    facts.call = event->path;
    facts.build = event->facts;
    return record(ex, audit_put_call, &facts);
}

int exchange_record_push(const struct exchange *ex, struct str name)
{
    AUTO(json_decrefp) json_t *job = job_of(ex);
    struct audit_facts facts;

    fill_facts(ex, job, &facts);
    facts.target = NULL; /* it may still have the tag of the one before */
    facts.call = name;
    return record(ex, audit_put_call, &facts);
}

/* The "Id" that a create was answered with, as a new reference, or NULL. */
static json_t *created_id(const struct exchange *ex)
{
    AUTO(json_decrefp) json_t *reply = NULL;

    if (ex->created.len)
        reply = json_loadb(ex->created.ptr, ex->created.len, 0, NULL);
    return json_incref(json_object_get(reply, "Id"));
}

/* A ping that the engine never saw: it tells nothing and changes nothing, and
 * health checks would fill the record with them. */
static bool is_idle_ping(const struct exchange *ex)
{
    enum operation operation = request_operation(&ex->rq);

    return (operation == OP_SYSTEM_PING || operation == OP_SYSTEM_PING_HEAD) &&
           ex->close == AUDIT_CLOSE_LOCAL && ex->status == 200;
}

void exchange_record_end(struct exchange *ex)
{
    AUTO(json_decrefp) json_t *object = NULL, *job = NULL;
    struct audit_facts facts;

    object = created_id(ex);
    job = job_of(ex);
    fill_facts(ex, job, &facts);
    facts.status = ex->status;
    facts.bytes_in = ex->bytes[CLIENT];
    facts.bytes_out = ex->bytes[ENGINE];
    facts.object = str_from(json_string_value(object));
    facts.close = ex->close;
    note_job(ex, facts.object, job);
    if (!is_idle_ping(ex) && (ex->decided || !ex->host->sum_up ||
                              !ex->host->sum_up(ex->host->arg, &facts)))
        (void)record(ex, audit_put_end, &facts); /* the sink tells its faults */
    ex->host->ended(ex->host->arg, &facts);
}
