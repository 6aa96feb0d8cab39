#pragma once

/*
 * "berth clean": finds the namespaces that have something on an engine, and
 * removes what those have left that nobody uses any more. How old something is
 * goes by the engine's clock alone, so that of this machine does not matter.
 * The living are spared by their age, and by name where a berth answers on the
 * socket of the policy: nobody else can tell from outside who is alive.
 */

#include "policy/config/policy.h"
#include "proxy/server/audit_sink.h"

struct cleaner_config {
    const struct policy *policy; /* the record, and the hosts, */
    size_t host;                 /* of which it is this one */
    struct audit_sink *audit;
    const char *pattern; /* of namespaces, "*" for any run of characters; NULL:
                            the policy's own */
    const char *spared;  /* a namespace that is alive, or NULL */
    uint64_t age_ms;     /* of the newest object; younger ones stay */
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
