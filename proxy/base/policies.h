#pragma once

/* All policies that one process serves, read together. */

#include "policy/config/policy.h"

enum { POLICIES_MAX = 64 };

struct policies {
    struct policy *items[POLICIES_MAX];
    size_t count;
};

/*
 * Read FILES, or the policy for no file at all when FILE_COUNT is 0. One that
 * is a directory stands for all in it that end in ".json". All of them: returns
 * 0; or, with a policy that is wrong or in another's way, a number that is not
 * 0, nothing in OUT, and lines for the operator in WHY.
 */
int policies_load(const char *const *files, size_t file_count,
                  const struct policy_override *overrides,
                  size_t override_count, struct policies *out,
                  struct strbuf *why);
void policies_fini(struct policies *all);

/*
 * Append the names of the engines that POLICY leads to
 * (upstream_config_engine), where symbolic links in a socket's path are
 * followed.
 */
void policy_put_engine(const struct policy *policy, struct strbuf *out);

/* Tell the operator what to know before they are served. */
void policies_log_warnings(const struct policies *all);
