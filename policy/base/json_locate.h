#pragma once

/*
 * Where in a JSON text something is. jansson tells positions of syntax
 * errors only; these functions walk a text that jansson has already found
 * valid (and free of duplicate keys) to the value at a path.
 */

#include "policy/base/str.h"

/*
 * A path, built on the stack while walking down: NULL is the root; KEY leads
 * to a member of UP, or, being NULL, INDEX to an element of it.
 */
struct json_path {
    const struct json_path *up;
    const char *key;
    size_t index;
};

struct json_position {
    unsigned line;   /* from 1 */
    unsigned column; /* from 1, in characters rather than bytes */
};

/* The line and column of the byte at OFFSET. */
struct json_position json_position_of(struct str text, size_t offset);

/* The start of the token that the byte before END belongs to. */
size_t json_token_start(struct str text, size_t end);

/* Where the value at PATH starts; false when there is none. */
bool json_locate(struct str text, const struct json_path *path,
                 struct json_position *position);

/* The same for the key of a member. */
bool json_locate_key(struct str text, const struct json_path *path,
                     struct json_position *position);

/* Append PATH as people write it: "container.mounts[0].source". The root is
 * empty. 0 or -ENOBUFS. */
int json_path_put(struct strbuf *out, const struct json_path *path);
