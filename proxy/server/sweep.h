#pragma once

/*
 * Removes what a namespace has left on the engine: its containers, up to eight
 * at a time and by force, then what broken builds and pushes left, then its
 * networks, then its volumes. Each removal is
 * on record before it is sent. It may be broken off and begun again at any
 * time, and two of them at once do no harm: what is gone already is done, and
 * what is in use or in progress is tried again, for a while.
 */

#include <event2/event.h>

#include "policy/isolation/leftovers.h"
#include "proxy/upstream/pool.h"

struct sweep;

enum sweep_extent {
    SWEEP_ALL,
    SWEEP_BRIDGE, /* only what berth made by itself, the bridge and the
                     companion, and only when the namespace has no containers
                     any more */
    SWEEP_DEAD,   /* all but the leases, which go when the rest is gone */
    SWEEP_LEFT,   /* content that waits for other namespaces' containers to go
                     (images below "left.", see rewrite_image_delete.c), where
                     none of them is left; and names that pushes of any
                     namespace have borrowed and not given back in time */
};

struct sweep_config {
    struct event_base *base;
    struct pool *pool;
    const char *ns;
    enum sweep_extent extent;
    int64_t now;  /* by the engine's clock, of SWEEP_LEFT */
    bool dry_run; /* tell what there is, and remove nothing */
    /* Put one line on record: 0, or a negative errno. NULL: no record. */
    int (*audit)(void *arg, struct str line);
    bool audit_required; /* no record, no removal */
    /* One is gone (or would be), or cannot be removed, for the reason WHY. NULL
     * is fine. */
    void (*on_item)(void *arg, enum leftover_kind kind, struct str name,
                    const char *why);
    /* It is over: REMOVED so many, and FAILED so many or for the reason WHY,
     * which may be NULL. The sweep is gone when this returns. From the loop. */
    void (*on_done)(void *arg, unsigned removed, unsigned failed,
                    const char *why);
    void *arg;
};

/* CONFIG is copied; what it points to outlives the sweep. */
struct sweep *sweep_new(const struct sweep_config *config);

/* Break it off; on_done is not called. NULL is fine; returns NULL. */
struct sweep *sweep_cancel(struct sweep *sweep);
