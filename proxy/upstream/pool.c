#include "proxy/upstream/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "policy/base/limits.h"
#include "proxy/base/log.h"

enum {
    TURN_MS = 10 * 1000, /* how often the pool looks after its idle streams */
    /* dockerd closes a connection whose first request does not come within
     * five minutes; long before, an unused one is replaced */
    OLD_TURNS = 12,
    TURNS = 3,
    IDLE_LEAST = 2, /* what one docker command uses */
};

struct parked {
    struct stream *stream; /* NULL: the slot is free */
    unsigned turns;        /* how long it has been idle */
};

struct pool {
    struct event_base *base;
    struct upstream *upstream;
    struct event *turn;
    struct stream *opening[LIMIT_POOL_IDLE];
    unsigned opening_count;
    struct parked idle[LIMIT_POOL_IDLE];
    unsigned idle_count;
    unsigned used;
    unsigned peaks[TURNS]; /* the most used at once, in this turn and before */
    struct pool_waiter *first, **last;
    unsigned waiting;
};

static void refill(struct pool *pool);

static void unpark(struct pool *pool, unsigned at)
{
    pool->idle[at] = pool->idle[--pool->idle_count];
}

static void wait_end(struct pool *pool, struct pool_waiter *waiter)
{
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    else
        pool->last = waiter->link;
    waiter->link = NULL;
    pool->waiting--;
}

static void note_use(struct pool *pool)
{
    if (pool->used + pool->waiting > pool->peaks[0])
        pool->peaks[0] = pool->used + pool->waiting;
}

/* An idle stream that says anything is of no more use. */
static void on_idle_change(struct stream *stream, void *arg)
{
    struct pool *pool = arg;

    for (unsigned i = 0; i < pool->idle_count; i++) {
        if (pool->idle[i].stream != stream)
            continue;
        if (stream->state == STREAM_OPEN && !stream->eof &&
            stream_peek(stream).len == 0)
            return;
        unpark(pool, i);
        stream_close(stream);
        return;
    }
}

/*
 * How many streams are kept while so many are used: what a burst needed stays
 * for the next one, since the pause between two is often but a moment.
 */
static unsigned level(const struct pool *pool)
{
    unsigned most = 0;

    for (unsigned i = 0; i < TURNS; i++)
        most = pool->peaks[i] > most ? pool->peaks[i] : most;
    return most + IDLE_LEAST;
}

/* An open stream nobody has: to the first who waits, or into the yard. */
static void settle(struct pool *pool, struct stream *stream)
{
    struct pool_waiter *waiter = pool->first;

    if (waiter) {
        wait_end(pool, waiter);
        pool->used++;
        stream->on_change = NULL;
        waiter->on_stream(waiter, stream, NULL);
    } else if (pool->idle_count < LIMIT_POOL_IDLE &&
               pool->idle_count + pool->used < level(pool)) {
        stream->on_change = on_idle_change;
        stream->arg = pool;
        pool->idle[pool->idle_count++] = (struct parked){stream, 0};
    } else {
        stream_close(stream);
    }
}

static void on_opening_change(struct stream *stream, void *arg)
{
    struct pool *pool = arg;
    struct pool_waiter *waiter = pool->first;

    if (stream->state == STREAM_OPENING)
        return;
    for (unsigned i = 0; i < pool->opening_count; i++) {
        if (pool->opening[i] == stream) {
            pool->opening[i] = pool->opening[--pool->opening_count];
            break;
        }
    }
    if (stream->state == STREAM_OPEN && !stream->eof) {
        settle(pool, stream);
    } else {
        const char *why = stream->why ? stream->why
                                      : "the engine closed a new connection "
                                        "at once";

        log_warn("no stream to the engine: %s", why);
        if (waiter) {
            wait_end(pool, waiter);
            waiter->on_stream(waiter, NULL, why);
        }
        stream_close(stream);
    }
    refill(pool);
}

/* Open what those who wait need. */
static void refill(struct pool *pool)
{
    while (pool->opening_count < pool->waiting &&
           pool->opening_count < LIMIT_POOL_IDLE) {
        struct stream *stream =
            upstream_open(pool->upstream, on_opening_change, pool);

        if (!stream)
            return;
        pool->opening[pool->opening_count++] = stream;
    }
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct pool *pool = arg;
    unsigned all, kept = 0;

    (void)fd;
    (void)what;
    for (unsigned i = TURNS - 1; i > 0; i--)
        pool->peaks[i] = pool->peaks[i - 1];
    pool->peaks[0] = pool->used + pool->waiting;
    all = pool->used + pool->idle_count;
    /* the freshest are at the end, where the next taker looks */
    for (unsigned i = 0; i < pool->idle_count; i++) {
        struct parked parked = pool->idle[i];

        if (++parked.turns >= OLD_TURNS || all > level(pool)) {
            stream_close(parked.stream);
            all--;
        } else {
            pool->idle[kept++] = parked;
        }
    }
    pool->idle_count = kept;
    refill(pool);
}

struct pool *pool_new(struct event_base *base, struct upstream *upstream)
{
    struct pool *pool = xcalloc(1, sizeof(*pool));
    const struct timeval turn = {TURN_MS / 1000, 0};

    pool->base = base;
    pool->upstream = upstream;
    pool->last = &pool->first;
    pool->turn = event_new(base, -1, EV_PERSIST, on_turn, pool);
    event_add(pool->turn, &turn);
    return pool;
}

struct pool *pool_free(struct pool *pool)
{
    if (!pool)
        return NULL;
    while (pool->first) {
        struct pool_waiter *waiter = pool->first;

        wait_end(pool, waiter);
        waiter->on_stream(waiter, NULL, "berth is stopping");
    }
    for (unsigned i = 0; i < pool->opening_count; i++)
        stream_close(pool->opening[i]);
    for (unsigned i = 0; i < pool->idle_count; i++)
        stream_close(pool->idle[i].stream);
    event_free(pool->turn);
    free(pool);
    return NULL;
}

struct stream *pool_take(struct pool *pool, struct pool_waiter *waiter)
{
    while (pool->idle_count) {
        struct stream *stream = pool->idle[--pool->idle_count].stream;

        /* it may have ended without our having been told yet */
        if (stream->state != STREAM_OPEN || stream->eof ||
            stream_peek(stream).len) {
            stream_close(stream);
            continue;
        }
        pool->used++;
        note_use(pool);
        stream->on_change = NULL;
        return stream;
    }
    waiter->next = NULL;
    waiter->link = pool->last;
    *pool->last = waiter;
    pool->last = &waiter->next;
    pool->waiting++;
    note_use(pool);
    refill(pool);
    return NULL;
}

void pool_cancel(struct pool *pool, struct pool_waiter *waiter)
{
    if (waiter->link)
        wait_end(pool, waiter);
}

void pool_give(struct pool *pool, struct stream *stream)
{
    assert(pool->used > 0);
    pool->used--;
    if (stream->state != STREAM_OPEN || stream->eof || stream_peek(stream).len)
        stream_close(stream);
    else
        settle(pool, stream);
    refill(pool);
}

void pool_discard(struct pool *pool, struct stream *stream)
{
    assert(pool->used > 0);
    pool->used--;
    stream_close(stream);
    refill(pool);
}

struct pool_counts pool_count(const struct pool *pool)
{
    return (struct pool_counts){pool->used, pool->idle_count,
                                pool->opening_count, pool->waiting};
}
