#include "policy/docker/lookup.h"

#include <assert.h>
#include <stdlib.h>

#include "policy/base/json_size.h"
#include "policy/base/limits.h"
#include "policy/docker/companion_name.h"

void lookups_fini(struct lookups *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->items[i].target);
        free(set->items[i].undo);
        json_decref(set->items[i].body);
        json_decref(set->items[i].reply);
    }
    free(set->items);
    *set = (struct lookups){0};
}

size_t lookups_find(const struct lookups *set, enum method method,
                    struct str target, const json_t *body)
{
    size_t at = 0;

    for (; at < set->count; at++) {
        const struct lookup *lookup = &set->items[at];

        if (lookup->method == method &&
            str_eq(str_from(lookup->target), target) &&
            (lookup->body == body || json_equal(lookup->body, body)))
            break;
    }
    return at;
}

struct lookup *lookups_add(struct lookups *set, enum method method,
                           struct str target)
{
    struct lookup *lookup;

    if (set->count == LIMIT_LOOKUPS)
        return NULL;
    if (set->count % 8 == 0) {
        set->items =
            realloc(set->items, (set->count + 8) * sizeof(*set->items));
        if (!set->items)
            abort();
    }
    lookup = &set->items[set->count++];
    *lookup = (struct lookup){.method = method, .target = xstr_dup(target)};
    return lookup;
}

size_t lookups_get(struct lookups *set, struct str target)
{
    size_t at = lookups_find(set, METHOD_GET, target, NULL);

    if (at == set->count)
        lookups_add(set, METHOD_GET, target);
    return at;
}

size_t lookups_next(const struct lookups *set)
{
    size_t answered = 0, at = 0;

    for (; at < set->count && set->items[at].state != LOOKUP_OPEN; at++)
        answered += set->items[at].state == LOOKUP_ANSWERED;
    if (at < set->count && set->items[at].waits && answered < at)
        return set->count;
    return at;
}

void lookups_answer(struct lookups *set, size_t index, int status,
                    json_t *reply)
{
    struct lookup *lookup = &set->items[index];

    assert(index < set->count && lookup->state != LOOKUP_ANSWERED);
    lookup->state = LOOKUP_ANSWERED;
    lookup->status = status;
    lookup->reply = reply;
    set->memory += json_memory(reply);
    set->answered++;
}

void lookups_drop_open(struct lookups *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].state == LOOKUP_OPEN)
            lookups_answer(set, i, 0, NULL);
    }
}

bool lookups_take_long(const struct lookups *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].state == LOOKUP_SENT &&
            strcmp(set->items[i].target, LOOKUP_FILES) == 0)
            return true;
    }
    return false;
}

bool lookups_change(const struct lookups *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].changes && set->items[i].state != LOOKUP_ANSWERED)
            return true;
    }
    return false;
}
