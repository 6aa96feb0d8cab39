#pragma once

/*
 * The audit's records (audit.h) for people: which of them somebody wants to
 * see, and each as a line. What clients wrote is shown with its control
 * characters escaped, so that it does nothing to a terminal.
 */

#include <jansson.h>

#include "policy/base/str.h"

/* What a record must be to be shown; what is NULL or empty is all the same. */
struct audit_filter {
    const char *namespace_;
    const char *verdict;
    const char *container; /* the name or ID of one, or of another object */
    const char *job;   /* a value of its job, "*" for any run of characters */
    const char *since; /* times, as records write them, or their */
    const char *until; /* beginnings: "2026-01-31T12" */
    struct str operations; /* words as in operations.allow, with commas */
    bool decisions;        /* show these, too, and not only ends */
};

bool audit_filter_takes(const struct audit_filter *filter,
                        const json_t *record);

/*
 * RECORD as one line, and a second one with the reason where it was not simply
 * allowed. 0, or -ENOBUFS when OUT is full.
 */
int audit_view_put(struct strbuf *out, const json_t *record);
