#pragma once

/* All hosts of a policy, as a command goes through them once: those that it
 * names, and those that SRV records tell, which are looked up, and waited for.
 */

#include "policy/config/policy.h"
#include "policy/config/upstream_target.h"

struct host_visit {
    const struct upstream_config *config; /* the way there; */
    const struct upstream_config *of; /* the same, or that it is a target of */
    const struct srv_target *target;  /* the record that tells it, or NULL */
    const char
        *why; /* not NULL: CONFIG is OF, and there are no targets of it */
};

void each_host(const struct policy *policy,
               void (*visit)(const struct host_visit *visit, void *arg),
               void *arg);
