#pragma once

/*
 * One name in a tree of files, as a scan of one side saw it. An entry never
 * changes; tables share it by counting who holds it.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"

struct stat;
struct timespec;

enum file_kind {
    FILE_REGULAR = 1,
    FILE_DIRECTORY,
    FILE_SYMLINK,
    FILE_HARD_LINK, /* to a regular file earlier in the tree */
    FILE_OTHER,     /* a socket, a FIFO, a device: never carried */
};

enum { FILE_HASH_BYTES = 32 };

/*
 * What tells one state of an entry from another, on the side that has it.
 * Times are nanoseconds since 1970 by that side's clock, never compared with
 * the other's. A directory has only its inode.
 */
struct file_stamp {
    uint64_t ino;
    uint64_t size;
    int64_t mtime;
    int64_t ctime;
};

struct file_entry {
    unsigned refs;
    enum file_kind kind;
    uint32_t mode; /* the lower twelve bits */
    uint32_t uid, gid;
    struct file_stamp stamp;
    bool unsure; /* a write may follow that leaves the stamp as it is */
    bool opaque; /* a directory whose content is not known */
    bool has_hash;
    unsigned char hash[FILE_HASH_BYTES]; /* BLAKE2b of the content */
    struct str path;   /* from the root; no "/" at either end */
    struct str target; /* of a symbolic link; or a hard link's other path */
};

/*
 * May PATH come from a peer: relative, parts of 1 to LIMIT_FILES_NAME bytes,
 * none "." or "..", no NUL, at most LIMIT_FILES_DEPTH parts and
 * LIMIT_FILES_PATH bytes?
 */
bool file_path_is_good(struct str path);

/*
 * The order of trees: as by memcmp, but "/" goes before every other byte, so
 * that what lies in a directory follows it at once.
 */
int file_path_order(struct str a, struct str b);

/* Is PATH below FOLDER, at any depth? Everything is below "". */
bool file_path_is_below(struct str path, struct str folder);

/* The directory of PATH, "" at the root; and its last part. */
struct str file_path_parent(struct str path);
struct str file_path_name(struct str path);

/*
 * May ENTRY come from a peer: a good path, a kind that there is, a target where
 * there must be one (a path of the tree for a hard link; 1 to LIMIT_FILES_PATH
 * bytes without a NUL for a symbolic link) and else none?
 */
bool file_entry_is_good(const struct file_entry *entry);

/* The names of what is being written, which no scan shows. */
#define FILE_TEMPORARY ".berth-sync."
bool file_name_is_temporary(struct str name);

/*
 * A copy of MODEL, with its path and target, held once. The caller gives it
 * back by file_entry_unref, which takes NULL.
 */
struct file_entry *file_entry_new(const struct file_entry *model);
struct file_entry *file_entry_ref(struct file_entry *entry);
void file_entry_unref(struct file_entry *entry);

/*
 * Fill ENTRY's kind, mode, owner and stamp from ST. It is unsure when ST's
 * ctime is not at least FILE_TICK_NS before NOW: kernels before 6.13 stamp by
 * the tick, and two writes in one tick look like one.
 */
#define FILE_TICK_NS 20000000
void file_entry_fill(struct file_entry *entry, const struct stat *st,
                     int64_t now);

/* CLOCK_REALTIME, by which files are stamped. */
int64_t file_clock(void);

struct timespec file_time(int64_t nanoseconds);

static inline bool file_is_content(const struct file_entry *entry)
{
    return entry->kind == FILE_REGULAR || entry->kind == FILE_HARD_LINK;
}

bool file_stamp_eq(const struct file_stamp *a, const struct file_stamp *b);

/*
 * Is NOW still what BEFORE was, on the same side and as far as can be seen?
 * ctime is left out: removing another hard link of the same file changes it.
 */
bool file_entry_is_still(const struct file_entry *now,
                         const struct file_entry *before);

/* Exactly alike, but for unsure and hash. */
bool file_entry_eq(const struct file_entry *a, const struct file_entry *b);
