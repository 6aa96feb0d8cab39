#pragma once

/*
 * How many streams of a pool are and were in use, and what follows from it: how
 * many are kept idle, and whether a taker waits for one that comes back. For
 * pool.c alone.
 *
 * Where an open takes milliseconds (and over SSH they go one after the other),
 * what a burst needed is kept for the next one. Where it takes next to nothing,
 * an idle stream costs more than it saves: sshd and libssh2 look at all of them
 * whenever anything comes or goes.
 */

#include <stdbool.h>

#include "proxy/upstream/upstream.h"

enum {
    POOL_TURN_MS = 1000,
    POOL_FAR_US = 2000, /* that an open takes */
    POOL_FAR_TURNS = 30,
    POOL_NEAR_TURNS = 2,
    POOL_IDLE_LEAST = 2, /* what one docker command uses */
    POOL_CROWD = 16,     /* from so many on, takers wait a moment first */
    POOL_MOMENT_MS = 5,
};

struct pool_use {
    unsigned used;                  /* now */
    unsigned young[2];              /* of these, taken in this turn; the last */
    unsigned turn;                  /* how many there have been */
    unsigned peaks[POOL_FAR_TURNS]; /* a ring: the most used at once in each */
    unsigned most;                  /* of those that count */
    bool far;
    bool crowds;     /* each stream makes all others slower */
    unsigned handed; /* out, since the moment began */
    unsigned more;   /* may be opened, however many there are */
};

/* A stream is taken: returns what pool_use_end is to be told of it. */
unsigned pool_use_begin(struct pool_use *use);
void pool_use_end(struct pool_use *use, unsigned begun);

/* WAITING takers have none. */
void pool_use_note(struct pool_use *use, unsigned waiting);

/* A stream of UPSTREAM has opened. */
void pool_use_opened(struct pool_use *use, const struct upstream *upstream);
/* POOL_TURN_MS have passed. */
void pool_use_turn(struct pool_use *use, unsigned waiting,
                   const struct upstream *upstream);

/* How many streams, used or idle, are kept. */
unsigned pool_use_level(const struct pool_use *use);

/*
 * With OPENING streams that are to come: may another be opened now? If not, one
 * of those in use is likely to be back sooner. A moment begins then; at its
 * end, as many may be opened as there are WAITING takers whom another such
 * moment would not serve. Streams that are used for longer than a turn (logs,
 * events) are not counted, nor counted upon.
 */
bool pool_use_may_open(struct pool_use *use, unsigned opening);
void pool_use_begin_moment(struct pool_use *use);
void pool_use_end_moment(struct pool_use *use, unsigned waiting);
