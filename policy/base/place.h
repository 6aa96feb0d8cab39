#pragma once

/*
 * Where in a request something is: a chain of steps from the body (or a
 * query key) down to one value, kept on the stack of whoever walks there, and
 * spelled out only when somebody wants to read it:
 *
 *     HostConfig.Mounts[0].VolumeOptions.Labels{a.b}
 *     query labels{a.b}
 */

#include "policy/base/str.h"

#include <jansson.h>

struct place {
    const struct place *up; /* NULL: the top */
    json_t *owner;          /* the object or list it is in; top: NULL */
    const char *key;        /* in an object: its key; top: "" or "query x" */
    size_t index;           /* in a list: which */
    bool data; /* the key is the client's own word, not Docker's field */
};

enum { PLACE_MAX = 160 }; /* what fits into verdict.field */

/* Spell PLACE into TO, as printable ASCII; cut off with "..." behind it when
 * it is longer. */
void place_spell(const struct place *place, char to[PLACE_MAX]);

/* Put VALUE in this place, taking it over. Not for the top. */
void place_set(const struct place *place, json_t *value);

/* The place of a field, of the data under a key, of an element. */
static inline struct place place_field(const struct place *up, json_t *owner,
                                       const char *name)
{
    return (struct place){.up = up, .owner = owner, .key = name};
}

static inline struct place place_key(const struct place *up, json_t *owner,
                                     const char *key)
{
    return (struct place){.up = up, .owner = owner, .key = key, .data = true};
}

static inline struct place place_element(const struct place *up, json_t *owner,
                                         size_t index)
{
    return (struct place){.up = up, .owner = owner, .index = index};
}
