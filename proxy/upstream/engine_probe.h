#pragma once

/*
 * What berth knows of the engine of its own accord: it asks /_ping whenever
 * the link comes up and every few seconds from then on. So a client's ping is
 * answered without a round trip, and a link or an engine that died is noticed
 * although nobody uses it.
 *
 * And it sees to it that it is always the same engine, known by the ID in its
 * /info, that requests go to: an address or a name may lead to another one the
 * next time, where the namespace's containers are not. Whenever a new
 * connection was made, the pool is held until the engine has told its ID; and
 * where each stream is a connection, also whenever the engine has ended one
 * that lay idle, as it does when it goes away.
 */

#include "policy/base/strings.h"
#include "proxy/exchange/reply.h"
#include "proxy/upstream/pool.h"

struct engine_probe;

/* ALLOWED, which must outlive it: the IDs that the engine may have; with none
 * in it, it is the one that answers first. */
struct engine_probe *engine_probe_new(struct event_base *base,
                                      struct upstream *upstream,
                                      struct pool *pool,
                                      const struct strings *allowed);
struct engine_probe *engine_probe_free(struct engine_probe *engine);

/* The facts; .known is false while the engine does not answer. */
const struct engine_facts *engine_probe_get(const struct engine_probe *engine);

/* The ID of the engine, or "" while it is not known. */
const char *engine_probe_id(const struct engine_probe *engine);

/* A request has failed: look again now rather than later, but at most once a
 * second, however many fail. */
void engine_probe_doubt(struct engine_probe *engine);
