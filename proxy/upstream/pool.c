#include "proxy/upstream/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "policy/base/limits.h"
#include "proxy/base/log.h"
#include "proxy/net/soon.h"
#include "proxy/upstream/pool_groups.h"
#include "proxy/upstream/pool_use.h"

enum {
    /* dockerd closes a connection whose first request does not come within
     * five minutes; long before, an unused one is replaced */
    OLD_TURNS = 2 * 60 * 1000 / POOL_TURN_MS,
    LINGER_MS = 100, /* then it is looked again whether streams are gone */
};

struct pool {
    struct upstream *upstream;
    struct event *turn;
    struct soon deliver;   /* there is something to tell takers */
    struct event *lingers; /* look again whether streams are gone */
    struct stream *opening[LIMIT_POOL_IDLE];
    unsigned opening_count;
    struct stream *idle[LIMIT_POOL_IDLE];
    unsigned idle_count;
    struct pool_use use;
    struct pool_groups groups; /* who wait for one */
    struct event *moment;      /* in which takers wait for what comes back */
    bool held;
    char *refused;            /* held, and takers are told this; or NULL */
    bool refuses_once;        /* only those who wait now */
    struct pool_waiters kept; /* until it is not held any more */
    unsigned kept_count;
    unsigned failures; /* streams that did not open, each told to one taker */
    struct strbuf why; /* of the last of them */
    bool failed;       /* and none has opened since */
    bool told_full;    /* the log knows why a listener waits */
    void (*on_idle_end)(void *arg); /* or NULL */
    void *idle_end_arg;
};

static void pool_refill(struct pool *pool);

static void unpark(struct pool *pool, unsigned at)
{
    pool->idle[at] = pool->idle[--pool->idle_count];
}

static void wait_begin(struct pool *pool, struct pool_waiter *waiter, bool kept)
{
    waiter->waits = true;
    waiter->kept = kept;
    if (kept) {
        TAILQ_INSERT_TAIL(&pool->kept, waiter, link);
        pool->kept_count++;
        return;
    }
    pool_groups_add(&pool->groups, waiter);
}

static void wait_end(struct pool *pool, struct pool_waiter *waiter)
{
    waiter->waits = false;
    if (waiter->kept) {
        TAILQ_REMOVE(&pool->kept, waiter, link);
        pool->kept_count--;
        return;
    }
    pool_groups_remove(&pool->groups, waiter);
}

/*
 * May WHO have a stream? Not while so many of its own linger: else one listener
 * could fill the SSH server with what its containers do not read.
 */
static bool may_have(const void *who, void *arg)
{
    struct pool *pool = arg;

    if (!who || upstream_lingering(pool->upstream, who) < LIMIT_GIVEN_UP)
        return true;
    if (!pool->told_full)
        log_warn("a listener waits: %d streams that its clients gave up are "
                 "not closed yet, for their containers do not read",
                 LIMIT_GIVEN_UP);
    pool->told_full = true;
    return false;
}

/* Between two messages, with nothing on the way? */
static bool is_fresh(struct stream *stream)
{
    return stream->state == STREAM_OPEN && !stream->eof &&
           stream_peek(stream).len == 0;
}

static void tell_idle_end(struct pool *pool)
{
    if (pool->on_idle_end)
        pool->on_idle_end(pool->idle_end_arg);
}

/* An idle stream that says anything is of no more use. */
static void on_idle_change(struct stream *stream, void *arg)
{
    struct pool *pool = arg;

    for (unsigned i = 0; i < pool->idle_count; i++) {
        if (pool->idle[i] != stream)
            continue;
        if (is_fresh(stream))
            return;
        unpark(pool, i);
        stream_close(stream);
        tell_idle_end(pool);
        pool_refill(pool);
        return;
    }
}

/* An open stream that is not in use: for the first taker, or kept as idle. */
static void park(struct pool *pool, struct stream *stream)
{
    bool wanted = pool->idle_count < pool->groups.waiting;

    if (pool->idle_count == LIMIT_POOL_IDLE ||
        (!wanted &&
         pool->idle_count + pool->use.used >= pool_use_level(&pool->use))) {
        stream_close(stream);
        return;
    }
    stream->on_change = on_idle_change;
    stream->arg = pool;
    stream->who = NULL;
    stream->turn = pool->use.turn;
    pool->idle[pool->idle_count++] = stream;
    if (pool->groups.waiting)
        soon_call(&pool->deliver);
}

/* The freshest idle stream, in use by WHO from now on; or NULL. */
static struct stream *use_idle(struct pool *pool, const void *who)
{
    while (pool->idle_count) {
        struct stream *stream = pool->idle[--pool->idle_count];

        /* it may have ended without our having been told yet */
        if (!is_fresh(stream)) {
            stream_close(stream);
            tell_idle_end(pool);
            continue;
        }
        stream->on_change = NULL;
        stream->who = who;
        stream->turn = pool_use_begin(&pool->use);
        return stream;
    }
    return NULL;
}

static void on_opening_change(struct stream *stream, void *arg)
{
    struct pool *pool = arg;
    const char *why;

    if (stream->state == STREAM_OPENING)
        return;
    for (unsigned i = 0; i < pool->opening_count; i++) {
        if (pool->opening[i] == stream) {
            pool->opening[i] = pool->opening[--pool->opening_count];
            break;
        }
    }
    if (stream->state == STREAM_OPEN && !stream->eof) {
        pool->failed = false;
        pool_use_opened(&pool->use, pool->upstream);
        park(pool, stream);
        pool_refill(pool);
        return;
    }
    why = stream->why ? stream->why
                      : "the engine closed a new connection at once";
    if (!pool->failed ||
        !str_eq(strbuf_str(&pool->why), str_head(str_from(why), LIMIT_REASON)))
        log_warn("no stream to the engine: %s", why);
    pool->failed = true;
    strbuf_clear(&pool->why);
    strbuf_add(&pool->why, str_head(str_from(why), LIMIT_REASON));
    pool->failures++;
    stream_close(stream);
    soon_call(&pool->deliver);
}

static void tell(struct pool *pool, struct pool_waiter *waiter,
                 struct stream *stream, const char *why)
{
    wait_end(pool, waiter);
    waiter->on_stream(waiter, stream, why);
}

static void tell_failure(struct pool *pool)
{
    /* a taker may take again at once, and that fail */
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON + 1);

    strbuf_add(&why, strbuf_str(&pool->why));
    pool->failures--;
    tell(pool, pool_groups_turn(&pool->groups, NULL, NULL), NULL,
         strbuf_cstr(&why));
}

static void set_refused(struct pool *pool, const char *why, bool once)
{
    free(pool->refused);
    pool->refused = why ? xstrdup(why) : NULL;
    pool->refuses_once = once;
}

static void tell_refusal(struct pool *pool)
{
    /* a taker may have it released, or held for another reason */
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON + 1);

    strbuf_add(&why, str_head(str_from(pool->refused), LIMIT_REASON));
    tell(pool, TAILQ_FIRST(&pool->kept), NULL, strbuf_cstr(&why));
}

/* To those who wait for streams, in turns. */
static void hand_out(struct pool *pool)
{
    struct pool_waiter *waiter;

    while (pool->idle_count &&
           (waiter = pool_groups_turn(&pool->groups, may_have, pool))) {
        struct stream *stream = use_idle(pool, waiter->who);

        if (stream)
            tell(pool, waiter, stream, NULL);
    }
    if (!pool->groups.waiting)
        pool->told_full = false;
    else if (pool->idle_count) /* nobody tells when what lingers is gone */
        event_add(pool->lingers, &(struct timeval){0, LINGER_MS * 1000});
}

static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
    struct pool *pool = arg;

    (void)fd;
    (void)what;
    while (pool->failures && pool->groups.waiting)
        tell_failure(pool);
    pool->failures = 0;
    hand_out(pool);
    /* those who come meanwhile are told in another turn */
    for (unsigned n = pool->kept_count; n && pool->kept_count && pool->refused;
         n--)
        tell_refusal(pool);
    if (pool->refuses_once)
        set_refused(pool, NULL, false);
    else if (pool->kept_count && pool->refused)
        soon_call(&pool->deliver);
    pool_refill(pool);
}

/* Is one that comes back worth waiting for? */
static bool wait_a_moment(struct pool *pool)
{
    if (pool_use_may_open(&pool->use, pool->opening_count))
        return false;
    if (!event_pending(pool->moment, EV_TIMEOUT, NULL)) {
        pool_use_begin_moment(&pool->use);
        event_add(pool->moment, &(struct timeval){0, POOL_MOMENT_MS * 1000});
    }
    return true;
}

/* Open what takers wait for. */
static void pool_refill(struct pool *pool)
{
    while (pool->opening_count + pool->idle_count + pool->failures <
               pool->groups.waiting &&
           pool->opening_count < LIMIT_POOL_IDLE && !wait_a_moment(pool)) {
        struct stream *stream =
            upstream_open(pool->upstream, on_opening_change, pool);

        if (!stream)
            return;
        pool->opening[pool->opening_count++] = stream;
    }
}

/* Those who would wait for longer than another moment get new ones. */
static void on_moment(evutil_socket_t fd, short what, void *arg)
{
    struct pool *pool = arg;

    (void)fd;
    (void)what;
    pool_use_end_moment(&pool->use, pool->groups.waiting);
    pool_refill(pool);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct pool *pool = arg;
    unsigned all, kept = 0;

    (void)fd;
    (void)what;
    pool_use_turn(&pool->use, pool->groups.waiting, pool->upstream);
    all = pool->use.used + pool->idle_count;
    /* the freshest are at the end, where the next taker looks */
    for (unsigned i = 0; i < pool->idle_count; i++) {
        struct stream *stream = pool->idle[i];

        if (pool->use.turn - stream->turn >= OLD_TURNS ||
            all > pool_use_level(&pool->use)) {
            stream_close(stream);
            all--;
        } else {
            pool->idle[kept++] = stream;
        }
    }
    pool->idle_count = kept;
    pool_refill(pool);
}

struct pool *pool_new(struct event_base *base, struct upstream *upstream)
{
    struct pool *pool = xcalloc(1, sizeof(*pool));

    pool->upstream = upstream;
    pool->why.max = LIMIT_REASON;
    pool_groups_init(&pool->groups);
    TAILQ_INIT(&pool->kept);
    soon_init(&pool->deliver, base, on_deliver, pool);
    pool->lingers = event_new(base, -1, 0, on_deliver, pool);
    pool->moment = event_new(base, -1, 0, on_moment, pool);
    pool->turn = event_new(base, -1, EV_PERSIST, on_turn, pool);
    event_add(pool->turn, &(struct timeval){POOL_TURN_MS / 1000, 0});
    return pool;
}

static void close_idle(struct pool *pool)
{
    while (pool->idle_count)
        stream_close(pool->idle[--pool->idle_count]);
    pool_refill(pool);
}

struct pool *pool_free(struct pool *pool)
{
    if (!pool)
        return NULL;
    assert(pool->groups.waiting == 0 && TAILQ_EMPTY(&pool->kept));
    for (unsigned i = 0; i < pool->opening_count; i++)
        stream_close(pool->opening[i]);
    close_idle(pool);
    soon_fini(&pool->deliver);
    event_free(pool->lingers);
    event_free(pool->moment);
    event_free(pool->turn);
    strbuf_fini(&pool->why);
    free(pool->refused);
    free(pool);
    return NULL;
}

struct stream *pool_take(struct pool *pool, struct pool_waiter *waiter)
{
    /* nobody is served before those who wait already */
    bool waits =
        pool->groups.waiting || pool->held || !may_have(waiter->who, pool);
    struct stream *stream = waits ? NULL : use_idle(pool, waiter->who);

    if (!stream)
        wait_begin(pool, waiter, pool->held);
    /* what is idle may be for others than those who wait already */
    if (pool->refused || (!stream && pool->idle_count))
        soon_call(&pool->deliver);
    pool_use_note(&pool->use, pool->groups.waiting);
    pool_refill(pool);
    return stream;
}

void pool_cancel(struct pool *pool, struct pool_waiter *waiter)
{
    if (waiter->waits)
        wait_end(pool, waiter);
}

void pool_give(struct pool *pool, struct stream *stream)
{
    pool_use_end(&pool->use, stream->turn);
    if (is_fresh(stream) && !pool->held)
        park(pool, stream);
    else
        stream_close(stream);
    pool_refill(pool);
}

void pool_discard(struct pool *pool, struct stream *stream)
{
    pool_use_end(&pool->use, stream->turn);
    stream_close(stream);
    pool_refill(pool);
}

void pool_close_idle(struct pool *pool)
{
    close_idle(pool);
    tell_idle_end(pool);
}

void pool_watch(struct pool *pool, void (*on_idle_end)(void *arg), void *arg)
{
    pool->on_idle_end = on_idle_end;
    pool->idle_end_arg = arg;
}

void pool_hold(struct pool *pool, const char *why)
{
    struct pool_waiter *waiter;

    while (
        pool->groups.waiting) { /* those who come first are the first again */
        waiter = pool_groups_turn(&pool->groups, NULL, NULL);
        wait_end(pool, waiter);
        wait_begin(pool, waiter, true);
    }
    pool->held = true;
    set_refused(pool, why, false);
    close_idle(pool);
    if (why && pool->kept_count)
        soon_call(&pool->deliver);
}

void pool_release(struct pool *pool)
{
    struct pool_waiter *waiter;

    pool->held = false;
    set_refused(pool, NULL, false);
    while ((waiter = TAILQ_FIRST(&pool->kept))) {
        wait_end(pool, waiter);
        wait_begin(pool, waiter, false);
    }
    soon_call(&pool->deliver);
}

void pool_fail_kept(struct pool *pool, const char *why)
{
    if (!pool->kept_count)
        return;
    set_refused(pool, why, true);
    soon_call(&pool->deliver);
}

void pool_let_in(struct pool *pool, struct pool_waiter *waiter)
{
    if (!waiter->waits || !waiter->kept)
        return;
    wait_end(pool, waiter);
    wait_begin(pool, waiter, false);
    soon_call(&pool->deliver);
}

void pool_wait_for(struct pool *pool, struct pool_waiter *waiter,
                   const void *who)
{
    bool waits = waiter->waits, kept = waiter->kept;

    if (waits)
        wait_end(pool, waiter);
    waiter->who = who;
    if (waits)
        wait_begin(pool, waiter, kept);
}

struct pool_counts pool_count(const struct pool *pool)
{
    return (struct pool_counts){pool->use.used, pool->idle_count,
                                pool->opening_count,
                                pool->groups.waiting + pool->kept_count};
}
