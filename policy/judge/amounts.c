#include "policy/judge/amounts.h"

#include <limits.h>
#include <math.h>

static const int64_t NANO = 1000000000;
static const int64_t DEFAULT_SHM = 64 * 1024 * 1024;

const char *amount_rule(enum amount amount)
{
    static const char *const rules[] = {
#define X(id, rule) [id] = (rule),
        AMOUNTS(X)
#undef X
    };

    return rules[amount];
}

static int64_t at_most_int64(uint64_t n)
{
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static int64_t times(double cpus, int64_t unit)
{
    double n = cpus * (double)unit + 0.5;

    return n < (double)INT64_MAX ? (int64_t)n : INT64_MAX;
}

static int64_t period_of(const struct amounts *amounts)
{
    int64_t period = amounts->of[AMOUNT_CPU_PERIOD];

    return period > 0 ? period : AMOUNT_PERIOD;
}

int64_t amount_limit(enum amount amount, const struct amounts *amounts,
                     const struct limit_rules *limits)
{
    switch (amount) {
    case AMOUNT_MEMORY:
        return at_most_int64(limits->memory);
    case AMOUNT_MEMORY_SWAP:
        /* memory and swap together; without a word on swap there is none */
        return at_most_int64(limits->memory_swap != UINT64_MAX
                                 ? limits->memory_swap
                                 : limits->memory);
    case AMOUNT_NANO_CPUS:
        return times(limits->cpus, NANO);
    case AMOUNT_CPU_QUOTA:
        return times(limits->cpus, period_of(amounts));
    case AMOUNT_CPU_SHARES:
        return limits->cpu_shares == UINT_MAX ? INT64_MAX : limits->cpu_shares;
    case AMOUNT_PIDS:
        return limits->pids == UINT_MAX ? INT64_MAX : limits->pids;
    case AMOUNT_SHM:
        return at_most_int64(limits->shm);
    case AMOUNT_CPU_PERIOD:
    case AMOUNT_COUNT:
        break;
    }
    return INT64_MAX; /* a period says nothing without a quota */
}

enum amount amounts_over(const struct amounts *amounts,
                         const struct limit_rules *limits)
{
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        int64_t limit = amount_limit((enum amount)i, amounts, limits);
        int64_t n = amounts->of[i];

        /* less than none is "unlimited" */
        if (limit != INT64_MAX && (n < 0 || n > limit))
            return (enum amount)i;
    }
    return AMOUNT_COUNT;
}

static void fill_cpus(struct amounts *amounts, double cpus, bool with_nano)
{
    int64_t *of = amounts->of;

    if (isinf(cpus) || of[AMOUNT_NANO_CPUS] || of[AMOUNT_CPU_QUOTA])
        return;
    /* an engine takes one way of saying it, not both */
    if (with_nano && !of[AMOUNT_CPU_PERIOD]) {
        of[AMOUNT_NANO_CPUS] = times(cpus, NANO);
    } else {
        of[AMOUNT_CPU_PERIOD] = period_of(amounts);
        of[AMOUNT_CPU_QUOTA] = times(cpus, of[AMOUNT_CPU_PERIOD]);
    }
}

void amounts_fill(struct amounts *amounts, const struct limit_rules *limits,
                  const struct default_rules *defaults, bool with_nano)
{
    int64_t *of = amounts->of;
    int64_t memory = at_most_int64(
        defaults->memory < limits->memory ? defaults->memory : limits->memory);
    int64_t swap = amount_limit(AMOUNT_MEMORY_SWAP, amounts, limits);
    int64_t shares = amount_limit(AMOUNT_CPU_SHARES, amounts, limits);
    int64_t shm = amount_limit(AMOUNT_SHM, amounts, limits);
    unsigned pids =
        defaults->pids < limits->pids ? defaults->pids : limits->pids;

    if (!of[AMOUNT_MEMORY] && memory != INT64_MAX)
        of[AMOUNT_MEMORY] = memory;
    /* left alone, an engine takes twice the memory for memory and swap */
    if (!of[AMOUNT_MEMORY_SWAP] && swap != INT64_MAX &&
        of[AMOUNT_MEMORY] > swap / 2)
        of[AMOUNT_MEMORY_SWAP] = swap;
    fill_cpus(amounts,
              defaults->cpus < limits->cpus ? defaults->cpus : limits->cpus,
              with_nano);
    /* left alone, it takes 1024 */
    if (!of[AMOUNT_CPU_SHARES] && shares < 1024)
        of[AMOUNT_CPU_SHARES] = shares;
    if (of[AMOUNT_PIDS] <= 0 && pids != UINT_MAX)
        of[AMOUNT_PIDS] = pids;
    if (!of[AMOUNT_SHM] && shm < DEFAULT_SHM)
        of[AMOUNT_SHM] = shm;
}
