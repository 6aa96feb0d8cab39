#pragma once

/* The upstream of the kind that a configuration asks for. */

#include <event2/event.h>

#include "policy/config/upstream_config.h"
#include "proxy/upstream/upstream.h"

/* CONFIG must outlive it. Connects in the background; never NULL. */
struct upstream *upstream_new(struct event_base *base,
                              const struct upstream_config *config);
