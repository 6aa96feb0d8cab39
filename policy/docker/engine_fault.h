#pragma once

/*
 * Faults of engines that let what runs in a container reach what is beside it,
 * and that no policy closes: who shares an engine should know of them. By
 * version only, so fixes that a distribution backports are not seen.
 */

#include "policy/base/str.h"

struct engine_fault {
    const char *component; /* as /version calls it: "Engine", "runc" */
    const char *id;
    const char *fixed[4]; /* the first good version of each line, the newest
                             last; later lines are good, too */
    unsigned line;        /* how many numbers of a version name its line */
    const char *what;
};

/*
 * The next fault that COMPONENT has at VERSION ("20.10.24+dfsg1"), the first
 * one behind AFTER, or of all when that is NULL. NULL when there is none.
 */
const struct engine_fault *engine_fault_next(const struct engine_fault *after,
                                             struct str component,
                                             struct str version);
