/* What one end knows of two directories, over a restart of its process. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/files/file_saved.h"
#include "tests/support/file_scene.h"

#define ABOUT S("these two")

static const char *saved(void)
{
    return file_trees_path(&trees, "saved");
}

static void save(void)
{
    char name[128];

    put("near/a", "1");
    put("near/b", "2");
    file_trees_mkdir(&trees, "near/d");
    put("near/d/c", "3");
    strcpy(name, file_trees_path(&trees, "near/a"));
    assert_int_equal(link(name, file_trees_path(&trees, "near/d/link")), 0);
    usleep(30000);
    in();
    usleep(30000);
    in();
    assert_int_equal(file_saved_write(&trees.end, saved(), ABOUT), 0);
}

/* As a process that knows nothing would. */
static int load(struct str about)
{
    file_near_forget(&trees.end);
    return file_saved_read(&trees.end, saved(), about);
}

static void what_was_removed_meanwhile_is_removed(void **state)
{
    struct file_report report;

    (void)state;
    save();
    assert_int_equal(load(ABOUT), 0);
    assert_int_equal(trees.end.base.count, 5);
    file_trees_remove(&trees, "near/b");
    file_trees_remove(&trees, "far/d/c");
    put("far/a", "edited");
    report = in();
    assert_int_equal(report.compared, 0);
    holds("near/b", NULL);
    holds("far/b", NULL);
    holds("near/d/c", NULL);
    holds("near/a", "edited");
    assert_true(file_trees_are_alike(&trees));
}

static void without_it_all_comes_back(void **state)
{
    (void)state;
    save();
    file_near_forget(&trees.end);
    file_trees_remove(&trees, "near/b");
    in();
    holds("near/b", "2");
}

static void what_is_about_others_says_nothing(void **state)
{
    (void)state;
    save();
    assert_int_equal(load(S("those two")), -ESTALE);
    assert_int_equal(trees.end.base.count, 0);
    assert_int_equal(unlink(saved()), 0);
    assert_int_equal(load(ABOUT), -ENOENT);
}

static void half_of_it_says_nothing(void **state)
{
    struct stat st;

    (void)state;
    save();
    st = look("saved");
    for (off_t len = st.st_size - 1; len >= 0; len -= 7) {
        assert_int_equal(truncate(saved(), len), 0);
        assert_true(load(ABOUT) < 0);
        assert_int_equal(trees.end.base.count, 0);
    }
}

static void what_others_may_write_says_nothing(void **state)
{
    char other[128];

    (void)state;
    save();
    assert_int_equal(chmod(saved(), 0620), 0);
    assert_int_equal(load(ABOUT), -EPERM);
    assert_int_equal(chmod(saved(), 0600), 0);
    strcpy(other, file_trees_path(&trees, "other"));
    assert_int_equal(rename(saved(), other), 0);
    assert_int_equal(symlink("other", saved()), 0);
    assert_int_equal(load(ABOUT), -ELOOP);
    assert_int_equal(trees.end.base.count, 0);
}

static void changing(void *arg)
{
    ++*(unsigned *)arg;
}

static void it_is_told_before_a_change_and_only_then(void **state)
{
    unsigned count = 0;

    (void)state;
    trees.end.changing = changing;
    trees.end.note_arg = &count;
    save();
    in();
    count = 0;
    in();
    in();
    assert_int_equal(count, 0);
    put("far/a", "edited");
    in();
    assert_int_equal(count, 1);
    holds("near/a", "edited");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scene_make, scene_clean)
        T(what_was_removed_meanwhile_is_removed),
        T(without_it_all_comes_back),
        T(what_is_about_others_says_nothing),
        T(half_of_it_says_nothing),
        T(what_others_may_write_says_nothing),
        T(it_is_told_before_a_change_and_only_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
