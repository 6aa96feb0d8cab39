#pragma once

/* SHA-256, by libcrypto. */

#include "policy/base/str.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 64 };

void sha256(struct str bytes, unsigned char digest[SHA256_BYTES]);

/* The same in lower-case hex, with a NUL. */
void sha256_hex(struct str bytes, char hex[SHA256_HEX + 1]);
