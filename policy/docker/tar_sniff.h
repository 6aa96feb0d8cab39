#pragma once

/*
 * Is an archive that a client sends compressed? An engine goes by the first
 * bytes, whatever the headers say, and has more than once run a program of the
 * container's as root of the host to unpack one (CVE-2026-41567).
 */

#include "policy/base/str.h"

enum { TAR_SNIFF = 6 }; /* bytes that decide it; with fewer, it is not */

/* Would an engine decompress what begins with FIRST_BYTES? */
bool tar_is_compressed(struct str first_bytes);

/* If not: would it with more bytes behind them? */
bool tar_may_be_compressed(struct str first_bytes);
