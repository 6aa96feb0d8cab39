#pragma once

/*
 * One runner's berth at work: a policy, the listener it stands behind, the
 * way to its engine, and the clients there are.
 */

#include <event2/event.h>

#include "policy/policy.h"
#include "proxy/audit_sink.h"
#include "proxy/engine.h"
#include "proxy/pool.h"

struct session;

/* A way to an engine; berths with the same upstream share one. */
struct harbour {
    struct upstream *upstream;
    struct pool *pool;
    struct engine *engine;
    struct policy *policy; /* whose upstream part it was made from */
    struct harbour *next;
};

struct berth {
    struct event_base *base;
    struct policy *policy;
    struct harbour *harbour;
    struct audit_sink *audit;
    struct listener *listener;
    struct session *sessions; /* linked by the sessions themselves */
    unsigned session_count;
    /* Told when the last session is gone. */
    void (*on_empty)(struct berth *berth, void *arg);
    void *on_empty_arg;
    struct berth *next;
};
