#pragma once

/*
 * On which of several hosts a namespace lives. It lives where it has something,
 * and nowhere else; one that has nothing yet goes to the less loaded of the two
 * hosts that its name comes to first. So berths that know nothing of each other
 * spread their namespaces evenly, even when all of them begin at once. Of hosts
 * that SRV records tell (RFC 2782), those of the smallest priority that may be
 * given something come first, and the others only where there are none; and the
 * weight is what one can take in relation to others, as its CPUs are. Plain
 * values: placement.h asks the engines.
 */

#include <stdbool.h>
#include <stddef.h>

#include "policy/base/limits.h"
#include "policy/base/str.h"

/* Those of a policy, and names of which no SRV records are known yet. */
enum { HOSTS_MOST = 2 * LIMIT_HOSTS };

/* What a host has told. */
struct host_facts {
    const char *url;
    const char *engine; /* its ID; "": it did not tell */
    const char *why;    /* then: why not */
    bool has;           /* something of the namespace */
    bool drained;       /* nothing new goes there */
    unsigned running;   /* containers, of anybody */
    unsigned placed;    /* namespaces that were sent there lately, and may have
                           nothing running yet */
    unsigned cpus;      /* 0 is 1 */
    unsigned priority;  /* of a target of SRV records; else 0 */
    unsigned weight;    /* the same; 0 beside others that have one is next to
                           nothing (the RFC), and here: nothing new */
};

enum host_choice {
    HOST_CHOSEN,
    HOST_WAIT,    /* for what WHY says; ask again */
    HOST_REFUSED, /* until somebody does what WHY says */
};

/*
 * Choose one of HOSTS, at most HOSTS_MOST, for namespace NS: *AT; or say in WHY
 * why not, and what to do. A host that did not tell may have what is the
 * namespace's: where nobody else has it, it is waited for, unless SKIP_MISSING.
 */
enum host_choice host_choose(struct str ns, const struct host_facts *hosts,
                             size_t count, bool skip_missing, size_t *at,
                             struct strbuf *why);
