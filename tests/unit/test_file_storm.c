/*
 * Two directories in step while much happens: random edits on both sides,
 * streams that break at any byte, names that are swapped and files that grow
 * while they are read.
 */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/files/file_far.h"
#include "tests/support/file_trees.h"

static struct file_trees trees;

static int make(void **state)
{
    (void)state;
    file_trees_init(&trees);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    file_trees_fini(&trees);
    return 0;
}

/* Other edits with another BERTH_FILES_SEED. */
static unsigned seed_of(unsigned test)
{
    const char *text = getenv("BERTH_FILES_SEED");

    return test + (text ? 1000 * (unsigned)atoi(text) : 0);
}

/* Rounds until a quiet one; a mode of hard links can take two. */
static void settle(enum file_turn turn)
{
    struct file_report report;

    for (unsigned i = 0; i < 4; i++) {
        report = file_trees_round(&trees, turn);
        if (!report.to_far && !report.to_near && !report.removed_far &&
            !report.removed_near && !report.left)
            return;
    }
    fprintf(stderr, "%zu %zu %zu %zu %zu\n", report.to_far, report.to_near,
            report.removed_far, report.removed_near, report.left);
    fail_msg("never quiet");
}

static void random_edits_on_both_sides_end_alike(void **state)
{
    unsigned seed = seed_of(1);

    (void)state;
    for (unsigned i = 0; i < rounds_of(150); i++) {
        file_trees_edit(trees.near, &seed, seed % 12);
        file_trees_edit(trees.far, &seed, (seed >> 8) % 12);
        settle(i % 2 ? FILE_TURN_NEAR : FILE_TURN_FAR);
        if (!file_trees_are_alike(&trees))
            fail_msg("round %u", i);
        if (i % 7 == 0)
            assert_int_equal(file_trees_close(&trees), 0);
    }
}

/* Everything below ROOT, a line each, by whose path it starts. */
static bool has_line(struct str all, struct str line)
{
    struct str one;

    while (str_cut(all, '\n', &one, &all)) {
        if (str_eq(one, line))
            return true;
    }
    return false;
}

static void every_line_of(struct str all, struct str in)
{
    struct str one;

    while (str_cut(all, '\n', &one, &all)) {
        if (!has_line(in, one))
            fail_msg("lost: %.*s", STR_FMT(one));
    }
}

static void what_one_side_alone_does_is_exactly_what_comes_over(void **state)
{
    unsigned seed = seed_of(2);

    (void)state;
    for (unsigned i = 0; i < rounds_of(80); i++) {
        AUTO(strbuf_fini) struct strbuf before = STRBUF(MIB);
        AUTO(strbuf_fini) struct strbuf after = STRBUF(MIB);
        bool near = i % 2;

        file_trees_edit(near ? trees.near : trees.far, &seed, seed % 20);
        file_trees_show(near ? trees.near : trees.far, &before);
        /* whoever's turn it is: there is no conflict */
        settle(i % 4 < 2 ? FILE_TURN_NEAR : FILE_TURN_FAR);
        file_trees_show(near ? trees.near : trees.far, &after);
        assert_true(str_eq(strbuf_str(&before), strbuf_str(&after)));
        assert_true(file_trees_are_alike(&trees));
    }
}

static void edits_in_different_places_are_all_kept(void **state)
{
    unsigned seed = seed_of(3);

    (void)state;
    file_trees_mkdir(&trees, "near/n");
    file_trees_mkdir(&trees, "near/f");
    settle(FILE_TURN_NEAR);
    for (unsigned i = 0; i < rounds_of(40); i++) {
        AUTO(strbuf_fini) struct strbuf mine = STRBUF(MIB);
        AUTO(strbuf_fini) struct strbuf yours = STRBUF(MIB);
        AUTO(strbuf_fini) struct strbuf now = STRBUF(MIB);

        file_trees_edit(file_trees_path(&trees, "near/n"), &seed, 5);
        file_trees_edit(file_trees_path(&trees, "far/f"), &seed, 5);
        file_trees_show(file_trees_path(&trees, "near/n"), &mine);
        file_trees_show(file_trees_path(&trees, "far/f"), &yours);
        settle(FILE_TURN_NOBODY);
        file_trees_show(file_trees_path(&trees, "near/n"), &now);
        every_line_of(strbuf_str(&mine), strbuf_str(&now));
        strbuf_clear(&now);
        file_trees_show(file_trees_path(&trees, "near/f"), &now);
        every_line_of(strbuf_str(&yours), strbuf_str(&now));
        assert_true(file_trees_are_alike(&trees));
    }
}

static void a_stream_may_break_at_any_byte(void **state)
{
    unsigned seed = seed_of(4);

    (void)state;
    for (unsigned i = 0; i < rounds_of(120); i++) {
        struct file_report report;
        enum file_turn turn = i % 2 ? FILE_TURN_NEAR : FILE_TURN_FAR;
        int r;

        file_trees_edit(trees.near, &seed, seed % 12);
        file_trees_edit(trees.far, &seed, (seed >> 8) % 12);
        r = file_trees_open(&trees, (long)((unsigned)rand_r(&seed) % 6000));
        if (r == 0)
            r = file_near_round(&trees.end, turn, &report);
        file_trees_close(&trees);
        settle(turn);
        if (!file_trees_are_alike(&trees))
            fail_msg("break %u", i);
        file_trees_close(&trees);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, make, clean)
        T(random_edits_on_both_sides_end_alike),
        T(what_one_side_alone_does_is_exactly_what_comes_over),
        T(edits_in_different_places_are_all_kept),
        T(a_stream_may_break_at_any_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
