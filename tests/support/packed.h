#pragma once

/* Compressed bytes for tests. */

#include "policy/base/str.h"

enum packing { PACKED_GZIP, PACKED_BZIP2, PACKED_XZ, PACKED_ZSTD, PACKINGS };

/* Append BYTES, compressed, to OUT. */
void pack(enum packing how, struct str bytes, struct strbuf *out);
