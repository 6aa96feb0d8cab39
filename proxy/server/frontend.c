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
    struct berth *berth = arg;
    unsigned limit = berth->policy->listen.clients;

    if (berth->session_count >= limit + BUSY_CLIENTS)
        close(fd);
    else
        session_new(berth, fd, berth->session_count >= limit);
}

static int open_audit(const struct policy *policy, struct audit_sink **out,
                      struct strbuf *why)
{
    int r = audit_sink_new(policy->audit.to, out);

    if (r < 0)
        strbuf_addf(why,
                    "cannot open the audit file %s: %s; audit.to must name a "
                    "place that this user may write to",
                    policy->audit.to, strerror(-r));
    return r;
}

void berth_log(const struct berth *berth)
{
    log_info("serving %s on %s, engine at %s", berth->policy->namespace,
             berth->path, berth->policy->upstream.url);
}

struct berth *berth_open(struct event_base *base, struct harbours *harbours,
                         struct policy *policy, int activated,
                         struct strbuf *why)
{
    struct berth *berth = xcalloc(1, sizeof(*berth));

    berth->base = base;
    berth->harbours = harbours;
    berth->path = xstrdup(policy->listen.path);
    berth->policy = policy_ref(policy);
    berth->owned = owned_new(LIMIT_OWNED);
    if (open_audit(policy, &berth->audit, why) < 0 ||
        (activated != BERTH_INHERITS &&
         listener_new(base, &policy->listen, activated, on_client, berth,
                      &berth->listener, why) < 0)) {
        berth_free(berth);
        return NULL;
    }
    berth->harbour = harbour_get(harbours, policy);
    return berth;
}

void berth_inherit(struct berth *berth, struct berth *old)
{
    berth->listener = old->listener;
    old->listener = NULL;
    listener_serve(berth->listener, on_client, berth);
    listener_set_access(berth->listener, &berth->policy->listen);
}

int berth_prepare(struct berth *berth, struct policy *policy,
                  struct strbuf *why)
{
    int r = open_audit(policy, &berth->prepared.audit, why);

    if (r == 0)
        berth->prepared.policy = policy_ref(policy);
    return r;
}

void berth_forget(struct berth *berth)
{
    berth->prepared.audit = audit_sink_free(berth->prepared.audit);
    policy_unref(berth->prepared.policy);
    berth->prepared.policy = NULL;
}

void berth_commit(struct berth *berth)
{
    struct harbour *old_harbour = berth->harbour;
    struct policy *old_policy = berth->policy;

    audit_sink_free(berth->audit);
    berth->audit = berth->prepared.audit;
    berth->prepared.audit = NULL;
    berth->policy = berth->prepared.policy;
    berth->prepared.policy = NULL;
    berth->harbour = harbour_get(berth->harbours, berth->policy);
    listener_set_access(berth->listener, &berth->policy->listen);
    harbour_unref(old_harbour);
    policy_unref(old_policy);
    berth_log(berth);
}

void berth_stop(struct berth *berth, bool now)
{
    struct session *next;

    berth->listener = listener_free(berth->listener);
    for (struct session *s = berth->sessions; s; s = next) {
        next = session_next(s);
        session_shutdown(s, now);
    }
}

void berth_free(struct berth *berth)
{
    if (!berth)
        return;
    listener_free(berth->listener);
    berth_forget(berth);
    audit_sink_free(berth->audit);
    owned_free(berth->owned);
    harbour_unref(berth->harbour);
    policy_unref(berth->policy);
    free(berth->path);
    free(berth);
}
