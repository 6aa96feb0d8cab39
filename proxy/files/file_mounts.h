#pragma once

/*
 * Which paths of a tree containers have mounted. Only these and what lies
 * below them travel. Where a mount ends, the name must stay what it is: a
 * directory that an engine mounted cannot go while the container may restart,
 * and a file that it mounted is the inode that the container keeps.
 */

#include "proxy/files/file_entry.h"

struct file_mounts {
    char *paths[LIMIT_FILES_MOUNTS];
    size_t count; /* 0: everything travels, and no name must stay */
};

void file_mounts_fini(struct file_mounts *mounts);

/*
 * Add PATH, "" for the root itself. Returns 0, also when it is there already;
 * -EINVAL when it is no good path, -ENOBUFS over LIMIT_FILES_MOUNTS.
 */
int file_mounts_add(struct file_mounts *mounts, struct str path);

void file_mounts_remove(struct file_mounts *mounts, struct str path);

/* Is PATH itself one of MOUNTS? */
bool file_mounts_have(const struct file_mounts *mounts, struct str path);

/* Does PATH travel, or only something below it, or neither? */
enum file_scope {
    FILE_OUTSIDE,
    FILE_ABOVE,
    FILE_INSIDE,
};
enum file_scope file_mounts_scope(const struct file_mounts *mounts,
                                  struct str path);

/* Must the name PATH stay: is it mounted, or is something below it? */
bool file_mounts_pin(const struct file_mounts *mounts, struct str path);
