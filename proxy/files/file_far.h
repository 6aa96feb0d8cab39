#pragma once

/*
 * The end that answers: it has the volume. It knows nothing of the other
 * side's files and decides nothing; it lists, reads and applies what it is
 * asked to, each name only while it is what the asking end believes it to be.
 */

#include "proxy/files/file_stream.h"
#include "proxy/files/file_table.h"

/*
 * Serve STREAM until its end, with the directory ROOT, which stays the
 * caller's. Returns 0 when the stream ended between two turns; otherwise a
 * negative errno, as -EPIPE in the middle of one, -EBADMSG for what does not
 * belong there, or -EFBIG for a tree over LIMITS; the other end was told.
 */
int file_far_serve(int root, const struct file_limits *limits,
                   struct file_stream *stream);
