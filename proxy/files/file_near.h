#pragma once

/*
 * The end that asks and decides: it has the runner's files, and keeps a
 * directory and the far end's volume in step, by rounds. It blocks while it
 * works, so it runs in a thread or a process of its own.
 *
 * A round that fails, because the stream broke, leaves both sides with whole
 * files only and this end with the knowledge of what was done; the next one,
 * over a new stream, does the rest.
 */

#include "proxy/files/file_apply.h"
#include "proxy/files/file_merge.h"
#include "proxy/files/file_stream.h"
#include "proxy/files/file_watch.h"

/* What a round did not just do. */
enum file_note {
    FILE_NOTE_LOST,    /* both sides had changed it: the other one is gone */
    FILE_NOTE_LEFT,    /* not carried now, by its status: next time */
    FILE_NOTE_SKIPPED, /* never carried, or not readable, with all below */
};

/* What a round did, counted. */
struct file_report {
    size_t to_far, to_near;           /* made or changed there */
    size_t removed_far, removed_near; /* names */
    size_t compared;                  /* by their contents */
    size_t lost, left, skipped;       /* each was a note */
    uint64_t bytes_out, bytes_in;     /* of content */
};

struct file_near {
    int root;
    struct file_limits limits;
    struct file_apply apply;   /* the caller may set its owner */
    struct file_mounts mounts; /* the caller adds to them */
    void (*note)(void *arg, enum file_note note, const struct file_item *item,
                 enum file_status status); /* may be NULL */
    /* before a round changes anything, or what it knows; may be NULL */
    void (*changing)(void *arg);
    void *note_arg; /* of both */

    /* private */
    struct file_stream *stream;
    struct file_base base;
    struct file_table mine;  /* the near side, as it was last scanned */
    struct file_watch watch; /* of that */
    struct file_table far;   /* the far side, as it was last told */
    bool fresh;              /* it was not told anything over this stream */
    bool settled; /* with these two there is nothing to do, in any turn */
    struct file_mounts new; /* not kept in step before */
    struct file_mounts interrupted;
    uint64_t device;            /* of the root; 0: none was seen */
    struct file_report *report; /* of this round */
};

/*
 * ROOT is the runner's directory and stays the caller's. What comes back is
 * ours, with no setuid and setgid bits; a caller who may give files away sets
 * apply.owner, apply.uid and apply.gid.
 */
void file_near_init(struct file_near *near, int root,
                    const struct file_limits *limits);
void file_near_fini(struct file_near *near);

/*
 * Another root, which stays the caller's: the same directory, opened anew. On
 * another file system than before, it is not what it was (something was mounted
 * or unmounted), and this does what file_near_forget() does.
 */
void file_near_set_root(struct file_near *near, int root);

/*
 * Keep PATH in step from now on, "" for the root itself. What only the far side
 * has below it is of another time, and goes in the next round. Returns as
 * file_mounts_add().
 */
int file_near_keep(struct file_near *near, struct str path);

/* Is PATH kept, as is all that it is part of, only since after the last round
 * that went well? */
bool file_near_is_new(const struct file_near *near, struct str path);

/* Keep PATH no more. */
void file_near_drop(struct file_near *near, struct str path);

/*
 * The far side is not the one that it was, or may not be: nothing is known of
 * both any more, and what is missing over there was not removed.
 */
void file_near_forget(struct file_near *near);

/*
 * Greet the far end of STREAM, which stays the caller's and must outlive the
 * rounds over it. Returns 0, or a negative errno: -EPROTONOSUPPORT for another
 * version. May be called again with a new stream.
 */
int file_near_connect(struct file_near *near, struct file_stream *stream);

/*
 * Make both sides alike, as far as TURN lets them. Returns 0 and fills
 * *REPORT; -EFBIG for a tree over the limits, on either side: nothing was
 * done; or what the scan or the stream failed with: *REPORT then tells what
 * was done all the same. After a failure of the stream, it takes a new one.
 */
int file_near_round(struct file_near *near, enum file_turn turn,
                    struct file_report *report);
