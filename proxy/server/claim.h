#pragma once

/*
 * A namespace on an engine is one runner's: two berths that serve the same one
 * would each take the other's containers for its own. Policies of one process
 * are compared when they are read (policies.h); a claim shows other processes
 * of this machine what is served. It is an abstract Unix socket, so it needs
 * no directory and goes with its process.
 *
 * What it cannot see: processes in another network namespace or on another
 * machine, and the same engine under another address. Those are seen by their
 * leases, later (policy/isolation/lease_rivals.h). A name that another
 * user's process holds is no berth of ours (anybody may bind one), so it is
 * only reported.
 */

#include <event2/event.h>

#include "policy/base/str.h"

struct claim;

struct claims {
    struct event_base *base;
    struct claim *first;
};

/*
 * Claim NAMESPACE on ENGINE (upstream_config_engine) for this process, or take
 * another reference to the claim that it has. 0 and *OUT; or -EADDRINUSE with a
 * line in WHY when another process of this user's, or root's, has it.
 */
int claim_get(struct claims *all, const char *namespace_, struct str engine,
              struct claim **out, struct strbuf *why);

/*
 * The same, of FD, which another process of ours has claimed with and hands
 * over; it is taken or closed. One of another claim's, and -1, mean nothing.
 */
int claim_take(struct claims *all, const char *namespace_, struct str engine,
               int fd, struct claim **out, struct strbuf *why);
/* What another process needs for that; it stays CLAIM's. -1: nothing. */
int claim_fd(const struct claim *claim);

/* The last reference gives it up. NULL is fine; returns NULL. */
struct claim *claim_unref(struct claim *claim);
