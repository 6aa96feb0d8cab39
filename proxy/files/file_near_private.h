#pragma once

/* A round in its parts. */

#include "proxy/files/file_near.h"

/* What was asked for and is not answered yet, by items of a merge. */
struct near_batch {
    size_t count;
    size_t text; /* bytes of paths and targets */
    struct {
        struct file_item *item;
        struct file_entry *sent; /* what we have ourselves; held; or NULL */
        bool settles;            /* an answer FILE_DONE settles the item */
    } rows[LIMIT_FILES_BATCH];
};

/* Is there no room for ENTRY any more? */
bool near_batch_is_full(const struct near_batch *batch,
                        const struct file_entry *entry);
/* Takes over one hold of SENT. */
void near_batch_add(struct near_batch *batch, struct file_item *item,
                    const struct file_entry *entry, struct file_entry *sent,
                    bool settles);
void near_batch_clear(struct near_batch *batch);

int near_send(struct file_near *near, enum file_message_type type,
              const struct file_entry *entry);
/* The next message must be of TYPE and about ITEM. */
int near_answer(struct file_near *near, enum file_message_type type,
                const struct file_item *item, struct file_message *message);

void near_tell(struct file_near *near, enum file_note note,
               const struct file_item *item, enum file_status status);

/* What STAMPED, which was just read or made, is under the name of MODEL. */
struct file_entry *near_named(const struct file_entry *stamped,
                              const struct file_entry *model);

/*
 * The primary of the hard link ENTRY on one side, if it has gone over to the
 * other: what it is there; else NULL, and the link's content must go itself.
 */
const struct file_entry *near_linked(const struct file_merge *merge,
                                     const struct file_entry *entry,
                                     bool to_far);

/* Must what is in the way be removed before the other kind can be made? */
bool near_must_clear(const struct file_item *item);

/* Hash what ITEMS of MERGE want compared, on both sides. */
int near_compare(struct file_near *near, struct file_merge *merge);

/* Do all that goes to the far side, or to the near one. */
int near_push(struct file_near *near, struct file_merge *merge);
int near_pull(struct file_near *near, struct file_merge *merge);
