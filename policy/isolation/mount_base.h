#pragma once

/*
 * Which directory of the host a path of the host is looked up in, so that no
 * symbolic link leads out of it: an engine follows links in the source of a
 * bind, and none out of a volume. MOUNTS (struct mount_rule; may be NULL) are
 * the policy's; paths are absolute and trimmed. /var/run is /run.
 */

#include "policy/config/rules.h"

/*
 * The widest directory that containers may write to and that has PATH below it,
 * a slice of MOUNTS, or "": who writes there decides what the rest of PATH
 * leads to. What the engine may make ("create") is none.
 */
struct str mount_base_written(const struct objects *mounts, struct str path);

/* The directory that the nearest rule has PATH below, if that is to be there
 * already, or "": others than containers may make links in it. */
struct str mount_base_listed(const struct objects *mounts, struct str path);

/* Where PATH goes on behind DIRECTORY, which it is within; no slash in front.
 */
struct str mount_base_rest(struct str path, struct str directory);
