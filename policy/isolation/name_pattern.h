#pragma once

/*
 * A value of Docker's "name" filters: a regular expression of Go (RE2), not
 * anchored, tried on the names that the runner knows. An expression that Go
 * cannot read matches nothing, as on the engine.
 *
 * It is run by PCRE2. What PCRE2 has beyond Go (back references, look-around,
 * possessive and nested repetition, callouts, verbs, \K, \R, \X) is not read,
 * so that what means nothing to an engine means nothing here. What remains
 * different: \pN and its like know the Unicode version of PCRE2, \C is not
 * read, a repetition may count to 65535 rather than 1000, and a match that
 * takes more than LIMIT_MATCH_STEPS steps, which Go would finish, fails.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"

struct name_pattern;

/*
 * The pattern TEXT; never NULL, though it may be one that matches nothing.
 * STEPS are those that it may still take, together with others that share them:
 * it counts them down, and at 0 it matches only its own text.
 * name_pattern_free takes NULL and returns it.
 */
struct name_pattern *name_pattern_new(struct str text, size_t *steps);
struct name_pattern *name_pattern_free(struct name_pattern *pattern);

/* Is NAME the text of the pattern, or does the pattern match in it? */
bool name_pattern_matches(const struct name_pattern *pattern, struct str name);
