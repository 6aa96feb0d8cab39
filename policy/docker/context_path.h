#pragma once

/*
 * Paths in the context of a build, made clean as an engine does before it looks
 * at them (Go's filepath.Clean, below the context's root).
 */

#include "policy/base/str.h"

/*
 * Append PATH without "." parts, empty parts, a leading slash and "..", which
 * takes the part before it away: "a//./b/../c" is "a/c". The root itself is the
 * empty path. 0; or -EINVAL when it leads out of the context or holds a NUL; or
 * -ENOBUFS.
 */
int context_path_clean(struct strbuf *out, struct str path);

/* Does PATH lie in FOLDER, at any depth? Both are clean. */
bool context_path_is_in(struct str path, struct str folder);
