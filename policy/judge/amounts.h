#pragma once

/*
 * How much of the host something may use, whoever asks and in whatever words:
 * the HostConfig of a new container, an update of an old one, the query of a
 * build. Amounts as Docker counts them; 0 says nothing.
 */

#include "policy/config/rules.h"

#define AMOUNTS(X)                                                             \
    X(AMOUNT_MEMORY, "container.limits.memory")                                \
    X(AMOUNT_MEMORY_SWAP, "container.limits.memory_swap")                      \
    X(AMOUNT_NANO_CPUS, "container.limits.cpus")                               \
    X(AMOUNT_CPU_QUOTA, "container.limits.cpus")                               \
    X(AMOUNT_CPU_PERIOD, "container.limits.cpus")                              \
    X(AMOUNT_CPU_SHARES, "container.limits.cpu_shares")                        \
    X(AMOUNT_PIDS, "container.limits.pids")                                    \
    X(AMOUNT_SHM, "container.limits.shm")

enum amount {
#define X(id, rule) id,
    AMOUNTS(X)
#undef X
        AMOUNT_COUNT
};

/* The period of a quota that is given without one, microseconds. */
enum { AMOUNT_PERIOD = 100000 };

struct amounts {
    int64_t of[AMOUNT_COUNT];
};

/* The policy key that limits AMOUNT. */
const char *amount_rule(enum amount amount);

/*
 * Fill in what AMOUNTS leaves open and LIMITS does not. WITH_NANO: NanoCpus is
 * there to say it; else quota and period have to.
 */
void amounts_fill(struct amounts *amounts, const struct limit_rules *limits,
                  const struct default_rules *defaults, bool with_nano);

/* The first amount that is over its limit, or AMOUNT_COUNT. What is open is
 * not over. */
enum amount amounts_over(const struct amounts *amounts,
                         const struct limit_rules *limits);

/* The limit of AMOUNT in its own unit, for a message. */
int64_t amount_limit(enum amount amount, const struct amounts *amounts,
                     const struct limit_rules *limits);
