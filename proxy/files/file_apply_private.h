#pragma once

/* What file_apply.c and file_apply_content.c share. */

#include <sys/stat.h>

#include "proxy/files/file_apply.h"

/* A path's last part with a NUL. */
struct apply_name {
    char text[LIMIT_FILES_NAME + 1];
};
struct apply_name apply_name_of(struct str path);

/*
 * The directory of PATH, which stays APPLY's; or a negative errno. A new
 * temporary name for something in it is in apply->temporary.
 */
int apply_folder(struct file_apply *apply, struct str path);
int apply_temporary(struct file_apply *apply, struct str path);

/*
 * Is NAME in FOLDER still what FLAGS and BEFORE say? *ST is what is there, if
 * something should be.
 */
enum file_status apply_check(int folder, const char *name,
                             const struct file_entry *before, unsigned flags,
                             struct stat *st);

/*
 * Let apply->temporary become NAME, where apply_check() was content. What is
 * made has no owner but ours and is not seen until then.
 */
enum file_status apply_rename(struct file_apply *apply, int folder,
                              const char *name, unsigned flags);

/* Give what FD is to whom it belongs; REPLACED may be NULL. */
int apply_owner(const struct file_apply *apply, int fd,
                const struct file_entry *entry, const struct stat *replaced);
