#pragma once

/*
 * Streams to the engine, kept ready: opening one costs a round trip over SSH
 * (and they open one after the other), so as many are kept for the next
 * requests as were lately in use at once. To open some ahead of all demand is
 * the upstream's business.
 */

#include <event2/event.h>

#include "proxy/upstream/upstream.h"

struct pool;

/* One who waits for a stream; part of whoever takes. */
struct pool_waiter {
    /*
     * A stream is there, now the waiter's; or (NULL) none can be had, for the
     * reason WHY. Called from the event loop, never from inside pool_take.
     */
    void (*on_stream)(struct pool_waiter *waiter, struct stream *stream,
                      const char *why);
    struct pool_waiter *next, **link; /* the pool's */
};

/* UPSTREAM stays the caller's. */
struct pool *pool_new(struct event_base *base, struct upstream *upstream);
/* Closes the idle ones; those that were taken stay with their takers. */
struct pool *pool_free(struct pool *pool);

/*
 * An open stream, at once (its on_change and arg are the taker's to set); or
 * NULL, and WAITER is told later.
 */
struct stream *pool_take(struct pool *pool, struct pool_waiter *waiter);
/* No longer waiting. Fine for one that does not wait. */
void pool_cancel(struct pool *pool, struct pool_waiter *waiter);

/* A taken stream comes back: with its HTTP between two messages, or spent. */
void pool_give(struct pool *pool, struct stream *stream);
void pool_discard(struct pool *pool, struct stream *stream);

struct pool_counts {
    unsigned used, idle, opening, waiting;
};
struct pool_counts pool_count(const struct pool *pool);
