#pragma once

/*
 * Removes what namespaces have left on an engine whose berth has died: now and
 * then it looks at the leases there (policy/isolation/lease.h), and takes, one
 * after the other, namespaces whose lease is over (reclaim.h). So no operator
 * has to, as long as there is a berth on the engine now and then: what one has
 * seen it records there, for those who come after it (lease_book.h).
 */

#include <event2/event.h>
#include <sys/queue.h>

#include "proxy/upstream/pool.h"

/* A berth in whose name, and on whose record, it is done; its own namespace is
 * not touched. Embedded in whoever joins. */
struct reaper_host {
    const char *ns;
    unsigned term_ms; /* of its own lease; 0: it has none */
    int (*audit)(void *arg, struct str line);
    bool audit_required;
    void *arg;
    bool joined; /* the reaper's */
    TAILQ_ENTRY(reaper_host) link;
};

struct reaper;

struct reaper *reaper_new(struct event_base *base, struct pool *pool);
/* NULL is fine; returns NULL. */
struct reaper *reaper_free(struct reaper *reaper);

/* It looks as long as somebody has joined. */
void reaper_join(struct reaper *reaper, struct reaper_host *host);
/* What is done in HOST's name is broken off. Fine for one that has not joined.
 */
void reaper_leave(struct reaper *reaper, struct reaper_host *host);

/* One of those who have joined will leave in a moment: if there is a doubt
 * about some lease, look once more and record what is seen. NULL is fine. */
void reaper_hurry(struct reaper *reaper);

struct reaper_counts {
    uint64_t namespaces; /* of which nothing is left */
    uint64_t objects;
    uint64_t failures; /* removals that were not done, each time */
};
struct reaper_counts reaper_count(const struct reaper *reaper);
