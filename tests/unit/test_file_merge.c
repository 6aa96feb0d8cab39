/*
 * Random trees that were alike once, changed at random on both sides: whatever
 * the merge decides is carried out on the models and held against the rules of
 * file_merge.h.
 */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/files/file_merge.h"

enum { PATHS = 39, NAMES = 3 };

/* What is under a path: kind 0 is nothing. */
struct node {
    enum file_kind kind;
    uint32_t mode;
    unsigned content; /* of a file, or where a link leads */
};

struct tree {
    struct node nodes[PATHS];
};

/* a, a/a, a/a/a, a/a/b, ... three levels of three names, in order */
static char paths[PATHS][8];
static int parents[PATHS];

static void name_paths(void)
{
    int n = 0;

    for (int i = 0; i < NAMES; i++) {
        int top = n;

        parents[n] = -1;
        snprintf(paths[n++], 8, "%c", 'a' + i);
        for (int j = 0; j < NAMES; j++) {
            int middle = n;

            parents[n] = top;
            snprintf(paths[n++], 8, "%c/%c", 'a' + i, 'a' + j);
            for (int k = 0; k < NAMES; k++) {
                parents[n] = middle;
                snprintf(paths[n++], 8, "%c/%c/%c", 'a' + i, 'a' + j, 'a' + k);
            }
        }
    }
    assert_int_equal(n, PATHS);
}

static bool has_parent(const struct tree *tree, int i)
{
    return parents[i] < 0 || tree->nodes[parents[i]].kind == FILE_DIRECTORY;
}

static bool is_below(int i, int folder)
{
    while (i >= 0 && i != folder)
        i = parents[i];
    return i == folder;
}

static unsigned contents;
/* Do two contents in a row have the same stamp, as within one tick? */
static bool coarse;

static struct node random_node(unsigned *seed)
{
    static const enum file_kind kinds[] = {FILE_REGULAR, FILE_REGULAR,
                                           FILE_DIRECTORY, FILE_DIRECTORY,
                                           FILE_SYMLINK};
    struct node node = {.kind = kinds[(unsigned)rand_r(seed) % 5],
                        .mode = 0755};

    /* few, so that both sides do the same now and then */
    node.content = node.kind == FILE_DIRECTORY
                       ? 0
                       : 1 + (contents++ + (unsigned)rand_r(seed)) % 6;
    return node;
}

static void edit(struct tree *tree, unsigned *seed)
{
    int i = rand_r(seed) % PATHS;
    struct node *node = &tree->nodes[i];

    if (!has_parent(tree, i))
        return;
    switch (rand_r(seed) % 4) {
    case 0: /* remove it */
        for (int j = i; j < PATHS && is_below(j, i); j++)
            tree->nodes[j].kind = 0;
        break;
    case 1:
        if (node->kind && node->kind != FILE_SYMLINK)
            node->mode = rand_r(seed) % 2 ? 0755 : 0700;
        break;
    default:
        if (node->kind == FILE_DIRECTORY && rand_r(seed) % 4)
            break;
        for (int j = i; j < PATHS && is_below(j, i); j++)
            tree->nodes[j].kind = 0;
        *node = random_node(seed);
    }
}

static struct file_entry *entry_of(const struct node *node, int i, bool unsure)
{
    struct file_entry model = {.kind = node->kind, .mode = node->mode};
    char target[4];

    model.path = str_from(paths[i]);
    snprintf(target, sizeof(target), "%u", node->content % 1000);
    if (node->kind == FILE_SYMLINK) {
        model.mode = 0777;
        model.target = str_from(target);
    }
    model.stamp.ino = (uint64_t)i + 1;
    if (node->kind == FILE_REGULAR) {
        model.stamp.size = 10;
        model.stamp.mtime = node->content / (coarse ? 2 : 1);
        model.stamp.ctime = model.stamp.mtime + 100 * (int64_t)node->mode;
        model.gid = node->content; /* what hash() finds */
        model.unsure = unsure;
        model.hash[0] = (unsigned char)node->content;
        model.has_hash = unsure;
    }
    return file_entry_new(&model);
}

static void table_of(const struct tree *tree, struct file_table *table)
{
    for (int i = 0; i < PATHS; i++) {
        struct file_entry *entry;

        if (!tree->nodes[i].kind)
            continue;
        entry = entry_of(&tree->nodes[i], i, false);
        assert_int_equal(file_table_add(table, entry, &(struct file_limits){0}),
                         0);
        file_entry_unref(entry);
    }
}

static void base_of(const struct tree *tree, struct file_base *base,
                    bool unsure)
{
    for (int i = 0; i < PATHS; i++) {
        if (tree->nodes[i].kind)
            file_base_add(base, (struct file_pair){
                                    entry_of(&tree->nodes[i], i, unsure),
                                    entry_of(&tree->nodes[i], i, unsure),
                                });
    }
}

static void hash(struct file_item *item, struct file_side *side)
{
    struct file_entry hashed;

    if (!side->hash_wanted)
        return;
    hashed = *side->now;
    hashed.has_hash = true;
    memset(hashed.hash, 0, sizeof(hashed.hash));
    hashed.hash[0] = (unsigned char)hashed.gid;
    file_merge_hashed(item, side, &hashed);
}

struct world {
    struct tree base, near, far;             /* before */
    struct tree now_near, now_far, now_base; /* after */
    enum file_action actions[PATHS];
};

static void carry_out(struct world *world, int i, enum file_action action)
{
    struct node *near = &world->now_near.nodes[i];
    struct node *far = &world->now_far.nodes[i];
    struct node none = {.kind = 0};

    world->actions[i] = action;
    switch (action) {
    case FILE_TO_FAR:
    case FILE_META_TO_FAR:
        *far = *near;
        break;
    case FILE_TO_NEAR:
    case FILE_META_TO_NEAR:
        *near = *far;
        break;
    case FILE_DELETE_FAR:
        *far = none;
        break;
    case FILE_DELETE_NEAR:
        *near = none;
        break;
    case FILE_LEAVE:
    case FILE_NOTHING:
    case FILE_AGREE:
    case FILE_FORGET:
    case FILE_ACTIONS:
        break;
    }
    if (action != FILE_LEAVE && action != FILE_NOTHING)
        world->now_base.nodes[i] = *near;
}

static int index_of(struct str path)
{
    for (int i = 0; i < PATHS; i++) {
        if (str_eq(str_from(paths[i]), path))
            return i;
    }
    fail();
    return -1;
}

static void merge(struct world *world, enum file_turn turn, bool unsure,
                  const struct file_mounts *mounts)
{
    struct file_table near = {0}, far = {0};
    struct file_base base = {0};
    struct file_merge merge;

    coarse = unsure;
    table_of(&world->near, &near);
    table_of(&world->far, &far);
    base_of(&world->base, &base, unsure);
    world->now_near = world->near;
    world->now_far = world->far;
    world->now_base = world->base;
    memset(world->actions, 0, sizeof(world->actions));
    file_merge_init(&merge, &near, &far, &base, mounts, NULL, turn);
    for (size_t i = 0; i < merge.count; i++) {
        hash(&merge.items[i], &merge.items[i].near);
        hash(&merge.items[i], &merge.items[i].far);
    }
    file_merge_decide(&merge);
    for (size_t i = 0; i < merge.count; i++)
        carry_out(world, index_of(merge.items[i].path), merge.items[i].action);
    file_merge_fini(&merge);
    file_base_fini(&base);
    file_table_fini(&near);
    file_table_fini(&far);
}

static bool node_eq(const struct node *a, const struct node *b)
{
    if (a->kind != b->kind)
        return false;
    if (!a->kind)
        return true;
    return a->content == b->content &&
           (a->kind == FILE_SYMLINK || a->mode == b->mode);
}

static void is_whole(const struct tree *tree)
{
    for (int i = 0; i < PATHS; i++)
        assert_true(!tree->nodes[i].kind || has_parent(tree, i));
}

/* Has a name above I another kind on one side than on the other, or gone? */
static bool is_plain(const struct world *world, int i)
{
    for (int j = parents[i]; j >= 0; j = parents[j]) {
        if (world->near.nodes[j].kind != FILE_DIRECTORY ||
            world->far.nodes[j].kind != FILE_DIRECTORY)
            return false;
    }
    return true;
}

static bool has_change_below(const struct tree *now, const struct tree *base,
                             int folder)
{
    for (int i = folder; i < PATHS && is_below(i, folder); i++) {
        if (now->nodes[i].kind && !node_eq(&now->nodes[i], &base->nodes[i]))
            return true;
    }
    return false;
}

/* One name, in a place where nothing above it matters. */
static void check_name(const struct world *world, enum file_turn turn, int i)
{
    const struct node *base = &world->base.nodes[i];
    const struct node *near = &world->near.nodes[i];
    const struct node *far = &world->far.nodes[i];
    const struct node *after = &world->now_near.nodes[i];
    bool mine = !node_eq(near, base);
    bool yours = !node_eq(far, base);

    if (!mine && !yours)
        assert_true(node_eq(after, base) &&
                    node_eq(&world->now_far.nodes[i], base));
    /* a deletion or another kind also depends on what lies below */
    if (near->kind != FILE_DIRECTORY && far->kind != FILE_DIRECTORY) {
        if (mine && !yours)
            assert_true(node_eq(after, near));
        if (yours && !mine)
            assert_true(node_eq(after, far));
        if (mine && yours && !near->kind && far->kind)
            assert_true(node_eq(after, far));
        if (mine && yours && !far->kind && near->kind)
            assert_true(node_eq(after, near));
    }
    if (mine && yours && near->kind && far->kind &&
        base->kind != FILE_REGULAR && !node_eq(near, far)) {
        if (turn == FILE_TURN_NEAR)
            assert_true(node_eq(after, near));
        if (turn == FILE_TURN_FAR)
            assert_true(node_eq(after, far));
        if (turn == FILE_TURN_NOBODY)
            assert_int_equal(world->actions[i], FILE_LEAVE);
    }
    /* it became a file here, and something below it was changed there */
    if (near->kind == FILE_REGULAR && far->kind == FILE_DIRECTORY &&
        node_eq(far, base) && has_change_below(&world->far, &world->base, i)) {
        if (turn == FILE_TURN_NEAR)
            assert_true(node_eq(after, near));
        if (turn == FILE_TURN_FAR)
            assert_true(node_eq(after, far));
        if (turn == FILE_TURN_NOBODY)
            assert_int_equal(world->actions[i], FILE_LEAVE);
    }
    if (!near->kind && far->kind == FILE_DIRECTORY && base->kind) {
        bool stays = has_change_below(&world->far, &world->base, i);

        assert_int_equal(after->kind, stays ? FILE_DIRECTORY : 0);
    }
}

static void check(const struct world *world, enum file_turn turn)
{
    is_whole(&world->now_near);
    is_whole(&world->now_far);
    for (int i = 0; i < PATHS; i++) {
        if (turn != FILE_TURN_NOBODY)
            assert_true(
                node_eq(&world->now_near.nodes[i], &world->now_far.nodes[i]));
        if (is_plain(world, i))
            check_name(world, turn, i);
    }
}

static void is_quiet(const struct world *world)
{
    for (int i = 0; i < PATHS; i++)
        assert_true(world->actions[i] == FILE_NOTHING ||
                    world->actions[i] == FILE_LEAVE ||
                    world->actions[i] == FILE_AGREE);
}

static struct world random_world(unsigned *seed)
{
    struct world world = {.actions = {0}};

    for (int i = 0; i < 60; i++)
        edit(&world.base, seed);
    world.near = world.far = world.base;
    for (int i = rand_r(seed) % 8; i > 0; i--)
        edit(&world.near, seed);
    for (int i = rand_r(seed) % 8; i > 0; i--)
        edit(&world.far, seed);
    if (rand_r(seed) % 10 == 0)
        memset(&world.base, 0, sizeof(world.base)); /* no past */
    return world;
}

static void the_rules_hold_for_any_two_trees(void **state)
{
    static const struct file_mounts none;
    unsigned seed = 1;

    (void)state;
    for (unsigned i = 0; i < rounds_of(12000); i++) {
        enum file_turn turn = (enum file_turn)(i % 3);
        struct world world = random_world(&seed);

        merge(&world, turn, i % 5 == 0, &none);
        check(&world, turn);
        world.near = world.now_near;
        world.far = world.now_far;
        world.base = world.now_base;
        merge(&world, turn, false, &none);
        is_quiet(&world);
    }
}

static void one_way_nothing_of_the_near_side_changes(void **state)
{
    static const struct file_mounts none;
    unsigned seed = 2;

    (void)state;
    for (unsigned i = 0; i < rounds_of(4000); i++) {
        struct world world = random_world(&seed);

        merge(&world, FILE_TURN_ONE_WAY, false, &none);
        is_whole(&world.now_far);
        for (int j = 0; j < PATHS; j++) {
            assert_true(
                node_eq(&world.now_near.nodes[j], &world.near.nodes[j]));
            if (world.near.nodes[j].kind)
                assert_true(
                    node_eq(&world.now_far.nodes[j], &world.near.nodes[j]));
        }
    }
}

static void what_is_mounted_keeps_its_name_and_kind(void **state)
{
    struct file_mounts mounts = {.count = 0};
    unsigned seed = 3;

    (void)state;
    file_mounts_add(&mounts, S(""));
    file_mounts_add(&mounts, S("a/b"));
    for (unsigned i = 0; i < rounds_of(4000); i++) {
        struct world world = random_world(&seed);

        merge(&world, (enum file_turn)(i % 4), false, &mounts);
        is_whole(&world.now_far);
        for (int j = 0; j < PATHS; j++) {
            if (j == index_of(S("a")) || j == index_of(S("a/b")))
                assert_true(!world.far.nodes[j].kind ||
                            world.far.nodes[j].kind ==
                                world.now_far.nodes[j].kind);
        }
    }
    file_mounts_fini(&mounts);
}

static int set_up(void **state)
{
    (void)state;
    name_paths();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules_hold_for_any_two_trees),
        cmocka_unit_test(one_way_nothing_of_the_near_side_changes),
        cmocka_unit_test(what_is_mounted_keeps_its_name_and_kind),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
