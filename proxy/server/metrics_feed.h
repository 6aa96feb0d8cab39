#pragma once

/*
 * The monitors that policies ask for ("metrics.listen"), and what they show: of
 * the berths, those whose policies name the same place; of the backends, those
 * of such berths; and the process.
 */

#include "proxy/base/policies.h"
#include "proxy/metrics/metrics_server.h"
#include "proxy/metrics/process.h"
#include "proxy/server/frontend.h"

struct metrics_feed {
    struct event_base *base;
    struct frontend *const *frontends; /* the list of those at work */
    struct process process;
    bool takes_over; /* places that other processes have, until it begins */
    uint64_t reloads, reloads_refused;
    const char *const *defences; /* sentences; NULL at the end, or none */
    struct metrics_server *items[POLICIES_MAX];
    size_t count;
    struct metrics_server *prepared[POLICIES_MAX]; /* those not there before */
    size_t prepared_count;
    /* the last picture that was taken */
    struct picture picture;
    struct frontend_view berths_seen[POLICIES_MAX];
    struct backend_view backends_seen[POLICIES_MAX];
};

void metrics_feed_init(struct metrics_feed *metrics_feed,
                       struct event_base *base,
                       struct frontend *const *frontends, bool takes_over);
void metrics_feed_fini(struct metrics_feed *metrics_feed);

/*
 * Open what POLICIES name and is not open yet, so that metrics_feed_commit
 * cannot fail: it closes what they do not name. Returns 0; or a negative errno
 * with a line in WHY, and all is as it was.
 */
int metrics_feed_prepare(struct metrics_feed *metrics_feed,
                         const struct policies *policies, struct strbuf *why);
void metrics_feed_commit(struct metrics_feed *metrics_feed,
                         const struct policies *policies);
/* See listener_begin. */
void metrics_feed_begin(struct metrics_feed *metrics_feed);
/* What is open stays as it is. */
void metrics_feed_forget(struct metrics_feed *metrics_feed);
