#include "proxy/berth.h"

#include <stdlib.h>
#include <unistd.h>

#include "proxy/log.h"
#include "proxy/session.h"

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

static void log_serving(const struct berth *berth)
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
        listener_new(base, &policy->listen, activated, on_client, berth,
                     &berth->listener, why) < 0) {
        berth_free(berth);
        return NULL;
    }
    berth->harbour = harbour_get(harbours, policy);
    log_serving(berth);
    return berth;
}

int berth_change(struct berth *berth, struct policy *policy, struct strbuf *why)
{
    struct harbour *old_harbour = berth->harbour;
    struct policy *old_policy = berth->policy;
    struct audit_sink *audit;
    int r = open_audit(policy, &audit, why);

    if (r < 0)
        return r;
    audit_sink_free(berth->audit);
    berth->audit = audit;
    berth->policy = policy_ref(policy);
    berth->harbour = harbour_get(berth->harbours, policy);
    listener_set_access(berth->listener, &policy->listen);
    harbour_unref(old_harbour);
    policy_unref(old_policy);
    log_serving(berth);
    return 0;
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
    audit_sink_free(berth->audit);
    owned_free(berth->owned);
    harbour_unref(berth->harbour);
    policy_unref(berth->policy);
    free(berth->path);
    free(berth);
}
