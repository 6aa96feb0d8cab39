#include "policy/base/json_pool.h"

#include <jansson.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "policy/base/sanitized.h"

enum {
    STEP = 16, /* malloc's own, on 64-bit machines */
    CLASSES = 20,
    LARGEST = CLASSES * STEP - STEP / 2, /* usable in the last class */
};

/* A piece that is free begins with this. */
struct piece {
    struct piece *next;
};

static _Thread_local struct {
    bool used; /* by this thread */
    size_t kept;
    struct piece *free[CLASSES];
} pool;

/* Pieces of class N have N * STEP + 8 bytes and more: what malloc makes of a
 * wish for just that. */
static size_t class_for(size_t size)
{
    return size <= STEP + STEP / 2 ? 1 : (size + STEP / 2 - 1) / STEP;
}

static void *take(size_t size)
{
    size_t class = class_for(size);
    struct piece *piece;

    if (!pool.used || class >= CLASSES)
        return malloc(size);
    piece = pool.free[class];
    if (!piece)
        return malloc(class * STEP + STEP / 2);
    pool.free[class] = piece->next;
    pool.kept -= class * STEP + STEP / 2;
    return piece;
}

static void give(void *memory)
{
    size_t size = pool.used && memory ? malloc_usable_size(memory) : 0;
    struct piece *piece = memory;
    size_t class = (size - STEP / 2) / STEP;

    if (size < STEP + STEP / 2 || size > LARGEST ||
        pool.kept + size > JSON_POOL_BYTES) {
        free(memory);
        return;
    }
    piece->next = pool.free[class];
    pool.free[class] = piece;
    pool.kept += class * STEP + STEP / 2;
}

void json_pool_begin(void)
{
#ifdef SANITIZED
    /* a sanitizer is to see each piece come and go */
    (void)take;
    (void)give;
#else
    pool.used = true;
    json_set_alloc_funcs(take, give);
#endif
}

size_t json_pool_kept(void)
{
    return pool.kept;
}

void json_pool_trim(void)
{
    for (size_t i = 0; i < CLASSES; i++) {
        struct piece *piece;

        while ((piece = pool.free[i])) {
            pool.free[i] = piece->next;
            free(piece);
        }
    }
    pool.kept = 0;
}
