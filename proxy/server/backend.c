#include "proxy/server/backend.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/server/upstream_new.h"

static void on_bury(evutil_socket_t fd, short what, void *arg)
{
    struct backend *b = arg;

    (void)fd;
    (void)what;
    census_free(b->census);
    reaper_free(b->reaper);
    engine_probe_free(b->engine);
    pool_free(b->pool);
    upstream_free(b->upstream);
    upstream_target_fini(&b->target);
    policy_unref(b->policy);
    event_free(b->bury);
    free(b);
}

/* B leads to CONFIG, by UPSTREAM. */
static struct backend *add(struct backend *b, struct backends *all,
                           struct policy *policy,
                           const struct upstream_config *config,
                           struct upstream *upstream)
{
    static const struct strings any;

    b->refs = 1;
    b->all = all;
    b->policy = policy_ref(policy); /* the upstream reads its configuration */
    b->config = config;
    b->upstream = upstream;
    b->pool = pool_new(all->base, b->upstream);
    b->engine = engine_probe_new(all->base, b->upstream, b->pool,
                                 config ? &config->engines : &any);
    b->census = census_new(all->base, b->pool);
    b->reaper = reaper_new(all->base, b->pool);
    b->bury = event_new(all->base, -1, 0, on_bury, b);
    b->next = all->first;
    all->first = b;
    return b;
}

static struct backend *find(const struct backends *all,
                            const struct upstream_config *config)
{
    for (struct backend *b = all->first; b; b = b->next) {
        if (b->config && upstream_config_eq(b->config, config))
            return b;
    }
    return NULL;
}

static struct upstream *make(const struct backends *all,
                             const struct upstream_config *config)
{
    return (all->make ? all->make : upstream_new)(all->base, config);
}

struct backend *backend_get(struct backends *all, struct policy *policy,
                            size_t at)
{
    const struct upstream_config *config = policy_host(policy, at);
    struct backend *b = find(all, config);

    return b ? backend_ref(b)
             : add(xcalloc(1, sizeof(*b)), all, policy, config,
                   make(all, config));
}

struct backend *backend_get_target(struct backends *all, struct policy *policy,
                                   size_t at, const char *host, unsigned port)
{
    struct backend *new = xcalloc(1, sizeof(*new)), *b;

    if (upstream_target_make(&new->target, policy_host(policy, at), host,
                             port) != 0) {
        free(new);
        return NULL;
    }
    b = find(all, &new->target);
    if (!b)
        return add(new, all, policy, &new->target, make(all, &new->target));
    upstream_target_fini(&new->target);
    free(new);
    return backend_ref(b);
}

struct backend *backend_new_nowhere(struct backends *all, struct policy *policy)
{
    struct backend *b =
        add(xcalloc(1, sizeof(*b)), all, policy, NULL, nowhere_new());
    struct upstream_status status;

    upstream_get_status(b->upstream, &status);
    pool_hold(b->pool, status.why);
    return b;
}

void backend_say(struct backend *b, const char *why)
{
    nowhere_say(b->upstream, why);
    pool_hold(b->pool, why);
}

const char *backend_url(const struct backend *b)
{
    return b->config ? b->config->url : "no host yet";
}

struct backend *backend_ref(struct backend *b)
{
    assert(b->refs); /* one that is being buried is not found any more */
    b->refs++;
    return b;
}

struct backend *backend_unref(struct backend *b)
{
    struct backend **link;

    if (!b || --b->refs)
        return NULL;
    for (link = &b->all->first; *link != b; link = &(*link)->next)
        assert(*link);
    *link = b->next;
    event_add(b->bury, &(struct timeval){0, 0});
    return NULL;
}
