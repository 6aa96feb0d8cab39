#include "proxy/server/lease_drops.h"

#include <stdlib.h>

#include "policy/isolation/leftovers.h"

void lease_drops_add(struct lease_drops *drops, struct str name)
{
    if (drops->count < LEASE_DROPS)
        drops->names[drops->count++] = xstr_dup(name);
}

void lease_drops_fini(struct lease_drops *drops)
{
    while (drops->count)
        free(drops->names[--drops->count]);
}

struct subrequest *lease_drops_next(struct lease_drops *drops,
                                    struct event_base *base, struct pool *pool,
                                    subrequest_cb on_reply, void *arg)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_PATH);
    char *name;

    if (drops->count == 0)
        return NULL;
    name = drops->names[--drops->count];
    leftover_put_removal(&target, LEFTOVER_LEASE, str_from(name), false);
    free(name);
    return subrequest_new(base, pool, METHOD_DELETE, strbuf_str(&target), S(""),
                          on_reply, arg);
}
