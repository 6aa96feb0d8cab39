#include "proxy/server/frontend.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/base/log.h"
#include "proxy/base/policies.h"
#include "proxy/server/session.h"

static void on_client(int fd, void *arg)
{
    struct frontend *frontend = arg;
    unsigned limit = frontend->policy->listen.clients;

    frontend->had_clients = true;
    if (frontend->session_count >= limit + FRONTEND_BUSY_CLIENTS)
        close(fd);
    else
        session_new(frontend, fd, frontend->session_count >= limit);
}

static int open_audit(struct frontend *frontend, const struct policy *policy,
                      struct audit_sink **out, struct strbuf *why)
{
    int r = audit_sink_new(frontend->runtime->base, &policy->audit, out);

    if (r < 0)
        strbuf_addf(why,
                    "cannot open the audit file %s: %s; audit.to must name a "
                    "place that this user may write to",
                    policy->audit.to, strerror(-r));
    return r;
}

/* Nobody else on this machine may serve POLICY's namespace on its engine. FD:
 * see claim_take. */
static int take_claim(struct frontend *frontend, const struct policy *policy,
                      int fd, struct claim **out, struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf engine = STRBUF(16 * KIB);
    struct runtime *runtime = frontend->runtime;

    if (!runtime->claims_namespaces || policy->isolation != POLICY_NAMESPACE) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    policy_put_engine(policy, &engine);
    return claim_take(&runtime->claims, policy->namespace, strbuf_str(&engine),
                      fd, out, why);
}

/* ---- from one process to the next ---- */

static int claim_of(void *arg)
{
    const struct frontend *frontend = arg;

    return frontend->claim ? claim_fd(frontend->claim) : -1;
}

static void on_taken(void *arg)
{
    struct frontend *frontend = arg;

    frontend->on_taken(frontend, frontend->on_empty_arg);
}

static void offer(struct frontend *frontend)
{
    const struct listener_heir heir = {claim_of, on_taken, frontend};

    listener_offer(frontend->listener, &heir);
}

/* *CLAIM is what comes along with a listener that is taken over, or -1. */
static int open_listener(struct frontend *frontend, int where, int *claim,
                         struct strbuf *why)
{
    struct event_base *base = frontend->runtime->base;
    const struct listen_policy *config = &frontend->policy->listen;
    int r = -ENOENT;

    *claim = -1;
    if (where == FRONTEND_INHERITS)
        return 0;
    if (where == FRONTEND_TAKES_OVER)
        r = listener_take(base, config, on_client, frontend,
                          &frontend->listener, claim, why);
    frontend->takes_over = r == 0;
    if (r == -ENOENT)
        r = listener_new(base, config, where, on_client, frontend,
                         &frontend->listener, why);
    if (r == 0)
        offer(frontend);
    return r;
}

void frontend_log(const struct frontend *frontend)
{
    if (strcmp(frontend->policy->runner, frontend->policy->namespace) != 0)
        log_info("namespace: \"%s\" is \"%s\" on the engine",
                 frontend->policy->runner, frontend->policy->namespace);
    if (frontend->policy->other_count)
        log_info("serving %s on %s, %zu hosts", frontend->policy->namespace,
                 frontend->path, policy_host_count(frontend->policy));
    else
        log_info("serving %s on %s, engine at %s", frontend->policy->namespace,
                 frontend->path, frontend->policy->upstream.url);
}

static void on_summary(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    frontend_put_summary(arg);
}

/* ---- ports ---- */

static enum port_open open_ports(void *arg, struct str id, struct str name,
                                 const json_t *wish, struct str *other,
                                 struct strbuf *why)
{
    struct frontend *frontend = arg;

    return frontend->near
               ? near_open(frontend->near, id, name, wish, other, why)
               : PORT_OPEN;
}

static void doubt_ports(void *arg, struct str id)
{
    struct frontend *frontend = arg;

    if (frontend->near)
        near_doubt(frontend->near, id);
}

static void learn_ports(void *arg, struct str id, const json_t *inspected)
{
    struct frontend *frontend = arg;

    if (frontend->near)
        near_learn(frontend->near, id, inspected);
}

static const json_t *shown_ports(void *arg, struct str id)
{
    struct frontend *frontend = arg;

    return frontend->near ? near_shown(frontend->near, id) : NULL;
}

static void note_ports(void *arg, struct str id, struct str name,
                       const json_t *wish)
{
    struct frontend *frontend = arg;

    if (frontend->near)
        near_note(frontend->near, id, name, wish);
}

static bool noted_ports(void *arg, struct str id, struct str *name,
                        json_t **wish)
{
    struct frontend *frontend = arg;

    return frontend->near && near_noted(frontend->near, id, name, wish);
}

static const struct port_book port_functions = {
    .open = open_ports,
    .doubt = doubt_ports,
    .learn = learn_ports,
    .shown = shown_ports,
    .note = note_ports,
    .noted = noted_ports,
};

/* ---- the whole of it ---- */

struct frontend *frontend_open(struct runtime *runtime, struct policy *policy,
                               int activated, struct strbuf *why)
{
    struct frontend *frontend = xcalloc(1, sizeof(*frontend));
    int claim = -1;

    frontend->runtime = runtime;
    memory_share_init(&frontend->memory, &runtime->memory);
    turn_group_init(&frontend->turns, &runtime->turns);
    frontend->path = xstrdup(policy->listen.path);
    frontend->policy = policy_ref(policy);
    frontend->owned = own_ids_new(LIMIT_OWNED);
    frontend->summary = event_new(runtime->base, -1, 0, on_summary, frontend);
    frontend_host_init(frontend);
    frontend->ledger = ledger_new();
    frontend->jobs = job_book_new();
    frontend->builds = tunnel_share_new();
    frontend->ahead = ahead_wait_new(runtime->base, frontend);
    frontend->ports = port_functions;
    frontend->ports.arg = frontend;
    if (open_audit(frontend, policy, &frontend->audit, why) < 0 ||
        open_listener(frontend, activated, &claim, why) < 0 ||
        take_claim(frontend, policy, claim, &frontend->claim, why) < 0) {
        frontend_free(frontend);
        return NULL;
    }
    frontend_find_host(frontend);
    return frontend;
}

void frontend_begin(struct frontend *frontend)
{
    if (!frontend->takes_over || !frontend->listener)
        return;
    frontend->takes_over = false;
    listener_begin(frontend->listener);
    listener_set_access(frontend->listener, &frontend->policy->listen);
    if (frontend_has_host(frontend))
        frontend_reach_out(frontend);
    log_info("%s was taken over from another berth", frontend->path);
}

void frontend_yield(struct frontend *frontend)
{
    frontend->succeeded = true;
    frontend->claim = claim_unref(frontend->claim);
    if (frontend->near)
        near_yield(frontend->near);
    frontend->companion = companion_free(frontend->companion);
    frontend->files = files_free(frontend->files);
    frontend_give_up(frontend);
}

void frontend_inherit(struct frontend *frontend, struct frontend *old)
{
    frontend->listener = old->listener;
    old->listener = NULL;
    listener_serve(frontend->listener, on_client, frontend);
    offer(frontend);
    listener_set_access(frontend->listener, &frontend->policy->listen);
}

int frontend_prepare(struct frontend *frontend, struct policy *policy,
                     struct strbuf *why)
{
    int r = frontend_stays(frontend, policy, why);

    if (r == 0)
        r = open_audit(frontend, policy, &frontend->prepared.audit, why);
    if (r == 0)
        r = take_claim(frontend, policy, -1, &frontend->prepared.claim, why);
    if (r == 0)
        frontend->prepared.policy = policy_ref(policy);
    return r;
}

void frontend_forget(struct frontend *frontend)
{
    frontend->prepared.audit = audit_sink_free(frontend->prepared.audit);
    frontend->prepared.claim = claim_unref(frontend->prepared.claim);
    policy_unref(frontend->prepared.policy);
    frontend->prepared.policy = NULL;
}

void frontend_commit(struct frontend *frontend)
{
    struct policy *old_policy = frontend->policy;

    audit_sink_free(frontend->audit);
    frontend->audit = frontend->prepared.audit;
    frontend->prepared.audit = NULL;
    claim_unref(frontend->claim);
    frontend->claim = frontend->prepared.claim;
    frontend->prepared.claim = NULL;
    frontend->policy = frontend->prepared.policy;
    frontend->prepared.policy = NULL;
    frontend_find_host(frontend);
    listener_set_access(frontend->listener, &frontend->policy->listen);
    policy_unref(old_policy);
    frontend_log(frontend);
}

void frontend_stop(struct frontend *frontend, enum connection_end end)
{
    struct session *next;

    /* what another berth holds already is that one's to go on with */
    if (frontend->listener && listener_is_asked(frontend->listener))
        frontend->succeeded = true;
    frontend->listener = listener_free(frontend->listener);
    for (struct session *s = frontend->sessions; s; s = next) {
        next = session_next(s);
        session_shutdown(s, end);
    }
}

void frontend_free(struct frontend *frontend)
{
    if (!frontend)
        return;
    frontend_end_cancel(frontend);
    frontend_give_up(frontend);
    listener_free(frontend->listener);
    frontend_forget(frontend);
    if (frontend->audit)
        frontend_put_summary(frontend);
    event_free(frontend->summary);
    audit_sink_free(frontend->audit);
    own_ids_free(frontend->owned);
    claim_unref(frontend->claim);
    ledger_free(frontend->ledger);
    job_book_free(frontend->jobs);
    tunnel_share_free(frontend->builds);
    ahead_wait_free(frontend->ahead);
    frontend_host_fini(frontend);
    memory_share_fini(&frontend->memory);
    policy_unref(frontend->policy);
    free(frontend->path);
    free(frontend);
}
