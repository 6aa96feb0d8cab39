/* Two directories in step: what whoever works in them sees. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/support/file_scene.h"

static void what_the_runner_wrote_is_in_the_volume(void **state)
{
    struct file_report report;

    (void)state;
    put("near/a", "one");
    file_trees_mkdir(&trees, "near/d");
    put("near/d/b", "two");
    assert_int_equal(
        symlink("../outside/x", file_trees_path(&trees, "near/d/l")), 0);
    report = in();
    assert_int_equal(report.to_far, 4);
    assert_true(report.bytes_out == 6);
    assert_true(file_trees_are_alike(&trees));
    assert_true(look("far/a").st_mtim.tv_nsec ==
                look("near/a").st_mtim.tv_nsec);
}

static void what_the_container_wrote_comes_back(void **state)
{
    (void)state;
    put("near/a", "one");
    in();
    put("far/a", "changed");
    file_trees_mkdir(&trees, "far/out");
    put("far/out/result", "42");
    assert_int_equal(chmod(file_trees_path(&trees, "far/out/result"), 06755),
                     0);
    out();
    holds("near/a", "changed");
    holds("near/out/result", "42");
    assert_int_equal(look("near/out/result").st_mode & 07777, 0755);
}

static void nothing_travels_twice(void **state)
{
    struct file_report report;
    long before;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        char path[32];

        snprintf(path, sizeof(path), "near/file%u", i);
        put(path, "content");
    }
    in();
    usleep(30000); /* so that no stamp is unsure any more */
    out();
    in();
    before = trees.carried;
    report = out();
    assert_int_equal(report.to_far + report.to_near + report.compared, 0);
    assert_int_equal(trees.carried - before, 2 * (4 + 1 + 8));
}

static void deletions_travel(void **state)
{
    struct file_report report;

    (void)state;
    file_trees_mkdir(&trees, "near/d");
    put("near/d/a", "1");
    put("near/d/b", "2");
    file_trees_mkdir(&trees, "near/e");
    put("near/e/a", "3");
    in();
    file_trees_remove(&trees, "near/d");
    report = in();
    assert_int_equal(report.removed_far, 3);
    file_trees_remove(&trees, "far/e");
    report = out();
    assert_int_equal(report.removed_near, 2);
    assert_true(file_trees_are_alike(&trees));
    holds("near/e/a", NULL);
}

static void whose_turn_it_is_wins(void **state)
{
    (void)state;
    put("near/a", "old");
    put("near/b", "old");
    in();
    put("near/a", "runner");
    put("far/a", "container");
    assert_int_equal(in().lost, 1);
    holds("far/a", "runner");
    put("near/b", "runner");
    put("far/b", "container");
    assert_int_equal(out().lost, 1);
    holds("near/b", "container");
}

static void between_turns_a_conflict_waits(void **state)
{
    (void)state;
    put("near/a", "old");
    put("near/b", "old");
    in();
    put("near/a", "runner");
    put("far/a", "container");
    put("far/b", "news");
    assert_int_equal(file_trees_round(&trees, FILE_TURN_NOBODY).left, 1);
    holds("near/a", "runner");
    holds("far/a", "container");
    holds("near/b", "news");
    in();
    holds("far/a", "runner");
}

static void the_same_change_is_no_conflict(void **state)
{
    struct file_report report;

    (void)state;
    put("near/a", "old");
    in();
    put("near/a", "same");
    put("far/a", "same");
    report = in();
    assert_int_equal(report.lost + report.to_far + report.to_near, 0);
    assert_int_equal(report.compared, 1);
}

static void a_deletion_loses_against_a_change(void **state)
{
    (void)state;
    file_trees_mkdir(&trees, "near/d");
    put("near/d/a", "old");
    put("near/d/b", "old");
    in();
    file_trees_remove(&trees, "near/d");
    put("far/d/a", "changed");
    in();
    holds("near/d/a", "changed");
    holds("far/d/b", NULL);
    assert_true(file_trees_are_alike(&trees));
}

static void a_change_of_kind_is_one_conflict(void **state)
{
    (void)state;
    file_trees_mkdir(&trees, "near/d");
    put("near/d/a", "old");
    in();
    file_trees_remove(&trees, "near/d");
    put("near/d", "a file");
    put("far/d/a", "changed");
    put("far/d/new", "new");
    out();
    holds("near/d/a", "changed");
    holds("near/d/new", "new");
    assert_true(file_trees_are_alike(&trees));
    file_trees_remove(&trees, "near/d");
    put("near/d", "a file");
    put("far/d/a", "again");
    in();
    holds("far/d", "a file");
    assert_true(file_trees_are_alike(&trees));
}

static void what_was_just_written_and_removed_stays_removed(void **state)
{
    (void)state;
    put("far/result", "1"); /* its stamp is unsure */
    out();
    holds("near/result", "1");
    file_trees_remove(&trees, "near/result");
    in();
    holds("far/result", NULL);
}

static void an_owner_is_no_change(void **state)
{
    struct file_report report;

    (void)state;
    if (geteuid() != 0)
        skip();
    put("near/a", "one");
    in();
    usleep(30000);
    assert_int_equal(chown(file_trees_path(&trees, "far/a"), 1234, 1234), 0);
    report = out();
    assert_int_equal(report.to_near + report.lost, 0);
    assert_int_equal(report.compared, 1);
    put("near/a", "two");
    in();
    assert_int_equal(look("far/a").st_uid, 1234);
    holds("far/a", "two");
    assert_int_equal(look("near/a").st_uid, 0);
}

static void results_belong_to_the_runner(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    trees.end.apply.owner = FILE_OWNER_FIXED;
    trees.end.apply.uid = 1001;
    trees.end.apply.gid = 1002;
    file_trees_mkdir(&trees, "far/d");
    put("far/d/a", "1");
    assert_int_equal(symlink("a", file_trees_path(&trees, "far/d/l")), 0);
    out();
    assert_int_equal(look("near/d").st_uid, 1001);
    assert_int_equal(look("near/d/a").st_uid, 1001);
    assert_int_equal(look("near/d/a").st_gid, 1002);
    assert_int_equal(look("near/d/l").st_uid, 1001);
}

static void hard_links_stay_links(void **state)
{
    char other[128];

    (void)state;
    put("near/a", "one");
    file_trees_mkdir(&trees, "near/d");
    snprintf(other, sizeof(other), "%s", file_trees_path(&trees, "near/a"));
    assert_int_equal(link(other, file_trees_path(&trees, "near/d/b")), 0);
    in();
    assert_true(look("far/a").st_ino == look("far/d/b").st_ino);
    assert_true(file_trees_are_alike(&trees));
    put("far/a", "two"); /* both names have it */
    out();
    holds("near/d/b", "two");
    assert_true(look("near/a").st_ino == look("near/d/b").st_ino);
    assert_true(file_trees_are_alike(&trees));
}

static void what_cannot_be_carried_is_left_alone(void **state)
{
    struct file_report report;

    (void)state;
    put("near/plain", "1");
    put("near/was", "a file");
    in();
    assert_int_equal(mkfifo(file_trees_path(&trees, "near/fifo"), 0600), 0);
    file_trees_remove(&trees, "far/was");
    assert_int_equal(mkfifo(file_trees_path(&trees, "far/was"), 0600), 0);
    if (geteuid() == 0)
        mknod(file_trees_path(&trees, "far/null"), S_IFCHR | 0666,
              makedev(1, 3));
    report = out();
    assert_true(report.skipped >= 2);
    holds("near/was", "a file");
    assert_int_not_equal(access(file_trees_path(&trees, "far/fifo"), F_OK), 0);
    assert_int_not_equal(access(file_trees_path(&trees, "near/null"), F_OK), 0);
}

static void only_what_is_mounted_travels(void **state)
{
    (void)state;
    file_mounts_add(&trees.end.mounts, S("work/src"));
    file_mounts_add(&trees.end.mounts, S("one.conf"));
    file_trees_mkdir(&trees, "near/work");
    file_trees_mkdir(&trees, "near/work/src");
    put("near/work/src/a", "1");
    put("near/work/secret", "2");
    put("near/one.conf", "3");
    put("near/two.conf", "4");
    in();
    holds("far/work/src/a", "1");
    holds("far/one.conf", "3");
    holds("far/work/secret", NULL);
    holds("far/two.conf", NULL);
}

static void a_mounted_file_is_written_in_place(void **state)
{
    ino_t before;

    (void)state;
    file_mounts_add(&trees.end.mounts, S(""));
    file_mounts_add(&trees.end.mounts, S("one.conf"));
    put("near/one.conf", "a longer content");
    in();
    before = look("far/one.conf").st_ino;
    file_trees_remove(&trees, "near/one.conf");
    put("near/one.conf", "short");
    in();
    holds("far/one.conf", "short");
    assert_true(look("far/one.conf").st_ino == before);
    assert_true(file_trees_are_alike(&trees));
}

static void a_mounted_name_stays(void **state)
{
    ino_t before;

    (void)state;
    file_mounts_add(&trees.end.mounts, S("d"));
    file_mounts_add(&trees.end.mounts, S("one.conf"));
    file_trees_mkdir(&trees, "near/d");
    put("near/d/a", "1");
    put("near/one.conf", "2");
    in();
    before = look("far/d").st_ino;
    file_trees_remove(&trees, "near/d");
    file_trees_remove(&trees, "near/one.conf");
    in();
    assert_true(look("far/d").st_ino == before);
    holds("far/d/a", NULL);
    holds("far/one.conf", "2");
    put("near/d", "now a file");
    in();
    assert_true(S_ISDIR(look("far/d").st_mode));
}

static void one_way_the_volume_follows(void **state)
{
    (void)state;
    put("near/a", "1");
    file_trees_round(&trees, FILE_TURN_ONE_WAY);
    put("far/a", "changed");
    put("far/own", "2");
    file_trees_round(&trees, FILE_TURN_ONE_WAY);
    holds("far/a", "1");
    holds("near/a", "1");
    holds("far/own", "2");
    holds("near/own", NULL);
    file_trees_remove(&trees, "far/a");
    file_trees_round(&trees, FILE_TURN_ONE_WAY);
    holds("far/a", "1");
    file_trees_remove(&trees, "near/a");
    put("far/a", "changed");
    file_trees_round(&trees, FILE_TURN_ONE_WAY);
    holds("far/a", NULL);
}

static void a_mode_travels_without_the_content(void **state)
{
    struct file_report report;

    (void)state;
    put("near/script", "#!/bin/sh");
    in();
    usleep(30000);
    assert_int_equal(chmod(file_trees_path(&trees, "near/script"), 0755), 0);
    report = in();
    assert_int_equal(report.to_far, 1);
    assert_true(report.bytes_out == 0);
    assert_true(file_trees_are_alike(&trees));
}

static void two_full_trees_without_a_past_lose_nothing(void **state)
{
    (void)state;
    put("near/mine", "1");
    put("near/both", "same");
    put("near/other", "runner");
    put("far/yours", "2");
    put("far/both", "same");
    put("far/other", "longer: container");
    assert_int_equal(in().lost, 1);
    holds("near/yours", "2");
    holds("far/mine", "1");
    holds("far/other", "runner");
    assert_true(file_trees_are_alike(&trees));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scene_make, scene_clean)
        T(what_the_runner_wrote_is_in_the_volume),
        T(what_the_container_wrote_comes_back),
        T(nothing_travels_twice),
        T(deletions_travel),
        T(whose_turn_it_is_wins),
        T(between_turns_a_conflict_waits),
        T(the_same_change_is_no_conflict),
        T(a_deletion_loses_against_a_change),
        T(a_change_of_kind_is_one_conflict),
        T(what_was_just_written_and_removed_stays_removed),
        T(an_owner_is_no_change),
        T(results_belong_to_the_runner),
        T(hard_links_stay_links),
        T(what_cannot_be_carried_is_left_alone),
        T(only_what_is_mounted_travels),
        T(a_mounted_file_is_written_in_place),
        T(a_mounted_name_stays),
        T(one_way_the_volume_follows),
        T(a_mode_travels_without_the_content),
        T(two_full_trees_without_a_past_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
