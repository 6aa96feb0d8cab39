#pragma once

/*
 * The patterns of a policy: text in which "*" stands for any run of
 * characters, and everything else for itself.
 */

#include "policy/base/str.h"
#include "policy/base/strings.h"

bool pattern_matches(struct str pattern, struct str text);

/* Does any pattern of LIST match? */
bool strings_match(const struct strings *list, struct str text);

/* Is TEXT itself in LIST? */
bool strings_have(const struct strings *list, struct str text);
