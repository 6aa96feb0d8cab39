#pragma once

/*
 * What must happen so that two trees that once were alike are alike again.
 * Tables in, actions out; no files here.
 *
 * Each side is compared only with what it was itself when the two last agreed
 * (the base). The rules:
 * - What one side changed goes to the other.
 * - What both changed to the same is agreed.
 * - What both changed differently is the side's whose turn it is: the near
 *   one's before a container starts, the far one's when it has ended; between
 *   the two it is left as it is.
 * - A deletion loses against a change, of the name or of anything below it.
 * - When a directory has become something else on one side and something below
 *   it was changed on the other, that is one conflict about all of it.
 * - Names that are mounted neither go nor change their kind.
 * - What cannot be carried or seen is left alone, with all below it.
 * Owners are no change. Where only ctime moved (an owner, a link more), or
 * where a stamp is unsure, contents are compared by their hashes.
 */

#include "proxy/files/file_mounts.h"
#include "proxy/files/file_table.h"

enum file_turn {
    FILE_TURN_NEAR,
    FILE_TURN_FAR,
    FILE_TURN_NOBODY,
    FILE_TURN_ONE_WAY, /* the far side follows; what it made itself stays */
};

/* What both sides had under one path when they were last alike. */
struct file_pair {
    struct file_entry *near;
    struct file_entry *far;
};

struct file_base {
    struct file_pair *pairs; /* in the order of paths */
    size_t count;
    size_t room;
};

void file_base_fini(struct file_base *base);
/* Append, after all that is there; takes over one hold of each. */
void file_base_add(struct file_base *base, struct file_pair pair);

enum file_change {
    FILE_SAME,
    FILE_PERHAPS, /* the content must be compared */
    FILE_MODE,    /* the content is the same; the mode or the links are not */
    FILE_EDITED,
    FILE_CREATED,
    FILE_DELETED,
};

enum file_action {
    FILE_NOTHING,
    FILE_AGREE,  /* they are alike: remember it */
    FILE_FORGET, /* it is on neither side */
    FILE_LEAVE,  /* remember what was */
    FILE_TO_FAR,
    FILE_TO_NEAR,
    FILE_META_TO_FAR, /* the mode, and a file's time; the rest is alike */
    FILE_META_TO_NEAR,
    FILE_DELETE_FAR,
    FILE_DELETE_NEAR,
    FILE_ACTIONS,
};

struct file_side {
    struct file_entry *now;  /* the merge holds it; NULL: nothing */
    struct file_entry *base; /* belongs to the base */
    enum file_change change;
    bool below; /* something that exists below it was changed */
    bool hash_wanted;
    bool hashed; /* now has the hash */
};

struct file_item {
    struct str path;
    size_t parent; /* its item, counted from 1; 0: the root */
    struct file_side near;
    struct file_side far;
    enum file_action action;
    bool lost;    /* a change of the other side is given up by the action */
    bool blocked; /* it cannot be carried or seen, or lies below such a one */
    bool unknown; /* its content could not be compared */
    bool pinned;
    enum file_action forced; /* for all below: the side that was chosen */
    struct file_pair agreed; /* what to remember, once the action is done */
    bool settled;            /* the action is done, for the base */
};

struct file_merge {
    struct file_item *items; /* in the order of paths */
    size_t count;
    enum file_turn turn;
};

/*
 * Line up the two trees and the base, and say of which items the contents must
 * be compared (hash_wanted). INTERRUPTED, a list of paths or NULL, are files of
 * the far side that were being written in place when a stream broke: what they
 * are now is not a change. The tables and the base stay the caller's and must
 * outlive the merge.
 */
void file_merge_init(struct file_merge *merge, const struct file_table *near,
                     const struct file_table *far, const struct file_base *base,
                     const struct file_mounts *mounts,
                     const struct file_mounts *interrupted,
                     enum file_turn turn);
void file_merge_fini(struct file_merge *merge);

/*
 * Tell the hash of SIDE of ITEM, one of the items' own. HASHED, with the hash
 * and the stamp at that time, or NULL if it could not be read; it stays the
 * caller's.
 */
void file_merge_hashed(struct file_item *item, struct file_side *side,
                       const struct file_entry *hashed);

/* All hashes are here: decide every action. */
void file_merge_decide(struct file_merge *merge);

/* The item of PATH, or NULL. */
struct file_item *file_merge_find(const struct file_merge *merge,
                                  struct str path);

/*
 * Say that the action of ITEM is done, and what both sides have now. Takes over
 * one hold of each entry; both NULL after a deletion.
 */
void file_merge_settle(struct file_item *item, struct file_entry *near,
                       struct file_entry *far);

/* The base after this merge: what is settled is new, the rest as it was. */
void file_merge_base(const struct file_merge *merge, struct file_base *base);
