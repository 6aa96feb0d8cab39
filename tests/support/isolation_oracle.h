#pragma once

/*
 * Is a request, as it goes to the engine, kept to one namespace? An opinion
 * that has nothing of rewrite*.c in it but the tables of places, for tests and
 * fuzzers to hold it against.
 */

#include <jansson.h>

#include "policy/docker/route.h"
#include "policy/isolation/own_ids.h"

/*
 * NULL, or the place in which MATCH, TARGET or BODY (may be NULL) name what is
 * not NS's own: neither by a name with NS in front nor by a word of OWNED (may
 * be NULL); or which lacks the label that makes a new thing its own. Images are
 * no runner's in this.
 */
const char *kept_wrong(struct str ns, struct own_ids *owned,
                       const struct route_match *match,
                       const struct target *target, json_t *body);
