#pragma once

/*
 * Who runs next in the one thread of the process. Work is done in turns that
 * end after a while by themselves; nobody works inside a callback of somebody
 * else's. Listeners (groups) take turns, whatever number of clients each has,
 * and the event loop polls its descriptors, timers and signals between two
 * rounds: a runner that keeps its listener busy slows down its own clients.
 */

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proxy/net/soon.h"

/* A queued turn. Embed it in the object whose work it is. */
struct turn {
    /* Work a while; turn_wake again if there is more to do. It may free the
     * object. */
    void (*run)(struct turn *turn);
    struct turn_group *group;
    bool waits;
    TAILQ_ENTRY(turn) link;
};

TAILQ_HEAD(turn_list, turn);

/* Those who share one place among the others: a listener's clients. */
struct turn_group {
    struct turns *turns;
    struct turn_list waiting;
    TAILQ_ENTRY(turn_group) link;
};

struct turns {
    struct soon round;
    TAILQ_HEAD(turn_groups, turn_group)
    groups;              /* those that have somebody waiting */
    const void *last;    /* that ran; only compared, it may be gone */
    uint64_t changed_ns; /* when another had run before it */
};

void turns_init(struct turns *turns, struct event_base *base);
/* No group may wait any more. */
void turns_fini(struct turns *turns);

void turn_group_init(struct turn_group *group, struct turns *turns);
void turn_init(struct turn *turn, struct turn_group *group,
               void (*run)(struct turn *turn));

/* TURN's run is called soon (soon.h); once, however often it is woken. */
void turn_wake(struct turn *turn);
/* It does not want to run any more. Fine for one that does not wait. */
void turn_cancel(struct turn *turn);
