#pragma once

/*
 * What only the engine knows, and what has to be made on it before or after a
 * request: one set for each request, to which judgement and isolation add, and
 * whose answers both read. Those of one set that are open may be carried out at
 * the same time, but for those that wait for all before them.
 *
 * Values only: whoever has a way to the engine carries them out.
 */

#include <jansson.h>
#include <stdbool.h>

#include "policy/base/str.h"
#include "policy/docker/method.h"

enum lookup_state { LOOKUP_OPEN, LOOKUP_SENT, LOOKUP_ANSWERED };

struct lookup {
    enum method method;
    char *target; /* "/containers/json?all=1", without a version */
    json_t *body; /* or NULL */
    bool changes; /* it changes something: put the request on record first */
    bool waits;   /* until all before it in the set are answered */
    char *undo;   /* DELETE this if it was created and the request then fails */
    enum lookup_state state;
    int status;    /* the engine's; 0: it could not be asked */
    json_t *reply; /* or NULL: no JSON */
};

struct lookups {
    struct lookup *items; /* move when one is added */
    size_t count;         /* at most LIMIT_LOOKUPS */
    size_t answered;
    size_t memory; /* of all replies */
};

void lookups_fini(struct lookups *set);

/* The index of the one with METHOD, TARGET and an equal BODY (NULL: none), or
 * the count. */
size_t lookups_find(const struct lookups *set, enum method method,
                    struct str target, const json_t *body);

/* Add one, whatever is there; NULL when there are LIMIT_LOOKUPS. */
struct lookup *lookups_add(struct lookups *set, enum method method,
                           struct str target);

/* GET TARGET, found or added: its index, or the count when there are too many.
 */
size_t lookups_get(struct lookups *set, struct str target);

/* The first that may be carried out now, or the count. */
size_t lookups_next(const struct lookups *set);

/* The engine answered INDEX, which was not answered before, with STATUS and
 * REPLY, which is taken over. */
void lookups_answer(struct lookups *set, size_t index, int status,
                    json_t *reply);

/* Those that are open are not needed any more: answered with status 0. */
void lookups_drop_open(struct lookups *set);

/* Is any of them not answered? And does any of those change something? */
static inline bool lookups_are_pending(const struct lookups *set)
{
    return set->answered < set->count;
}
bool lookups_change(const struct lookups *set);
/* Is one on its way that takes as long as files do (LOOKUP_FILES)? */
bool lookups_take_long(const struct lookups *set);
