#pragma once

/*
 * The content of one regular file, and whether all of it is of one moment.
 */

#include <sys/stat.h>

#include "proxy/files/blake2b.h"
#include "proxy/files/file_open.h"
#include "proxy/files/file_table.h"

struct file_reader {
    int fd;
    struct stat first;       /* when it was opened */
    struct file_entry entry; /* the same; its path is the caller's */
    struct blake2b hash;
    bool hashing;
    uint64_t at;
};

/*
 * Open the regular file PATH below ROOT. It is unsure, too, while somebody has
 * it open for writing, as far as we may know: that needs to own it, or
 * CAP_LEASE. With HASH, or when it is unsure, its content is hashed as it is
 * read. Returns FILE_DONE, or what is wrong: nothing
 * is open then.
 */
enum file_status file_reader_open(struct file_reader *reader, int root,
                                  struct str path, bool hash);

/*
 * Read on. Returns FILE_DONE with up to ROOM bytes in BYTES as *PIECE, or with
 * the length of a hole (or of its beginning) in *HOLE, or with neither at the
 * end: everything then was of one moment and, if it was hashed, entry.hash is
 * set. Otherwise FILE_CHANGED, or FILE_TROUBLE, and what was read is worth
 * nothing.
 */
enum file_status file_reader_next(struct file_reader *reader, char *bytes,
                                  size_t room, struct str *piece,
                                  uint64_t *hole);

void file_reader_close(struct file_reader *reader);

/* Read all of PATH for its hash alone, unless LIMITS stop it: *ENTRY has it if
 * it is FILE_DONE. */
enum file_status file_hash(int root, struct str path,
                           const struct file_limits *limits,
                           struct file_entry *entry);
