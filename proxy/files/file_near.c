#include "proxy/files/file_near_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proxy/files/file_read.h"
#include "proxy/files/file_scan.h"

void file_near_init(struct file_near *near, int root,
                    const struct file_limits *limits)
{
    *near = (struct file_near){.root = root, .limits = *limits};
    file_apply_init(&near->apply, root);
    file_watch_init(&near->watch);
    near->apply.modes = 01777;
}

void file_near_fini(struct file_near *near)
{
    file_apply_fini(&near->apply);
    file_base_fini(&near->base);
    file_table_fini(&near->mine);
    file_watch_fini(&near->watch);
    file_table_fini(&near->far);
    file_mounts_fini(&near->mounts);
    file_mounts_fini(&near->interrupted);
    file_mounts_fini(&near->new);
}

void file_near_set_root(struct file_near *near, int root)
{
    struct stat st;

    near->root = near->apply.root = root;
    file_apply_forget(&near->apply);
    if (root < 0 || fstat(root, &st) < 0)
        return;
    if (near->device && near->device != st.st_dev)
        file_near_forget(near);
    near->device = st.st_dev;
}

int file_near_keep(struct file_near *near, struct str path)
{
    size_t count = near->mounts.count;
    bool kept = count && file_mounts_scope(&near->mounts, path) == FILE_INSIDE;
    int r = file_mounts_add(&near->mounts, path);

    return r < 0 || kept ? r : file_mounts_add(&near->new, path);
}

bool file_near_is_new(const struct file_near *near, struct str path)
{
    const struct file_mounts *mounts = &near->mounts, *fresh = &near->new;
    bool is_new = false;

    for (size_t i = 0; i < mounts->count; i++) {
        struct str mount = str_from(mounts->paths[i]);

        if (!str_eq(path, mount) && !file_path_is_below(path, mount))
            continue;
        if (!file_mounts_have(fresh, mount))
            return false;
        is_new = true;
    }
    return is_new;
}

void file_near_drop(struct file_near *near, struct str path)
{
    file_mounts_remove(&near->mounts, path);
    file_mounts_remove(&near->new, path);
}

void file_near_forget(struct file_near *near)
{
    near->settled = false;
    file_base_fini(&near->base);
    file_mounts_fini(&near->interrupted);
}

int file_near_connect(struct file_near *near, struct file_stream *stream)
{
    struct file_message message = {
        .type = FILE_MSG_HELLO,
        .number = FILE_WIRE_VERSION,
    };
    int r = file_stream_send(stream, &message);

    r = r < 0 ? r : file_stream_flush(stream);
    r = r < 0 ? r : file_stream_expect(stream, FILE_MSG_HELLO, &message);
    if (r < 0)
        return r;
    if (message.number != FILE_WIRE_VERSION)
        return -EPROTONOSUPPORT;
    near->stream = stream;
    near->fresh = true;
    return 0;
}

static int ask_list(struct file_near *near)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < near->mounts.count; i++) {
        struct file_entry mount = {.path = str_from(near->mounts.paths[i])};

        r = near_send(near, FILE_MSG_MOUNT, &mount);
    }
    r = r < 0 ? r
              : file_stream_send(near->stream, &(struct file_message){
                                                   .type = FILE_MSG_LIST,
                                                   .number = near->fresh,
                                               });
    return r < 0 ? r : file_stream_flush(near->stream);
}

/* The list before this one, of which the far end tells the differences. */
struct listing {
    struct file_near *near;
    struct file_table *now;
    size_t at; /* in near->far */
    bool same; /* none was told */
};

/* Take over all that was before PATH, and pass over PATH itself. */
static int take_until(struct listing *list, const struct str *path, bool *had)
{
    const struct file_table *old = &list->near->far;
    int order = -1;

    *had = false;
    while (list->at < old->count) {
        struct file_entry *entry = old->rows[list->at];
        int r;

        if (path)
            order = file_path_order(entry->path, *path);
        if (order > 0)
            return 0;
        list->at++;
        if (order == 0) {
            *had = true;
            return 0;
        }
        r = list->same ? file_table_share(list->now, entry, &list->near->limits)
                       : file_table_add(list->now, entry, &list->near->limits);
        if (r < 0)
            return r;
    }
    return 0;
}

static int take_entry(struct listing *list, const struct file_message *message)
{
    bool had;
    int r = take_until(list, &message->entry.path, &had);
    struct file_entry *entry;

    if (r < 0)
        return r;
    if (message->type == FILE_MSG_GONE)
        return had ? 0 : -EBADMSG;
    entry = file_entry_new(&message->entry);
    r = file_table_add(list->now, entry, &list->near->limits);
    file_entry_unref(entry);
    return r;
}

static int read_list(struct file_near *near, struct file_table *now)
{
    struct listing list = {.near = near, .now = now, .same = true};
    struct file_message message;
    bool had;
    int r;

    if (near->fresh)
        file_table_fini(&near->far);
    for (;;) {
        r = file_stream_next(near->stream, &message);
        if (r < 0)
            return r;
        if (message.type != FILE_MSG_ENTRY && message.type != FILE_MSG_GONE)
            break;
        list.same = false;
        r = take_entry(&list, &message);
        if (r < 0)
            return r;
    }
    if (message.type == FILE_MSG_FAILED)
        return message.number == EFBIG ? -EFBIG : -ECONNABORTED;
    r = take_until(&list, NULL, &had);
    if (r < 0)
        return r;
    return message.type == FILE_MSG_LISTED && message.number == now->count
               ? 0
               : -EBADMSG;
}

/* Returns what the stream failed with, which no later call can repair. */
static int receive_list(struct file_near *near)
{
    struct file_table now = {0};
    int r = read_list(near, &now);

    if (r < 0) {
        file_table_fini(&now);
        near->stream->broken = r;
        return r;
    }
    near->settled =
        near->settled && !near->fresh && file_table_is_same(&now, &near->far);
    file_table_fini(&near->far);
    near->far = now; /* handed over */
    near->fresh = false;
    return 0;
}

static void settle_at_once(struct file_near *near, struct file_item *item)
{
    if (item->lost && item->action != FILE_LEAVE)
        near_tell(near, FILE_NOTE_LOST, item, FILE_DONE);
    if (item->action == FILE_AGREE)
        file_merge_settle(item, file_entry_ref(item->near.now),
                          file_entry_ref(item->far.now));
    else if (item->action == FILE_FORGET)
        file_merge_settle(item, NULL, NULL);
    else if (item->action == FILE_LEAVE)
        near_tell(near, item->blocked ? FILE_NOTE_SKIPPED : FILE_NOTE_LEFT,
                  item, FILE_CHANGED);
}

/* Is a directory here whose content nobody could see? */
static void note_opaque(struct file_near *near, const struct file_item *item)
{
    if (!item->blocked && ((item->near.now && item->near.now->opaque) ||
                           (item->far.now && item->far.now->opaque)))
        near_tell(near, FILE_NOTE_SKIPPED, item, FILE_DENIED);
}

static bool is_stale(const struct file_near *near,
                     const struct file_table *mine,
                     const struct file_entry *entry)
{
    return !file_table_find(mine, entry->path) &&
           file_near_is_new(near, entry->path);
}

/* What only the far side has below what is new: as if it had been removed here.
 */
static void disown_stale(struct file_near *near, const struct file_table *mine)
{
    struct file_base *old = &near->base, base = {0};
    size_t at = 0;

    for (size_t i = 0; near->new.count &&i < near->far.count; i++) {
        struct file_entry *entry = near->far.rows[i];

        while (at < old->count &&
               file_path_order(old->pairs[at].near->path, entry->path) < 0)
            file_base_add(&base, old->pairs[at++]);
        if (at < old->count && str_eq(old->pairs[at].near->path, entry->path))
            file_base_add(&base, old->pairs[at++]);
        else if (is_stale(near, mine, entry))
            file_base_add(&base, (struct file_pair){file_entry_ref(entry),
                                                    file_entry_ref(entry)});
    }
    if (base.count == 0)
        return;
    while (at < old->count)
        file_base_add(&base, old->pairs[at++]);
    free(old->pairs); /* all that they held is in BASE */
    *old = base;
}

static bool is_changing(const struct file_merge *merge)
{
    for (size_t i = 0; i < merge->count; i++) {
        enum file_action action = merge->items[i].action;

        if (action != FILE_NOTHING && action != FILE_LEAVE)
            return true;
    }
    return false;
}

static int carry(struct file_near *near, struct file_merge *merge)
{
    int r = near_compare(near, merge);

    if (r < 0)
        return r;
    file_merge_decide(merge);
    if (near->changing && is_changing(merge))
        near->changing(near->note_arg);
    for (size_t i = 0; i < merge->count; i++) {
        note_opaque(near, &merge->items[i]);
        settle_at_once(near, &merge->items[i]);
    }
    r = near_pull(near, merge);
    return r < 0 ? r : near_push(near, merge);
}

static void remember(struct file_near *near, const struct file_merge *merge)
{
    struct file_base base = {0};

    file_merge_base(merge, &base);
    file_base_fini(&near->base);
    near->base = base; /* handed over */
}

/* Could nothing more have been done, and are stamps enough to tell a change? */
static bool is_settled(const struct file_near *near)
{
    const struct file_report *report = near->report;

    if (report->to_far || report->to_near || report->removed_far ||
        report->removed_near || report->lost || report->left ||
        report->skipped || near->new.count || near->interrupted.count)
        return false;
    for (size_t i = 0; i < near->base.count; i++) {
        if (near->base.pairs[i].near->unsure || near->base.pairs[i].far->unsure)
            return false;
    }
    return true;
}

/* Take over MINE, the new scan. */
static void take_scan(struct file_near *near, struct file_table *mine)
{
    near->settled = near->settled &&
                    !near->new.count &&file_table_is_same(mine, &near->mine);
    file_table_fini(&near->mine);
    near->mine = *mine; /* handed over */
}

int file_near_round(struct file_near *near, enum file_turn turn,
                    struct file_report *report)
{
    struct file_table mine = {0};
    struct file_merge merge;
    int r = ask_list(near);
    int scanned;

    *report = (struct file_report){0};
    near->report = report;
    if (r < 0)
        return r;
    scanned = file_scan(near->root, &near->mounts, &near->limits, &near->mine,
                        &near->watch, &mine);
    r = receive_list(near);
    r = r < 0 ? r : scanned;
    if (r < 0) {
        file_table_fini(&mine);
        file_watch_forget(&near->watch);
        return r;
    }
    take_scan(near, &mine);
    if (near->settled)
        return 0;
    disown_stale(near, &near->mine);
    file_merge_init(&merge, &near->mine, &near->far, &near->base, &near->mounts,
                    &near->interrupted, turn);
    r = carry(near, &merge);
    remember(near, &merge);
    file_merge_fini(&merge);
    if (r == 0)
        file_mounts_fini(&near->new);
    near->settled = r == 0 && is_settled(near);
    return r;
}
