#include "proxy/files/file_near_private.h"

#include <errno.h>
#include <stdlib.h>

#include "proxy/files/file_content.h"

/* One pass over what goes to the far side. */
struct push {
    struct file_near *near;
    struct file_merge *merge;
    struct near_batch *batch;
};

static void settle(struct push *push, size_t row,
                   const struct file_message *answer)
{
    struct file_near *near = push->near;
    struct file_item *item = push->batch->rows[row].item;
    struct file_entry *sent = push->batch->rows[row].sent;
    struct file_entry *far;

    file_mounts_remove(&near->interrupted, item->path);
    if (!sent) {
        near->report->removed_far++;
        file_merge_settle(item, NULL, NULL);
        return;
    }
    near->report->to_far++;
    far = file_entry_new(&answer->entry);
    if (sent->has_hash) {
        far->has_hash = true;
        memcpy(far->hash, sent->hash, FILE_HASH_BYTES);
    }
    file_merge_settle(item, file_entry_ref(sent), far);
}

/* Is what the far end says it made of the kind that was asked for? */
static bool fits(const struct file_entry *sent, const struct file_entry *made)
{
    return !sent || sent->kind == made->kind ||
           (file_is_content(sent) && file_is_content(made));
}

static int answers(struct push *push)
{
    struct file_near *near = push->near;
    struct near_batch *batch = push->batch;
    struct file_message message;
    int r = 0;

    if (batch->count)
        r = near_send(near, FILE_MSG_APPLY_END, NULL);
    r = r < 0 ? r : file_stream_flush(near->stream);
    for (size_t i = 0; r == 0 && i < batch->count; i++) {
        struct file_item *item = batch->rows[i].item;

        r = near_answer(near, FILE_MSG_APPLIED, item, &message);
        if (r < 0)
            break;
        if (message.status != FILE_DONE)
            near_tell(near, FILE_NOTE_LEFT, item, message.status);
        else if (!fits(batch->rows[i].sent, &message.entry))
            near->stream->broken = r = -EBADMSG;
        else if (batch->rows[i].settles)
            settle(push, i, &message);
    }
    near_batch_clear(batch);
    return r;
}

static int make_room(struct push *push, const struct file_entry *entry)
{
    return near_batch_is_full(push->batch, entry) ? answers(push) : 0;
}

static int push_delete(struct push *push, struct file_item *item)
{
    bool settles = item->action == FILE_DELETE_FAR;
    int r = make_room(push, item->far.now);

    r = r < 0 ? r
              : file_stream_send(push->near->stream,
                                 &(struct file_message){
                                     .type = FILE_MSG_DELETE,
                                     .entry = {.path = item->path},
                                     .before = *item->far.now,
                                 });
    near_batch_add(push->batch, item, item->far.now, NULL, settles);
    return r;
}

static unsigned flags_of(const struct file_item *item)
{
    unsigned flags = 0;

    if (item->far.now && !near_must_clear(item))
        flags |= FILE_BEFORE;
    if (flags && item->pinned && file_is_content(item->far.now))
        flags |= FILE_IN_PLACE;
    return flags;
}

static struct file_message put_message(const struct file_item *item,
                                       enum file_message_type type,
                                       const struct file_entry *entry)
{
    struct file_message message = {.type = type, .entry = *entry};

    message.flags = flags_of(item);
    if (message.flags & FILE_BEFORE)
        message.before = *item->far.now;
    return message;
}

static int push_content(struct push *push, struct file_item *item)
{
    struct file_near *near = push->near;
    struct file_message message;
    struct file_reader reader;
    enum file_status status;
    int r = make_room(push, item->near.now);

    if (r < 0)
        return r;
    status = file_reader_open(&reader, near->root, item->path, false);
    if (status != FILE_DONE) {
        near_tell(near, FILE_NOTE_LEFT, item, status);
        return 0;
    }
    message = put_message(item, FILE_MSG_PUT, &reader.entry);
    if (message.flags & FILE_IN_PLACE)
        file_mounts_add(&near->interrupted, item->path);
    r = file_stream_send(near->stream, &message);
    if (r < 0)
        file_reader_close(&reader);
    else
        r = file_content_send(near->stream, &reader, &status,
                              &near->report->bytes_out);
    /* with the hash, which is known at the end */
    near_batch_add(push->batch, item, item->near.now,
                   near_named(&reader.entry, item->near.now), true);
    return r;
}

/* What has no content of its own, with an entry that may differ from ours. */
static int push_entry(struct push *push, struct file_item *item,
                      enum file_message_type type,
                      const struct file_entry *entry)
{
    struct file_message message = put_message(item, type, entry);
    int r = make_room(push, entry);

    if (type == FILE_MSG_META)
        message.before = *item->far.now;
    r = r < 0 ? r : file_stream_send(push->near->stream, &message);
    near_batch_add(push->batch, item, entry, file_entry_ref(item->near.now),
                   true);
    return r;
}

static int push_link(struct push *push, struct file_item *item)
{
    const struct file_entry *there =
        item->pinned ? NULL : near_linked(push->merge, item->near.now, true);
    struct file_entry entry = *item->near.now;

    if (!there)
        return push_content(push, item);
    entry.stamp = there->stamp;
    entry.target = there->path;
    return push_entry(push, item, FILE_MSG_PUT, &entry);
}

static bool goes(const struct file_item *item, bool links)
{
    return item->action == FILE_TO_FAR &&
           (item->near.now->kind == FILE_HARD_LINK) == links;
}

/* What goes first: what must not be there, from the leaves up. */
static int push_deletions(struct push *push)
{
    int r = 0;

    for (size_t i = push->merge->count; r == 0 && i-- > 0;) {
        struct file_item *item = &push->merge->items[i];

        if (item->action == FILE_DELETE_FAR ||
            (item->action == FILE_TO_FAR && near_must_clear(item)))
            r = push_delete(push, item);
    }
    return r < 0 ? r : answers(push);
}

static int push_new(struct push *push)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < push->merge->count; i++) {
        struct file_item *item = &push->merge->items[i];

        if (!goes(item, false))
            continue;
        if (item->near.now->kind == FILE_REGULAR)
            r = push_content(push, item);
        else
            r = push_entry(push, item, FILE_MSG_PUT, item->near.now);
    }
    return r < 0 ? r : answers(push);
}

/* When their files are over there, and it is known which ones these are. */
static int push_links(struct push *push)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < push->merge->count; i++) {
        if (goes(&push->merge->items[i], true))
            r = push_link(push, &push->merge->items[i]);
    }
    return r < 0 ? r : answers(push);
}

/* Of files before links, which lead to them; of directories at last. */
static int push_meta(struct push *push, bool files)
{
    int r = 0;

    for (size_t i = push->merge->count; r == 0 && i-- > 0;) {
        struct file_item *item = &push->merge->items[i];

        if (item->action == FILE_META_TO_FAR &&
            file_is_content(item->near.now) == files)
            r = push_entry(push, item, FILE_MSG_META, item->near.now);
    }
    return r < 0 ? r : answers(push);
}

int near_push(struct file_near *near, struct file_merge *merge)
{
    struct push push = {
        .near = near,
        .merge = merge,
        .batch = xcalloc(1, sizeof(*push.batch)),
    };
    int r = push_deletions(&push);

    r = r < 0 ? r : push_new(&push);
    r = r < 0 ? r : push_meta(&push, true);
    r = r < 0 ? r : push_links(&push);
    r = r < 0 ? r : push_meta(&push, false);
    near_batch_clear(push.batch);
    free(push.batch);
    return r;
}
