#pragma once

/*
 * On which of several hosts a namespace lives. It lives where it has something,
 * and nowhere else; one that has nothing yet goes to the less loaded of the two
 * hosts that its name comes to first. So berths that know nothing of each other
 * spread their namespaces evenly, even when all of them begin at once. Plain
 * values: placement.h asks the engines.
 */

#include <stdbool.h>
#include <stddef.h>

#include "policy/base/str.h"

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
};

enum host_choice {
    HOST_CHOSEN,
    HOST_WAIT,    /* for what WHY says; ask again */
    HOST_REFUSED, /* until somebody does what WHY says */
};

/*
 * Choose one of HOSTS, at most LIMIT_HOSTS of them, for namespace NS: *AT; or
 * say in WHY why not, and what to do. A host that did not tell may have what is
 * the namespace's: where nobody else has it, it is waited for, unless
 * SKIP_MISSING.
 */
enum host_choice host_choose(struct str ns, const struct host_facts *hosts,
                             size_t count, bool skip_missing, size_t *at,
                             struct strbuf *why);
