#include "policy/record/audit_budget.h"

#include "policy/base/json_line.h"
#include "policy/base/limits.h"

#define NS_PER_S 1000000000

static void fill_up(struct audit_budget *budget, uint64_t now_ns)
{
    uint64_t passed = now_ns - budget->seen_ns, more;

    /* the clock may be set back */
    if (budget->seen_ns == 0 || now_ns < budget->seen_ns ||
        passed / NS_PER_S > LIMIT_AUDIT_BURST / LIMIT_AUDIT_RATE) {
        if (budget->seen_ns == 0 || now_ns >= budget->seen_ns)
            budget->left = LIMIT_AUDIT_BURST;
        budget->seen_ns = now_ns;
        return;
    }
    more = passed * LIMIT_AUDIT_RATE / NS_PER_S;
    if (more == 0)
        return; /* SEEN_NS stays, so that short times add up */
    budget->left += more;
    if (budget->left > LIMIT_AUDIT_BURST)
        budget->left = LIMIT_AUDIT_BURST;
    budget->seen_ns = now_ns;
}

bool audit_budget_allows(struct audit_budget *budget, uint64_t now_ns,
                         bool is_low)
{
    fill_up(budget, now_ns);
    return !is_low && budget->left > 0;
}

void audit_budget_charge(struct audit_budget *budget, size_t len)
{
    budget->left -= len < budget->left ? len : budget->left;
}

bool audit_budget_sum_up(struct audit_budget *budget,
                         const struct audit_facts *end)
{
    bool first = budget->calls == 0;

    if (first)
        budget->since_ns = end->time_ns;
    budget->calls++;
    budget->verdicts[audit_verdict(end)]++;
    budget->operations[end->operation]++;
    budget->bytes_in += end->bytes_in;
    budget->bytes_out += end->bytes_out;
    return first;
}

static void put_verdicts(struct json_line *line,
                         const struct audit_budget *budget)
{
    struct json_line inner;

    json_line_open(line, "verdicts", &inner);
    for (size_t i = 0; i < AUDIT_VERDICT_COUNT; i++) {
        if (budget->verdicts[i])
            json_line_uint(&inner, audit_verdict_name((enum audit_verdict)i),
                           budget->verdicts[i]);
    }
    json_line_close(line, &inner);
}

static void put_operations(struct json_line *line,
                           const struct audit_budget *budget)
{
    struct json_line inner;

    json_line_open(line, "operations", &inner);
    for (size_t i = 0; i < OP_COUNT; i++) {
        if (budget->operations[i])
            json_line_uint(&inner, operation_name((enum operation)i),
                           budget->operations[i]);
    }
    json_line_close(line, &inner);
}

int audit_put_summary(struct strbuf *out, const struct audit_budget *budget,
                      uint64_t now_ns, struct str namespace_,
                      struct str listener)
{
    size_t start = out->len;
    struct json_line line;
    int r;

    json_line_begin(&line, out);
    audit_put_time(&line, "time", now_ns);
    json_line_text(&line, "event", S("summary"));
    json_line_text(&line, "namespace", namespace_);
    json_line_text(&line, "listener", listener);
    audit_put_time(&line, "since", budget->since_ns);
    json_line_uint(&line, "calls", budget->calls);
    put_verdicts(&line, budget);
    put_operations(&line, budget);
    json_line_uint(&line, "bytes_in", budget->bytes_in);
    json_line_uint(&line, "bytes_out", budget->bytes_out);
    r = json_line_end(&line);
    if (r == 0)
        r = strbuf_add_char(out, '\n');
    if (r < 0)
        out->len = start;
    return r;
}

void audit_budget_forget(struct audit_budget *budget)
{
    struct audit_budget kept = {.left = budget->left,
                                .seen_ns = budget->seen_ns};

    *budget = kept;
}
