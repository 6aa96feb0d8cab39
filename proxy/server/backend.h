#pragma once

/*
 * A way to an engine with all that belongs to it: the upstream, the pool of
 * its streams, what is known of the engine. Berths with the same upstream
 * share one, and it lives as long as any of them or one of their streams.
 */

#include "policy/config/policy.h"
#include "proxy/upstream/engine_probe.h"
#include "proxy/upstream/pool.h"

struct backends; /* all there are */

struct backend {
    struct upstream *upstream;
    struct pool *pool;
    struct engine_probe *engine;
    struct backends *all; /* from here on its own affair */
    struct policy *policy;
    unsigned refs;
    struct backend *next;
};

struct backends {
    struct event_base *base;
    struct backend *first;
};

/* The backend that POLICY's upstream asks for, made if there is none yet. The
 * reference is the caller's. */
struct backend *backend_get(struct backends *all, struct policy *policy);

struct backend *backend_ref(struct backend *backend);
/* The last one closes the link. NULL is fine; returns NULL. */
struct backend *backend_unref(struct backend *backend);
