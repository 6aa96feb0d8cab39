#pragma once

/*
 * The answer to "may this go to the engine?". A refusal is a value, not an
 * error, and the zero value is one: forgetting to decide refuses.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"

enum verdict_kind {
    VERDICT_DENY = 0,
    VERDICT_ALLOW,
};

struct verdict {
    enum verdict_kind kind;
    int status;      /* deny: the HTTP status, 403 unless it is malformed */
    char rule[64];   /* which rule spoke: "operations.allow",
                        "container.privileged", "request.path" */
    char field[160]; /* where: "HostConfig.Mounts[0].Source", "query t",
                        or empty */
    char reason[LIMIT_REASON]; /* for the client: what, why, and the remedy */
};

void verdict_allow(struct verdict *verdict, const char *rule);

/*
 * Refuse with STATUS by RULE. FIELD may be "". The sentence is cut at
 * LIMIT_REASON; bytes of a peer in it are shown as printable ASCII.
 */
void verdict_deny(struct verdict *verdict, int status, const char *rule,
                  const char *field, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
