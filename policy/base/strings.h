#pragma once

/* Lists, as settings hold them. */

#include <stddef.h>

#include "policy/base/str.h"

struct strings {
    char **items;
    size_t count;
};

/* Append a copy of TEXT; for lists that have a maximum. */
void strings_add(struct strings *list, struct str text);
/* Frees the strings, and leaves an empty list. */
void strings_fini(struct strings *list);

/* Objects with a shape of their own: COUNT structs in a row. */
struct objects {
    void *items;
    size_t count;
};
