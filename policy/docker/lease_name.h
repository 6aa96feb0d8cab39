#pragma once

/*
 * What berth has on the engine so that others know whether a namespace is in
 * use: volumes, for every engine has them and makes one in a millisecond, from
 * no image, with the time by its own clock. None is in any namespace, for their
 * names have a "_" in front of the dot and their label is another; so no
 * runner ever meets them.
 */

#define LABEL_LEASE      "berth.lease"      /* whose it is */
#define LABEL_LEASE_TERM "berth.lease.term" /* seconds, of a lease */
/* Of a record of who watched leases: which, and for how many ms. */
#define LABEL_LEASE_PRINT "berth.lease.print"
#define LABEL_LEASE_SEEN  "berth.lease.seen"

/* Each is followed by the namespace, a dot, and what makes it unique. */
#define LEASE_NAME       "berth_lease."
#define LEASE_MARK_NAME  "berth_sweep." /* somebody removes all that it has */
#define LEASE_WATCH_NAME "berth_watch." /* leases were the same for so long */
