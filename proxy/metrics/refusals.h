#pragma once

/*
 * The last refusals of one runner, for its operator: what was refused, why, and
 * what the policy would need to allow it. REFUSALS_KEPT of them, of a fixed
 * size each; the same again is counted, so that one client that asks in a loop
 * does not push out what others were refused.
 */

#include "policy/record/audit.h"

enum {
    REFUSALS_KEPT = 16,
    REFUSAL_PATH = 256,  /* bytes of what is kept of a path */
    REFUSAL_ALLOW = 512, /* and of what would allow it */
};

struct refusal {
    uint64_t time_ns; /* of the last */
    uint64_t count;
    enum operation operation;
    enum audit_verdict verdict; /* deny or would-deny */
    int status;                 /* of the reply */
    char rule[64], field[160], reason[LIMIT_REASON];
    char path[REFUSAL_PATH + 1];   /* UTF-8, as it was asked the last time */
    char allow[REFUSAL_ALLOW + 1]; /* lines of a policy, "KEY: [...]"; or "" */
};

struct refusals {
    struct refusal items[REFUSALS_KEPT];
    size_t count;
};

/* An exchange is over; only what was, or would have been, refused is noted. */
void refusals_add(struct refusals *refusals, const struct audit_facts *end);

/* The one with INDEX, the newest first; or NULL. */
const struct refusal *refusals_at(const struct refusals *refusals,
                                  size_t index);
