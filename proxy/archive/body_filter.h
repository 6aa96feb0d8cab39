#pragma once

/*
 * What a body becomes on its way through, written anew as a stream: bytes in,
 * bytes out. Whoever implements one puts this struct first in its own.
 */

#include "policy/base/str.h"
#include "policy/base/verdict.h"

struct body_filter;

struct body_filter_kind {
    /*
     * Append to OUT what BYTES, all of which are taken, become. False when the
     * body is refused: *WHY then says so to the client (its status is 400 or
     * 413), and the filter is not used any more.
     */
    bool (*feed)(struct body_filter *filter, struct str bytes,
                 struct strbuf *out, struct verdict *why);
    /* There are no more bytes: append what is still to come. As above. */
    bool (*end)(struct body_filter *filter, struct strbuf *out,
                struct verdict *why);
    /* Bytes of the body that it holds. */
    size_t (*memory)(const struct body_filter *filter);
    void (*free)(struct body_filter *filter);
};

struct body_filter {
    const struct body_filter_kind *kind;
};

/*
 * The most that a filter appends for LEN bytes at once, and at the end: about
 * as much as came, and one file that was held until it was there as a whole.
 */
#define BODY_FILTER_MAX(len) (4 * (len) + 2 * LIMIT_JSON_WRITTEN)

/* FILTER may be NULL. */
static inline size_t body_filter_memory(const struct body_filter *filter)
{
    return filter ? filter->kind->memory(filter) : 0;
}

/* Always NULL. FILTER may be NULL. */
static inline struct body_filter *body_filter_free(struct body_filter *filter)
{
    if (filter)
        filter->kind->free(filter);
    return NULL;
}
