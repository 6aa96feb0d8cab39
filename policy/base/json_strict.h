#pragma once

/*
 * The bytes of a request body as a JSON tree, or no. The engine's reader
 * merges duplicate keys, repairs invalid UTF-8 and overlooks what is
 * behind the value; here each of these is a refusal, so that the tree means to
 * everybody what it means to us. It is the tree, written anew, that travels on,
 * never these bytes.
 */

#include "policy/base/str.h"
#include "policy/base/verdict.h"

#include <jansson.h>

enum { JSON_E_REFUSED = 1 };

/*
 * Parse BYTES: one value with nothing but blanks around it, valid UTF-8, no
 * key twice in one object, no NUL (not as an escape either), no lone
 * surrogate, no integer outside int64, no number that overflows; at most
 * LIMIT_JSON_BODY bytes, LIMIT_JSON_DEPTH levels and LIMIT_JSON_VALUES values.
 * Returns 0 with *TREE, which the caller owns; or JSON_E_REFUSED with *WHY
 * (400, or 413 for one that is too large), saying where, but never quoting the
 * body. WHY->field is FIELD: "" for a body, "query labels" for a value in the
 * query.
 */
int json_strict_parse(struct str bytes, const char *field, json_t **tree,
                      struct verdict *why);
