/* Two directories in step: what is hard to read or to write, and what is too
 * much. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/files/file_apply.h"
#include "proxy/files/file_content.h"
#include "proxy/files/file_read.h"
#include "proxy/files/file_scan.h"
#include "tests/support/file_scene.h"

static void what_changes_while_it_is_read_is_not_taken(void **state)
{
    struct file_reader reader;
    char bytes[4];
    struct str piece;
    uint64_t hole;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        put("near/a", "12345678");
        usleep(30000);
        assert_int_equal(
            file_reader_open(&reader, trees.near_fd, S("a"), false), FILE_DONE);
        assert_false(reader.entry.unsure);
        assert_int_equal(file_reader_next(&reader, bytes, 4, &piece, &hole),
                         FILE_DONE);
        if (i == 0)
            put("near/a", "abcdefgh"); /* the same size */
        if (i == 1)
            put("near/a", "123456789"); /* longer */
        if (i == 2)
            put("near/a", "12"); /* shorter */
        if (file_reader_next(&reader, bytes, 4, &piece, &hole) == FILE_DONE)
            assert_int_equal(file_reader_next(&reader, bytes, 4, &piece, &hole),
                             FILE_CHANGED);
        file_reader_close(&reader);
    }
}

static void what_was_changed_meanwhile_is_not_replaced(void **state)
{
    struct file_table table = {0};
    struct file_apply apply;
    struct file_entry now;

    (void)state;
    put("far/a", "old");
    put("far/gone", "old");
    assert_int_equal(file_scan(trees.far_fd, &trees.end.mounts,
                               &(struct file_limits){0}, NULL, NULL, &table),
                     0);
    put("far/a", "changed");
    file_apply_init(&apply, trees.far_fd);
    assert_int_equal(file_apply_delete(&apply, S("a"), table.rows[0]),
                     FILE_CHANGED);
    for (unsigned flags = 0; flags < 4; flags++) {
        file_apply_begin(&apply, table.rows[0], table.rows[0], flags);
        file_apply_data(&apply, S("new"));
        assert_int_equal(file_apply_commit(&apply, &now), FILE_CHANGED);
    }
    assert_int_equal(
        file_apply_meta(&apply, table.rows[0], table.rows[0], &now),
        FILE_CHANGED);
    holds("far/a", "changed");
    /* more, or less, than was announced */
    file_trees_remove(&trees, "far/gone");
    file_apply_begin(&apply, table.rows[1], NULL, 0);
    file_apply_data(&apply, S("newer"));
    assert_int_equal(file_apply_commit(&apply, &now), FILE_TROUBLE);
    file_apply_begin(&apply, table.rows[1], NULL, 0);
    file_apply_data(&apply, S("ne"));
    assert_int_equal(file_apply_commit(&apply, &now), FILE_TROUBLE);
    file_apply_begin(&apply, table.rows[1], NULL, 0);
    file_apply_hole(&apply, UINT64_MAX);
    assert_int_equal(file_apply_commit(&apply, &now), FILE_TROUBLE);
    holds("far/gone", NULL);
    file_apply_fini(&apply);
    file_table_fini(&table);
}

static void scan_near(const struct file_table *old, struct file_table *table)
{
    *table = (struct file_table){0};
    assert_int_equal(file_scan(trees.near_fd, &trees.end.mounts,
                               &(struct file_limits){0}, old, NULL, table),
                     0);
}

static void a_scan_shares_what_is_as_it_was(void **state)
{
    struct file_table first, second, third;

    (void)state;
    file_trees_mkdir(&trees, "near/d");
    put("near/d/a", "1");
    put("near/d/b", "2");
    put("near/e", "3");
    usleep(30000);
    scan_near(NULL, &first);
    assert_int_equal(first.shared, 0);
    scan_near(&first, &second);
    assert_true(file_table_is_same(&second, &first));
    put("near/d/b", "changed");
    file_trees_remove(&trees, "near/e");
    put("near/d/c", "new");
    scan_near(&second, &third);
    assert_false(file_table_is_same(&third, &second));
    assert_int_equal(third.count, 4);
    assert_int_equal(third.shared, 2); /* d and d/a */
    assert_ptr_equal(file_table_find(&third, S("d/a")),
                     file_table_find(&first, S("d/a")));
    file_table_fini(&first);
    file_table_fini(&second);
    file_table_fini(&third);
}

/* A round that finds both sides as it left them looks no further. */
static void a_settled_tree_is_seen_to_change(void **state)
{
    (void)state;
    put("near/a", "1");
    put("near/b", "1");
    usleep(30000);
    in();
    in(); /* what was written a moment ago is compared once more */
    usleep(30000);
    in();
    in();
    assert_true(trees.end.settled);
    put("near/a", "22");
    put("far/b", "333");
    in();
    assert_false(trees.end.settled);
    holds("far/a", "22");
    holds("near/b", "333");
    file_trees_remove(&trees, "far/a");
    usleep(30000);
    in();
    holds("near/a", NULL);
}

/* The far side is full anew over a new stream, and this one knows no more. */
static void a_settled_tree_that_is_forgotten_is_compared(void **state)
{
    (void)state;
    put("near/a", "1");
    usleep(30000);
    in();
    usleep(30000);
    in();
    in();
    assert_true(trees.end.settled);
    file_near_forget(&trees.end);
    assert_int_equal(in().compared, 1);
    assert_int_equal(in().compared, 0);
}

static void what_is_stopped_reads_no_further(void **state)
{
    bool stop = true;
    const struct file_limits limits = {.stop = &stop};
    struct file_table table = {0};
    struct file_entry hashed;

    (void)state;
    put("near/a", "1");
    assert_int_equal(file_scan(trees.near_fd, &trees.end.mounts, &limits, NULL,
                               NULL, &table),
                     -ECANCELED);
    file_table_fini(&table);
    assert_int_equal(file_hash(trees.near_fd, S("a"), &limits, &hashed),
                     FILE_TROUBLE);
    stop = false;
    assert_int_equal(file_hash(trees.near_fd, S("a"), &limits, &hashed),
                     FILE_DONE);
}

static void leftovers_of_a_killed_end_go(void **state)
{
    (void)state;
    put("near/.berth-sync.0123456789abcdef", "half");
    file_trees_mkdir(&trees, "far/.berth-sync.0123456789abcdef");
    put("near/.berth-sync.0123456789abcdeg", "no digits");
    in();
    assert_true(file_trees_are_alike(&trees)); /* looks for such names */
    holds("far/.berth-sync.0123456789abcdeg", "no digits");
}

/* Another berth may keep the same directory in step. */
static void what_another_end_is_writing_stays(void **state)
{
    struct file_entry entry = {
        .path = S("f"), .kind = FILE_REGULAR, .mode = 0644};
    struct file_entry now;
    struct file_apply apply;

    (void)state;
    entry.stamp.size = 5;
    file_apply_init(&apply, trees.near_fd);
    file_apply_begin(&apply, &entry, NULL, 0);
    file_apply_data(&apply, S("hel"));
    in();
    file_apply_data(&apply, S("lo"));
    assert_int_equal(file_apply_commit(&apply, &now), FILE_DONE);
    file_apply_fini(&apply);
    holds("near/f", "hello");
    in();
    assert_true(file_trees_are_alike(&trees));
}

/* What is mounted there was unmounted for a while, or the other way round. */
static void another_file_system_is_no_removal_of_all_files(void **state)
{
    char other[] = "/dev/shm/files.XXXXXX";
    struct stat here, there;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(other));
    fd = open(other, O_RDONLY | O_DIRECTORY);
    assert_int_equal(fstat(fd, &there), 0);
    assert_int_equal(fstat(trees.near_fd, &here), 0);
    file_near_set_root(&trees.end, trees.near_fd);
    put("near/a", "ours");
    in();
    file_near_set_root(&trees.end, fd);
    if (here.st_dev != there.st_dev) {
        in();
        holds("far/a", "ours");
        assert_int_equal(unlinkat(fd, "a", 0), 0);
        file_near_set_root(&trees.end, trees.near_fd);
        out();
        holds("near/a", "ours");
    }
    close(fd);
    assert_int_equal(rmdir(other), 0);
}

static ssize_t give_data(void *arg, char *bytes, size_t len)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
    unsigned *left = arg;

    file_wire_add(
        &out, &(struct file_message){.type = FILE_MSG_DATA, .data = S("more")});
    if ((*left)-- == 0 || len < out.len)
        return 0;
    memcpy(bytes, out.ptr, out.len);
    return (ssize_t)out.len;
}

static void a_file_that_never_ends_is_a_fault(void **state)
{
    const struct file_entry entry = {
        .kind = FILE_REGULAR, .path = S("a"), .stamp = {.size = 6}};
    struct file_entry now;
    struct file_apply apply;
    struct file_stream stream;
    enum file_status status;
    unsigned left = 1000;
    uint64_t bytes = 0;

    (void)state;
    file_stream_init(&stream, give_data, NULL, &left);
    file_apply_init(&apply, trees.near_fd);
    file_apply_begin(&apply, &entry, NULL, 0);
    assert_int_equal(
        file_content_receive(&stream, &apply, &status, &now, &bytes), -EBADMSG);
    assert_true(left > 990);
    holds("near/a", NULL);
    file_apply_fini(&apply);
    file_stream_fini(&stream);
}

static void too_deep_is_left_alone(void **state)
{
    struct file_report report;
    char path[3 * LIMIT_FILES_DEPTH + 16] = "near";

    (void)state;
    for (unsigned i = 0; i < LIMIT_FILES_DEPTH + 2; i++) {
        strcat(path, "/d");
        file_trees_mkdir(&trees, path);
    }
    put("near/a", "1");
    report = in();
    assert_int_equal(report.skipped, 1);
    assert_int_equal(report.to_far, LIMIT_FILES_DEPTH + 1);
    holds("far/a", "1");
}

static void a_mapped_file_is_looked_at_again(void **state)
{
    char *bytes;
    int fd;

    (void)state;
    put("near/a", "one");
    fd = open(file_trees_path(&trees, "near/a"), O_RDWR);
    bytes = mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(bytes != MAP_FAILED);
    bytes[0] = 'O';
    usleep(30000);
    in();
    holds("far/a", "One");
    bytes[1] = 'N'; /* the page is dirty: no stamp changes */
    in();
    holds("far/a", "ONe");
    munmap(bytes, 3);
    close(fd);
}

static void a_removed_root_is_not_an_empty_one(void **state)
{
    struct file_report report;

    (void)state;
    put("near/a", "1");
    in();
    file_trees_remove(&trees, "near");
    assert_int_equal(file_near_round(&trees.end, FILE_TURN_NEAR, &report),
                     -ENOENT);
    holds("far/a", "1");
}

static void a_tree_over_the_limits_is_refused(void **state)
{
    struct file_report report;

    (void)state;
    trees.end.limits.entries = 3;
    put("near/a", "1");
    put("near/b", "2");
    put("near/c", "3");
    in();
    put("near/d", "4");
    assert_int_equal(file_near_round(&trees.end, FILE_TURN_NEAR, &report),
                     -EFBIG);
    holds("far/d", NULL);
    file_trees_remove(&trees, "near/d");
    in(); /* and the stream is whole */
    put("far/d", "4");
    assert_int_equal(file_near_round(&trees.end, FILE_TURN_FAR, &report),
                     -EFBIG);
    holds("near/d", NULL);
}

static void a_far_tree_over_its_own_limits_is_refused(void **state)
{
    struct file_report report;

    (void)state;
    trees.far_limits.bytes = 10;
    put("far/a", "0123456789");
    out();
    put("far/b", "x");
    assert_int_equal(file_near_round(&trees.end, FILE_TURN_FAR, &report),
                     -EFBIG);
    holds("near/b", NULL);
    assert_int_equal(file_trees_close(&trees), -EFBIG);
}

static void sparse_files_stay_sparse(void **state)
{
    struct file_report report;
    char path[128];

    (void)state;
    put("near/a", "start");
    snprintf(path, sizeof(path), "%s", file_trees_path(&trees, "near/a"));
    assert_int_equal(truncate(path, 50 * (long)MIB), 0);
    report = in();
    assert_true(report.bytes_out < MIB);
    assert_int_equal(look("far/a").st_size, 50 * MIB);
    assert_true(look("far/a").st_blocks < 1024);
    assert_true(file_trees_are_alike(&trees));
}

static void closed_directories_come_back_closed(void **state)
{
    (void)state;
    file_trees_mkdir(&trees, "far/d");
    put("far/d/a", "1");
    assert_int_equal(chmod(file_trees_path(&trees, "far/d"), 0555), 0);
    out();
    holds("near/d/a", "1");
    assert_int_equal(look("near/d").st_mode & 07777, 0555);
    usleep(30000);
    assert_int_equal(out().to_near, 0);
    assert_int_equal(chmod(file_trees_path(&trees, "far/d"), 0755), 0);
    out();
    assert_int_equal(look("near/d").st_mode & 07777, 0755);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scene_make, scene_clean)
        T(what_changes_while_it_is_read_is_not_taken),
        T(what_was_changed_meanwhile_is_not_replaced),
        T(a_scan_shares_what_is_as_it_was),
        T(a_settled_tree_is_seen_to_change),
        T(a_settled_tree_that_is_forgotten_is_compared),
        T(what_is_stopped_reads_no_further),
        T(leftovers_of_a_killed_end_go),
        T(what_another_end_is_writing_stays),
        T(another_file_system_is_no_removal_of_all_files),
        T(a_file_that_never_ends_is_a_fault),
        T(too_deep_is_left_alone),
        T(a_mapped_file_is_looked_at_again),
        T(a_removed_root_is_not_an_empty_one),
        T(a_tree_over_the_limits_is_refused),
        T(a_far_tree_over_its_own_limits_is_refused),
        T(sparse_files_stay_sparse),
        T(closed_directories_come_back_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
