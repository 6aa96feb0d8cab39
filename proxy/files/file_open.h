#pragma once

/*
 * Names below a directory, for whoever must not be led out of it: by openat2()
 * with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS. Needs
 * Linux 5.6.
 */

#include "proxy/files/file_wire.h"

/*
 * Open PATH, "" for ROOT itself, by FLAGS of open() without O_CREAT. Returns a
 * descriptor, or a negative errno: -ELOOP for a symbolic link at any place,
 * -EXDEV for a way out.
 */
int file_open_beneath(int root, struct str path, int flags);

/*
 * Open the directory PATH, which is absolute, to be read, with no symbolic link
 * on the way: -ELOOP. Otherwise as above.
 */
int file_open_root(const char *path);

/* What an errno, negative or not, means for one name. */
enum file_status file_status_of(int error);

/* For AUTO(): close what is not negative. */
void file_close(int *fd);
