#include "proxy/upstream/engine_probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/docker/older_client.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/upstream/subrequest.h"

enum {
    PROBE_EVERY_MS = 5000,
    PROBE_TIMEOUT_MS = 10000,
    /* while nothing may be asked before the engine has told its ID */
    PROBE_HELD_MS = 250,
    PROBE_OTHER_MS = 1000, /* another one has */
    PROBE_DOUBT_MS = 1000, /* between two doubts */
};

struct engine_probe {
    struct event_base *base;
    struct upstream *upstream;
    struct pool *pool;
    struct engine_facts facts;
    struct event *timer;      /* the next probe, or the end of this one */
    struct subrequest *probe; /* or NULL */
    subrequest_cb asked;      /* which question the probe is */
    bool informed;            /* /info was answered since the engine is known */
    const struct strings *allowed; /* IDs; none: any */
    char id[LIMIT_ENGINE_ID + 1];  /* of the one engine there is, or "" */
    uint64_t generation;           /* of the connection that was last seen */
    bool held;         /* until it is known whose the connection is */
    bool suspect;      /* held by on_idle_end; the timer asks */
    bool doubted;      /* too soon after the last time; the timer looks */
    uint64_t doubt_at; /* in ms, the last time; 0: never */
};

static void on_reply(const struct http_head *head, struct str body,
                     const char *why, void *arg);
static void ask(struct engine_probe *engine, struct str target,
                subrequest_cb on_answer);

static void again_in(struct engine_probe *engine, unsigned ms)
{
    struct timeval delay = {ms / 1000, ms % 1000 * 1000};

    if (engine->suspect)
        delay = (struct timeval){0, 0};
    else if (engine->doubted && ms == PROBE_EVERY_MS)
        delay = (struct timeval){PROBE_DOUBT_MS / 1000, 0};
    event_add(engine->timer, &delay);
}

static void set_known(struct engine_probe *engine, bool known, const char *why)
{
    if (known && !engine->facts.known)
        log_info("the engine answers");
    else if (!known && engine->facts.known)
        log_warn("the engine is away: %s", why);
    engine->facts.known = known;
    engine->informed = engine->informed && known;
    if (!known) /* another may come in its place */
        engine->facts.oldest = 0;
}

/* Which versions of the API the engine speaks. */
static void on_version(const struct http_head *head, struct str body,
                       const char *why, void *arg)
{
    struct engine_probe *engine = arg;
    json_auto_t *version =
        head && head->status == 200 ? reply_json_parse(body) : NULL;

    (void)why;
    engine->probe = NULL;
    if (head)
        engine->facts.oldest = engine_oldest_minor(version);
    again_in(engine, PROBE_EVERY_MS);
}

/* ---- which engine it is ---- */

/* Is it known which it may be? */
static bool is_pinned(const struct engine_probe *engine)
{
    return engine->id[0] || engine->allowed->count;
}

static bool is_allowed(const struct engine_probe *engine, const char *id)
{
    for (size_t i = 0; i < engine->allowed->count; i++) {
        if (!strcmp(engine->allowed->items[i], id))
            return true;
    }
    return engine->allowed->count == 0;
}

static void hold(struct engine_probe *engine, const char *why)
{
    engine->held = true;
    pool_hold(engine->pool, why);
}

static void release(struct engine_probe *engine)
{
    if (!engine->held)
        return;
    engine->held = false;
    pool_release(engine->pool);
}

/* A new connection may lead to another engine than the one before. */
static void look_at_connection(struct engine_probe *engine,
                               const struct upstream_status *status)
{
    bool first = engine->generation == 0;

    if (status->generation == engine->generation)
        return;
    engine->generation = status->generation;
    engine->informed = false;
    engine->facts.oldest = 0;
    if (!first || is_pinned(engine))
        hold(engine, NULL);
}

static void reject(struct engine_probe *engine, const char *told)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON);

    if (*engine->id)
        strbuf_addf(&why,
                    "another engine answers (%s) than the one that this "
                    "runner's containers are on (%s), so it is not used; if "
                    "that is meant, restart berth, and change upstream.engine "
                    "where it is set",
                    told, engine->id);
    else
        strbuf_addf(&why,
                    "the engine that answers (%s) is none of those that "
                    "upstream.engine names, so it is not used; if it is meant, "
                    "add it there",
                    told);
    set_known(engine, false, strbuf_cstr(&why));
    log_error("%s", strbuf_cstr(&why));
    hold(engine, NULL);
    if (!upstream_reject(engine->upstream, strbuf_cstr(&why)))
        hold(engine, strbuf_cstr(&why));
}

/* Is it the one? INFO is what it says of itself. */
static bool is_the_one(struct engine_probe *engine, const json_t *info)
{
    const char *id = json_string_value(json_object_get(info, "ID"));

    if (!id || strlen(id) > LIMIT_ENGINE_ID)
        id = "";
    if (!engine->id[0] && is_allowed(engine, id))
        snprintf(engine->id, sizeof(engine->id), "%s", id);
    if (!strcmp(id, engine->id) && (*id || !engine->allowed->count)) {
        release(engine);
        return true;
    }
    reject(engine, *id ? id : "it tells no ID");
    return false;
}

/* There is no answer to /info, for the reason WHY. */
static void not_told(struct engine_probe *engine, const char *why)
{
    struct upstream_status status;

    upstream_get_status(engine->upstream, &status);
    if (!engine->held) {
        log_warn("%s; asked again", why);
    } else {
        set_known(engine, false, why);
        if (status.up) /* else it is waited for */
            pool_fail_kept(engine->pool, why);
    }
    again_in(engine, engine->held ? PROBE_HELD_MS : PROBE_EVERY_MS);
}

/* What /info says that a client's request does not: the log driver of
 * containers that name none, which only a start of the engine changes. */
static void on_info(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct engine_probe *engine = arg;
    json_auto_t *info = head ? reply_json_parse(body) : NULL;
    const char *driver =
        json_string_value(json_object_get(info, "LoggingDriver"));

    engine->probe = NULL;
    if (engine->suspect) { /* it may be the one before that says so */
        again_in(engine, 0);
        return;
    }
    if (!head || (head->status >= 500 && is_pinned(engine))) {
        not_told(engine, head ? "the engine does not answer /info" : why);
        return;
    }
    again_in(engine, PROBE_OTHER_MS);
    if (!is_the_one(engine, info))
        return;
    again_in(engine, PROBE_EVERY_MS);
    engine->informed = true;
    snprintf(engine->facts.log_driver, sizeof(engine->facts.log_driver), "%s",
             driver ? driver : "");
    if (!driver)
        log_warn("the engine does not tell its log driver (status %u), so "
                 "containers that name none get no default log size",
                 head->status);
    if (!engine->facts.known)
        ask(engine, S("/_ping"), on_reply);
    else
        ask(engine, S("/version"), on_version);
}

static void ask(struct engine_probe *engine, struct str target,
                subrequest_cb on_answer)
{
    engine->asked = on_answer;
    engine->probe = subrequest_new(engine->base, engine->pool, METHOD_GET,
                                   target, S(""), on_answer, engine);
    if (engine->held)
        subrequest_let_in(engine->probe);
    again_in(engine, PROBE_TIMEOUT_MS);
}

static void on_reply(const struct http_head *head, struct str body,
                     const char *why, void *arg)
{
    struct engine_probe *engine = arg;
    bool was_known = engine->facts.known;
    bool known = head && engine_facts_learn(&engine->facts, head);

    (void)body;
    engine->probe = NULL;
    engine->facts.known = was_known; /* until it is said aloud */
    set_known(engine, known, head ? "its answer to /_ping is none" : why);
    if (!known && is_pinned(engine))
        again_in(engine, 0); /* which holds, where the link is up */
    else if (known && !engine->informed)
        ask(engine, S("/info"), on_info);
    else if (known && !engine->facts.oldest)
        ask(engine, S("/version"), on_version);
    else
        again_in(engine, PROBE_EVERY_MS);
}

static void probe(struct engine_probe *engine)
{
    struct upstream_status status;

    upstream_get_status(engine->upstream, &status);
    if (!status.up) {
        /* on_status comes when there is something to ask */
        set_known(engine, false, status.why);
        return;
    }
    look_at_connection(engine, &status);
    /* what was away may come back as another */
    if (!engine->facts.known && is_pinned(engine) && !engine->held)
        hold(engine, NULL);
    if (engine->held)
        ask(engine, S("/info"), on_info);
    else
        ask(engine, S("/_ping"), on_reply);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct engine_probe *engine = arg;

    (void)fd;
    (void)what;
    if (engine->suspect) {
        engine->suspect = false;
        engine->probe = subrequest_cancel(engine->probe);
    }
    if (engine->doubted && !engine->held)
        set_known(engine, false, "a request failed");
    engine->doubted = false;
    if (engine->probe) {
        if (engine->asked == on_info)
            not_told(engine, "the engine does not answer /info");
        else if (engine->asked == on_reply) /* /version is asked for again */
            set_known(engine, false, "it does not answer /_ping");
        engine->probe = subrequest_cancel(engine->probe);
    }
    probe(engine);
}

static void on_status(struct upstream *upstream, void *arg)
{
    struct engine_probe *engine = arg;

    (void)upstream;
    engine->suspect = false;
    engine->probe = subrequest_cancel(engine->probe);
    event_del(engine->timer);
    probe(engine);
}

/* An idle connection has ended: who answers on the next may be another. It
 * comes from inside calls on the pool, so the question is the timer's. */
static void on_idle_end(void *arg)
{
    struct engine_probe *engine = arg;
    struct upstream_status status;

    upstream_get_status(engine->upstream, &status);
    if (!status.direct || !engine->id[0] || engine->held)
        return;
    hold(engine, NULL);
    engine->suspect = true;
    again_in(engine, 0);
}

struct engine_probe *engine_probe_new(struct event_base *base,
                                      struct upstream *upstream,
                                      struct pool *pool,
                                      const struct strings *allowed)
{
    struct engine_probe *engine = xcalloc(1, sizeof(*engine));

    engine->base = base;
    engine->upstream = upstream;
    engine->pool = pool;
    engine->allowed = allowed;
    if (allowed->count == 1)
        snprintf(engine->id, sizeof(engine->id), "%s", allowed->items[0]);
    engine_facts_init(&engine->facts);
    engine->timer = event_new(base, -1, 0, on_timer, engine);
    pool_watch(pool, on_idle_end, engine);
    upstream->on_status = on_status;
    upstream->status_arg = engine;
    probe(engine);
    return engine;
}

struct engine_probe *engine_probe_free(struct engine_probe *engine)
{
    if (!engine)
        return NULL;
    engine->upstream->on_status = NULL;
    pool_watch(engine->pool, NULL, NULL);
    subrequest_cancel(engine->probe);
    event_free(engine->timer);
    engine_facts_fini(&engine->facts);
    free(engine);
    return NULL;
}

const struct engine_facts *engine_probe_get(const struct engine_probe *engine)
{
    return &engine->facts;
}

const char *engine_probe_id(const struct engine_probe *engine)
{
    return engine->id;
}

void engine_probe_doubt(struct engine_probe *engine)
{
    uint64_t now = clock_ms();

    if (engine->held) /* it is being looked at */
        return;
    if (engine->doubt_at && now - engine->doubt_at < PROBE_DOUBT_MS) {
        if (!engine->doubted && !engine->probe)
            again_in(engine, PROBE_DOUBT_MS);
        engine->doubted = true;
        return;
    }
    engine->doubt_at = now;
    set_known(engine, false, "a request failed");
    if (engine->asked != on_reply) /* a ping tells sooner */
        engine->probe = subrequest_cancel(engine->probe);
    if (!engine->probe)
        probe(engine);
}
