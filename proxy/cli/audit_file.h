#pragma once

/*
 * The audit's file, record by record, from its beginning to its end or for as
 * long as it grows. One that was rotated away is read to its end, and then the
 * new one from its beginning.
 */

#include <jansson.h>

#include "policy/base/str.h"

/* A record of the file; false to read no further. */
typedef bool (*record_cb)(const json_t *record, void *arg);

/*
 * Read PATH ("-": standard input), and go on for ever if FOLLOW. Returns the
 * number of lines that are no records; or a negative errno.
 */
long audit_file_read(const char *path, bool follow, record_cb each, void *arg);

/* A line, without its newline; false to read no further. */
typedef bool (*audit_line_cb)(struct str line, void *arg);

/* Read the lines of PATH as they are, to its end. 0; -ENOBUFS when EACH did not
 * take one; or another negative errno (-EFBIG: a line is no record's). */
int audit_file_read_lines(const char *path, audit_line_cb each, void *arg);
