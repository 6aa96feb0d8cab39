#pragma once

/* Policies from files and the process's environment. */

#include "policy/config/policy.h"

/*
 * Read the policy in the file PATH ("-": standard input; NULL: the policy for
 * no file at all), with OVERRIDES from the command line. Returns 0 and fills
 * *OUT; POLICY_E_INVALID with lines for the operator in WHY, also when the file
 * cannot be read.
 */
int policy_file_load(const char *path, const struct policy_override *overrides,
                     size_t override_count, struct policy **out,
                     struct strbuf *why);

bool is_directory(const char *path);

/* The whole of PATH ("-": standard input) into OUT: 0 or a negative errno,
 * -EFBIG when it is longer than OUT may be. */
int file_read(const char *path, struct strbuf *out);
