#pragma once

/*
 * Patterns as Go's path.Match reads them, with which Docker filters names of
 * images: "*" is any run of characters but "/", "?" any one but "/", "[a-z]"
 * and
 * "[^a-z]" one of a set, "\x" the character x. The time is bounded by the
 * product of the lengths of both.
 */

#include "policy/base/str.h"

/* Does all of TEXT fit PATTERN? A malformed pattern fits nothing. */
bool glob_matches(struct str pattern, struct str text);
