#pragma once

/*
 * Where audit records go: a file (made with mode 0600, only ever appended to),
 * standard output, or syslog.
 *
 * A reader of standard output, of a pipe or of syslog that stalls never blocks
 * berth: LIMIT_AUDIT_QUEUE bytes wait for it, and further records are refused
 * like those for which a disk has no room.
 */

#include <event2/event.h>

#include "policy/config/policy.h"

struct audit_sink;

/*
 * As POLICY says. BASE's loop writes on what waits for a reader; without
 * (NULL), the next record does. Returns 0 and fills *OUT; or a negative errno
 * when the file cannot be opened (-ENXIO: a named pipe that has no reader).
 */
int audit_sink_new(struct event_base *base, const struct audit_policy *policy,
                   struct audit_sink **out);
struct audit_sink *audit_sink_free(struct audit_sink *sink);

/*
 * Append LINE, which ends with a newline, as a whole. 0, or a negative errno;
 * then nothing of it, or a cut line that the next record starts anew behind,
 * is in the file. Faults are logged when they begin and when they end.
 */
int audit_sink_write(struct audit_sink *sink, struct str line);

/*
 * Is the file system of the file nearly full (less than AUDIT_SPACE_LOW
 * bytes, or a twentieth of a small one, is left)? That is logged when it
 * begins and when it ends, so that the operator hears of it before records are
 * lost; records of what changes nothing should then be left out.
 */
bool audit_sink_is_low(struct audit_sink *sink);

/* After a log rotation: open the path anew. On failure the old file stays. */
void audit_sink_reopen(struct audit_sink *sink);

/* The loop ends: what waits on standard output is written now, if its reader
 * takes it within a moment. */
void audit_sink_end(void);
