#include "proxy/server/frontend.h"

#include <time.h>

#include "proxy/base/clock.h"

/* What the sessions of a frontend have in common: whether their requests may go
 * to the engine, its record, and how much its name filters may take. */

bool frontend_admits(const struct frontend *frontend, const char **why)
{
    return !frontend->lease || lease_admits(frontend->lease, why);
}

bool frontend_is_placing(const struct frontend *frontend)
{
    return frontend->placement && !frontend->impatient;
}

int64_t *frontend_match_steps(struct frontend *frontend)
{
    uint64_t now_us = clock_us(), passed = now_us - frontend->match_seen_us;

    frontend->match_seen_us = now_us;
    if (passed > 3600ULL * 1000000)
        passed = 3600ULL * 1000000;
    frontend->match_steps += (int64_t)(passed * LIMIT_MATCH_RATE / 1000000);
    if (frontend->match_steps > LIMIT_MATCH_RATE)
        frontend->match_steps = LIMIT_MATCH_RATE;
    return &frontend->match_steps;
}

int frontend_record(struct frontend *frontend, struct str line)
{
    int r = audit_sink_write(frontend->audit, line);

    if (r < 0)
        frontend->counters.audit_failures++;
    else
        audit_budget_charge(&frontend->budget, line.len);
    return r;
}

void frontend_put_summary(struct frontend *frontend)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(LIMIT_AUDIT_LINE);
    struct timespec now;

    if (frontend->budget.calls == 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    if (audit_put_summary(&line, &frontend->budget,
                          (uint64_t)now.tv_sec * 1000000000 +
                              (uint64_t)now.tv_nsec,
                          str_from(frontend->policy->namespace),
                          str_from(frontend->path)) == 0)
        frontend_record(frontend, strbuf_str(&line));
    audit_budget_forget(&frontend->budget);
}

bool frontend_sums_up(struct frontend *frontend, const struct audit_facts *end)
{
    if (audit_budget_allows(&frontend->budget, end->time_ns,
                            audit_sink_is_low(frontend->audit)))
        return false;
    if (audit_budget_sum_up(&frontend->budget, end))
        event_add(frontend->summary, &(struct timeval){AUDIT_SUMMARY_S, 0});
    frontend->counters.audit_summed_up++;
    return true;
}
