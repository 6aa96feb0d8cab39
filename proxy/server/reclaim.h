#pragma once

/*
 * Takes what a namespace has whose lease is over (policy/isolation/lease.h),
 * unless it is in use after all: looks at its companion, makes a mark, looks at
 * the leases again, removes everything (sweep.h), and at last the mark and the
 * leases. Broken off anywhere, it may be begun again, by anybody: the leases
 * are there until nothing else is, and whoever comes back to the namespace
 * waits for the mark or, once that is too old, does the rest.
 */

#include "proxy/server/sweep.h"

struct reclaim;

enum reclaim_end {
    RECLAIM_DONE,   /* nothing is left */
    RECLAIM_SPARED, /* it is in use, or another is at it */
    RECLAIM_FAILED, /* some of it is left, for the next time */
};

struct reclaim_config {
    struct event_base *base;
    struct pool *pool;
    const char *ns;
    uint64_t print; /* of the leases that are over (lease_book.h) */
    int (*audit)(void *arg, struct str line);
    bool audit_required;
    void (*on_item)(void *arg, enum leftover_kind kind, struct str name,
                    const char *why); /* sweep.h */
    /* The reclaim is gone when this returns. WHY, of what was not done, may be
     * NULL. From the loop. */
    void (*on_done)(void *arg, enum reclaim_end end, unsigned removed,
                    unsigned failed, const char *why);
    void *arg;
};

/* CONFIG is copied, and its NS. */
struct reclaim *reclaim_new(const struct reclaim_config *config);

/* Break it off; on_done is not called. NULL is fine; returns NULL. */
struct reclaim *reclaim_cancel(struct reclaim *reclaim);
