#pragma once

/*
 * Takes the chunked transfer coding apart (RFC 9112, 7.1), wherever it is cut,
 * without copying. Strict: sizes are hex digits, lines end in CRLF, a chunk
 * ends with its CRLF and no other bytes. Extensions and trailers are checked
 * for their bytes, bounded (LIMIT_CHUNK_LINE, LIMIT_TRAILER, both counted with
 * the line ends) and dropped.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"

enum chunked_state {
    CHUNKED_SIZE, /* the zero value: before the first digit of a line */
    CHUNKED_DIGITS,
    CHUNKED_EXTENSION,
    CHUNKED_SIZE_LF,
    CHUNKED_BYTES,
    CHUNKED_BYTES_CR,
    CHUNKED_BYTES_LF,
    CHUNKED_TRAILER,
    CHUNKED_TRAILER_NAME,
    CHUNKED_TRAILER_VALUE,
    CHUNKED_TRAILER_LF,
    CHUNKED_LAST_LF,
    CHUNKED_OVER,
};

/* Zero-initialised before each body. */
struct chunked {
    enum chunked_state state;
    uint64_t left; /* the bytes of this chunk that are still to come */
    size_t line;   /* the length of this size line, or of all trailers */
    const char *why;
};

enum chunked_event {
    CHUNKED_MORE, /* all input is used */
    CHUNKED_DATA, /* *DATA points into the input */
    CHUNKED_END,  /* the body is over; what follows is no part of it */
    CHUNKED_BAD,  /* ->why says what is wrong, as a sentence */
};

/* The next event in INPUT; *USED says how many bytes it took. */
enum chunked_event chunked_next(struct chunked *body, struct str input,
                                size_t *used, struct str *data);
