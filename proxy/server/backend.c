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
    policy_unref(b->policy);
    event_free(b->bury);
    free(b);
}

static struct backend *add(struct backends *all, struct policy *policy,
                           const struct upstream_config *config,
                           struct upstream *upstream)
{
    static const struct strings any;
    struct backend *b = xcalloc(1, sizeof(*b));

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

struct backend *backend_get(struct backends *all, struct policy *policy,
                            size_t at)
{
    const struct upstream_config *config = policy_host(policy, at);

    for (struct backend *b = all->first; b; b = b->next) {
        if (b->config && upstream_config_eq(b->config, config))
            return backend_ref(b);
    }
    return add(all, policy, config,
               (all->make ? all->make : upstream_new)(all->base, config));
}

struct backend *backend_new_nowhere(struct backends *all, struct policy *policy)
{
    struct backend *b = add(all, policy, NULL, nowhere_new());
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
