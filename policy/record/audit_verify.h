#pragma once

/*
 * Are the lines of a chained record (audit_chain.h) all there, as they were
 * written and in their order? Give it the lines of all files, the oldest first;
 * it keeps 64 bytes of each.
 */

#include "policy/record/audit_chain.h"

struct audit_verify;

/* A fault: one sentence that begins with the file and the line. */
typedef void (*audit_fault_cb)(struct str text, void *arg);

struct audit_verify *audit_verify_new(audit_fault_cb on_fault, void *arg);
struct audit_verify *audit_verify_free(struct audit_verify *verify);

/* The lines from here on are of FILE, for messages. -ENOBUFS: too many. */
int audit_verify_file(struct audit_verify *verify, const char *file);

/* The next line, without its newline. -ENOBUFS past LIMIT_CHAIN_LINES. */
int audit_verify_line(struct audit_verify *verify, struct str line);

struct audit_verify_result {
    size_t lines, faults;
    size_t unchained;        /* lines before the first of a chain */
    uint64_t first;          /* the number of the first of a chain, or 0 */
    struct audit_chain last; /* what the next line is to be chained to */
};

/* All lines are in: tell the faults, and what it comes to. */
struct audit_verify_result audit_verify_end(struct audit_verify *verify);
