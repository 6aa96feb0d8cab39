#pragma once

/*
 * Just enough blocking HTTP for the bench to be either end of a stream: heads,
 * sized and chunked bodies. Nobody here is hostile, and nothing is kept.
 */

#include "tool.h"

#define WIRE_BUFFER ((size_t)256 * 1024)
#define WIRE_LINE   4096
#define CHUNK       ((size_t)32 * 1024) /* what Docker's own programs copy by */

struct wire {
    int fd;
    size_t at, len;
    char buffer[WIRE_BUFFER];
};

struct head {
    char line[WIRE_LINE]; /* the request or status line */
    unsigned long length; /* of the body, if it is not chunked */
    bool chunked;
    bool upgrade;
};

struct wire *wire_new(int fd);
struct wire *wire_free(struct wire *wire); /* closes the socket */

/* The next head; false at the end of the connection. */
bool wire_head(struct wire *wire, struct head *head);
/* Reads the body of HEAD away; returns its length. Dies if it is cut. */
unsigned long wire_body(struct wire *wire, const struct head *head);
/* Reads all away until EOF; returns how much it was. */
unsigned long wire_rest(struct wire *wire);

bool wire_say(struct wire *wire, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* LEN zero bytes: as they are, or in chunks without the last, empty one. */
bool wire_zeros(struct wire *wire, unsigned long len);
bool wire_chunks(struct wire *wire, unsigned long len);
