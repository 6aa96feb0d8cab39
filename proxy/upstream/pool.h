#pragma once

/*
 * Streams to the engine, kept ready: opening one costs a round trip over SSH
 * (and they open one after the other), so as many are kept for the next
 * requests as were lately in use at once: in the last half minute, or in the
 * last two seconds where an open takes less than 2 ms. Over SSH, takers there
 * also wait up to 5 ms for one of many to come back, before new ones are opened
 * (pool_use.h). To open some ahead of all demand is the upstream's business.
 *
 * upstream.h says which callbacks may run when. Here: a taker is called from a
 * turn of the loop that is the pool's own, never from inside a call on the
 * pool, nor from a stream's callback.
 */

#include <event2/event.h>
#include <sys/queue.h>

#include "proxy/upstream/upstream.h"

struct pool;

/* A queued taker. Embed it in the object that calls pool_take(). */
struct pool_waiter {
    /* STREAM is open, and now the taker's; or it is NULL, and WHY says why
     * none could be opened. The taker waits no longer. */
    void (*on_stream)(struct pool_waiter *waiter, struct stream *stream,
                      const char *why);
    bool waits, kept; /* the pool's */
    const void *who;  /* it waits for; the pool's, see pool_wait_for */
    struct pool_group *group;
    TAILQ_ENTRY(pool_waiter) link;
};

/* UPSTREAM stays the caller's. */
struct pool *pool_new(struct event_base *base, struct upstream *upstream);
/* Closes the idle streams. None may be taken or waited for any more: who takes
 * one holds what the pool belongs to (backend.h). NULL is fine; returns NULL.
 */
struct pool *pool_free(struct pool *pool);

/*
 * An open stream, at once (its on_change and arg are the taker's to set); or
 * NULL, and WAITER is told later.
 */
struct stream *pool_take(struct pool *pool, struct pool_waiter *waiter);
/* No longer waiting. Fine for one that does not wait. */
void pool_cancel(struct pool *pool, struct pool_waiter *waiter);

/*
 * WAITER waits for WHO, of whom nothing but the address is used: a listener.
 * Those who wait get streams in turns, however many of their takers there are,
 * for streams open one after the other. For one that does not wait: later.
 */
void pool_wait_for(struct pool *pool, struct pool_waiter *waiter,
                   const void *who);

/* A taken stream comes back: with its HTTP between two messages, or spent. */
void pool_give(struct pool *pool, struct stream *stream);
void pool_discard(struct pool *pool, struct stream *stream);

/* ON_IDLE_END is called, also from inside calls on the pool, when the engine
 * has ended a stream that lay idle; it may hold the pool. NULL: nobody. */
void pool_watch(struct pool *pool, void (*on_idle_end)(void *arg), void *arg);

/*
 * An idle stream turned out to be dead, so the others may be, too (an engine
 * that restarts closes all of them): close them, so that the next taker gets a
 * new one.
 */
void pool_close_idle(struct pool *pool);

/*
 * It is not known whether streams lead where they should: idle ones close, and
 * no taker is given one until pool_release, but those that are let in, who find
 * it out. WHY, unless it is NULL: takers are told so at once.
 */
void pool_hold(struct pool *pool, const char *why);
void pool_release(struct pool *pool);
/* Takers that wait for that are told WHY it is not to be yet. */
void pool_fail_kept(struct pool *pool, const char *why);
/* WAITER, which waits, waits for no release. */
void pool_let_in(struct pool *pool, struct pool_waiter *waiter);

struct pool_counts {
    unsigned used, idle, opening, waiting;
};
struct pool_counts pool_count(const struct pool *pool);
