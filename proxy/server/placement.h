#pragma once

/*
 * Finds the host that a namespace lives on, of several (host_choice.h): asks
 * the engine of each for its ID, for how busy it is, and for what the namespace
 * has there. It goes on asking until one is found; and where SRV records tell
 * which hosts there are, goes on asking for these, too. The links to all hosts
 * are there meanwhile, shared with whoever else of this process uses them.
 */

#include "proxy/server/runtime.h"

enum {
    PLACEMENT_GRACE_MS = 1000, /* for all to tell, where one has something */
    PLACEMENT_AGAIN_MS = 500,  /* before a host that did not tell is asked */
    PLACEMENT_ANEW_MS = 10000, /* before one that told is, for it may change */
    PLACEMENT_ANSWER_MS = 10000,   /* for one answer */
    PLACEMENT_SRV_MS = 5000,       /* before a name without SRV records, or that
                                      was not answered, is asked for again, */
    PLACEMENT_SRV_ANEW_MS = 30000, /* and before one with some is */
};

struct placement;

/* Number AT of the policy's hosts, or a target of it; BACKEND's reference is
 * the callee's. Comes from the event loop, and the placement is gone. */
typedef void (*placement_cb)(struct backend *backend, size_t at, void *arg);

/* ON_WHY is told, from the event loop, what it waits for, when that changes. */
struct placement *placement_new(struct runtime *runtime, struct policy *policy,
                                placement_cb on_placed,
                                void (*on_why)(const char *why, void *arg),
                                void *arg);
/* NULL is fine; returns NULL. */
struct placement *placement_free(struct placement *placement);
