#pragma once

/*
 * What has happened in one berth, in numbers that only grow. Which there are
 * is fixed by the tables of operations, verdicts and reasons, so no peer can
 * make more of them. Plain values: nothing here sends, stores or locks.
 */

#include "policy/record/audit.h"

/* X(milliseconds, seconds in words): durations up to that, and no more. */
#define DURATION_BOUNDS(X)                                                     \
    X(1, "0.001")                                                              \
    X(2, "0.002")                                                              \
    X(5, "0.005")                                                              \
    X(10, "0.01")                                                              \
    X(20, "0.02")                                                              \
    X(50, "0.05")                                                              \
    X(100, "0.1")                                                              \
    X(200, "0.2")                                                              \
    X(500, "0.5")                                                              \
    X(1000, "1")                                                               \
    X(5000, "5")                                                               \
    X(30000, "30")                                                             \
    X(300000, "300")                                                           \
    X(3600000, "3600")

enum { DURATION_COUNT = 14 };

struct operation_counters {
    uint64_t verdicts[AUDIT_VERDICT_COUNT];
    uint64_t within[DURATION_COUNT]; /* so many were done by each bound */
    uint64_t duration_ns;            /* of all together */
};

struct counters {
    struct operation_counters operations[OP_COUNT];
    uint64_t closes[AUDIT_CLOSE_COUNT];
    uint64_t bytes_in, bytes_out; /* as in the record of the end */
    uint64_t audit_failures;      /* records that could not be written */
    uint64_t audit_summed_up;     /* calls without a record of their own */
    uint64_t lookups;             /* what berth itself asked the engine */
};

/* An exchange is over. */
void counters_add(struct counters *counters, const struct audit_facts *end);

/* How many requests with VERDICT there were, and with any. */
uint64_t counters_requests(const struct counters *counters,
                           enum audit_verdict verdict);
uint64_t operation_requests(const struct operation_counters *operation);

/* The upper bound of WITHIN[INDEX] as Prometheus writes it, in seconds. */
const char *duration_bound(size_t index);
