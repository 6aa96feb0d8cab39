#include "proxy/server/metrics_feed.h"

#include <libssh2.h>

#include "proxy/base/log.h"
#include "proxy/base/version.h"
#include "proxy/exchange/exchange.h"
#include "proxy/server/session.h"

/* ---- the picture ---- */

static void look_at_sessions(const struct berth *berth, struct berth_view *view)
{
    for (const struct session *s = berth->sessions; s; s = session_next(s)) {
        enum operation operation;
        uint64_t in, out;

        if (!exchange_look(session_exchange(s), &operation, &in, &out))
            continue;
        view->open[operation_access(operation)]++;
        view->bytes_in += in;
        view->bytes_out += out;
    }
}

static void look_at_berth(const struct berth *berth, struct berth_view *view)
{
    struct owned_uses uses = owned_uses(berth->owned);

    *view = (struct berth_view){
        .namespace = berth->policy->namespace,
        .listener = berth->path,
        .counters = &berth->counters,
        .clients = berth->session_count,
        .clients_max = berth->policy->listen.clients,
        .cache_asked = uses.asked,
        .cache_known = uses.known,
    };
    look_at_sessions(berth, view);
}

static void look_at_harbour(const struct harbour *harbour,
                            struct harbour_view *view)
{
    struct pool_counts pool = pool_count(harbour->pool);
    struct upstream_status status;

    upstream_get_status(harbour->upstream, &status);
    *view = (struct harbour_view){
        .upstream = harbour->policy->upstream.url,
        .link_up = status.up,
        .why = status.why,
        .engine_up = engine_get(harbour->engine)->known,
        .connects = status.generation,
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

/* Is BERTH the first at PLACE, among all BERTHS, in its harbour? */
static bool is_first_there(const struct berth *berths,
                           const struct berth *berth, const char *place)
{
    for (; berths != berth; berths = berths->next) {
        if (berths->harbour == berth->harbour && names(berths->policy, place))
            return false;
    }
    return true;
}

static void add_harbour(struct monitors *m, const struct harbour *harbour)
{
    struct harbour_view *view = &m->harbours_seen[m->picture.harbour_count];

    look_at_harbour(harbour, view);
    for (size_t i = 0; i < m->picture.harbour_count; i++)
        view->twin += !strcmp(m->harbours_seen[i].upstream, view->upstream);
    m->picture.harbour_count++;
}

static const struct picture *look(const char *place, void *arg)
{
    struct monitors *m = arg;

    m->picture = (struct picture){
        .process = {.version = BERTH_VERSION,
                    .libssh2 = libssh2_version(0),
                    .libevent = event_get_version(),
                    .defences = m->defences,
                    .reloads = m->reloads,
                    .reloads_refused = m->reloads_refused},
        .berths = m->berths_seen,
        .harbours = m->harbours_seen,
    };
    process_look(&m->process, &m->picture.process);
    for (const struct berth *b = *m->berths; b; b = b->next) {
        if (!names(b->policy, place))
            continue;
        look_at_berth(b, &m->berths_seen[m->picture.berth_count++]);
        if (is_first_there(*m->berths, b, place))
            add_harbour(m, b->harbour);
    }
    return &m->picture;
}

/* ---- monitors come and go ---- */

void monitors_init(struct monitors *m, struct event_base *base,
                   struct berth *const *berths)
{
    *m = (struct monitors){.base = base, .berths = berths};
    process_init(&m->process);
}

void monitors_fini(struct monitors *m)
{
    monitors_forget(m);
    while (m->count)
        monitor_free(m->items[--m->count]);
    process_fini(&m->process);
}

static struct monitor *find(struct monitor *const *items, size_t count,
                            const char *place)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(monitor_place(items[i]), place))
            return items[i];
    }
    return NULL;
}

int monitors_prepare(struct monitors *m, const struct policies *policies,
                     struct strbuf *why)
{
    for (size_t i = 0; i < policies->count; i++) {
        const struct metrics_policy *config = &policies->items[i]->metrics;
        const struct monitor *open;
        int r;

        if (!config->listen ||
            find(m->prepared, m->prepared_count, config->listen))
            continue;
        open = find(m->items, m->count, config->listen);
        strbuf_add(why, S("metrics.listen: "));
        r = open ? monitor_try_access(open, config, why)
                 : monitor_new(m->base, config, look, m,
                               &m->prepared[m->prepared_count], why);
        if (r < 0) {
            monitors_forget(m);
            return r;
        }
        strbuf_clear(why);
        m->prepared_count += !open;
    }
    return 0;
}

void monitors_forget(struct monitors *m)
{
    while (m->prepared_count)
        monitor_free(m->prepared[--m->prepared_count]);
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

void monitors_commit(struct monitors *m, const struct policies *policies)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->count; i++) {
        const struct metrics_policy *config =
            wanted(policies, monitor_place(m->items[i]));

        if (config) {
            monitor_set_access(m->items[i], config);
            m->items[kept++] = m->items[i];
        } else {
            log_info("no more metrics on %s", monitor_place(m->items[i]));
            monitor_free(m->items[i]);
        }
    }
    m->count = kept;
    for (size_t i = 0; i < m->prepared_count; i++) {
        m->items[m->count++] = m->prepared[i];
        log_info("metrics on %s", monitor_place(m->prepared[i]));
    }
    m->prepared_count = 0;
}
