#pragma once

/*
 * Follows a multiplexed stream of the engine, "application/
 * vnd.docker.multiplexed-stream": frames of an 8 byte header (stream type,
 * three zeros, length in network order) and their payload. No byte of it is
 * changed or held; all that is learned is where a frame ends, because there,
 * and only there, an error of our own can be. Clients show it: without it,
 * a stream that is cut looks like one that has come to its end.
 */

#include "policy/base/str.h"

struct stdcopy {
    unsigned char header[8];
    size_t have;   /* bytes of the header */
    uint64_t left; /* of the payload */
    bool lost;     /* what came is no multiplexed stream */
};

/* BYTES go by. */
void stdcopy_follow(struct stdcopy *frames, struct str bytes);

/* Does a frame begin here, if one does? */
bool stdcopy_at_boundary(const struct stdcopy *frames);

/* Append a frame of the type that tells of an error. 0 or -ENOBUFS. */
int stdcopy_put_error(struct strbuf *out, struct str text);
