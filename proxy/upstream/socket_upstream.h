#pragma once

/*
 * The engine over plain sockets: an upstream (upstream.h) where each stream is
 * a connection of its own to a Unix socket or a TCP port. There is nothing to
 * keep up between streams, so it is always up; what is wrong shows when a
 * stream opens.
 */

#include <event2/event.h>

#include "policy/config/upstream_config.h"
#include "proxy/upstream/upstream.h"

/* CONFIG, of kind UPSTREAM_UNIX or UPSTREAM_TCP, must outlive it. Never NULL.
 */
struct upstream *socket_upstream_new(struct event_base *base,
                                     const struct upstream_config *config);
