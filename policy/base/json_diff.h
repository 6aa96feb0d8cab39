#pragma once

/*
 * What became of a JSON body, for people: one row for each value that is not
 * what it was, at the deepest place where the two differ.
 */

#include <jansson.h>

/*
 * The rows that lead from BEFORE to AFTER (either may be NULL: nothing at all),
 * in their order, as an array that the caller owns:
 *
 *     {"path": "HostConfig.Memory", "before": 0, "after": 4294967296}
 *
 * without "before" where something was added, without "after" where it was
 * taken away. A null, which to Docker is nothing, is nothing here too. A key in
 * another spelling is a row with "renamed" and what it is called now; its value
 * is then compared.
 */
json_t *json_diff(const json_t *before, const json_t *after);
