#pragma once

/*
 * Which directories of a tree have certainly not changed since they were last
 * read, by the kernel's notifications (inotify(7)). A directory is clean when
 * it is the same inode with the same times, nothing was told of it, and it has
 * no file that could change without that: with more than one link, or so young
 * that its stamp is not sure. A file that somebody has open or mapped for
 * writing is told of when it is closed, as with any scan. In doubt nothing is
 * clean: events that were lost, a file system that may change from elsewhere, a
 * minute since everything was read.
 *
 * One belongs to one table of file_scan(), from one scan to the next.
 */

#include "proxy/files/file_entry.h"

struct watch_row {
    char *path; /* "" for the root */
    int wd;
    uint64_t dev, ino;
    int64_t mtime, ctime;
    bool told;  /* something of it has changed */
    bool again; /* it has what could change untold */
};

struct watch_rows {
    struct watch_row *items; /* in the order of trees */
    size_t count, room;
};

struct file_watch {
    int fd;        /* -1: it does not watch */
    bool off;      /* it cannot, or is not to */
    bool doubtful; /* nothing was clean in this scan */
    int64_t whole; /* when everything was last read, by file_clock() */
    size_t most;   /* directories, by the kernel's own limit */
    struct watch_rows old, new; /* of the last scan, and of this one */
    size_t at;                  /* in OLD */
    size_t clean;               /* of this scan */
};

void file_watch_init(struct file_watch *watch);
void file_watch_fini(struct file_watch *watch);

/* Know nothing any more: the next scan reads everything. */
void file_watch_forget(struct file_watch *watch);

/* A scan begins at NOW, of a tree that had ENTRIES before: few are read without
 * watching. */
void file_watch_begin(struct file_watch *watch, size_t entries, int64_t now);

/*
 * The scan has come to the directory PATH, open as FD, in the order of trees.
 * Is it clean? If not, it is watched from now on, if that can be.
 */
bool file_watch_enter(struct file_watch *watch, int fd, struct str path,
                      size_t *index);

/* What the directory has that was entered as INDEX (0: it is not watched) could
 * change untold. */
void file_watch_again(struct file_watch *watch, size_t index);

/* The scan is over: of all directories that are there, or FAILED. */
void file_watch_end(struct file_watch *watch, bool failed);
