#pragma once

/*
 * A tree as a list of entries in the order of trees. It can only grow at its
 * end, which keeps it in order, free of doubles and whole: an entry's
 * directory and a hard link's file come before it.
 */

#include "proxy/files/file_entry.h"

/* What one tree may hold; 0 entries or bytes stand for the maximum. */
struct file_limits {
    size_t entries; /* up to LIMIT_FILES_ENTRIES */
    uint64_t bytes; /* of content, up to LIMIT_FILES_BYTES */
    /* once another thread has set it, what reads gives up; or NULL */
    const bool *stop;
};

bool file_limits_stop(const struct file_limits *limits);

struct file_table {
    struct file_entry **rows;
    size_t count;
    size_t room;
    size_t names;   /* bytes of all paths and targets */
    uint64_t bytes; /* of all content; a hard link has none */
    size_t shared;  /* rows that were added by file_table_share() */
};

void file_table_fini(struct file_table *table);

/*
 * Append ENTRY and hold it too. Returns 0; -EBADMSG when it is not good, does
 * not follow the last one, or its directory or file is missing; -EFBIG over
 * LIMITS or LIMIT_FILES_NAMES. The table is then as it was.
 */
int file_table_add(struct file_table *table, struct file_entry *entry,
                   const struct file_limits *limits);

/*
 * The same for an entry of a table of the same tree, whose directory and file
 * are here as well: not looked at again, but for LIMITS.
 */
int file_table_share(struct file_table *table, struct file_entry *entry,
                     const struct file_limits *limits);

/* Was TABLE made of OLD, by sharing all of its rows and adding none? */
bool file_table_is_same(const struct file_table *table,
                        const struct file_table *old);

/* The entry of PATH, which stays the table's; or NULL. */
struct file_entry *file_table_find(const struct file_table *table,
                                   struct str path);

/* Where PATH is, or would be: the first row that is not before it. */
size_t file_table_seek(const struct file_table *table, struct str path);
