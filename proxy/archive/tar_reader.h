#pragma once

/*
 * Read a tar archive as a stream: bytes in; entries, their content and the end
 * out. Nothing of a content is held, and of the records about one entry at most
 * LIMIT_TAR_PAX bytes. A size or name in a pax record goes before the header's;
 * a record that changes what an entry is (a sparse file's, another character
 * set) is refused, and all others are the entry's. Global records are
 * overlooked, as by Go's reader and so by an engine.
 */

#include "proxy/archive/tar_entry.h"

struct tar_reader;

struct tar_reader *tar_reader_new(void);
/* Always NULL. */
struct tar_reader *tar_reader_free(struct tar_reader *reader);

enum tar_event {
    TAR_MORE,    /* all of the input is used */
    TAR_ENTRY,   /* tar_reader_entry has begun */
    TAR_CONTENT, /* DATA is part of its content */
    TAR_DONE,    /* its content is over (of an empty one, too) */
    TAR_END,     /* of the archive; what follows is overlooked */
    TAR_ERROR,   /* tar_reader_error */
};

/* Use some of *IN, which is moved on, and tell one event. DATA points into
 * *IN's bytes. */
enum tar_event tar_reader_next(struct tar_reader *reader, struct str *in,
                               struct str *data);

/* No more bytes come. False, and an error, in the middle of an entry. */
bool tar_reader_eof(struct tar_reader *reader);

/* From TAR_ENTRY on, until there is another event behind its TAR_DONE. */
const struct tar_entry *tar_reader_entry(const struct tar_reader *reader);

/* A sentence for the client. */
const char *tar_reader_error(const struct tar_reader *reader);
