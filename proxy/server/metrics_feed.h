#pragma once

/*
 * The monitors that policies ask for ("metrics.listen"), and what they show: of
 * the berths, those whose policies name the same place; of the harbours, those
 * of such berths; and the process.
 */

#include "proxy/base/policies.h"
#include "proxy/metrics/metrics_server.h"
#include "proxy/metrics/process.h"
#include "proxy/server/frontend.h"

struct monitors {
    struct event_base *base;
    struct berth *const *berths; /* the list of those at work */
    struct process process;
    uint64_t reloads, reloads_refused;
    const char *const *defences; /* sentences; NULL at the end, or none */
    struct monitor *items[POLICIES_MAX];
    size_t count;
    struct monitor *prepared[POLICIES_MAX]; /* those not there before */
    size_t prepared_count;
    /* the last picture that was taken */
    struct picture picture;
    struct berth_view berths_seen[POLICIES_MAX];
    struct harbour_view harbours_seen[POLICIES_MAX];
};

void monitors_init(struct monitors *monitors, struct event_base *base,
                   struct berth *const *berths);
void monitors_fini(struct monitors *monitors);

/*
 * Open what POLICIES name and is not open yet, so that monitors_commit cannot
 * fail: it closes what they do not name. Returns 0; or a negative errno with
 * a line in WHY, and all is as it was.
 */
int monitors_prepare(struct monitors *monitors, const struct policies *policies,
                     struct strbuf *why);
void monitors_commit(struct monitors *monitors,
                     const struct policies *policies);
/* What is open stays as it is. */
void monitors_forget(struct monitors *monitors);
