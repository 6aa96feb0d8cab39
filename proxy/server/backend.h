#pragma once

/*
 * An engine with all that leads to it: the upstream, the pool of its streams,
 * what is known of the engine. Frontends with the same upstream share one.
 *
 * A frontend holds the backend of its policy, and so does every exchange from
 * its beginning to its end: after a reload, what an exchange asked, made and
 * has to undo still goes to the engine that it began with. The last reference
 * may be given up anywhere, even in a callback that came from the backend: it
 * is freed in a later turn of the loop, under no callback.
 */

#include "policy/config/policy.h"
#include "policy/config/upstream_target.h"
#include "proxy/server/census.h"
#include "proxy/server/reaper.h"
#include "proxy/upstream/engine_probe.h"
#include "proxy/upstream/nowhere.h"
#include "proxy/upstream/pool.h"

struct backends; /* all there are */

struct backend {
    struct upstream *upstream;
    struct pool *pool;
    struct engine_probe *engine;
    struct census *census;                /* what its namespaces have */
    struct reaper *reaper;                /* and those whose berth died */
    const struct upstream_config *config; /* NULL: it leads nowhere */
    unsigned tenants; /* namespaces of this process that live there */
    /* private from here on */
    struct backends *all;
    struct policy *policy;
    struct upstream_config target; /* its CONFIG, if SRV records told it */
    struct event *bury;
    unsigned refs;
    struct backend *next;
};

struct backends {
    struct event_base *base;
    /* Makes an upstream; NULL: upstream_new (tests have one of their own). */
    struct upstream *(*make)(struct event_base *base,
                             const struct upstream_config *config);
    struct backend *first;
};

/* The backend that number AT of POLICY's hosts asks for, made if there is none
 * yet. The reference is the caller's. */
struct backend *backend_get(struct backends *all, struct policy *policy,
                            size_t at);

/* The same of a target of the SRV records that number AT stands for; NULL: it
 * is no host that could be named. */
struct backend *backend_get_target(struct backends *all, struct policy *policy,
                                   size_t at, const char *host, unsigned port);

/* One that leads nowhere (nowhere.h), as long as POLICY's namespace has no
 * host: takers of streams are told the reason at once. The reference is the
 * caller's. */
struct backend *backend_new_nowhere(struct backends *all,
                                    struct policy *policy);
/* WHY is the reason from now on. */
void backend_say(struct backend *nowhere, const char *why);

/* Where it leads, for people. */
const char *backend_url(const struct backend *backend);

struct backend *backend_ref(struct backend *backend);
/* The last one closes the link, soon. NULL is fine; returns NULL. */
struct backend *backend_unref(struct backend *backend);
