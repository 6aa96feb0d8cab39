#pragma once

/*
 * The way to the engine, walked step by step for the operator: name, TCP, SSH,
 * host key, login, channel, engine, API, and what is known to be wrong with
 * such an engine. Each step is a line on standard output; the first that fails
 * says why, and what to do about it.
 */

#include "policy/config/policy.h"

/* Walk it as POLICY says, to each of its hosts. True when all went well. */
bool connect_check(const struct policy *policy);
