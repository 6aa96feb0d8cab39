#pragma once

/*
 * The lease that a berth has on a namespace while it serves it, so that others
 * know that it does (policy/isolation/lease.h). No request goes to the engine
 * before berth has it, nor once it may be over.
 */

#include <event2/event.h>

#include "proxy/upstream/pool.h"

struct lease;

struct lease_config {
    struct event_base *base;
    struct pool *pool; /* outlives it */
    const char *ns;    /* copied */
    unsigned term_ms;  /* 0: there is to be none, and those that are there go */
    bool shares; /* others may serve the namespace, too (--share-namespace) */
    unsigned wait_ms; /* requests that it admits may wait so long yet */
    /* For what has to be removed first (sweep.h) */
    int (*audit)(void *arg, struct str line);
    bool audit_required;
    void (*on_admit)(void *arg); /* it did not admit, and does now */
    void *arg;
};

struct lease *lease_new(const struct lease_config *config);
/* What is on the engine stays: until its term is over, or who comes next has a
 * lease of its own. NULL is fine; returns NULL. */
struct lease *lease_free(struct lease *lease);

/* Was it made of an equal CONFIG? */
bool lease_is_as(const struct lease *lease, const struct lease_config *config);

/* May a request go to the engine now? If not, *WHY is a sentence for its
 * client, good until the next turn of the loop. */
bool lease_admits(const struct lease *lease, const char **why);

/* Has another berth served the namespace before this one, and does it go on?
 * Then it admits nothing, and what is on the engine is that berth's. */
bool lease_is_anothers(const struct lease *lease);

/* For people: "held", "none", or what it waits for, in a word or two. */
const char *lease_word(const struct lease *lease);
