#pragma once

/*
 * What all listeners of one process share: the event loop, the ways to the
 * engines, the order in which clients get their turns.
 */

#include "proxy/net/line_writer.h"
#include "proxy/net/memory.h"
#include "proxy/net/turns.h"
#include "proxy/server/backend.h"
#include "proxy/server/claim.h"

struct runtime {
    struct event_base *base;
    struct line_writer *log; /* stderr, whose reader may stall */
    struct event *trim;      /* gives memory back now and then */
    struct backends backends;
    struct turns turns;
    struct memory memory;
    bool claims_namespaces; /* whoever else serves one on this machine is
                               refused, or refuses us (claim.h) */
    struct claims claims;
    bool listens; /* ports may be listened on, as they are not for one client
                     of a process of its own */
};

/* From here on, the log is written by the loop, LIMIT_LOG_QUEUE bytes of it
 * at most waiting for its reader. */
void runtime_init(struct runtime *runtime);

/*
 * The end: no frontend may be left. What frees itself in a later turn of the
 * loop does so now.
 */
void runtime_fini(struct runtime *runtime);

/* Run the loop until nothing is due any more: what was put off has happened. */
void runtime_settle(struct runtime *runtime);
