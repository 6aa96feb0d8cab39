#pragma once

/*
 * A small HTTP server beside the real one, for who runs berth: GET of
 *
 *     /          a page for people
 *     /metrics   Prometheus's text
 *     /status    the same in short, as JSON
 *     /healthz   200: the process works
 *     /readyz    200: links are up and engines answer; or 503 with what is not
 *
 * on a Unix socket or a loopback address. It takes one request a connection,
 * few connections at a time, none for long, and no body; it can change nothing.
 */

#include <event2/event.h>

#include "policy/config/policy.h"
#include "proxy/metrics/metrics.h"

struct metrics_server;

/* How things are now, for those who ask at PLACE; the callee's, and good until
 * it is asked again or anything changes. */
typedef const struct picture *(*metrics_server_look)(const char *place,
                                                     void *arg);

/*
 * Listen as CONFIG says, which names a place; with TAKES_OVER, where another
 * process does, from metrics_server_begin on. Returns 0 and fills *OUT; or a
 * negative errno with a line for the operator in WHY.
 */
int metrics_server_new(struct event_base *base,
                       const struct metrics_policy *config, bool takes_over,
                       metrics_server_look look, void *arg,
                       struct metrics_server **out, struct strbuf *why);
struct metrics_server *
metrics_server_free(struct metrics_server *metrics_server);

/* See listener_begin. */
void metrics_server_begin(struct metrics_server *metrics_server);

/* The place that it was made for. */
const char *metrics_server_place(const struct metrics_server *metrics_server);

/* The mode and group of its socket become CONFIG's; or could they? See
 * listener.h. */
int metrics_server_try_access(const struct metrics_server *metrics_server,
                              const struct metrics_policy *config,
                              struct strbuf *why);
void metrics_server_set_access(struct metrics_server *metrics_server,
                               const struct metrics_policy *config);
