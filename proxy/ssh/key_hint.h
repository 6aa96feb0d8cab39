#pragma once

/* What is known of a private key that libssh2 could not log in with. */

#include "proxy/ssh/key_file.h"

/*
 * Words in parentheses, after a blank, that say what kind of key KEY is and
 * what to use instead; "" when nothing is known against it. Only ever looks at
 * the beginning of the file, where nothing secret is.
 */
const char *key_hint(const struct key_file *key);
