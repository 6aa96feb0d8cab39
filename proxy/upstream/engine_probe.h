#pragma once

/*
 * What berth knows of the engine of its own accord: it asks /_ping whenever
 * the link comes up and every few seconds from then on. So a client's ping is
 * answered without a round trip, and a link or an engine that died is noticed
 * although nobody uses it.
 */

#include "proxy/exchange/reply.h"
#include "proxy/upstream/pool.h"

struct engine;

struct engine *engine_new(struct event_base *base, struct upstream *upstream,
                          struct pool *pool);
struct engine *engine_free(struct engine *engine);

/* The facts; .known is false while the engine does not answer. */
const struct engine_facts *engine_get(const struct engine *engine);

/* A request has failed: look again now rather than later. */
void engine_doubt(struct engine *engine);
