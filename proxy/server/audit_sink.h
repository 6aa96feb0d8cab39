#pragma once

/*
 * Where audit records go: a file (made with mode 0600, only ever appended to),
 * standard output, or syslog.
 */

#include "policy/base/str.h"

struct audit_sink;

/*
 * TO as in a policy's audit.to: a path, "stdout", "syslog", or NULL for none.
 * Returns 0 and fills *OUT; or a negative errno when the file cannot be opened.
 */
int audit_sink_new(const char *to, struct audit_sink **out);
struct audit_sink *audit_sink_free(struct audit_sink *sink);

/*
 * Append LINE, which ends with a newline, as a whole. 0, or a negative errno;
 * then nothing of it, or a cut line that the next record starts anew behind,
 * is in the file. Faults are logged when they begin and when they end.
 */
int audit_sink_write(struct audit_sink *sink, struct str line);

/* After a log rotation: open the path anew. On failure the old file stays. */
void audit_sink_reopen(struct audit_sink *sink);
