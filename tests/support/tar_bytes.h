#pragma once

/* Tar archives for tests, header by header. */

#include "proxy/archive/tar_entry.h"

/* Append an entry with its content. */
void tar_add(struct strbuf *out, enum tar_kind kind, const char *name,
             const char *link, struct str content);

/* Append a header of TYPE, whatever that is, as old tars wrote them (MAGIC of
 * eight bytes), and the content padded. */
void tar_add_raw(struct strbuf *out, char type, const char *magic,
                 const char *name, const char *link, struct str content);

/* Append the blocks at its end. */
void tar_add_end(struct strbuf *out);

/* One line for each entry: "file NAME SIZE CONTENT". What a fault says instead
 * of the rest. STEP bytes at a time. */
void tar_list(struct str archive, size_t step, struct strbuf *out);
