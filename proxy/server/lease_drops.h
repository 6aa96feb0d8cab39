#pragma once

/* Leases and marks (policy/isolation/lease.h) that are to go, one after the
 * other. */

#include <event2/event.h>

#include "policy/isolation/lease.h"
#include "proxy/upstream/subrequest.h"

enum { LEASE_DROPS = 64 }; /* at a time; more are for the next */

struct lease_drops {
    char *names[LEASE_DROPS];
    size_t count;
};

/* One more; it goes before those that are there. */
void lease_drops_add(struct lease_drops *drops, struct str name);
void lease_drops_fini(struct lease_drops *drops);

/*
 * Those of NS in LIST, the engine's, that are of no use to its own berth, whose
 * newest is NEWEST: the ones that the process of RANDOM made before, and those
 * that are over at NOW by the engine's clock; or ALL. Not marks. Returns how
 * many of them are another process's leases.
 */
unsigned lease_drops_add_old(struct lease_drops *drops, const json_t *list,
                             struct str ns, uint64_t random, struct str newest,
                             int64_t now, bool all);

/* All marks on NS in LIST. */
void lease_drops_add_marks(struct lease_drops *drops, const json_t *list,
                           struct str ns);

/*
 * Remove one: like subrequest_new. NULL: there was none.
 */
struct subrequest *lease_drops_next(struct lease_drops *drops,
                                    struct event_base *base, struct pool *pool,
                                    subrequest_cb on_reply, void *arg);
