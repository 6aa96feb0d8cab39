#include "proxy/server/backend.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/server/upstream_new.h"

struct backend *backend_get(struct backends *all, struct policy *policy)
{
    struct backend *h;

    for (h = all->first; h; h = h->next) {
        if (upstream_config_eq(&h->policy->upstream, &policy->upstream))
            return backend_ref(h);
    }
    h = xcalloc(1, sizeof(*h));
    h->refs = 1;
    h->all = all;
    h->policy = policy_ref(policy); /* the upstream reads its configuration */
    h->upstream = upstream_new(all->base, &policy->upstream);
    h->pool = pool_new(all->base, h->upstream);
    h->engine = engine_probe_new(all->base, h->upstream, h->pool);
    h->next = all->first;
    all->first = h;
    return h;
}

struct backend *backend_ref(struct backend *h)
{
    h->refs++;
    return h;
}

struct backend *backend_unref(struct backend *h)
{
    struct backend **link;

    if (!h || --h->refs)
        return NULL;
    for (link = &h->all->first; *link != h; link = &(*link)->next)
        assert(*link);
    *link = h->next;
    engine_probe_free(h->engine);
    pool_free(h->pool);
    upstream_free(h->upstream);
    policy_unref(h->policy);
    free(h);
    return NULL;
}
