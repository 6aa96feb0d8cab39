#pragma once

/*
 * How much one listener may have put on record of calls that change nothing
 * (reads, refusals, pings): LIMIT_AUDIT_BURST bytes at once, LIMIT_AUDIT_RATE
 * bytes a second from then on. What is over that is counted and summed up in
 * one record (event "summary"). Decisions, and the ends of calls that have
 * one, are always on record whole, but they use up the budget, too.
 *
 * Plain values: the caller knows the time.
 */

#include "policy/record/audit.h"

struct audit_budget {
    uint64_t left;    /* bytes */
    uint64_t seen_ns; /* when LEFT was last filled up; 0: never */
    /* what is not on record, for the summary */
    uint64_t since_ns;
    uint64_t calls;
    uint64_t verdicts[AUDIT_VERDICT_COUNT];
    uint64_t operations[OP_COUNT];
    uint64_t bytes_in, bytes_out;
};

/* How long calls are summed up before a summary is due. */
enum { AUDIT_SUMMARY_S = 10 };

/*
 * May a call that changes nothing have a record of its own? IS_LOW: the
 * record's disk is nearly full, and then it may not.
 */
bool audit_budget_allows(struct audit_budget *budget, uint64_t now_ns,
                         bool is_low);

/* A record of LEN bytes was written. */
void audit_budget_charge(struct audit_budget *budget, size_t len);

/* The call of END was not put on record. True: it is the first that is summed
 * up, and a summary is due in AUDIT_SUMMARY_S seconds. */
bool audit_budget_sum_up(struct audit_budget *budget,
                         const struct audit_facts *end);

/*
 * Append the summary as one line with its newline, for what was summed up. 0,
 * or -ENOBUFS (LIMIT_AUDIT_LINE holds any). audit_budget_forget when it is
 * written.
 */
int audit_put_summary(struct strbuf *out, const struct audit_budget *budget,
                      uint64_t now_ns, struct str namespace_,
                      struct str listener);
void audit_budget_forget(struct audit_budget *budget);
