#include <stdlib.h>

#include "proxy/base/log.h"
#include "proxy/server/frontend.h"
#include "proxy/server/sweep.h"

struct frontend_end {
    struct sweep *sweep;
    struct event *deadline;
    void (*on_ended)(struct frontend *frontend, void *arg);
    void *arg;
};

void frontend_end_cancel(struct frontend *frontend)
{
    struct frontend_end *end = frontend->end;

    if (!end)
        return;
    frontend->end = NULL;
    sweep_cancel(end->sweep);
    event_free(end->deadline);
    free(end);
}

static void finish(struct frontend *frontend)
{
    struct frontend_end *end = frontend->end;
    void (*on_ended)(struct frontend * f, void *arg) = end->on_ended;
    void *arg = end->arg;

    frontend_end_cancel(frontend);
    frontend_give_up(frontend);
    on_ended(frontend, arg);
}

static int put_on_record(void *arg, struct str line)
{
    struct frontend *frontend = arg;
    int r = audit_sink_write(frontend->audit, line);

    if (r < 0)
        frontend->counters.audit_failures++;
    return r;
}

static void on_item(void *arg, enum leftover_kind kind, struct str name,
                    const char *why)
{
    struct frontend *frontend = arg;

    if (why)
        log_warn("%s: %s %.*s stays: %s", frontend->policy->namespace,
                 leftover_word(kind), STR_FMT(name), why);
}

static void on_done(void *arg, unsigned removed, unsigned failed,
                    const char *why)
{
    struct frontend *frontend = arg;

    frontend->end->sweep = NULL;
    if (why)
        log_warn("%s: what it has left stays on the engine: %s; \"berth "
                 "clean\" removes it",
                 frontend->policy->namespace, why);
    else if (removed || failed)
        log_info("%s: %u leftovers removed, %u not",
                 frontend->policy->namespace, removed, failed);
    finish(frontend);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct frontend *frontend = arg;

    (void)fd;
    (void)what;
    log_warn("%s: removing what it has left takes too long; \"berth clean\" "
             "does the rest",
             frontend->policy->namespace);
    finish(frontend);
}

/* Is there anything to remove, and a way to it? */
static bool has_an_end(const struct frontend *frontend)
{
    const struct policy *policy = frontend->policy;
    bool removes = policy->leftovers.action == LEFTOVERS_REMOVE;

    /* another process serves it, or still does */
    if (frontend->succeeded || frontend->takes_over)
        return false;
    if (!frontend_has_host(frontend)) /* nothing was made */
        return false;
    if (frontend->lease && lease_is_anothers(frontend->lease)) {
        log_info("%s: what it has stays, for another berth serves it",
                 policy->namespace);
        return false;
    }
    /* without isolation, all that others have would be its own */
    if (policy->isolation != POLICY_NAMESPACE ||
        (!removes && !frontend->had_clients))
        return false;
    if (engine_probe_get(frontend->backend->engine)->known)
        return true;
    if (removes)
        log_warn("%s: what it has left stays on the engine, which does not "
                 "answer; \"berth clean\" removes it",
                 policy->namespace);
    return false;
}

bool frontend_end(struct frontend *frontend,
                  void (*on_ended)(struct frontend *frontend, void *arg),
                  void *arg)
{
    const struct policy *policy = frontend->policy;
    const struct sweep_config config = {
        .base = frontend->runtime->base,
        .pool = frontend->backend->pool,
        .ns = policy->namespace,
        .extent = policy->leftovers.action == LEFTOVERS_REMOVE ? SWEEP_ALL
                                                               : SWEEP_BRIDGE,
        .audit = put_on_record,
        .audit_required = policy->audit.required,
        .on_item = on_item,
        .on_done = on_done,
        .arg = frontend,
    };
    struct frontend_end *end;

    if (!has_an_end(frontend))
        return false;
    /* nobody is left who would use it, and it may be removed */
    frontend->companion = companion_free(frontend->companion);
    frontend->files = files_free(frontend->files);
    reaper_hurry(frontend->reaped);
    frontend->lease = lease_free(frontend->lease);
    end = frontend->end = xcalloc(1, sizeof(*end));
    end->on_ended = on_ended;
    end->arg = arg;
    end->deadline =
        event_new(frontend->runtime->base, -1, 0, on_deadline, frontend);
    event_add(end->deadline, &(struct timeval){FRONTEND_END_MS / 1000, 0});
    end->sweep = sweep_new(&config);
    return true;
}
