#pragma once

/*
 * Which engine does a link lead to? A name may lead to several hosts, so links
 * that are to be one upstream are compared by the ID in the engine's /info.
 * While the engine does not answer, it is asked again.
 */

#include <event2/event.h>

#include "policy/base/limits.h"
#include "proxy/upstream/upstream.h"

struct engine_id {
    bool told;                    /* the engine has told its ID, */
    char id[LIMIT_ENGINE_ID + 1]; /* which is that, or "" */
    /* its own */
    struct event_base *base;
    struct pool *pool;           /* for the question; NULL: not asked */
    struct subrequest *question; /* or NULL */
    struct event *timer;         /* the end of it, or the next one */
    void (*on_told)(void *arg);
    void *arg;
};

/* ON_TOLD is called from the event loop, with ARG. */
void engine_id_init(struct engine_id *engine, struct event_base *base,
                    void (*on_told)(void *arg), void *arg);
void engine_id_fini(struct engine_id *engine);

/* Ask the engine that LINK leads to, which must be up, and stay until
 * engine_id_stop or engine_id_rest. */
void engine_id_ask(struct engine_id *engine, struct upstream *link);
/* It is not asked any more, and what it told does not count. */
void engine_id_stop(struct engine_id *engine);
/* If it has told its ID, close what it was asked over; never from ON_TOLD. */
void engine_id_rest(struct engine_id *engine);
