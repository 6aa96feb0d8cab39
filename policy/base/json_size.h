#pragma once

#include <jansson.h>

/*
 * About how many bytes of memory VALUE holds: jansson's own structures on a
 * 64-bit machine, keys and texts. A shared part counts wherever it is. NULL
 * holds none.
 */
size_t json_memory(const json_t *value);
