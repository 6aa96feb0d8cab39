#include "proxy/files/file_merge.h"

#include <assert.h>
#include <stdlib.h>

void file_base_fini(struct file_base *base)
{
    for (size_t i = 0; i < base->count; i++) {
        file_entry_unref(base->pairs[i].near);
        file_entry_unref(base->pairs[i].far);
    }
    free(base->pairs);
    *base = (struct file_base){0};
}

void file_base_add(struct file_base *base, struct file_pair pair)
{
    if (base->count == base->room) {
        base->room = base->room ? 2 * base->room : 64;
        base->pairs = realloc(base->pairs, base->room * sizeof(*base->pairs));
        assert(base->pairs);
    }
    base->pairs[base->count++] = pair;
}

static enum file_change content_change(const struct file_entry *now,
                                       const struct file_entry *base)
{
    if (now->stamp.ino != base->stamp.ino ||
        now->stamp.size != base->stamp.size ||
        now->stamp.mtime != base->stamp.mtime)
        return FILE_EDITED;
    if (base->unsure || now->stamp.ctime != base->stamp.ctime ||
        now->mode != base->mode || now->kind != base->kind ||
        !str_eq(now->target, base->target))
        return FILE_PERHAPS;
    return FILE_SAME;
}

static enum file_change change_of(const struct file_entry *now,
                                  const struct file_entry *base)
{
    if (!base)
        return now ? FILE_CREATED : FILE_SAME;
    if (!now)
        return FILE_DELETED;
    if (file_is_content(now) && file_is_content(base))
        return content_change(now, base);
    if (now->kind != base->kind)
        return FILE_EDITED;
    if (now->kind == FILE_DIRECTORY)
        return now->mode == base->mode ? FILE_SAME : FILE_EDITED;
    return str_eq(now->target, base->target) ? FILE_SAME : FILE_EDITED;
}

static bool is_new(enum file_change change)
{
    return change == FILE_EDITED || change == FILE_CREATED;
}

/* Would comparing both contents say more than the stamps do? */
static bool must_compare(const struct file_item *item)
{
    const struct file_side *near = &item->near;
    const struct file_side *far = &item->far;

    if (!near->now || !far->now || !file_is_content(near->now) ||
        !file_is_content(far->now) ||
        near->now->stamp.size != far->now->stamp.size)
        return false;
    if (near->change == FILE_PERHAPS || far->change == FILE_PERHAPS)
        return true;
    return is_new(near->change) && is_new(far->change);
}

static void want_hashes(struct file_item *item)
{
    struct file_side *sides[] = {&item->near, &item->far};
    bool both = must_compare(item);

    if (item->blocked)
        return;
    for (size_t i = 0; i < 2; i++) {
        struct file_side *side = sides[i];

        side->hash_wanted = both || (side->change == FILE_PERHAPS &&
                                     side->base && side->base->has_hash);
    }
}

/* Which of the rows at the front of the three lists is the first? */
struct cursor {
    const struct file_table *near, *far;
    const struct file_base *base;
    size_t i, j, k;
};

static void first_of(struct str *path, bool *any, struct str candidate)
{
    if (!*any || file_path_order(candidate, *path) < 0)
        *path = candidate;
    *any = true;
}

static bool cursor_next(struct cursor *at, struct file_item *item)
{
    struct str path = S("");
    bool any = false;

    if (at->i < at->near->count)
        first_of(&path, &any, at->near->rows[at->i]->path);
    if (at->j < at->far->count)
        first_of(&path, &any, at->far->rows[at->j]->path);
    if (at->k < at->base->count)
        first_of(&path, &any, at->base->pairs[at->k].near->path);
    if (!any)
        return false;
    *item = (struct file_item){.path = path};
    if (at->i < at->near->count && str_eq(at->near->rows[at->i]->path, path))
        item->near.now = file_entry_ref(at->near->rows[at->i++]);
    if (at->j < at->far->count && str_eq(at->far->rows[at->j]->path, path))
        item->far.now = file_entry_ref(at->far->rows[at->j++]);
    if (at->k < at->base->count &&
        str_eq(at->base->pairs[at->k].near->path, path)) {
        item->near.base = at->base->pairs[at->k].near;
        item->far.base = at->base->pairs[at->k++].far;
    }
    return true;
}

static bool is_kind(const struct file_entry *entry, enum file_kind kind)
{
    return entry && entry->kind == kind;
}

static bool hides(const struct file_item *item)
{
    return item->blocked || (item->near.now && item->near.now->opaque) ||
           (item->far.now && item->far.now->opaque);
}

/* The item of the directory of the last one in MERGE, counted from 1. */
static size_t parent_of(const struct file_merge *merge, struct str path)
{
    size_t at = merge->count;

    while (at && !file_path_is_below(path, merge->items[at - 1].path))
        at = merge->items[at - 1].parent;
    return at;
}

static void line_up(struct file_merge *merge, struct file_item *item,
                    const struct file_mounts *mounts,
                    const struct file_mounts *interrupted)
{
    item->parent = parent_of(merge, item->path);
    item->blocked = is_kind(item->near.now, FILE_OTHER) ||
                    is_kind(item->far.now, FILE_OTHER) ||
                    (item->parent && hides(&merge->items[item->parent - 1]));
    item->pinned = file_mounts_pin(mounts, item->path);
    item->near.change = change_of(item->near.now, item->near.base);
    item->far.change = change_of(item->far.now, item->far.base);
    if (interrupted && file_mounts_have(interrupted, item->path) &&
        item->near.now && item->far.now) {
        /* half of what we sent: to be sent again, whoever's turn it is */
        item->near.change = FILE_EDITED;
        item->far.change = FILE_SAME;
    }
    want_hashes(item);
}

void file_merge_init(struct file_merge *merge, const struct file_table *near,
                     const struct file_table *far, const struct file_base *base,
                     const struct file_mounts *mounts,
                     const struct file_mounts *interrupted, enum file_turn turn)
{
    struct cursor at = {.near = near, .far = far, .base = base};
    size_t most = near->count + far->count + base->count;
    struct file_item item;

    *merge = (struct file_merge){.turn = turn};
    merge->items = xcalloc(most + 1, sizeof(*merge->items));
    while (cursor_next(&at, &item)) {
        line_up(merge, &item, mounts, interrupted);
        merge->items[merge->count++] = item;
    }
}

void file_merge_fini(struct file_merge *merge)
{
    for (size_t i = 0; i < merge->count; i++) {
        struct file_item *item = &merge->items[i];

        file_entry_unref(item->near.now);
        file_entry_unref(item->far.now);
        file_entry_unref(item->agreed.near);
        file_entry_unref(item->agreed.far);
    }
    free(merge->items);
    *merge = (struct file_merge){0};
}

void file_merge_hashed(struct file_item *item, struct file_side *side,
                       const struct file_entry *hashed)
{
    struct file_entry with_hash;

    assert(side->now);
    if (!hashed || !hashed->has_hash ||
        !file_stamp_eq(&hashed->stamp, &side->now->stamp)) {
        item->unknown = true; /* it is being changed: next time */
        return;
    }
    with_hash = *side->now;
    with_hash.has_hash = true;
    with_hash.unsure = with_hash.unsure || hashed->unsure;
    memcpy(with_hash.hash, hashed->hash, FILE_HASH_BYTES);
    file_entry_unref(side->now);
    side->now = file_entry_new(&with_hash);
    side->hashed = true;
}

struct file_item *file_merge_find(const struct file_merge *merge,
                                  struct str path)
{
    size_t low = 0;
    size_t high = merge->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = file_path_order(merge->items[middle].path, path);

        if (order == 0)
            return &merge->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void file_merge_settle(struct file_item *item, struct file_entry *near,
                       struct file_entry *far)
{
    file_entry_unref(item->agreed.near);
    file_entry_unref(item->agreed.far);
    item->agreed = (struct file_pair){near, far};
    item->settled = true;
}

/* OLD, or NOW where that is the same: a scan's entry is held in any case. */
static struct file_entry *kept_of(struct file_entry *old,
                                  struct file_entry *now)
{
    bool same = old && now && !old->has_hash && old->unsure == now->unsure &&
                file_entry_eq(old, now);

    return same ? now : old;
}

void file_merge_base(const struct file_merge *merge, struct file_base *base)
{
    for (size_t i = 0; i < merge->count; i++) {
        const struct file_item *item = &merge->items[i];
        struct file_pair pair = {kept_of(item->near.base, item->near.now),
                                 kept_of(item->far.base, item->far.now)};

        if (item->settled)
            pair = item->agreed;
        if (!pair.near || !pair.far)
            continue;
        file_entry_ref(pair.near);
        file_entry_ref(pair.far);
        file_base_add(base, pair);
    }
}
