#include "proxy/base/bytes.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SMALLEST 4096

void bytes_fini(struct bytes *bytes)
{
    free(bytes->ptr);
    *bytes = (struct bytes)BYTES(bytes->max);
}

/* Bring what is left to the front of PTR, which may be a larger one. */
static void move_to_front(struct bytes *bytes, char *to)
{
    if (bytes->ptr)
        memmove(to, bytes->ptr + bytes->head, bytes->len);
    bytes->head = 0;
}

char *bytes_reserve(struct bytes *bytes, size_t len)
{
    size_t need, cap = bytes->cap ? bytes->cap : SMALLEST;
    char *larger;

    if (__builtin_add_overflow(bytes->len, len, &need) || need > bytes->max)
        return NULL;
    if (!bytes->ptr || need > bytes->cap - bytes->head) {
        /* moving is worth it only when it frees as much as it moves */
        while (cap < need || (bytes->head < bytes->len && cap < 2 * need &&
                              cap < bytes->max && cap == bytes->cap))
            cap *= 2;
        if (cap == bytes->cap) {
            move_to_front(bytes, bytes->ptr);
        } else {
            larger = malloc(cap);
            if (!larger) {
                fputs("berth: out of memory\n", stderr);
                abort();
            }
            move_to_front(bytes, larger);
            free(bytes->ptr);
            bytes->ptr = larger;
            bytes->cap = cap;
        }
    }
    return bytes->ptr + bytes->head + bytes->len;
}

void bytes_commit(struct bytes *bytes, size_t len)
{
    assert(len <= bytes->cap - bytes->head - bytes->len);
    bytes->len += len;
}

int bytes_add(struct bytes *bytes, struct str s)
{
    char *to;

    if (s.len == 0)
        return 0;
    to = bytes_reserve(bytes, s.len);
    if (!to)
        return -ENOBUFS;
    memcpy(to, s.ptr, s.len);
    bytes->len += s.len;
    return 0;
}

void bytes_consume(struct bytes *bytes, size_t len)
{
    assert(len <= bytes->len);
    bytes->len -= len;
    bytes->head = bytes->len ? bytes->head + len : 0;
}

void bytes_trim(struct bytes *bytes)
{
    if (bytes->len == 0 && bytes->ptr)
        bytes_fini(bytes);
}
