#pragma once

/* Leases and marks (policy/isolation/lease.h) that are to go, one after the
 * other. */

#include <event2/event.h>

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
 * Remove one: like subrequest_new. NULL: there was none.
 */
struct subrequest *lease_drops_next(struct lease_drops *drops,
                                    struct event_base *base, struct pool *pool,
                                    subrequest_cb on_reply, void *arg);
