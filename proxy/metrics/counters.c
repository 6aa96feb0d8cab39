#include "proxy/metrics/counters.h"

static const uint64_t bounds_ms[] = {
#define X(ms, seconds) (ms),
    DURATION_BOUNDS(X)
#undef X
};

_Static_assert(sizeof(bounds_ms) / sizeof(*bounds_ms) == DURATION_COUNT,
               "as many as there is room for");

const char *duration_bound(size_t index)
{
    static const char *const words[] = {
#define X(ms, seconds) (seconds),
        DURATION_BOUNDS(X)
#undef X
    };

    return words[index];
}

void counters_add(struct counters *counters, const struct audit_facts *end)
{
    struct operation_counters *operation =
        &counters->operations[end->operation];

    operation->verdicts[audit_verdict(end)]++;
    operation->duration_ns += end->duration_ns;
    for (size_t i = 0; i < DURATION_COUNT; i++)
        operation->within[i] += end->duration_ns <= bounds_ms[i] * 1000000;
    counters->closes[end->close]++;
    counters->bytes_in += end->bytes_in;
    counters->bytes_out += end->bytes_out;
}

uint64_t counters_requests(const struct counters *counters,
                           enum audit_verdict verdict)
{
    uint64_t all = 0;

    for (size_t i = 0; i < OP_COUNT; i++)
        all += counters->operations[i].verdicts[verdict];
    return all;
}

uint64_t operation_requests(const struct operation_counters *operation)
{
    uint64_t all = 0;

    for (size_t i = 0; i < AUDIT_VERDICT_COUNT; i++)
        all += operation->verdicts[i];
    return all;
}
