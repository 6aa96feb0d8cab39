#pragma once

/*
 * Undo the compression of an archive that a client sends, as a stream: gzip
 * (RFC 1952), bzip2, xz or zstd (RFC 8878), whichever its first bytes show.
 * Bytes in, bytes out; what is held between calls is the state of one decoder,
 * of LIMIT_UNPACK_MEMORY at most.
 *
 * An archive may have several members one after the other, and NULs behind the
 * last of them, as tape tools write; nothing else may follow. What comes out is
 * never compressed itself: an engine would unpack that once more.
 */

#include <stdbool.h>

#include "policy/base/limits.h"
#include "policy/base/str.h"

/* How far one archive may go. */
struct unpack_limits {
    size_t memory; /* bytes of a decoder's dictionary or window */
    uint64_t free; /* bytes that come out whatever went in */
    uint64_t
        factor; /* beyond those: bytes that come out for one that went in */
};

/* May a decoder take MORE bytes of memory, beside unpack_memory()? HAS NULL:
 * always. */
struct unpack_room {
    bool (*has)(void *arg, size_t more);
    void *arg;
};

/* LIMIT_UNPACK_*. */
extern const struct unpack_limits unpack_default_limits;

struct unpack;

/*
 * A decoder for what begins with FIRST_BYTES (TAR_SNIFF of them, or all there
 * are), which are to be fed like the rest; or NULL when that is not compressed.
 * LIMITS and ROOM are copied.
 */
struct unpack *unpack_new(struct str first_bytes,
                          const struct unpack_limits *limits,
                          const struct unpack_room *room);
/* Always NULL. */
struct unpack *unpack_free(struct unpack *unpack);

enum unpack_result {
    UNPACK_MORE,  /* all of the input is taken */
    UNPACK_ROOM,  /* there is no room for what comes next */
    UNPACK_ERROR, /* it cannot go on: unpack_error */
};

/*
 * Take bytes from the front of *IN, which is moved on, and append what they
 * contain to OUT, ROOM bytes at most (OUT's maximum has to allow that).
 */
enum unpack_result unpack_feed(struct unpack *unpack, struct str *in,
                               struct strbuf *out, size_t room);

/*
 * Nothing more comes in, and the last feed returned UNPACK_MORE. False when the
 * archive is cut short. What was not told for want of TAR_SNIFF bytes is
 * appended to OUT.
 */
bool unpack_end(struct unpack *unpack, struct strbuf *out);

/* After a failure: a sentence for the client. _is_crowded: there was no room
 * for the decoder; the archive itself may be fine. */
const char *unpack_error(const struct unpack *unpack);
bool unpack_is_crowded(const struct unpack *unpack);

/* Bytes of memory that the decoder has taken. */
size_t unpack_memory(const struct unpack *unpack);
