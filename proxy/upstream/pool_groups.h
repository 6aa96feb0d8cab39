#pragma once

/*
 * Those who wait for a stream, in one group for each listener: whose turn it
 * is, however many of them a listener has. For pool.c alone.
 */

#include "proxy/upstream/pool.h"

TAILQ_HEAD(pool_waiters, pool_waiter);

/* Takers of one listener, which there are as long as some wait. */
struct pool_group {
    const void *who;
    struct pool_waiters waiters;
    TAILQ_ENTRY(pool_group) link;
};

struct pool_groups {
    TAILQ_HEAD(pool_group_list, pool_group) all; /* the first is next */
    unsigned waiting;                            /* takers, of all of them */
};

void pool_groups_init(struct pool_groups *groups);
/* WAITER is the last of the group of WAITER->who. */
void pool_groups_add(struct pool_groups *groups, struct pool_waiter *waiter);
void pool_groups_remove(struct pool_groups *groups, struct pool_waiter *waiter);

/* The first of the first group for whose WHO MAY says so, or of the first one
 * of all without a MAY: then it is the next group's turn. NULL: there is none.
 */
struct pool_waiter *pool_groups_turn(struct pool_groups *groups,
                                     bool (*may)(const void *who, void *arg),
                                     void *arg);
