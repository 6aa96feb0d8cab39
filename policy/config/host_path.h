#pragma once

/*
 * Paths of the host, as a client writes them and as the policy maps them. Only
 * the text is looked at: what is a symbolic link over there, nobody here knows.
 */

#include "policy/config/rules.h"

/*
 * What is wrong with TEXT as an absolute path that says nothing in two ways: no
 * "//", no "." or "..", no control bytes, not too long. NULL when nothing is.
 * One "/" at the end is fine.
 */
const char *path_fault(struct str text);

/* PATH without a "/" at the end, unless it is the root. */
struct str path_trim(struct str path);

/* Is PATH in DIRECTORY, or the same? Both trimmed; compared by components. */
bool path_is_within(struct str path, struct str directory);

/* Is it, by its name, the socket of a container engine? */
bool path_is_engine_socket(struct str path);

/* The rule with the longest source that PATH (trimmed) is within, or NULL. */
const struct mount_rule *mount_rule_find(const struct objects *mounts,
                                         struct str path);

/* Append what PATH, found within RULE's source, is on the host. 0 or
 * -ENOBUFS. */
int mount_rule_map(const struct mount_rule *rule, struct str path,
                   struct strbuf *out);
