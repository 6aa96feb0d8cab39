#pragma once

/*
 * A record whose lines hold each other (audit.chain). Each ends with two
 * members more:
 *
 *     {"time":...,"close":"done","line":17,"previous":"<64 hex digits>"}
 *
 * "line" counts from 1 on, over all files; "previous" is the SHA-256 of the
 * whole line 16, as it is in its file without the newline, and null in line 1.
 * A line that is changed, taken out, put in or moved then no longer fits to the
 * one after it. Whoever may write to the files can make all of them anew, from
 * the change on: keep the hash of a last line, or the lines, elsewhere too.
 */

#include "policy/base/sha256.h"
#include "policy/base/str.h"

/* What a line needs to be told of the one before it. */
struct audit_chain {
    uint64_t line; /* the number of the last one; 0: there is none yet */
    char hash[SHA256_HEX + 1];
};

/* The most that chaining adds to a line. */
enum { AUDIT_CHAIN_ADDS = 128 };

/*
 * Append LINE, an object with its newline, to OUT as the next of CHAIN, which
 * then is that of the line after it. 0; or -ENOBUFS or -EINVAL (LINE is no such
 * line) with all as before.
 */
int audit_chain_add(struct audit_chain *chain, struct str line,
                    struct strbuf *out);

/* What a line of a chain says of itself. */
struct audit_link {
    uint64_t line;
    struct str previous; /* 64 digits in it; or empty: null */
};

/* Read it from LINE, without its newline; false when it has none. */
bool audit_chain_read(struct str line, struct audit_link *link);

/*
 * The last line of a chain in TAIL, the end of a file, as what the next one is
 * chained to; lines that are cut or in no chain are passed over. False when
 * there is none.
 */
bool audit_chain_find_last(struct str tail, struct audit_chain *chain);
