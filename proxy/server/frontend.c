#include "proxy/server/frontend.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/isolation/files_name.h"
#include "proxy/base/log.h"
#include "proxy/base/policies.h"
#include "proxy/server/session.h"

enum {
    /* clients over the limit that are still told so, each for a moment */
    BUSY_CLIENTS = 64,
};

static void on_client(int fd, void *arg)
{
    struct frontend *frontend = arg;
    unsigned limit = frontend->policy->listen.clients;

    frontend->had_clients = true;
    if (frontend->session_count >= limit + BUSY_CLIENTS)
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
    AUTO(strbuf_fini) struct strbuf engine = STRBUF(8 * KIB);
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

/* Listen as its policy has it from now on, over its backend of now. */
static void listen_near(struct frontend *frontend)
{
    const struct policy *policy = frontend->policy;
    const struct near_config config = {
        .base = frontend->runtime->base,
        .upstream = frontend->backend->upstream,
        .pool = frontend->backend->pool,
        .ns = str_from(policy->namespace),
        .listen = &policy->rules.ports.listen,
        .address = policy->port_address,
    };
    bool wanted = frontend->runtime->listens && policy->port_address[0];

    if (wanted && frontend->near && near_is_as(frontend->near, &config))
        return;
    near_free(frontend->near);
    frontend->near = wanted ? near_new(&config) : NULL;
}

static const struct port_book port_functions = {
    .open = open_ports,
    .doubt = doubt_ports,
    .learn = learn_ports,
    .shown = shown_ports,
    .note = note_ports,
    .noted = noted_ports,
};

/* ---- docker.sock in containers ---- */

static void on_companion_client(int fd, const struct companion_caller *caller,
                                void *arg)
{
    struct frontend *frontend = arg;
    unsigned limit = frontend->policy->listen.clients;

    frontend->had_clients = true;
    if (!frontend->listener || frontend->session_count >= limit + BUSY_CLIENTS)
        close(fd);
    else
        session_new_from(frontend, fd, frontend->session_count >= limit,
                         caller);
}

static void find_companion(struct frontend *frontend)
{
    const struct policy *policy = frontend->policy;
    const char *socket = policy->rules.container.engine_socket;
    const struct companion_config config = {
        .base = frontend->runtime->base,
        .pool = frontend->backend->pool,
        .ns = str_from(policy->namespace),
        .mode = policy->listen.mode,
        .gid = listener_group(&policy->listen),
        .on_client = on_companion_client,
        .arg = frontend,
    };
    bool wanted = frontend->runtime->listens && socket &&
                  strcmp(socket, MOUNT_BERTH) == 0;

    if (wanted && frontend->companion &&
        companion_is_as(frontend->companion, &config))
        return;
    companion_free(frontend->companion);
    frontend->companion = wanted ? companion_new(&config) : NULL;
}

/* ---- files ---- */

static void copy_files(struct frontend *frontend)
{
    const struct policy *policy = frontend->policy;
    const struct limit_rules *limits = &policy->rules.container.limits;
    const struct files_config config = {
        .base = frontend->runtime->base,
        .pool = frontend->backend->pool,
        .ns = str_from(policy->namespace),
        .mounts = &policy->rules.container.mounts,
        .limits = {.entries = limits->copy_files, .bytes = limits->copy_bytes},
    };
    bool wanted = frontend->runtime->listens && files_are_copied(config.mounts);

    if (wanted && frontend->files && files_is_as(frontend->files, &config))
        return;
    files_free(frontend->files);
    frontend->files = wanted ? files_new(&config) : NULL;
}

/* What it has beside its listener, as its policy has it from now on. */
static void begin_beside(struct frontend *frontend)
{
    listen_near(frontend);
    find_companion(frontend);
    copy_files(frontend);
}

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
    frontend->ledger = ledger_new();
    frontend->jobs = job_book_new();
    frontend->builds = tunnel_share_new();
    frontend->ports = port_functions;
    frontend->ports.arg = frontend;
    if (open_audit(frontend, policy, &frontend->audit, why) < 0 ||
        open_listener(frontend, activated, &claim, why) < 0 ||
        take_claim(frontend, policy, claim, &frontend->claim, why) < 0) {
        frontend_free(frontend);
        return NULL;
    }
    frontend->backend = backend_get(&runtime->backends, policy);
    if (!frontend->takes_over)
        begin_beside(frontend);
    return frontend;
}

void frontend_begin(struct frontend *frontend)
{
    if (!frontend->takes_over || !frontend->listener)
        return;
    frontend->takes_over = false;
    listener_begin(frontend->listener);
    listener_set_access(frontend->listener, &frontend->policy->listen);
    begin_beside(frontend);
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
    int r = open_audit(frontend, policy, &frontend->prepared.audit, why);

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
    struct backend *old_backend = frontend->backend;
    struct policy *old_policy = frontend->policy;

    audit_sink_free(frontend->audit);
    frontend->audit = frontend->prepared.audit;
    frontend->prepared.audit = NULL;
    claim_unref(frontend->claim);
    frontend->claim = frontend->prepared.claim;
    frontend->prepared.claim = NULL;
    frontend->policy = frontend->prepared.policy;
    frontend->prepared.policy = NULL;
    frontend->backend =
        backend_get(&frontend->runtime->backends, frontend->policy);
    begin_beside(frontend);
    listener_set_access(frontend->listener, &frontend->policy->listen);
    backend_unref(old_backend);
    policy_unref(old_policy);
    frontend_log(frontend);
}

void frontend_stop(struct frontend *frontend, enum exchange_end end)
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
    listener_free(frontend->listener);
    frontend_forget(frontend);
    if (frontend->audit)
        frontend_put_summary(frontend);
    event_free(frontend->summary);
    audit_sink_free(frontend->audit);
    memory_share_fini(&frontend->memory);
    own_ids_free(frontend->owned);
    claim_unref(frontend->claim);
    ledger_free(frontend->ledger);
    job_book_free(frontend->jobs);
    tunnel_share_free(frontend->builds);
    near_free(frontend->near);
    companion_free(frontend->companion);
    files_free(frontend->files);
    backend_unref(frontend->backend);
    policy_unref(frontend->policy);
    free(frontend->path);
    free(frontend);
}
