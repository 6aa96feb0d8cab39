#pragma once

/*
 * The way over SSH, made of what the policy says and, for what it does not say,
 * of what OpenSSH's configuration files do.
 */

#include "policy/config/policy.h"

/* What the policy itself says; lists and texts that are there go first
 * anyway. */
struct upstream_said {
    bool agent, connect_timeout, dead_after;
};

/*
 * Fill POLICY->upstream, whose kind is UPSTREAM_SSH, from POLICY's keys. What
 * the files decide is put into the keys, too, where there is one for it. 0; or
 * URL_E_INVALID with a sentence in WHY.
 */
int upstream_ssh_make(const struct policy_source *source,
                      const struct upstream_said *said, struct policy *policy,
                      struct strbuf *why);
