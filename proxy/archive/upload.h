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

struct upload;

/* FILTER, which is taken over, or NULL: the archive passes as it is. */
struct upload *upload_new(struct body_filter *filter);
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

/* Why the body is refused: with a status of 400 or 413. */
const struct verdict *upload_why(const struct upload *upload);

/* The most that OUT gets at once, for a piece and a room of LEN at most. */
#define UPLOAD_MAX(len) (BODY_FILTER_MAX(len) + KIB)
