#pragma once

/*
 * What a path of the runner is on the engine's host, where the runner is itself
 * a container there: which of its container's mounts it lies in. Found in what
 * an inspect of that container says, and nowhere else.
 *
 * A path below a mount is given as a subpath of a volume, never as a longer
 * path of the host: whoever may write below a mount may make a symbolic link
 * there, which an engine follows anywhere in a bind, and not out of a volume.
 */

#include <jansson.h>

#include "policy/base/str.h"

enum runner_mount_kind {
    RUNNER_MOUNT_NONE,   /* the path is in no mount */
    RUNNER_MOUNT_OTHER,  /* in one that cannot be shared: a tmpfs, an image */
    RUNNER_MOUNT_VOLUME, /* in the volume SOURCE, at SUBPATH */
    RUNNER_MOUNT_PATH,   /* it is SOURCE of the host, and nothing below it */
    RUNNER_MOUNT_BELOW,  /* below the directory SOURCE of the host, at SUBPATH
                          */
};

struct runner_mount {
    enum runner_mount_kind kind;
    struct str destination; /* of the mount, in the runner's container */
    struct str source;
    struct strbuf subpath; /* empty: all of it */
    bool read_only;        /* to the runner */
    struct str hidden;     /* a mount below the path, which does not come along;
                              or empty */
    bool guarded; /* it is read-only, a tmpfs, or has another part of the same
                     on it: without it, more could be read or written */
};

/*
 * Look PATH (absolute, trimmed, see path_fault) up in INSPECTED, of which OUT
 * has slices. The mount with the longest destination holds it; a source that
 * lies in what another mount lets the runner write to is given as part of that.
 */
void runner_mount_find(const json_t *inspected, struct str path,
                       struct runner_mount *out);
void runner_mount_fini(struct runner_mount *mount);

/* Is INSPECTED what REF names: by its whole name, or by 12 or more digits of
 * its ID? And was it made by no runner of berth's? */
bool runner_is_named(const json_t *inspected, struct str ref);
bool runner_is_foreign(const json_t *inspected);
