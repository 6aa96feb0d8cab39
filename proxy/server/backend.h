#pragma once

/*
 * A way to an engine with all that belongs to it: the upstream, the pool of
 * its streams, what is known of the engine. Berths with the same upstream
 * share one, and it lives as long as any of them or one of their streams.
 */

#include "policy/config/policy.h"
#include "proxy/upstream/engine_probe.h"
#include "proxy/upstream/pool.h"

struct harbours; /* all there are */

struct harbour {
    struct upstream *upstream;
    struct pool *pool;
    struct engine *engine;
    struct harbours *all; /* from here on its own affair */
    struct policy *policy;
    unsigned refs;
    struct harbour *next;
};

struct harbours {
    struct event_base *base;
    struct harbour *first;
};

/* The harbour that POLICY's upstream asks for, made if there is none yet. The
 * reference is the caller's. */
struct harbour *harbour_get(struct harbours *all, struct policy *policy);

struct harbour *harbour_ref(struct harbour *harbour);
/* The last one closes the link. NULL is fine; returns NULL. */
struct harbour *harbour_unref(struct harbour *harbour);
