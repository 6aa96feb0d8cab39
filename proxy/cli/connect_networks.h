#pragma once

/*
 * A step of connect_check: does the engine have ranges of addresses left for
 * networks? A runner has one of its own, and each that it makes takes another.
 */

#include <jansson.h>

#include "proxy/upstream/pool.h"

struct connect_networks;

/*
 * INFO is the engine's, or NULL. Ask over POOL, and print a line of what comes
 * of it; then ON_DONE is called, from the event loop, with whether a network
 * can be made, and this is gone. An engine that does not tell (a berth that
 * guards one) is none without.
 */
struct connect_networks *
connect_networks_new(struct event_base *base, struct pool *pool, json_t *info,
                     void (*on_done)(bool good, void *arg), void *arg);

/* Not called back any more. NULL is fine; returns NULL. */
struct connect_networks *
connect_networks_free(struct connect_networks *networks);
