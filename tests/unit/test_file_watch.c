/* What a scan that goes by the kernel's notifications finds, beside one that
 * reads everything. */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/files/file_scan.h"
#include "tests/support/file_scene.h"

enum { FOLDERS = 30, FILES = 40 };

static struct file_watch watch;
static struct file_table last;
static struct file_limits limits;

static const char *name(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static const char *name(const char *format, ...)
{
    static char text[64];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return text;
}

static void fill(void)
{
    for (int i = 0; i < FOLDERS; i++) {
        file_trees_mkdir(&trees, name("near/d%02d", i));
        for (int j = 0; j < FILES; j++)
            put(name("near/d%02d/f%02d", i, j), "1");
    }
}

static void scan(void)
{
    struct file_table now = {0};

    assert_int_equal(file_scan(trees.near_fd, &trees.end.mounts, &limits, &last,
                               &watch, &now),
                     0);
    file_table_fini(&last);
    last = now;
}

/* Scan, and find what one finds that reads everything. */
static void expect_all(void)
{
    struct file_table all = {0};

    scan();
    assert_int_equal(
        file_scan(trees.near_fd, &trees.end.mounts, &limits, NULL, NULL, &all),
        0);
    assert_int_equal(last.count, all.count);
    for (size_t i = 0; i < all.count; i++) {
        if (!file_entry_eq(last.rows[i], all.rows[i]))
            fail_msg("%.*s is not what it is", STR_FMT(all.rows[i]->path));
    }
    file_table_fini(&all);
}

/* And read but COUNT directories for it. */
static void expect_read(size_t count)
{
    size_t all = FOLDERS + 1;

    usleep(30000);
    expect_all();
    if (watch.clean < all - count)
        fail_msg("only %zu were clean", watch.clean);
}

static int setup(void **state)
{
    scene_make(state);
    file_watch_init(&watch);
    fill();
    usleep(30000);
    scan(); /* it has few as far as is known */
    scan();
    scan();
    return 0;
}

static int teardown(void **state)
{
    file_watch_fini(&watch);
    file_table_fini(&last);
    return scene_clean(state);
}

static void what_has_not_changed_is_not_read(void **state)
{
    (void)state;
    expect_read(0);
    assert_int_equal(last.shared, last.count);
}

static void every_change_is_seen(void **state)
{
    char path[128], other[128];

    (void)state;
    put("near/d01/f01", "changed");
    expect_read(1);
    assert_int_equal(chmod(file_trees_path(&trees, "near/d02/f01"), 0600), 0);
    expect_read(1);
    put("near/d03/new", "1");
    expect_read(1);
    file_trees_remove(&trees, "near/d04/f01");
    expect_read(1);
    strcpy(path, file_trees_path(&trees, "near/d05/f01"));
    strcpy(other, file_trees_path(&trees, "near/d06/moved"));
    assert_int_equal(rename(path, other), 0);
    expect_read(2);
    file_trees_mkdir(&trees, "near/d07/inner");
    put("near/d07/inner/file", "1");
    expect_read(2);
    put("near/d07/inner/file", "22");
    expect_read(2);
    file_trees_remove(&trees, "near/d07/inner");
    expect_read(2);
    file_trees_remove(&trees, "near/d08");
    expect_read(3);
}

static void directories_that_change_places_are_read(void **state)
{
    char path[128], other[128], aside[128];

    (void)state;
    strcpy(path, file_trees_path(&trees, "near/d10"));
    strcpy(other, file_trees_path(&trees, "near/d20"));
    strcpy(aside, file_trees_path(&trees, "near/aside"));
    put("near/d10/only", "1");
    expect_read(1);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(rename(aside, other), 0);
    expect_read(3);
    put("near/d20/only", "22");
    put("near/d10/f01", "22");
    expect_read(3);
    assert_int_equal(rename(path, file_trees_path(&trees, "outside/d10")), 0);
    assert_int_equal(symlink("d20", path), 0);
    expect_read(3);
}

static void what_is_mapped_is_seen_when_it_is_closed(void **state)
{
    int fd = open(file_trees_path(&trees, "near/d01/f01"), O_RDWR);
    char *bytes;

    (void)state;
    assert_true(fd >= 0);
    bytes = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(bytes != MAP_FAILED);
    close(fd);
    expect_read(0);
    *bytes = 'x';
    assert_int_equal(munmap(bytes, 1), 0);
    expect_read(1);
}

/* The kernel tells of the name that was used, which may lie elsewhere. */
static void files_with_more_names_are_always_read(void **state)
{
    char path[128];

    (void)state;
    strcpy(path, file_trees_path(&trees, "outside/f"));
    assert_int_equal(link(file_trees_path(&trees, "near/d01/f01"), path), 0);
    put("near/d01/f02", "22");
    expect_all();
    expect_read(1);
    put("outside/f", "333");
    expect_all();
    expect_read(1);
    strcpy(path, file_trees_path(&trees, "near/d29/z"));
    assert_int_equal(link(file_trees_path(&trees, "near/d15/f07"), path), 0);
    expect_all();
    assert_int_equal(file_table_find(&last, S("d29/z"))->kind, FILE_HARD_LINK);
    expect_read(3);
    put("near/d29/z", "4444");
    expect_all();
    expect_read(3);
}

static void lost_events_make_everything_doubtful(void **state)
{
    char path[128], other[128];

    (void)state;
    strcpy(path, file_trees_path(&trees, "near/d01/f01"));
    strcpy(other, file_trees_path(&trees, "near/d01/f02"));
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(chmod(path, 0600 + i % 8), 0);
        assert_int_equal(chmod(other, 0600 + i % 8), 0);
    }
    put("near/d09/f01", "changed");
    expect_all();
    assert_int_equal(watch.clean, 0);
    expect_read(2);
}

static void after_a_failed_scan_everything_is_read(void **state)
{
    const struct file_limits few = {.entries = 10};
    struct file_table now = {0};

    (void)state;
    put("near/d01/f01", "changed");
    assert_int_equal(
        file_scan(trees.near_fd, &trees.end.mounts, &few, &last, &watch, &now),
        -EFBIG);
    file_table_fini(&now);
    expect_all();
    assert_int_equal(watch.clean, 0);
}

static void any_edits_are_seen(void **state)
{
    char root[128];

    (void)state;
    strcpy(root, file_trees_path(&trees, "near"));
    for (unsigned seed = 1; seed < 60; seed++) {
        unsigned its = seed;

        file_trees_edit(root, &its, 1 + seed % 7);
        expect_all();
    }
}

static void few_files_are_not_watched(void **state)
{
    (void)state;
    for (int i = 5; i < FOLDERS; i++)
        file_trees_remove(&trees, name("near/d%02d", i));
    expect_all();
    expect_all();
    assert_int_equal(watch.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        T(what_has_not_changed_is_not_read),
        T(every_change_is_seen),
        T(directories_that_change_places_are_read),
        T(what_is_mapped_is_seen_when_it_is_closed),
        T(files_with_more_names_are_always_read),
        T(lost_events_make_everything_doubtful),
        T(after_a_failed_scan_everything_is_read),
        T(any_edits_are_seen),
        T(few_files_are_not_watched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
