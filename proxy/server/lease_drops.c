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

struct dropping {
    struct lease_drops *drops;
    struct str ns, newest;
    uint64_t random;
    int64_t now;
    bool all;
    unsigned others;
};

static void drop_old(void *arg, const struct lease_row *row)
{
    struct dropping *d = arg;
    bool is_own = lease_is_of(row->name, d->ns, d->random);
    bool is_over = row->kind == LEASE_WATCH || /* nobody has to watch now */
                   lease_row_is_over(row, d->now);

    if (!str_eq(row->ns, d->ns) || row->kind == LEASE_MARK ||
        str_eq(row->name, d->newest))
        return;
    if (!d->all && !is_own && !is_over)
        return;
    d->others += row->kind == LEASE_ITSELF && !is_own && (d->all || !is_over);
    lease_drops_add(d->drops, row->name);
}

unsigned lease_drops_add_old(struct lease_drops *drops, const json_t *list,
                             struct str ns, uint64_t random, struct str newest,
                             int64_t now, bool all)
{
    struct dropping dropping = {
        .drops = drops,
        .ns = ns,
        .newest = newest,
        .random = random,
        .now = now,
        .all = all,
    };

    leases_walk(list, drop_old, &dropping);
    return dropping.others;
}

static void drop_mark(void *arg, const struct lease_row *row)
{
    const struct dropping *d = arg;

    if (row->kind == LEASE_MARK && str_eq(row->ns, d->ns))
        lease_drops_add(d->drops, row->name);
}

void lease_drops_add_marks(struct lease_drops *drops, const json_t *list,
                           struct str ns)
{
    struct dropping dropping = {.drops = drops, .ns = ns};

    leases_walk(list, drop_mark, &dropping);
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
