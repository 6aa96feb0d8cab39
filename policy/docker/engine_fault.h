#pragma once

/*
 * Faults of engines that let what runs in a container, or is built, reach what
 * is beside it: who shares an engine should know of them. By version only, so
 * fixes that a distribution backports are not seen. Not here, since no request
 * that berth passes on leads there: authorization plugins (CVE-2026-34040),
 * privileges of plugins (CVE-2026-33997); since Docker is not concerned:
 * CVE-2026-41579 of runc, CVE-2026-46680 of containerd; since it concerns the
 * client: CVE-2026-17106.
 */

#include "policy/base/str.h"

struct engine_fault {
    const char *component; /* as /version calls it: "Engine", "runc" */
    const char *id;        /* one or more, fixed together */
    const char *fixed[4];  /* the first good version of each line, the newest
                              last; later lines are good, too */
    unsigned line;         /* how many numbers of a version name its line */
    const char *what;
    const char *since; /* the first bad version; NULL: all old ones are */
};

/*
 * The next fault that COMPONENT has at VERSION ("20.10.24+dfsg1"), the first
 * one behind AFTER, or of all when that is NULL. NULL when there is none.
 */
const struct engine_fault *engine_fault_next(const struct engine_fault *after,
                                             struct str component,
                                             struct str version);

/*
 * Was VERSION, or the commit that stands in for one, written by a distribution
 * ("28.5.2+dfsg4", "1.1.12-0ubuntu3.1", "2.1.5-1.fc41")? Its packages have
 * fixes that the number does not tell of.
 */
bool engine_fault_is_packaged(struct str version);
