#pragma once

/*
 * What a policy gives away: rules that a runner can take the host by, reach
 * its network, or get at other runners, each told in a sentence. They may be
 * meant; who runs the policy ought to know.
 */

#include "policy/config/rules.h"

/* Append a line for each, beginning with the key. 0 or -ENOBUFS. */
int exposure_put(const struct rules *rules, struct strbuf *out);
