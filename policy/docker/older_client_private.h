#pragma once

/* What both halves of older_client.h go by. */

#include <stdbool.h>

/* API 1.MINOR, as far as something changed there. */
enum {
    CREATES_WITH_PLATFORM = 41, /* and "filter" of images is gone */
    PRUNES_ANONYMOUS = 42,
    NO_NONE = 43,
    NO_VIRTUAL_SIZE = 44,
    READ_ONLY_BELOW = 44,
    NO_CONTAINER_CONFIG = 45, /* and no IDs among aliases */
    NO_OLD_FIELDS = 52,
};

/* Did something that is so from VERSION on change between the two? */
static inline bool changes(unsigned version, unsigned client, unsigned engine)
{
    return client < version && version <= engine;
}
