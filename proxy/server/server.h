#pragma once

/*
 * The running program: a berth for each policy file, and the signals that
 * change or end them. SIGHUP reads the files again and opens the audit files
 * anew, SIGTERM and SIGINT stop once open exchanges are over (or the drain
 * time is), a second one at once. SIGUSR1 does the same and removes no
 * leftovers, for another berth comes in its place. A berth whose listeners
 * another process has taken over goes on for those clients it has, in the same
 * way.
 */

#include "policy/config/policy.h"

struct server_config {
    const char *const *files; /* policy files; none: the policy without one */
    size_t file_count;
    const struct policy_override *overrides;
    size_t override_count;
    bool unconfined; /* without a sandbox */
    bool takes_over; /* listeners that other processes have */
    bool shares;     /* other processes may serve the same namespaces */
};

/* Serve until told to stop. CONFIG must outlive the call. Returns 0; or a
 * negative number when nothing could be served, with the reason on stderr. */
int server_run(const struct server_config *config);
