#pragma once

/*
 * A queue of bytes that is always one piece: add at the end, consume at the
 * front, look at all of it at any time. Unlike a strbuf it moves what is left
 * only when it needs the room, so many small reads of a large buffer stay
 * cheap. Empty queues hold no memory worth speaking of.
 */

#include "policy/base/str.h"

struct bytes {
    char *ptr;
    size_t head; /* where the content begins in PTR */
    size_t len;
    size_t cap;
    size_t max;
};

#define BYTES(maximum)                                                         \
    {                                                                          \
        .max = (maximum)                                                       \
    }

void bytes_fini(struct bytes *bytes);

static inline struct str bytes_str(const struct bytes *bytes)
{
    /* Without memory there is no pointer to add to (C11 6.5.6). */
    return bytes->ptr ? (struct str){bytes->ptr + bytes->head, bytes->len}
                      : (struct str){NULL, 0};
}

/* Room for LEN more bytes behind the end, or NULL over MAX; then commit. */
char *bytes_reserve(struct bytes *bytes, size_t len);
void bytes_commit(struct bytes *bytes, size_t len);

/* Append a copy of S: 0, or -ENOBUFS over MAX, leaving all as it was. */
int bytes_add(struct bytes *bytes, struct str s);

/* Drop LEN bytes from the front. */
void bytes_consume(struct bytes *bytes, size_t len);

/* Give the memory back if nothing is in it. */
void bytes_trim(struct bytes *bytes);
