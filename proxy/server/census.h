#pragma once

/*
 * What the namespaces of one engine have there, for those who look: the
 * engine's lists are asked for when somebody looks and what is known is older
 * than CENSUS_FRESH_S; and every CENSUS_EVERY_S, so that who looks for the
 * first time finds something. Four questions each, whatever the number of
 * namespaces; none before the first look.
 */

#include <event2/event.h>

#include "proxy/metrics/metrics.h"
#include "proxy/upstream/pool.h"

enum {
    CENSUS_FRESH_S = 10,
    CENSUS_EVERY_S = 60,
    CENSUS_WAIT_S = 30, /* for an answer */
};

struct census;

struct census *census_new(struct event_base *base, struct pool *pool);
/* NULL is fine; returns NULL. */
struct census *census_free(struct census *census);

/*
 * What namespace NS has, as far as is known: .known is false at first, and when
 * the engine has not answered lately. It is counted from now on, too.
 */
struct objects_view census_look(struct census *census, const char *ns);
