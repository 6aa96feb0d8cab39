#include "proxy/server/placement.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/isolation/host_choice.h"
#include "policy/isolation/leftovers.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/net/srv_resolver.h"
#include "proxy/upstream/subrequest.h"

struct candidate {
    struct placement *placement;
    size_t at; /* the policy's host that it is, or is a target of */
    unsigned priority, weight;
    bool listed; /* by the last answer, while that is gone through */
    struct backend *backend;
    struct subrequest *question; /* or NULL */
    uint64_t asked_at;
    enum leftover_kind kind; /* that is asked for */
    bool finds;              /* something of the namespace, up to now */
    bool told;               /* all that was asked, once at least, */
    uint64_t told_at;        /* and then last */
    bool has;                /* as it told: something of the namespace */
    char id[LIMIT_ENGINE_ID + 1];
    unsigned running, cpus;
    struct strbuf why; /* why it has not told */
};

/* SRV records, which the policy has at number AT. */
struct records {
    struct placement *placement;
    size_t at;
    struct srv_resolver *resolver; /* or NULL */
    uint64_t asked_at;
    bool known;
    char why[LIMIT_REASON]; /* they are not, or "" */
};

struct placement {
    struct runtime *runtime;
    struct policy *policy;
    struct candidate *candidates[LIMIT_HOSTS];
    size_t count;
    struct records records[LIMIT_HOSTS];
    size_t record_count;
    struct event *tick;
    struct event *decide;
    uint64_t began_at; /* in ms */
    placement_cb on_placed;
    void (*on_why)(const char *why, void *arg);
    void *arg;
    struct strbuf why; /* as it was told last */
};

static void decide_soon(struct placement *p)
{
    event_add(p->decide, &(struct timeval){0, 0});
}

/* ---- what each host tells ---- */

/* What it has is known all the same: it cannot be elsewhere now. */
static void fail(struct candidate *c, const char *why)
{
    c->told = c->told && c->has;
    strbuf_clear(&c->why);
    strbuf_add(&c->why, str_head(str_from(why), LIMIT_REASON - 1));
    decide_soon(c->placement);
}

static void finish(struct candidate *c)
{
    c->told = true;
    c->told_at = clock_ms();
    c->has = c->finds;
    decide_soon(c->placement);
}

static void on_list(const struct http_head *head, struct str body,
                    const char *why, void *arg);

static void ask(struct candidate *c, struct str target, subrequest_cb on_answer)
{
    c->asked_at = clock_ms();
    c->question = subrequest_new(c->placement->runtime->base, c->backend->pool,
                                 METHOD_GET, target, S(""), on_answer, c);
}

static void ask_for_things(struct candidate *c)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);
    struct str ns = str_from(c->placement->policy->namespace);

    leftover_put_list(&target, c->kind, ns);
    ask(c, strbuf_str(&target), on_list);
    subrequest_filter(c->question, list_filter_new(ns, true));
}

static void count(void *arg, struct str ns, const struct leftover *leftover)
{
    struct candidate *c = arg;

    (void)leftover;
    c->finds |= str_eq(ns, str_from(c->placement->policy->namespace));
}

static void on_list(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct candidate *c = arg;
    json_auto_t *reply =
        head && head->status == 200 ? reply_json_parse(body) : NULL;

    c->question = NULL;
    if (!head)
        fail(c, why);
    else if (!leftovers_walk(c->kind, reply, count, c))
        fail(c, "the engine does not list what it has");
    else if (c->finds || (c->kind = leftover_next(c->kind)) == LEFTOVER_COUNT)
        finish(c);
    else
        ask_for_things(c);
}

static unsigned number_of(const json_t *info, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(info, key));

    return number < 0 || number > INT32_MAX ? 0 : (unsigned)number;
}

static void on_info(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct candidate *c = arg;
    json_auto_t *info =
        head && head->status == 200 ? reply_json_parse(body) : NULL;
    const char *id = json_string_value(json_object_get(info, "ID"));

    c->question = NULL;
    if (!head) {
        fail(c, why);
        return;
    }
    if (!id || !*id || strlen(id) > LIMIT_ENGINE_ID) {
        fail(c, "its engine tells no ID, without which it cannot be told from "
                "others");
        return;
    }
    snprintf(c->id, sizeof(c->id), "%s", id);
    c->running = number_of(info, "ContainersRunning");
    c->cpus = number_of(info, "NCPU");
    c->kind = LEFTOVER_CONTAINER;
    c->finds = false;
    ask_for_things(c);
}

/* Is the first try to get there still on its way? */
static bool is_coming(const struct candidate *c,
                      const struct upstream_status *status)
{
    return !status->retry_ms && clock_ms() - c->placement->began_at <
                                    c->backend->config->connect_timeout_ms;
}

/* What it told is good for a while. */
static bool is_fresh(const struct candidate *c)
{
    return c->told && !c->question &&
           clock_ms() - c->told_at <= PLACEMENT_ANEW_MS;
}

/* One that has not told, or long ago, is asked again, or is why we wait. */
static void look_at(struct candidate *c)
{
    struct upstream_status status;

    if (is_fresh(c))
        return;
    if (c->question && clock_ms() - c->asked_at > PLACEMENT_ANSWER_MS) {
        c->question = subrequest_cancel(c->question);
        fail(c, "its engine does not answer");
    }
    upstream_get_status(c->backend->upstream, &status);
    if (!status.up && is_coming(c, &status))
        return;
    if (!status.up && status.why) {
        c->question = subrequest_cancel(c->question);
        fail(c, status.why);
    } else if (status.up && !c->question) {
        ask(c, S("/info"), on_info);
    }
}

/* ---- which hosts there are ---- */

static void add(struct placement *p, struct backend *backend, size_t at,
                unsigned priority, unsigned weight)
{
    struct candidate *c = xcalloc(1, sizeof(*c));

    *c = (struct candidate){
        .placement = p,
        .at = at,
        .priority = priority,
        .weight = weight,
        .listed = true,
        .backend = backend,
        .why = STRBUF(LIMIT_REASON),
    };
    p->candidates[p->count++] = c;
    ask(c, S("/info"), on_info);
}

static void candidate_free(struct candidate *c)
{
    subrequest_cancel(c->question);
    backend_unref(c->backend);
    strbuf_fini(&c->why);
    free(c);
}

static struct candidate *find(struct placement *p, const struct backend *b)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->candidates[i]->backend == b)
            return p->candidates[i];
    }
    return NULL;
}

/* False: that makes too many. */
static bool take_target(struct records *r, const struct srv_target *target)
{
    struct placement *p = r->placement;
    struct backend *backend = backend_get_target(
        &p->runtime->backends, p->policy, r->at, target->host, target->port);
    struct candidate *c = backend ? find(p, backend) : NULL;

    if (!backend || (!c && p->count == LIMIT_HOSTS)) {
        backend_unref(backend);
        return false;
    }
    if (!c) {
        add(p, backend, r->at, target->priority, target->weight);
        return true;
    }
    backend_unref(backend); /* there is a reference already */
    c->listed = true;
    c->priority = target->priority;
    c->weight = target->weight;
    return true;
}

static void drop_unlisted(struct placement *p, size_t at)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->count; i++) {
        struct candidate *c = p->candidates[i];

        if (c->at == at && !c->listed)
            candidate_free(c);
        else
            p->candidates[kept++] = c;
    }
    p->count = kept;
}

static void not_known(struct records *r, const char *why)
{
    r->known = false;
    snprintf(r->why, sizeof(r->why), "%s", why);
}

/* What an earlier answer told is good where there is none now. */
static void on_records(const struct srv_answer *answer, void *arg)
{
    struct records *r = arg;
    struct placement *p = r->placement;
    char too_many[LIMIT_REASON];
    bool fits = true;

    r->resolver = NULL;
    decide_soon(p);
    if (*answer->why) {
        if (!r->known)
            not_known(r, answer->why);
        return;
    }
    for (size_t i = 0; i < p->count; i++)
        p->candidates[i]->listed = p->candidates[i]->at != r->at;
    for (size_t i = 0; i < answer->count; i++)
        fits &= take_target(r, &answer->targets[i]);
    drop_unlisted(p, r->at);
    r->known = true;
    snprintf(too_many, sizeof(too_many),
             "they tell a host that has no name, or more than berth takes, %d "
             "in all",
             LIMIT_HOSTS);
    if (answer->count == 0)
        not_known(r, "there are no SRV records of that name");
    else if (!fits)
        not_known(r, too_many);
}

static void look_up(struct records *r)
{
    struct placement *p = r->placement;

    r->asked_at = clock_ms();
    r->resolver = srv_resolver_start(
        p->runtime->base, policy_host(p->policy, r->at)->host, on_records, r);
    if (!r->resolver && !r->known)
        not_known(r, "berth cannot look names up");
}

/* There may be more of them, or fewer, by now. */
static void look_again(struct records *r)
{
    unsigned ms = r->known ? PLACEMENT_SRV_ANEW_MS : PLACEMENT_SRV_MS;

    if (!r->resolver && clock_ms() - r->asked_at > ms)
        look_up(r);
}

static void add_host(struct placement *p, size_t at)
{
    struct records *r;

    if (!policy_host(p->policy, at)->srv) {
        add(p, backend_get(&p->runtime->backends, p->policy, at), at, 0, 1);
        return;
    }
    r = &p->records[p->record_count++];
    *r = (struct records){.placement = p, .at = at};
    look_up(r);
}

/* ---- what is made of it ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct placement *p = arg;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < p->record_count; i++)
        look_again(&p->records[i]);
    for (size_t i = 0; i < p->count; i++)
        look_at(p->candidates[i]);
    decide_soon(p);
}

static struct host_facts facts_of(struct candidate *c)
{
    const struct policy *policy = c->placement->policy;

    return (struct host_facts){
        .url = backend_url(c->backend),
        .engine = c->told ? c->id : "",
        .why = c->why.len ? strbuf_cstr(&c->why) : NULL,
        .has = c->has,
        .drained = policy_is_drained(policy, c->backend->config) ||
                   policy_is_drained(policy, policy_host(policy, c->at)),
        .running = c->running,
        .placed = c->backend->tenants,
        .cpus = c->cpus,
        .priority = c->priority,
        .weight = c->weight,
    };
}

/* Of those that there are, and in place of those that are not known. */
static size_t put_facts(struct placement *p, struct host_facts *hosts)
{
    size_t count = 0;

    for (size_t i = 0; i < p->count; i++)
        hosts[count++] = facts_of(p->candidates[i]);
    for (size_t i = 0; i < p->record_count; i++) {
        const struct records *r = &p->records[i];

        if (!r->known)
            hosts[count++] = (struct host_facts){
                .url = policy_host(p->policy, r->at)->url,
                .engine = "",
                .why = *r->why ? r->why : NULL,
            };
    }
    return count;
}

static void place(struct placement *p, const struct candidate *c)
{
    struct backend *backend = backend_ref(c->backend);
    size_t at = c->at;
    placement_cb on_placed = p->on_placed;
    void *arg = p->arg;

    log_info("%s is on %s, engine %s, %s", p->policy->namespace,
             backend_url(backend), c->id,
             c->has ? "where it has something"
                    : "and has nothing anywhere yet");
    placement_free(p);
    on_placed(backend, at, arg);
}

static void say(struct placement *p, const struct strbuf *why)
{
    if (str_eq(strbuf_str(&p->why), strbuf_str(why)))
        return;
    strbuf_clear(&p->why);
    strbuf_add(&p->why, strbuf_str(why));
    log_warn("%s has no host yet: %s", p->policy->namespace,
             strbuf_cstr(&p->why));
    p->on_why(strbuf_cstr(&p->why), p->arg);
}

/* Has everybody told, or said why not? */
static bool is_heard(const struct placement *p)
{
    for (size_t i = 0; i < p->record_count; i++) {
        if (!p->records[i].known && !*p->records[i].why)
            return false;
    }
    for (size_t i = 0; i < p->count; i++) {
        if (!p->candidates[i]->told && !p->candidates[i]->why.len)
            return false;
    }
    return true;
}

static void on_decide(evutil_socket_t fd, short what, void *arg)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_ERROR_TEXT);
    struct placement *p = arg;
    struct host_facts hosts[HOSTS_MOST];
    size_t at, count = put_facts(p, hosts);
    bool heard = is_heard(p);
    bool early = !heard && clock_ms() - p->began_at < PLACEMENT_GRACE_MS;

    (void)fd;
    (void)what;
    if (early) /* for one that has something there, too */
        return;
    switch (host_choose(
        str_from(p->policy->namespace), hosts, count,
        heard && p->policy->upstream_keys.missing == MISSING_SKIP, &at, &why)) {
    case HOST_CHOSEN:
        place(p, p->candidates[at]);
        break;
    case HOST_WAIT:
    case HOST_REFUSED:
        if (heard)
            say(p, &why);
        break;
    }
}

struct placement *placement_new(struct runtime *runtime, struct policy *policy,
                                placement_cb on_placed,
                                void (*on_why)(const char *why, void *arg),
                                void *arg)
{
    const struct timeval again = {PLACEMENT_AGAIN_MS / 1000,
                                  PLACEMENT_AGAIN_MS % 1000 * 1000};
    struct placement *p = xcalloc(1, sizeof(*p));

    p->runtime = runtime;
    p->policy = policy_ref(policy);
    p->on_placed = on_placed;
    p->on_why = on_why;
    p->arg = arg;
    p->why.max = LIMIT_ERROR_TEXT;
    p->began_at = clock_ms();
    p->decide = event_new(runtime->base, -1, 0, on_decide, p);
    for (size_t i = 0; i < policy_host_count(policy); i++)
        add_host(p, i);
    p->tick = event_new(runtime->base, -1, EV_PERSIST, on_tick, p);
    event_add(p->tick, &again);
    return p;
}

struct placement *placement_free(struct placement *p)
{
    if (!p)
        return NULL;
    for (size_t i = 0; i < p->record_count; i++)
        srv_resolver_cancel(p->records[i].resolver);
    for (size_t i = 0; i < p->count; i++)
        candidate_free(p->candidates[i]);
    event_free(p->tick);
    event_free(p->decide);
    strbuf_fini(&p->why);
    policy_unref(p->policy);
    free(p);
    return NULL;
}
