#pragma once

/*
 * "berth clean": finds the namespaces that have something on an engine, and
 * removes what those have left that nobody uses any more. How old something is
 * goes by the engine's clock alone, so that of this machine does not matter.
 * The living are spared by their lease (policy/isolation/lease.h); where they
 * have none, by their age; and by name where a berth answers on the socket of
 * the policy. Those whose lease is over go whatever their age, after a while in
 * which they could have made it anew.
 */

#include "policy/config/policy.h"
#include "proxy/server/audit_sink.h"

struct cleaner_config {
    const struct policy *policy; /* the record, and what it says of hosts */
    const struct upstream_config *host; /* one of them */
    struct audit_sink *audit;
    const char *pattern; /* of namespaces, "*" for any run of characters; NULL:
                            the policy's own */
    const char *spared;  /* a namespace that is alive, or NULL */
    uint64_t age_ms;     /* of the newest object; younger ones stay, */
    bool age_always;     /* even where a lease is over */
    bool force;          /* leases keep nobody */
    bool dry_run;
};

/* What came of it. */
struct cleaner_result {
    unsigned removed, failed, spared; /* objects, objects, namespaces */
};

/*
 * Do it, and print a line for each namespace and each object that is gone, or
 * with dry_run would go, to standard output; what cannot be removed to standard
 * error. 0; or -EIO with WHY when the engine cannot be asked.
 */
int cleaner_run(const struct cleaner_config *config,
                struct cleaner_result *result, struct strbuf *why);
