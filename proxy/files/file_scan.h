#pragma once

/*
 * What lies below a directory. Names are opened one part at a time and never
 * through a link, so nothing outside is seen, whoever moves what meanwhile.
 *
 * Sockets, FIFOs and devices are in the table as FILE_OTHER, and so is a name
 * that was a directory a moment ago. A directory that cannot be read, or is
 * deeper than LIMIT_FILES_DEPTH, is opaque: its content is unknown, which is
 * not the same as empty. Other file systems that are mounted below are seen.
 */

#include "proxy/files/file_mounts.h"
#include "proxy/files/file_table.h"
#include "proxy/files/file_watch.h"

/*
 * Fill the empty TABLE with what lies below the directory ROOT and within
 * MOUNTS, and remove what an interrupted file_apply() left. What is exactly as
 * in OLD, an earlier scan of the same tree or NULL, is shared with it, and not
 * even looked at where WATCH, if it is not NULL, knows that it is. Returns
 * 0; -EFBIG over LIMITS; -ENOENT when ROOT itself is removed; or why the scan
 * stopped, as -EMFILE. TABLE then holds a part. A caller who does not take
 * TABLE for the next OLD calls file_watch_forget().
 */
int file_scan(int root, const struct file_mounts *mounts,
              const struct file_limits *limits, const struct file_table *old,
              struct file_watch *watch, struct file_table *table);
