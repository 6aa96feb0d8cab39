#pragma once

/*
 * A file that holds a secret: read whole, with a maximum, and wiped when it is
 * done with. Never read when others can: like ssh, a private file of ours that
 * group or others may open is refused.
 */

#include "policy/base/str.h"

enum key_file_kind {
    KEY_FILE_PRIVATE, /* refused when others may open it */
    KEY_FILE_PUBLIC,
};

/* The content; DATA has a NUL behind LEN bytes. */
struct key_file {
    char *data;
    size_t len;
};

enum {
    KEY_FILE_E_REFUSED = 1, /* WHY says what is wrong and how to correct it */
};

/*
 * Read the file at PATH, of at most MAX bytes, into *OUT.
 * Returns 0; or KEY_FILE_E_REFUSED and a sentence in *WHY.
 */
int key_file_read(const char *path, size_t max, enum key_file_kind kind,
                  struct key_file *out, struct strbuf *why);

/* Overwrites the content before freeing it. */
void key_file_fini(struct key_file *file);
