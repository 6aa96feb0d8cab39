#pragma once

/*
 * One entry of a tar archive (POSIX.1-2001, "ustar" and "pax"; GNU's long
 * names): its header from and to bytes.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"

enum { TAR_BLOCK = 512 };

enum tar_kind {
    TAR_FILE,
    TAR_FOLDER,
    TAR_SYMLINK,
    TAR_HARD_LINK,
    TAR_CHARACTER, /* device */
    TAR_BLOCKS,    /* device */
    TAR_FIFO,
    TAR_PAX,       /* records about the entry that follows */
    TAR_GLOBAL,    /* the same about all that follow */
    TAR_LONG_NAME, /* GNU: the name of the entry that follows; */
    TAR_LONG_LINK, /* and where its link leads */
    TAR_OTHER,     /* a sparse file of GNU's old kind, and what nobody knows */
};

struct tar_entry {
    enum tar_kind kind;
    char type; /* as the header has it */
    char name[LIMIT_TAR_NAME + 1];
    char link[LIMIT_TAR_NAME + 1]; /* where a link leads */
    uint64_t size;                 /* of what follows; only files have any */
    uint32_t mode;
    uint64_t uid, gid;
    int64_t mtime;
    char user[33], group[33];
    uint32_t major, minor; /* of a device */
    struct str records;    /* pax records besides path, linkpath and size, as
                              they came (mtime, extended attributes, ...) */
};

enum { TAR_E_ENTRY = 1 };

/*
 * Read the header in BLOCK, TAR_BLOCK bytes. 0 and *ENTRY; or TAR_E_ENTRY and a
 * sentence in *WHY, when its sum is wrong, a number is none, or a name is too
 * long.
 */
int tar_entry_read(const char *block, struct tar_entry *entry,
                   const char **why);

/* Is BLOCK one of those that end an archive, all NULs? */
bool tar_block_is_end(const char *block);

/* Put TEXT into TO, a name of an entry. False when it is too long, empty or
 * holds a NUL. */
bool tar_set_name(char to[LIMIT_TAR_NAME + 1], struct str text);

/*
 * Append the header of ENTRY, of a kind up to TAR_FIFO: one block, and before
 * it its pax records, with the name, the link and the size if they do not fit
 * there. 0 or -ENOBUFS (TAR_HEADER_MAX holds any).
 */
#define TAR_HEADER_MAX (LIMIT_TAR_PAX + 2 * LIMIT_TAR_NAME + 4 * TAR_BLOCK)
int tar_entry_put(struct strbuf *out, const struct tar_entry *entry);

/* How many NULs follow SIZE bytes of content. */
static inline size_t tar_padding(uint64_t size)
{
    return (size_t)(-size % TAR_BLOCK);
}
