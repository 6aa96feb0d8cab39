#pragma once

#include <stddef.h>

/*
 * jansson allocates each value, text, key and table by itself: some 900 pieces
 * for a create of 6 KiB, of a few sizes. glibc keeps seven of a size at hand;
 * with the rest its lists are merged and split anew in each request, which took
 * a quarter of its CPU. So the calling thread keeps what jansson frees for what
 * it allocates next, up to JSON_POOL_BYTES: a create of a namespace needs some
 * 100 KiB, and a hundred of them may be under way.
 *
 * What is kept are malloc's own pieces, so whatever jansson gives away
 * (json_dumps) is freed by free(), as before; and other threads use malloc.
 * Nothing is kept where a sanitizer watches.
 */
enum { JSON_POOL_BYTES = 16 * 1024 * 1024 };

/* From now on, and for the rest of the process. */
void json_pool_begin(void);

/* How many bytes are kept just now; and give them back. */
size_t json_pool_kept(void);
void json_pool_trim(void);
