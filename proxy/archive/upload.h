#pragma once

/*
 * The body of a request that carries an archive, on its way to the engine:
 * where its first bytes show that it is compressed, that is undone (unpack.h),
 * and where something has to change in it, a filter does that (body_filter.h).
 * The engine gets a plain tar.
 *
 * What is fed and has no room on the other side is held: nothing else is to be
 * fed until it is gone, so that never more than one piece is.
 */

#include "proxy/archive/body_filter.h"
#include "proxy/archive/unpack.h"

struct upload;

/* FILTER, which is taken over, or NULL: the archive passes as it is. ROOM, for
 * a decoder, is copied. */
struct upload *upload_new(struct body_filter *filter,
                          const struct unpack_room *room);
/* Always NULL. */
struct upload *upload_free(struct upload *upload);

/*
 * Take BYTES, a piece of the body (none: go on with what is held), and append
 * to OUT what becomes of it; no more than ROOM bytes are unpacked for it. False
 * when the body is refused: upload_why.
 */
bool upload_feed(struct upload *upload, struct str bytes, size_t room,
                 struct strbuf *out);

/* Does what is fed from now on pass as it is, so that it need not be? */
bool upload_is_plain(const struct upload *upload);

/* Is something held? Then it wants room, and to be fed nothing. */
bool upload_holds(const struct upload *upload);

/* The body is over, and nothing is held. As above. */
bool upload_end(struct upload *upload, struct strbuf *out);

/* Bytes of memory that are held for it. */
size_t upload_memory(const struct upload *upload);

/* Why the body is refused: with a status of 400 or 413, or 503 for want of
 * room. */
const struct verdict *upload_why(const struct upload *upload);

/* The most that OUT gets at once, for a piece and a room of LEN at most. */
#define UPLOAD_MAX(len) (BODY_FILTER_MAX(len) + KIB)
