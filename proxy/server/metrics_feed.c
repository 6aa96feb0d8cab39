#include "proxy/server/metrics_feed.h"

#include <libssh2.h>

#include "proxy/base/log.h"
#include "proxy/base/version.h"
#include "proxy/exchange/connection.h"
#include "proxy/server/session.h"

/* ---- the picture ---- */

static void look_at_sessions(const struct frontend *frontend, double now,
                             struct frontend_view *view)
{
    for (const struct session *s = frontend->sessions; s; s = session_next(s)) {
        struct exchange_glance glance;

        if (!connection_look(session_connection(s), &glance))
            continue;
        view->open[operation_access(glance.operation)]++;
        view->builds +=
            glance.operation == OP_IMAGE_BUILD || glance.operation == OP_GRPC;
        view->bytes_in += glance.bytes_in;
        view->bytes_out += glance.bytes_out;
        if (view->call_count < CALLS_SHOWN)
            view->calls[view->call_count++] = (struct call_view){
                .operation = glance.operation,
                .path = glance.path,
                .bytes_in = glance.bytes_in,
                .bytes_out = glance.bytes_out,
                .seconds = now - (double)glance.started_ns / 1e9,
            };
    }
}

static void look_at_ports(struct near_counts counts, struct frontend_view *view)
{
    view->port_connections = counts.connections;
    view->port_listeners = counts.listeners;
    view->ports_carried = counts.carried;
    view->ports_refused = counts.refused;
    view->port_flows = counts.flows;
    view->flows_carried = counts.flows_carried;
    view->flows_refused = counts.flows_refused;
    view->datagrams_in = counts.datagrams_in;
    view->datagrams_out = counts.datagrams_out;
    view->datagrams_lost = counts.lost;
}

static void look_at_copies(struct files_counts counts,
                           struct frontend_view *view)
{
    view->copies = (struct copies_view){
        .directories = counts.directories,
        .files_out = counts.files_out,
        .files_in = counts.files_in,
        .removed_out = counts.removed_out,
        .removed_in = counts.removed_in,
        .bytes_out = counts.bytes_out,
        .bytes_in = counts.bytes_in,
        .rounds = counts.rounds,
        .failed = counts.failed,
        .lost = counts.lost,
        .left = counts.left,
    };
}

static void look_at_berth(const struct frontend *frontend, double now,
                          struct frontend_view *view)
{
    struct own_ids_uses uses = own_ids_uses(frontend->owned);
    const char *why;

    *view = (struct frontend_view){
        .runner = frontend->policy->runner,
        .namespace = frontend->policy->namespace,
        .listener = frontend->path,
        .host =
            frontend_has_host(frontend) ? backend_url(frontend->backend) : NULL,
        .counters = &frontend->counters,
        .clients = frontend->session_count,
        .clients_max = frontend->policy->listen.clients,
        .cache_asked = uses.asked,
        .cache_known = uses.known,
        .refusals = &frontend->refusals,
    };
    if (frontend->policy->isolation == POLICY_NAMESPACE)
        view->objects =
            census_look(frontend->backend->census, frontend->policy->namespace);
    if (frontend->lease) {
        view->lease = lease_word(frontend->lease);
        view->waits_for_lease = !lease_admits(frontend->lease, &why);
    }
    look_at_sessions(frontend, now, view);
    if (frontend->near)
        look_at_ports(near_count(frontend->near), view);
    if (frontend->files)
        look_at_copies(files_count(frontend->files), view);
}

static void look_at_backend(const struct backend *backend,
                            struct backend_view *view)
{
    struct reaper_counts swept = reaper_count(backend->reaper);
    struct pool_counts pool = pool_count(backend->pool);
    struct upstream_status status;

    upstream_get_status(backend->upstream, &status);
    *view = (struct backend_view){
        .upstream = backend_url(backend),
        .link_up = status.up,
        .why = status.why,
        .engine_up = engine_probe_get(backend->engine)->known,
        .engine_id = engine_probe_id(backend->engine),
        .connects = status.connects,
        .links = status.links,
        .swept = swept.namespaces,
        .swept_objects = swept.objects,
        .sweep_failures = swept.failures,
        .channels = status.channels,
        .used = pool.used,
        .idle = pool.idle,
        .opening = pool.opening,
        .waiting = pool.waiting,
    };
}

static bool names(const struct policy *policy, const char *place)
{
    return policy->metrics.listen && !strcmp(policy->metrics.listen, place);
}

/* Is BERTH the first at PLACE, among all BERTHS, in its backend? */
static bool is_first_there(const struct frontend *frontends,
                           const struct frontend *frontend, const char *place)
{
    for (; frontends != frontend; frontends = frontends->next) {
        if (frontends->backend == frontend->backend &&
            names(frontends->policy, place))
            return false;
    }
    return true;
}

static void add_backend(struct metrics_feed *m, const struct backend *backend)
{
    struct backend_view *view = &m->backends_seen[m->picture.backend_count];

    look_at_backend(backend, view);
    for (size_t i = 0; i < m->picture.backend_count; i++)
        view->twin += !strcmp(m->backends_seen[i].upstream, view->upstream);
    m->picture.backend_count++;
}

static const struct picture *look(const char *place, void *arg)
{
    struct metrics_feed *m = arg;

    m->picture = (struct picture){
        .process = {.version = BERTH_VERSION,
                    .libssh2 = libssh2_version(0),
                    .libevent = event_get_version(),
                    .defences = m->defences,
                    .reloads = m->reloads,
                    .reloads_refused = m->reloads_refused},
        .frontends = m->berths_seen,
        .backends = m->backends_seen,
    };
    process_look(&m->process, &m->picture.process);
    for (const struct frontend *b = *m->frontends; b; b = b->next) {
        if (!names(b->policy, place))
            continue;
        look_at_berth(b, m->picture.process.now,
                      &m->berths_seen[m->picture.frontend_count++]);
        if (is_first_there(*m->frontends, b, place))
            add_backend(m, b->backend);
    }
    return &m->picture;
}

/* ---- monitors come and go ---- */

void metrics_feed_init(struct metrics_feed *m, struct event_base *base,
                       struct frontend *const *frontends, bool takes_over)
{
    *m = (struct metrics_feed){
        .base = base, .frontends = frontends, .takes_over = takes_over};
    process_init(&m->process);
}

void metrics_feed_fini(struct metrics_feed *m)
{
    metrics_feed_forget(m);
    while (m->count)
        metrics_server_free(m->items[--m->count]);
    process_fini(&m->process);
}

static struct metrics_server *find(struct metrics_server *const *items,
                                   size_t count, const char *place)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(metrics_server_place(items[i]), place))
            return items[i];
    }
    return NULL;
}

int metrics_feed_prepare(struct metrics_feed *m,
                         const struct policies *policies, struct strbuf *why)
{
    for (size_t i = 0; i < policies->count; i++) {
        const struct metrics_policy *config = &policies->items[i]->metrics;
        const struct metrics_server *open;
        int r;

        if (!config->listen ||
            find(m->prepared, m->prepared_count, config->listen))
            continue;
        open = find(m->items, m->count, config->listen);
        strbuf_add(why, S("metrics.listen: "));
        r = open ? metrics_server_try_access(open, config, why)
                 : metrics_server_new(m->base, config, m->takes_over, look, m,
                                      &m->prepared[m->prepared_count], why);
        if (r < 0) {
            metrics_feed_forget(m);
            return r;
        }
        strbuf_clear(why);
        m->prepared_count += !open;
    }
    return 0;
}

void metrics_feed_begin(struct metrics_feed *m)
{
    for (size_t i = 0; i < m->count; i++)
        metrics_server_begin(m->items[i]);
    m->takes_over = false;
}

void metrics_feed_forget(struct metrics_feed *m)
{
    while (m->prepared_count)
        metrics_server_free(m->prepared[--m->prepared_count]);
}

/* What POLICIES say of PLACE, or NULL. */
static const struct metrics_policy *wanted(const struct policies *policies,
                                           const char *place)
{
    for (size_t i = 0; i < policies->count; i++) {
        if (names(policies->items[i], place))
            return &policies->items[i]->metrics;
    }
    return NULL;
}

void metrics_feed_commit(struct metrics_feed *m,
                         const struct policies *policies)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->count; i++) {
        const struct metrics_policy *config =
            wanted(policies, metrics_server_place(m->items[i]));

        if (config) {
            metrics_server_set_access(m->items[i], config);
            m->items[kept++] = m->items[i];
        } else {
            log_info("no more metrics on %s",
                     metrics_server_place(m->items[i]));
            metrics_server_free(m->items[i]);
        }
    }
    m->count = kept;
    for (size_t i = 0; i < m->prepared_count; i++) {
        m->items[m->count++] = m->prepared[i];
        log_info("metrics on %s", metrics_server_place(m->prepared[i]));
    }
    m->prepared_count = 0;
}
