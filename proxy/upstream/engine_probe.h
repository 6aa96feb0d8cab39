#pragma once

/*
 * What berth knows of the engine of its own accord: it asks /_ping whenever
 * the link comes up and every few seconds from then on. So a client's ping is
 * answered without a round trip, and a link or an engine that died is noticed
 * although nobody uses it.
 */

#include "proxy/exchange/reply.h"
#include "proxy/upstream/pool.h"

struct engine_probe;

struct engine_probe *engine_probe_new(struct event_base *base,
                                      struct upstream *upstream,
                                      struct pool *pool);
struct engine_probe *engine_probe_free(struct engine_probe *engine);

/* The facts; .known is false while the engine does not answer. */
const struct engine_facts *engine_probe_get(const struct engine_probe *engine);

/* A request has failed: look again now rather than later. */
void engine_probe_doubt(struct engine_probe *engine);
