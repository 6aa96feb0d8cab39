#include "proxy/files/file_merge.h"

#include <stdlib.h>

/* The sort of thing that it is; files and hard links are one. */
static enum file_kind class_of(const struct file_entry *entry)
{
    return file_is_content(entry) ? FILE_REGULAR : entry->kind;
}

static bool is_structural(const struct file_item *item)
{
    return item->near.now && item->far.now &&
           class_of(item->near.now) != class_of(item->far.now);
}

static bool hashes_eq(const struct file_entry *a, const struct file_entry *b)
{
    return memcmp(a->hash, b->hash, FILE_HASH_BYTES) == 0;
}

static bool is_alike(const struct file_item *item)
{
    return item->near.hashed && item->far.hashed &&
           hashes_eq(item->near.now, item->far.now);
}

/* Has the same file become another name of an earlier one? */
static bool is_relinked(const struct file_side *side)
{
    return side->now->kind == FILE_HARD_LINK &&
           (side->base->kind != FILE_HARD_LINK ||
            !str_eq(side->now->target, side->base->target));
}

/* What a PERHAPS of SIDE is, now that hashes are known. OTHER is as it was. */
static enum file_change resolved(const struct file_side *side,
                                 const struct file_side *other, bool alike)
{
    enum file_change same;

    if (side->change != FILE_PERHAPS)
        return side->change;
    same = side->now->mode == side->base->mode && !is_relinked(side)
               ? FILE_SAME
               : FILE_MODE;
    if (side->hashed && side->base->has_hash)
        return hashes_eq(side->now, side->base) ? same : FILE_EDITED;
    /* the other side has what both had: this one must have it, too */
    if (side->hashed && other->hashed && !alike &&
        (other->change == FILE_SAME || other->change == FILE_PERHAPS))
        return FILE_EDITED;
    return same;
}

/* Returns whether there was something to resolve. */
static bool resolve(struct file_item *item)
{
    bool perhaps =
        item->near.change == FILE_PERHAPS || item->far.change == FILE_PERHAPS;
    bool alike = is_alike(item);
    enum file_change near = resolved(&item->near, &item->far, alike);

    item->far.change = resolved(&item->far, &item->near, alike);
    item->near.change = near;
    return perhaps;
}

static bool exists_anew(const struct file_side *side)
{
    return side->now &&
           (side->below || side->change == FILE_MODE ||
            side->change == FILE_EDITED || side->change == FILE_CREATED);
}

/* Is it by both sides' names the same file as another one, or as none? */
static bool is_linked_alike(const struct file_item *item)
{
    return item->near.now->kind == item->far.now->kind &&
           str_eq(item->near.now->target, item->far.now->target);
}

/*
 * How much a change of one side weighs: a content more than a mode. A change
 * of anything below counts when the two are of different kinds.
 */
static int weight(const struct file_item *item, const struct file_side *side)
{
    if (side->change == FILE_EDITED || side->change == FILE_CREATED ||
        (is_structural(item) && side->below))
        return 2;
    return side->change == FILE_MODE ? 1 : 0;
}

/* Does what is on both sides differ in nothing that is carried? */
static bool needs_nothing(const struct file_merge *merge,
                          const struct file_item *item)
{
    const struct file_entry *near = item->near.now;
    const struct file_entry *far = item->far.now;

    if (is_structural(item))
        return false;
    if (near->kind == FILE_SYMLINK)
        return str_eq(near->target, far->target);
    if (near->kind == FILE_DIRECTORY)
        return near->mode == far->mode;
    return near->mode == far->mode && is_alike(item) &&
           (is_linked_alike(item) ||
            (merge->turn == FILE_TURN_NOBODY &&
             weight(item, &item->near) == weight(item, &item->far)));
}

/* Of what is on both sides: FILE_TO_FAR, FILE_TO_NEAR or FILE_LEAVE. */
static enum file_action winner(const struct file_merge *merge,
                               struct file_item *item)
{
    int near = weight(item, &item->near);
    int far = weight(item, &item->far);

    item->lost = near && far;
    if (merge->turn == FILE_TURN_ONE_WAY) {
        item->lost = far;
        return FILE_TO_FAR;
    }
    if (near != far)
        return near > far ? FILE_TO_FAR : FILE_TO_NEAR;
    if (merge->turn == FILE_TURN_NOBODY)
        return FILE_LEAVE;
    return merge->turn == FILE_TURN_NEAR ? FILE_TO_FAR : FILE_TO_NEAR;
}

/* Only the mode, where the rest is alike. */
static enum file_action meta_of(const struct file_item *item,
                                enum file_action action)
{
    const struct file_entry *taken =
        action == FILE_TO_FAR ? item->near.now : item->far.now;
    bool small = class_of(taken) == FILE_REGULAR &&
                 weight(item, &item->near) < 2 && weight(item, &item->far) < 2;
    bool links =
        is_linked_alike(item) || (small && taken->kind != FILE_HARD_LINK);
    bool rest = class_of(taken) == FILE_DIRECTORY ||
                ((small || is_alike(item)) && links);

    if (is_structural(item) || !rest || action == FILE_LEAVE)
        return action;
    return action == FILE_TO_FAR ? FILE_META_TO_FAR : FILE_META_TO_NEAR;
}

static enum file_action decide_both(const struct file_merge *merge,
                                    struct file_item *item, bool compared)
{
    enum file_action action;

    if (!weight(item, &item->near) && !weight(item, &item->far))
        return compared ? FILE_AGREE : FILE_NOTHING;
    if (needs_nothing(merge, item))
        return FILE_AGREE;
    action = winner(merge, item);
    if (is_structural(item)) {
        if (item->pinned)
            action = FILE_LEAVE;
        item->forced = action;
    }
    return meta_of(item, action);
}

/* Of what is on one side, THERE, and not on the other. */
static enum file_action decide_one(const struct file_merge *merge,
                                   struct file_item *item)
{
    bool near = item->near.now;
    const struct file_side *there = near ? &item->near : &item->far;
    const struct file_side *gone = near ? &item->far : &item->near;
    enum file_action carry = near ? FILE_TO_FAR : FILE_TO_NEAR;
    enum file_action remove = near ? FILE_DELETE_NEAR : FILE_DELETE_FAR;

    if (merge->turn == FILE_TURN_ONE_WAY && near)
        return FILE_TO_FAR;
    if (gone->change != FILE_DELETED)
        return merge->turn == FILE_TURN_ONE_WAY ? FILE_LEAVE : carry;
    if (merge->turn != FILE_TURN_ONE_WAY && exists_anew(there))
        return carry;
    item->lost = exists_anew(there);
    return item->pinned ? FILE_LEAVE : remove;
}

/* Below what became something else: the loser's things go, whatever it did. */
static enum file_action decide_forced(struct file_item *item)
{
    enum file_action above = item->forced;

    if (above == FILE_LEAVE)
        return FILE_LEAVE;
    if (above == FILE_TO_FAR) {
        item->lost = exists_anew(&item->far);
        return item->far.now ? FILE_DELETE_FAR : FILE_TO_FAR;
    }
    item->lost = exists_anew(&item->near);
    return item->near.now ? FILE_DELETE_NEAR : FILE_TO_NEAR;
}

static enum file_action decide(const struct file_merge *merge,
                               struct file_item *item, bool compared)
{
    const struct file_item *parent =
        item->parent ? &merge->items[item->parent - 1] : NULL;

    if (!item->near.now && !item->far.now)
        return FILE_FORGET;
    if (item->blocked)
        return FILE_LEAVE;
    if (parent && parent->forced) {
        item->forced = parent->forced;
        /* the winner's own things below go over as they are */
        if (item->forced == FILE_TO_FAR && item->near.now && !item->far.now)
            return FILE_TO_FAR;
        if (item->forced == FILE_TO_NEAR && item->far.now && !item->near.now)
            return FILE_TO_NEAR;
        return decide_forced(item);
    }
    if (item->unknown)
        return FILE_LEAVE;
    return item->near.now && item->far.now ? decide_both(merge, item, compared)
                                           : decide_one(merge, item);
}

/* A directory stays where something in it stays. */
static void keep_parent(struct file_item *parent, const struct file_item *item)
{
    enum file_action action = parent->action;

    if (action != FILE_DELETE_FAR && action != FILE_DELETE_NEAR)
        return;
    switch (item->action) {
    case FILE_DELETE_FAR:
    case FILE_DELETE_NEAR:
    case FILE_FORGET:
        return;
    case FILE_TO_NEAR:
        parent->action = action == FILE_DELETE_FAR ? FILE_TO_NEAR : action;
        return;
    case FILE_TO_FAR:
        parent->action = action == FILE_DELETE_NEAR ? FILE_TO_FAR : action;
        return;
    case FILE_LEAVE:
        if (action == FILE_DELETE_FAR ? item->far.now : item->near.now)
            parent->action = FILE_LEAVE;
        return;
    case FILE_NOTHING:
    case FILE_AGREE:
    case FILE_META_TO_FAR:
    case FILE_META_TO_NEAR:
    case FILE_ACTIONS:
        return; /* on both sides: its directory is, too */
    }
}

static void tell_parent(const struct file_merge *merge,
                        const struct file_item *item)
{
    struct file_item *parent =
        item->parent ? &merge->items[item->parent - 1] : NULL;

    /* what cannot be carried brings no directory back either */
    if (!parent || item->blocked)
        return;
    parent->near.below = parent->near.below || exists_anew(&item->near);
    parent->far.below = parent->far.below || exists_anew(&item->far);
}

void file_merge_decide(struct file_merge *merge)
{
    bool *compared = xcalloc(merge->count + 1, sizeof(*compared));

    for (size_t i = 0; i < merge->count; i++)
        compared[i] = resolve(&merge->items[i]);
    for (size_t i = merge->count; i-- > 0;)
        tell_parent(merge, &merge->items[i]);
    for (size_t i = 0; i < merge->count; i++)
        merge->items[i].action = decide(merge, &merge->items[i], compared[i]);
    for (size_t i = merge->count; i-- > 0;) {
        const struct file_item *item = &merge->items[i];

        if (item->parent)
            keep_parent(&merge->items[item->parent - 1], item);
    }
    free(compared);
}
