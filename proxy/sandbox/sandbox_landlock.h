#pragma once

/*
 * Linux's Landlock: from now on this process, and nobody else, can open only
 * what it was told of before. Nothing can take that back.
 */

#include "proxy/sandbox/sandbox_paths.h"

/*
 * Confine the calling thread, the only one yet, to PATHS; those that are not
 * there are left out. Returns the version of Landlock that the kernel has (1 or
 * higher); or a negative errno, and nothing is confined (-ENOSYS, -EOPNOTSUPP:
 * this kernel has none). No new privileges must be given already.
 */
int sandbox_landlock(const struct sandbox_paths *paths);
