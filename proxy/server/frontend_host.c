/* The host that a frontend's namespace lives on, and what it has open there
 * besides the clients' streams: its lease, its ports, its companion, copied
 * files. */

#include "proxy/server/frontend.h"

#include <errno.h>
#include <unistd.h>

#include "policy/isolation/files_name.h"
#include "proxy/base/state_dir.h"
#include "proxy/server/placement.h"
#include "proxy/server/session.h"
#include "proxy/server/session_private.h"

/* ---- its lease, and those of others ---- */

static void wake_all(struct frontend *frontend)
{
    for (struct session *s = frontend->sessions; s; s = session_next(s))
        session_wake(s);
}

/* On its namespace: how long it may be away before others remove all. */
static unsigned lease_ms(const struct policy *policy)
{
    return policy->leftovers.action == LEFTOVERS_REMOVE
               ? policy->leftovers.lease
               : 0;
}

static int put_on_record(void *arg, struct str line)
{
    return frontend_record(arg, line);
}

static void on_admit(void *arg)
{
    wake_all(arg);
}

static void hold_lease(struct frontend *frontend)
{
    const struct policy *policy = frontend->policy;
    const struct lease_config config = {
        .base = frontend->runtime->base,
        .pool = frontend->backend->pool,
        .ns = policy->namespace,
        .term_ms = lease_ms(policy),
        .shares = !frontend->runtime->claims_namespaces,
        .wait_ms = policy->upstream.wait_ms,
        .audit = put_on_record,
        .audit_required = policy->audit.required,
        .on_admit = on_admit,
        .arg = frontend,
    };

    reaper_leave(frontend->reaped, &frontend->reaper);
    if (!frontend->runtime->listens || policy->isolation != POLICY_NAMESPACE) {
        frontend->lease = lease_free(frontend->lease);
        return;
    }
    frontend->reaper.ns = policy->namespace;
    frontend->reaper.term_ms = config.term_ms;
    frontend->reaper.audit = put_on_record;
    frontend->reaper.audit_required = policy->audit.required;
    frontend->reaper.arg = frontend;
    frontend->reaped = frontend->backend->reaper;
    reaper_join(frontend->reaped, &frontend->reaper);
    if (frontend->lease && lease_is_as(frontend->lease, &config))
        return;
    lease_free(frontend->lease);
    frontend->lease = lease_new(&config);
}

void frontend_give_up(struct frontend *frontend)
{
    reaper_leave(frontend->reaped, &frontend->reaper);
    frontend->lease = lease_free(frontend->lease);
}

/* ---- what it has open there ---- */

/* Listen as its policy has it from now on, over its backend of now. */
static void listen_near(struct frontend *frontend)
{
    const struct policy *policy = frontend->policy;
    const struct near_config config = {
        .base = frontend->runtime->base,
        .turns = &frontend->turns,
        .memory = &frontend->memory,
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

static void on_companion_client(int fd, const struct companion_caller *caller,
                                void *arg)
{
    struct frontend *frontend = arg;
    unsigned limit = frontend->policy->listen.clients;

    frontend->had_clients = true;
    if (!frontend->listener ||
        frontend->session_count >= limit + FRONTEND_BUSY_CLIENTS)
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
        .turns = &frontend->turns,
        .memory = &frontend->memory,
        .pool = frontend->backend->pool,
        .ns = str_from(policy->namespace),
        .mode = policy->listen.mode,
        .gid = listener_group(&policy->listen),
        .lease_s = lease_ms(policy) / 1000,
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

static void copy_files(struct frontend *frontend)
{
    const struct policy *policy = frontend->policy;
    const struct limit_rules *limits = &policy->rules.container.limits;
    const struct files_config config = {
        .base = frontend->runtime->base,
        .turns = &frontend->turns,
        .pool = frontend->backend->pool,
        .ns = str_from(policy->namespace),
        .mounts = &policy->rules.container.mounts,
        .limits = {.entries = limits->copy_files, .bytes = limits->copy_bytes},
        .state = state_dir(),
    };
    bool wanted = frontend->runtime->listens && files_are_copied(config.mounts);

    if (wanted && frontend->files && files_is_as(frontend->files, &config))
        return;
    if (wanted)
        state_dir_make();
    files_free(frontend->files);
    frontend->files = wanted ? files_new(&config) : NULL;
}

void frontend_reach_out(struct frontend *frontend)
{
    hold_lease(frontend);
    listen_near(frontend);
    find_companion(frontend);
    copy_files(frontend);
}

/* ---- which it is ---- */

bool frontend_has_host(const struct frontend *frontend)
{
    return frontend->backend && frontend->backend->config;
}

/* BACKEND is its own from now on. */
static void settle_at(struct frontend *frontend, struct backend *backend)
{
    struct backend *before = frontend->backend;

    frontend->backend = backend;
    backend->tenants++;
    if (before)
        before->tenants--;
    if (!frontend_has_host(frontend)) {
        frontend_give_up(frontend);
        frontend->near = near_free(frontend->near);
        frontend->companion = companion_free(frontend->companion);
        frontend->files = files_free(frontend->files);
    } else if (!frontend->takes_over) {
        frontend_reach_out(frontend);
    }
    backend_unref(before);
}

static void on_placed(struct backend *backend, size_t at, void *arg)
{
    struct frontend *frontend = arg;

    (void)at;
    frontend->placement = NULL;
    event_del(frontend->patience);
    settle_at(frontend, backend);
    wake_all(frontend);
}

static void on_why(const char *why, void *arg)
{
    struct frontend *frontend = arg;

    backend_say(frontend->backend, why);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
    struct frontend *frontend = arg;

    (void)fd;
    (void)what;
    frontend->impatient = true;
    wake_all(frontend);
}

/* Of a client's time for its head, so much is left then. */
static void be_patient(struct frontend *frontend)
{
    const struct policy *policy = frontend->policy;
    unsigned ms = policy->upstream.wait_ms < policy->timeouts.head / 2
                      ? policy->upstream.wait_ms
                      : policy->timeouts.head / 2;

    frontend->impatient = false;
    event_add(frontend->patience,
              &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* Number AT of its policy's hosts, where it is already if that stands for
 * several. */
static struct backend *backend_at(struct frontend *frontend, size_t at)
{
    struct policy *policy = frontend->policy;
    struct backends *all = &frontend->runtime->backends;
    const struct upstream_config *config;

    if (!policy_host(policy, at)->srv)
        return backend_get(all, policy, at);
    config = frontend->backend->config;
    return backend_get_target(all, policy, at, config->host, config->port);
}

void frontend_find_host(struct frontend *frontend)
{
    struct runtime *runtime = frontend->runtime;
    struct policy *policy = frontend->policy;
    size_t at = 0;

    frontend->placement = placement_free(frontend->placement);
    event_del(frontend->patience);
    if (policy_is_placed(policy))
        at = frontend_has_host(frontend)
                 ? policy_find_host(policy, frontend->backend->config)
                 : policy_host_count(policy);
    if (at < policy_host_count(policy)) {
        settle_at(frontend, backend_at(frontend, at));
        return;
    }
    settle_at(frontend, backend_new_nowhere(&runtime->backends, policy));
    frontend->placement =
        placement_new(runtime, policy, on_placed, on_why, frontend);
    be_patient(frontend);
}

int frontend_stays(const struct frontend *frontend, const struct policy *policy,
                   struct strbuf *why)
{
    if (!frontend_has_host(frontend) ||
        (!policy_is_placed(frontend->policy) && !policy_is_placed(policy)) ||
        policy_find_host(policy, frontend->backend->config) <
            policy_host_count(policy))
        return 0;
    strbuf_addf(why,
                "%s is on %s, which upstream.url does not name any more; let "
                "it stay there, and in upstream.drain, until berth has stopped",
                frontend->policy->namespace, backend_url(frontend->backend));
    return -EBUSY;
}

void frontend_host_init(struct frontend *frontend)
{
    frontend->patience =
        event_new(frontend->runtime->base, -1, 0, on_patience, frontend);
}

void frontend_host_fini(struct frontend *frontend)
{
    placement_free(frontend->placement);
    event_free(frontend->patience);
    near_free(frontend->near);
    companion_free(frontend->companion);
    files_free(frontend->files);
    if (frontend->backend)
        frontend->backend->tenants--;
    backend_unref(frontend->backend);
}
