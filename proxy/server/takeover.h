#pragma once

/*
 * The end of taking listeners over from a berth that serves (listener_take):
 * only who reaches the engines has it let go.
 */

#include "proxy/server/metrics_feed.h"

enum { TAKEOVER_WAIT_MS = 30000 };

struct takeover {
    struct event *event;
    unsigned tries;
    struct frontend *const *frontends;
    struct metrics_feed *metrics_feed;
    void (*on_failed)(void *arg);
    void *arg;
};

/*
 * When the engines of FRONTENDS answer, those that take over begin, and so do
 * METRICS_FEED's listeners. When one does not within TAKEOVER_WAIT_MS,
 * ON_FAILED is called instead, with a line in the log.
 */
void takeover_begin(struct takeover *takeover, struct event_base *base,
                    struct frontend *const *frontends,
                    struct metrics_feed *metrics_feed,
                    void (*on_failed)(void *arg), void *arg);
/* Nothing is begun any more, and ON_FAILED is not called. Also for one that
 * never began. */
void takeover_end(struct takeover *takeover);
/* Also for one that never began. */
void takeover_fini(struct takeover *takeover);
