#pragma once

/*
 * The syslog daemon's socket, without syslog(3), which waits for a daemon that
 * does not read. A record is one datagram (RFC 3164 as glibc writes it).
 */

#include "policy/base/str.h"

#define SYSLOG_PLACE "/dev/log"

/* A non-blocking socket that is connected to PLACE, or a negative errno. */
int syslog_connect(const char *place);

/*
 * Append LINE, which ends with a newline, with its head: the priority (facility
 * authpriv, informational), the local time, the program. 0 or -ENOBUFS.
 */
int syslog_put(struct strbuf *out, int64_t seconds, struct str line);
