#pragma once

/*
 * Changes of a tree, one name at a time, each whole or not at all: what is new
 * is made under a temporary name in the same directory and renamed. A name
 * whose state is not what the caller says it must be is left as it is. Nothing
 * is followed, nothing outside the root is touched, whoever moves what
 * meanwhile; directories are removed only when they are empty.
 *
 * What is interrupted leaves a temporary name, which no scan shows and the
 * next one removes.
 */

#include "proxy/files/file_open.h"

/* Whose what is made becomes. */
enum file_owner {
    FILE_OWNER_OURS,  /* nothing is given away */
    FILE_OWNER_FIXED, /* all of it belongs to one user and group */
    FILE_OWNER_ENTRY, /* what is new belongs to whom its entry says, and what
                         is replaced keeps its owner */
};

struct file_apply {
    int root;
    enum file_owner owner;
    uint32_t uid, gid; /* with FILE_OWNER_FIXED */
    uint32_t modes;    /* the bits of a mode that are carried */

    /* the directory that was last worked in */
    struct strbuf folder;
    int folder_fd; /* -1: none */

    /* the regular file that is being written; fd -1: none */
    int fd;
    char temporary[sizeof(FILE_TEMPORARY) + 16];
    struct file_entry *entry;
    struct file_entry before;
    unsigned flags;
    uint64_t written;
    enum file_status status; /* why it will not become a file */
};

/* FILE_OWNER_OURS and 07777, until the caller sets something else. */
void file_apply_init(struct file_apply *apply, int root);
void file_apply_fini(struct file_apply *apply);

/* A while has passed: what is called as it was may be another by now. */
void file_apply_forget(struct file_apply *apply);

/*
 * Remove PATH, if it is still BEFORE. Removing what is not there any more is
 * FILE_DONE.
 */
enum file_status file_apply_delete(struct file_apply *apply, struct str path,
                                   const struct file_entry *before);

/*
 * Make ENTRY, which is no FILE_REGULAR: with FILE_BEFORE in FLAGS in the place
 * of what is still BEFORE, else where nothing is. Of a FILE_HARD_LINK, the
 * stamp is that of the file on this side to which it leads. If FILE_DONE, *NOW
 * is what became of it, with slices of ENTRY.
 */
enum file_status file_apply_put(struct file_apply *apply,
                                const struct file_entry *entry,
                                const struct file_entry *before, unsigned flags,
                                struct file_entry *now);

/*
 * The same for a FILE_REGULAR: begin, then its content, then commit or
 * abandon. Failures on the way are what commit returns. With FILE_IN_PLACE the
 * inode that is there stays and gets the content, once all of it is here. *NOW
 * has no path.
 */
void file_apply_begin(struct file_apply *apply, const struct file_entry *entry,
                      const struct file_entry *before, unsigned flags);
void file_apply_data(struct file_apply *apply, struct str bytes);
void file_apply_hole(struct file_apply *apply, uint64_t len);
enum file_status file_apply_commit(struct file_apply *apply,
                                   struct file_entry *now);
void file_apply_abandon(struct file_apply *apply);

/* Give what is still BEFORE the mode, and if it is a file the mtime, of ENTRY.
 */
enum file_status file_apply_meta(struct file_apply *apply,
                                 const struct file_entry *entry,
                                 const struct file_entry *before,
                                 struct file_entry *now);
