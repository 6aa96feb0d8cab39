/* What the parts of a round share: single messages, what was asked for and is
 * not answered yet, contents that are compared. */

#include "proxy/files/file_near_private.h"

#include <errno.h>
#include <stdlib.h>

#include "proxy/files/file_read.h"

void near_tell(struct file_near *near, enum file_note note,
               const struct file_item *item, enum file_status status)
{
    near->report->lost += note == FILE_NOTE_LOST;
    near->report->left += note == FILE_NOTE_LEFT;
    near->report->skipped += note == FILE_NOTE_SKIPPED;
    if (near->note)
        near->note(near->note_arg, note, item, status);
}

int near_send(struct file_near *near, enum file_message_type type,
              const struct file_entry *entry)
{
    struct file_message message = {.type = type};

    if (entry)
        message.entry = *entry;
    return file_stream_send(near->stream, &message);
}

int near_answer(struct file_near *near, enum file_message_type type,
                const struct file_item *item, struct file_message *message)
{
    int r = file_stream_expect(near->stream, type, message);

    if (r == 0 && !str_eq(message->entry.path, item->path))
        near->stream->broken = r = -EBADMSG;
    return r;
}

bool near_batch_is_full(const struct near_batch *batch,
                        const struct file_entry *entry)
{
    /* a NUL is kept for each text */
    return batch->count == LIMIT_FILES_BATCH ||
           entry->path.len + entry->target.len + 2 >
               LIMIT_FILES_BATCH_TEXT - batch->text;
}

void near_batch_add(struct near_batch *batch, struct file_item *item,
                    const struct file_entry *entry, struct file_entry *sent,
                    bool settles)
{
    batch->text += entry->path.len + entry->target.len + 2;
    batch->rows[batch->count].item = item;
    batch->rows[batch->count].sent = sent;
    batch->rows[batch->count++].settles = settles;
}

void near_batch_clear(struct near_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        file_entry_unref(batch->rows[i].sent);
    batch->count = 0;
    batch->text = 0;
}

struct file_entry *near_named(const struct file_entry *stamped,
                              const struct file_entry *model)
{
    struct file_entry named = *stamped;

    named.kind = model->kind;
    named.path = model->path;
    named.target = model->target;
    return file_entry_new(&named);
}

const struct file_entry *near_linked(const struct file_merge *merge,
                                     const struct file_entry *entry,
                                     bool to_far)
{
    const struct file_item *other = file_merge_find(merge, entry->target);
    struct file_pair pair = {NULL, NULL};
    const struct file_entry *here, *there;

    if (other && other->settled)
        pair = other->agreed;
    else if (other && other->action == FILE_NOTHING)
        pair = (struct file_pair){other->near.now, other->far.now};
    here = to_far ? pair.near : pair.far;
    there = to_far ? pair.far : pair.near;
    return here && there && file_is_content(here) && file_is_content(there) &&
                   here->stamp.ino == entry->stamp.ino &&
                   here->stamp.size == entry->stamp.size &&
                   here->stamp.mtime == entry->stamp.mtime
               ? there
               : NULL;
}

bool near_must_clear(const struct file_item *item)
{
    const struct file_entry *near = item->near.now;
    const struct file_entry *far = item->far.now;

    return near && far && near->kind != far->kind &&
           (near->kind == FILE_DIRECTORY || far->kind == FILE_DIRECTORY);
}

static void compare_mine(struct file_near *near, struct file_item *item)
{
    struct file_entry hashed;
    enum file_status status;

    if (!item->near.hash_wanted)
        return;
    status = file_hash(near->root, item->path, &near->limits, &hashed);
    near->report->compared++;
    file_merge_hashed(item, &item->near, status == FILE_DONE ? &hashed : NULL);
}

static int compare_batch(struct file_near *near, struct near_batch *batch)
{
    struct file_message message;
    int r = near_send(near, FILE_MSG_HASH_END, NULL);

    r = r < 0 ? r : file_stream_flush(near->stream);
    for (size_t i = 0; r == 0 && i < batch->count; i++) {
        struct file_item *item = batch->rows[i].item;

        r = near_answer(near, FILE_MSG_HASHED, item, &message);
        if (r == 0)
            file_merge_hashed(item, &item->far,
                              message.status == FILE_DONE ? &message.entry
                                                          : NULL);
    }
    near_batch_clear(batch);
    return r;
}

int near_compare(struct file_near *near, struct file_merge *merge)
{
    struct near_batch *batch = xcalloc(1, sizeof(*batch));
    int r = 0;

    for (size_t i = 0; r == 0 && i < merge->count; i++) {
        struct file_item *item = &merge->items[i];

        compare_mine(near, item);
        if (!item->far.hash_wanted)
            continue;
        if (near_batch_is_full(batch, item->far.now))
            r = compare_batch(near, batch);
        r = r < 0 ? r : near_send(near, FILE_MSG_HASH, item->far.now);
        near_batch_add(batch, item, item->far.now, NULL, false);
    }
    if (r == 0 && batch->count)
        r = compare_batch(near, batch);
    near_batch_clear(batch);
    free(batch);
    return r;
}
