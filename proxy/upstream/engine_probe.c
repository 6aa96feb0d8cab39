#include "proxy/upstream/engine_probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/isolation/rewrite.h"
#include "proxy/base/log.h"
#include "proxy/upstream/subrequest.h"

enum {
    PROBE_EVERY_S = 5,
    PROBE_TIMEOUT_S = 10,
};

struct engine_probe {
    struct event_base *base;
    struct upstream *upstream;
    struct pool *pool;
    struct engine_facts facts;
    struct event *timer;      /* the next probe, or the end of this one */
    struct subrequest *probe; /* or NULL */
    bool informs;             /* the probe is the question for /info */
    bool informed;            /* it was answered since the engine is known */
};

static void again_in(struct engine_probe *engine, long seconds)
{
    const struct timeval delay = {seconds, 0};

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

    (void)why;
    engine->probe = NULL;
    engine->informed = head != NULL;
    snprintf(engine->facts.log_driver, sizeof(engine->facts.log_driver), "%s",
             driver ? driver : "");
    if (head && !driver)
        log_warn("the engine does not tell its log driver (status %u), so "
                 "containers that name none get no default log size",
                 head->status);
    again_in(engine, PROBE_EVERY_S);
}

static void ask(struct engine_probe *engine, struct str target,
                subrequest_cb on_answer)
{
    engine->informs = on_answer == on_info;
    engine->probe = subrequest_new(engine->base, engine->pool, METHOD_GET,
                                   target, S(""), on_answer, engine);
    again_in(engine, PROBE_TIMEOUT_S);
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
    if (known && !engine->informed)
        ask(engine, S("/info"), on_info);
    else
        again_in(engine, PROBE_EVERY_S);
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
    ask(engine, S("/_ping"), on_reply);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct engine_probe *engine = arg;

    (void)fd;
    (void)what;
    if (engine->probe) {
        if (engine->informs)
            log_warn("the engine does not answer /info; asked again");
        else
            set_known(engine, false, "it does not answer /_ping");
        engine->probe = subrequest_cancel(engine->probe);
    }
    probe(engine);
}

static void on_status(struct upstream *upstream, void *arg)
{
    struct engine_probe *engine = arg;

    (void)upstream;
    engine->probe = subrequest_cancel(engine->probe);
    event_del(engine->timer);
    probe(engine);
}

struct engine_probe *engine_probe_new(struct event_base *base,
                                      struct upstream *upstream,
                                      struct pool *pool)
{
    struct engine_probe *engine = xcalloc(1, sizeof(*engine));

    engine->base = base;
    engine->upstream = upstream;
    engine->pool = pool;
    engine_facts_init(&engine->facts);
    engine->timer = event_new(base, -1, 0, on_timer, engine);
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

void engine_probe_doubt(struct engine_probe *engine)
{
    set_known(engine, false, "a request failed");
    if (engine->informs) /* a ping tells sooner */
        engine->probe = subrequest_cancel(engine->probe);
    if (!engine->probe)
        probe(engine);
}
