#pragma once

/* Lists, as settings hold them. */

#include <stddef.h>

struct strings {
    char **items;
    size_t count;
};

/* Objects with a shape of their own: COUNT structs in a row. */
struct objects {
    void *items;
    size_t count;
};
