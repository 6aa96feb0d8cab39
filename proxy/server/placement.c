#include "proxy/server/placement.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/isolation/host_choice.h"
#include "policy/isolation/leftovers.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/upstream/subrequest.h"

struct candidate {
    struct placement *placement;
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

struct placement {
    struct runtime *runtime;
    struct policy *policy;
    struct candidate candidates[LIMIT_HOSTS];
    size_t count;
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

/* ---- what is made of it ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct placement *p = arg;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < p->count; i++)
        look_at(&p->candidates[i]);
    decide_soon(p);
}

static struct host_facts facts_of(struct placement *p, size_t at)
{
    struct candidate *c = &p->candidates[at];

    return (struct host_facts){
        .url = backend_url(c->backend),
        .engine = c->told ? c->id : "",
        .why = c->why.len ? strbuf_cstr(&c->why) : NULL,
        .has = c->has,
        .drained = policy_host_is_drained(p->policy, at),
        .running = c->running,
        .placed = c->backend->tenants,
        .cpus = c->cpus,
    };
}

static void place(struct placement *p, size_t at)
{
    struct backend *backend = backend_ref(p->candidates[at].backend);
    placement_cb on_placed = p->on_placed;
    void *arg = p->arg;

    log_info("%s is on %s, engine %s, %s", p->policy->namespace,
             backend_url(backend), p->candidates[at].id,
             p->candidates[at].has ? "where it has something"
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
    for (size_t i = 0; i < p->count; i++) {
        if (!p->candidates[i].told && !p->candidates[i].why.len)
            return false;
    }
    return true;
}

static void on_decide(evutil_socket_t fd, short what, void *arg)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_ERROR_TEXT);
    struct placement *p = arg;
    struct host_facts hosts[LIMIT_HOSTS];
    size_t at;
    bool heard = is_heard(p);
    bool early = !heard && clock_ms() - p->began_at < PLACEMENT_GRACE_MS;

    (void)fd;
    (void)what;
    if (early) /* for one that has something there, too */
        return;
    for (size_t i = 0; i < p->count; i++)
        hosts[i] = facts_of(p, i);
    switch (host_choose(
        str_from(p->policy->namespace), hosts, p->count,
        heard && p->policy->upstream_keys.missing == MISSING_SKIP, &at, &why)) {
    case HOST_CHOSEN:
        place(p, at);
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
    p->count = policy_host_count(policy);
    for (size_t i = 0; i < p->count; i++) {
        struct candidate *c = &p->candidates[i];

        c->placement = p;
        c->why.max = LIMIT_REASON;
        c->backend = backend_get(&runtime->backends, policy, i);
        ask(c, S("/info"), on_info);
    }
    p->began_at = clock_ms();
    p->decide = event_new(runtime->base, -1, 0, on_decide, p);
    p->tick = event_new(runtime->base, -1, EV_PERSIST, on_tick, p);
    event_add(p->tick, &again);
    return p;
}

struct placement *placement_free(struct placement *p)
{
    if (!p)
        return NULL;
    for (size_t i = 0; i < p->count; i++) {
        struct candidate *c = &p->candidates[i];

        subrequest_cancel(c->question);
        backend_unref(c->backend);
        strbuf_fini(&c->why);
    }
    event_free(p->tick);
    event_free(p->decide);
    strbuf_fini(&p->why);
    policy_unref(p->policy);
    free(p);
    return NULL;
}
