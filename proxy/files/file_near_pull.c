#include "proxy/files/file_near_private.h"

#include <errno.h>
#include <stdlib.h>

#include "proxy/files/file_content.h"

/* One pass over what comes to the near side. */
struct pull {
    struct file_near *near;
    struct file_merge *merge;
    struct near_batch *batch;
};

static unsigned flags_of(const struct file_item *item)
{
    return item->near.now && !near_must_clear(item) ? FILE_BEFORE : 0;
}

static void settle(struct pull *pull, struct file_item *item,
                   const struct file_entry *near, const struct file_entry *far)
{
    pull->near->report->to_near++;
    file_merge_settle(item, near_named(near, item->far.now),
                      near_named(far, item->far.now));
}

static void pull_delete(struct pull *pull, struct file_item *item)
{
    struct file_near *near = pull->near;
    enum file_status status =
        file_apply_delete(&near->apply, item->path, item->near.now);

    if (status != FILE_DONE) {
        near_tell(near, FILE_NOTE_LEFT, item, status);
    } else if (item->action == FILE_DELETE_NEAR) {
        near->report->removed_near++;
        file_merge_settle(item, NULL, NULL);
    }
}

static void pull_deletions(struct pull *pull)
{
    for (size_t i = pull->merge->count; i-- > 0;) {
        struct file_item *item = &pull->merge->items[i];

        if (item->action == FILE_DELETE_NEAR ||
            (item->action == FILE_TO_NEAR && near_must_clear(item)))
            pull_delete(pull, item);
    }
}

/* Make what has no content, by ENTRY. */
static void pull_entry(struct pull *pull, struct file_item *item,
                       const struct file_entry *entry)
{
    struct file_near *near = pull->near;
    struct file_entry now;
    enum file_status status = file_apply_put(
        &near->apply, entry, item->near.now, flags_of(item), &now);

    if (status == FILE_DONE)
        settle(pull, item, &now, item->far.now);
    else
        near_tell(near, FILE_NOTE_LEFT, item, status);
}

/* A directory must let its content in; its own mode comes last. */
static void pull_plain(struct pull *pull)
{
    for (size_t i = 0; i < pull->merge->count; i++) {
        struct file_item *item = &pull->merge->items[i];
        struct file_entry entry;

        if (item->action != FILE_TO_NEAR ||
            (item->far.now->kind != FILE_DIRECTORY &&
             item->far.now->kind != FILE_SYMLINK))
            continue;
        entry = *item->far.now;
        if (entry.kind == FILE_DIRECTORY)
            entry.mode |= 0700;
        pull_entry(pull, item, &entry);
    }
}

static uint64_t most_bytes(const struct file_near *near)
{
    uint64_t most = near->limits.bytes;

    return most && most < LIMIT_FILES_BYTES ? most : LIMIT_FILES_BYTES;
}

/* One answer to FILE_MSG_WANT: MESSAGE, and the content behind it. */
static int pull_file(struct pull *pull, struct file_item *item,
                     const struct file_message *message)
{
    struct file_near *near = pull->near;
    struct file_entry *far;
    struct file_entry now = {.refs = 0};
    enum file_status status = message->status;
    int r;

    if (status != FILE_DONE) {
        near_tell(near, FILE_NOTE_LEFT, item, status);
        return 0;
    }
    if (message->entry.kind != FILE_REGULAR)
        return -EBADMSG;
    far = file_entry_new(&message->entry);
    file_apply_begin(&near->apply, far, item->near.now, flags_of(item));
    if (far->stamp.size > most_bytes(near) - near->report->bytes_in)
        near->apply.status = FILE_TROUBLE; /* more than may come in a round */
    r = file_content_receive(near->stream, &near->apply, &status, &now,
                             &near->report->bytes_in);
    if (r == 0 && status == FILE_DONE) {
        far->has_hash = now.has_hash;
        memcpy(far->hash, now.hash, FILE_HASH_BYTES);
        settle(pull, item, &now, far);
    } else if (r == 0) {
        near_tell(near, FILE_NOTE_LEFT, item, status);
    }
    file_entry_unref(far);
    return r;
}

static int answers(struct pull *pull)
{
    struct near_batch *batch = pull->batch;
    struct file_message message;
    int r = 0;

    if (batch->count)
        r = near_send(pull->near, FILE_MSG_WANT_END, NULL);
    r = r < 0 ? r : file_stream_flush(pull->near->stream);
    for (size_t i = 0; r == 0 && i < batch->count; i++) {
        struct file_item *item = batch->rows[i].item;

        r = near_answer(pull->near, FILE_MSG_FILE, item, &message);
        r = r < 0 ? r : pull_file(pull, item, &message);
    }
    if (r < 0)
        pull->near->stream->broken = r;
    near_batch_clear(batch);
    return r;
}

static int want(struct pull *pull, struct file_item *item)
{
    int r = 0;

    if (near_batch_is_full(pull->batch, item->far.now))
        r = answers(pull);
    r = r < 0 ? r : near_send(pull->near, FILE_MSG_WANT, item->far.now);
    near_batch_add(pull->batch, item, item->far.now, NULL, true);
    return r;
}

static int pull_content(struct pull *pull)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < pull->merge->count; i++) {
        struct file_item *item = &pull->merge->items[i];

        if (item->action == FILE_TO_NEAR && item->far.now->kind == FILE_REGULAR)
            r = want(pull, item);
    }
    return r < 0 ? r : answers(pull);
}

/* When their files are here; what leads to none that came is a file itself. */
static int pull_links(struct pull *pull)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < pull->merge->count; i++) {
        struct file_item *item = &pull->merge->items[i];
        const struct file_entry *here;
        struct file_entry entry;

        if (item->action != FILE_TO_NEAR ||
            item->far.now->kind != FILE_HARD_LINK)
            continue;
        here = near_linked(pull->merge, item->far.now, false);
        if (!here) {
            r = want(pull, item);
            continue;
        }
        entry = *item->far.now;
        entry.stamp = here->stamp;
        pull_entry(pull, item, &entry);
    }
    return r < 0 ? r : answers(pull);
}

static void pull_meta(struct pull *pull, struct file_item *item)
{
    struct file_near *near = pull->near;
    struct file_entry now;
    enum file_status status =
        file_apply_meta(&near->apply, item->far.now, item->near.now, &now);

    if (status == FILE_DONE)
        settle(pull, item, &now, item->far.now);
    else
        near_tell(near, FILE_NOTE_LEFT, item, status);
}

/* Give a directory that was made the mode that it should have. */
static void finish_folder(struct pull *pull, struct file_item *item)
{
    struct file_entry now;

    if (file_apply_meta(&pull->near->apply, item->far.now, item->agreed.near,
                        &now) == FILE_DONE)
        file_merge_settle(item, near_named(&now, item->far.now),
                          file_entry_ref(item->agreed.far));
}

/* Before links: what they lead to must be what it should be. */
static void pull_file_modes(struct pull *pull)
{
    for (size_t i = 0; i < pull->merge->count; i++) {
        struct file_item *item = &pull->merge->items[i];

        if (item->action == FILE_META_TO_NEAR && file_is_content(item->far.now))
            pull_meta(pull, item);
    }
}

/* At last, from the leaves up: a directory may be closed by it. */
static void pull_folder_modes(struct pull *pull)
{
    for (size_t i = pull->merge->count; i-- > 0;) {
        struct file_item *item = &pull->merge->items[i];

        if (item->action == FILE_META_TO_NEAR &&
            !file_is_content(item->far.now))
            pull_meta(pull, item);
        else if (item->action == FILE_TO_NEAR && item->settled &&
                 item->far.now->kind == FILE_DIRECTORY &&
                 (item->far.now->mode & 0700) != 0700)
            finish_folder(pull, item);
    }
}

int near_pull(struct file_near *near, struct file_merge *merge)
{
    struct pull pull = {
        .near = near,
        .merge = merge,
        .batch = xcalloc(1, sizeof(*pull.batch)),
    };
    int r;

    pull_deletions(&pull);
    pull_plain(&pull);
    pull_file_modes(&pull);
    r = pull_content(&pull);
    r = r < 0 ? r : pull_links(&pull);
    /* whatever became of the stream: what is here must be closed */
    pull_folder_modes(&pull);
    near_batch_clear(pull.batch);
    free(pull.batch);
    return r;
}
