#pragma once

/* A listener's place among others, for what works in its turns and is in its
 * account of memory. Needs unit.h before it. */

#include <event2/event.h>

#include "policy/base/limits.h"
#include "proxy/net/memory.h"
#include "proxy/net/turns.h"

struct listener_place {
    struct turns turns;
    struct turn_group group;
    struct memory memory;
    struct memory_share share;
    size_t others; /* bytes that others of the listener hold */
};

static inline void listener_place_init(struct listener_place *place,
                                       struct event_base *base)
{
    turns_init(&place->turns, base);
    turn_group_init(&place->group, &place->turns);
    memory_init(&place->memory);
    memory_share_init(&place->share, &place->memory);
    place->others = 0;
}

/* All that had it is gone: it holds nothing. */
static inline void listener_place_fini(struct listener_place *place)
{
    memory_use(&place->share, &place->others, 0);
    memory_share_fini(&place->share);
    turns_fini(&place->turns);
}

/* Others leave room for LEFT bytes. */
static inline void listener_place_crowd(struct listener_place *place,
                                        size_t left)
{
    memory_use(&place->share, &place->others,
               LIMIT_MEMORY - (place->share.used - place->others) - left);
}
