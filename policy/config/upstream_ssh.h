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
 * Fill CONFIG from URL, which is one of ssh, and POLICY's keys. 0; or
 * URL_E_INVALID with a sentence in WHY.
 */
int upstream_ssh_make(const struct policy_source *source,
                      const struct upstream_said *said, struct policy *policy,
                      const char *url, struct upstream_config *config,
                      struct strbuf *why);

/* With all hosts made: what the files decided for the first of them goes into
 * the keys, where there is one for it, so that they show it. */
void upstream_ssh_show(struct policy *policy);
