#pragma once

/*
 * The surroundings a policy is read in, and "${VAR}" in its strings. The
 * caller brings the lookup, so that reading a policy stays a pure function.
 */

#include "policy/base/str.h"

struct environment {
    /* The value of NAME or NULL; stays valid during the load. May be NULL
     * where nothing is set. */
    const char *(*get)(void *arg, const char *name);
    void *arg;
    const char *host_name; /* for the namespace when no policy names one; or
                              NULL when it is unknown */
};

/* The value of NAME, or NULL; also when there is no lookup. */
const char *environment_get(const struct environment *environment,
                            const char *name);

enum { ENVIRONMENT_E_REFUSED = 1 };

/*
 * Append TEXT to OUT with each ${NAME} replaced by its value, and
 * ${NAME:-default} by its value or, when it is unset or empty, the default
 * (in which further ${...} may be). "$${" stands for "${"; any other "$"
 * for itself. Returns 0; ENVIRONMENT_E_REFUSED with WHY saying what is wrong
 * and what to do; or -ENOBUFS when OUT is full.
 */
int environment_fill(const struct environment *environment, struct str text,
                     struct strbuf *out, struct strbuf *why);

/* Append TEXT such that environment_fill gives it back. 0 or -ENOBUFS. */
int environment_escape(struct str text, struct strbuf *out);
