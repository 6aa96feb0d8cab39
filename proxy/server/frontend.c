#include "proxy/server/frontend.h"

#include <stdlib.h>
#include <unistd.h>

#include "proxy/base/log.h"
#include "proxy/server/session.h"

enum {
    /* clients over the limit that are still told so, each for a moment */
    BUSY_CLIENTS = 64,
};

static void on_client(int fd, void *arg)
{
    struct frontend *frontend = arg;
    unsigned limit = frontend->policy->listen.clients;

    if (frontend->session_count >= limit + BUSY_CLIENTS)
        close(fd);
    else
        session_new(frontend, fd, frontend->session_count >= limit);
}

static int open_audit(struct frontend *frontend, const struct policy *policy,
                      struct audit_sink **out, struct strbuf *why)
{
    int r = audit_sink_new(frontend->runtime->base, policy->audit.to, out);

    if (r < 0)
        strbuf_addf(why,
                    "cannot open the audit file %s: %s; audit.to must name a "
                    "place that this user may write to",
                    policy->audit.to, strerror(-r));
    return r;
}

void frontend_log(const struct frontend *frontend)
{
    log_info("serving %s on %s, engine at %s", frontend->policy->namespace,
             frontend->path, frontend->policy->upstream.url);
}

struct frontend *frontend_open(struct runtime *runtime, struct policy *policy,
                               int activated, struct strbuf *why)
{
    struct frontend *frontend = xcalloc(1, sizeof(*frontend));

    frontend->runtime = runtime;
    turn_group_init(&frontend->turns, &runtime->turns);
    frontend->path = xstrdup(policy->listen.path);
    frontend->policy = policy_ref(policy);
    frontend->owned = own_ids_new(LIMIT_OWNED);
    if (open_audit(frontend, policy, &frontend->audit, why) < 0 ||
        (activated != FRONTEND_INHERITS &&
         listener_new(runtime->base, &policy->listen, activated, on_client,
                      frontend, &frontend->listener, why) < 0)) {
        frontend_free(frontend);
        return NULL;
    }
    frontend->backend = backend_get(&runtime->backends, policy);
    return frontend;
}

void frontend_inherit(struct frontend *frontend, struct frontend *old)
{
    frontend->listener = old->listener;
    old->listener = NULL;
    listener_serve(frontend->listener, on_client, frontend);
    listener_set_access(frontend->listener, &frontend->policy->listen);
}

int frontend_prepare(struct frontend *frontend, struct policy *policy,
                     struct strbuf *why)
{
    int r = open_audit(frontend, policy, &frontend->prepared.audit, why);

    if (r == 0)
        frontend->prepared.policy = policy_ref(policy);
    return r;
}

void frontend_forget(struct frontend *frontend)
{
    frontend->prepared.audit = audit_sink_free(frontend->prepared.audit);
    policy_unref(frontend->prepared.policy);
    frontend->prepared.policy = NULL;
}

void frontend_commit(struct frontend *frontend)
{
    struct backend *old_backend = frontend->backend;
    struct policy *old_policy = frontend->policy;

    audit_sink_free(frontend->audit);
    frontend->audit = frontend->prepared.audit;
    frontend->prepared.audit = NULL;
    frontend->policy = frontend->prepared.policy;
    frontend->prepared.policy = NULL;
    frontend->backend =
        backend_get(&frontend->runtime->backends, frontend->policy);
    listener_set_access(frontend->listener, &frontend->policy->listen);
    backend_unref(old_backend);
    policy_unref(old_policy);
    frontend_log(frontend);
}

void frontend_stop(struct frontend *frontend, bool now)
{
    struct session *next;

    frontend->listener = listener_free(frontend->listener);
    for (struct session *s = frontend->sessions; s; s = next) {
        next = session_next(s);
        session_shutdown(s, now);
    }
}

void frontend_free(struct frontend *frontend)
{
    if (!frontend)
        return;
    listener_free(frontend->listener);
    frontend_forget(frontend);
    audit_sink_free(frontend->audit);
    own_ids_free(frontend->owned);
    backend_unref(frontend->backend);
    policy_unref(frontend->policy);
    free(frontend->path);
    free(frontend);
}
