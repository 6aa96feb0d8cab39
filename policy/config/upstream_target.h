#pragma once

/*
 * A host that the SRV records of a name tell of (RFC 2782): to be reached as
 * the policy says about the name, but for host and port.
 */

#include "policy/config/upstream_config.h"

/* One record. */
struct srv_target {
    unsigned priority; /* the smallest goes first */
    unsigned weight;   /* of those of one priority: so much each, in relation */
    unsigned port;     /* 1 to 65535 */
    char host[LIMIT_HOST + 1];
};

/*
 * Fill CONFIG with the way to HOST and PORT, as OF says, which is one with SRV
 * records and lives longer: CONFIG shares what OF points to, and is freed by
 * upstream_target_fini alone. 0; or URL_E_INVALID when HOST is not one that a
 * URL could name (what DNS says is as good as its answer).
 */
int upstream_target_make(struct upstream_config *config,
                         const struct upstream_config *of, const char *host,
                         unsigned port);
void upstream_target_fini(struct upstream_config *config);
