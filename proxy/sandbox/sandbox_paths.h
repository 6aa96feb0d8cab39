#pragma once

/*
 * Which files a process that serves policies has business with. Mostly
 * directories: editors, rotations and Kubernetes put new files in the place of
 * old ones. So what lies beside a key can be read, too, and keys want a
 * directory of their own. Plain values; sandbox_landlock.c makes rules of them.
 */

#include "proxy/base/policies.h"

enum sandbox_access {
    SANDBOX_READ,    /* and what is below */
    SANDBOX_APPEND,  /* open for writing, and make new files */
    SANDBOX_SOCKETS, /* make and remove sockets and their locks */
    SANDBOX_FILES,   /* read, make, change and remove all but devices */
};

struct sandbox_path {
    char *path;
    enum sandbox_access access;
};

struct sandbox_paths {
    struct sandbox_path *items;
    size_t count, room;
};

void sandbox_paths_fini(struct sandbox_paths *paths);

/* Add what FILES, which hold the policies, and what the POLICIES name. */
void sandbox_paths_add(struct sandbox_paths *paths, const char *const *files,
                       size_t file_count, const struct policies *policies);

/* Add what libraries read to find hosts, groups and the time. */
void sandbox_paths_add_system(struct sandbox_paths *paths);

/* Is there a directory of which files are copied, to be written to or not? */
bool sandbox_paths_copy(const struct policies *policies);

/* Is each of WANTED among ALLOWED, or below? If not, say in WHY which. */
bool sandbox_paths_cover(const struct sandbox_paths *allowed,
                         const struct sandbox_paths *wanted,
                         struct strbuf *why);
