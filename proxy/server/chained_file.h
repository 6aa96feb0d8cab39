#pragma once

/*
 * The file of a chained record (policy/record/audit_chain.h), which several
 * listeners and processes may append to. Each line is written under a lock, and
 * after a look at what others have written meanwhile; and the chain goes on
 * over rotations and restarts:
 *
 * - Files of one path are one chain in this process.
 * - A file that is not empty is gone on with from its last line.
 * - An empty one is gone on with from what this process wrote last, or from the
 *   last line of PATH.1, whichever is later.
 *
 * So a chain begins anew only if the record is new, or if the file was rotated
 * to another name than PATH.1 while no berth ran.
 */

#include "policy/base/str.h"

struct chained_file;

/* The chain of PATH; the descriptor is the caller's. */
struct chained_file *chained_file_new(const char *path);
/* NULL is fine; returns NULL. */
struct chained_file *chained_file_free(struct chained_file *file);

/* How long a line waits for another process's. */
enum { CHAINED_FILE_WAIT_MS = 200 };

/*
 * Append LINE, with its newline, to FD, which is open for reading and appending
 * to a regular file. 0; or a negative errno, with which nothing of it is there,
 * or a part that the next line begins anew behind. -EBUSY: another process has
 * the lock for more than CHAINED_FILE_WAIT_MS. -ESTALE: the file was renamed or
 * removed, so open the path anew; not with ANYWAY, for when that cannot be.
 */
int chained_file_write(struct chained_file *file, int fd, struct str line,
                       bool anyway);
