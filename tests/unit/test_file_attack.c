/*
 * Two directories in step while somebody works against it: names that are
 * swapped for links out of the root, for FIFOs, files that are written to while
 * they are read, an end that is killed, an end that lies.
 */

#include "tests/unit/unit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/files/file_far.h"
#include "tests/support/file_trees.h"

static struct file_trees trees;
static bool stop;

static int make(void **state)
{
    (void)state;
    file_trees_init(&trees);
    stop = false;
    return 0;
}

static int clean(void **state)
{
    (void)state;
    file_trees_fini(&trees);
    return 0;
}

static bool is_stopped(void)
{
    return __atomic_load_n(&stop, __ATOMIC_SEQ_CST);
}

static void join(pthread_t thread)
{
    __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
}

/* On each side, a directory and a link to the outside change places. */
struct swap {
    char folder[128], link[128], spare[128];
};

static bool is_link(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* What comes from the other side may leave two links, of which no content is,
 * or two directories, which lead nowhere. */
static void have_one_of_each(const struct swap *swap)
{
    char inside[192];

    if (is_link(swap->folder) && is_link(swap->link)) {
        unlink(swap->folder);
        mkdir(swap->folder, 0755);
    } else if (!is_link(swap->folder) && !is_link(swap->link)) {
        snprintf(inside, sizeof(inside), "%s/secret", swap->link);
        unlink(inside);
        snprintf(inside, sizeof(inside), "%s/new", swap->link);
        unlink(inside);
        if (rmdir(swap->link) == 0 && symlink("../outside", swap->link) < 0)
            mkdir(swap->link, 0755);
    }
}

static void *swap_names(void *arg)
{
    struct swap *swap = arg;

    for (unsigned i = 1; !is_stopped(); i++) {
        if (i % 16 == 0) {
            have_one_of_each(swap);
            usleep(10000); /* only what rests is carried */
        }
        if (renameat2(AT_FDCWD, swap->folder, AT_FDCWD, swap->link,
                      RENAME_EXCHANGE) < 0) {
            /* one of them was just replaced by what came over */
            if (symlink("../outside", swap->link) < 0)
                mkdir(swap->folder, 0755);
        }
    }
    return NULL;
}

static void start_swapping(pthread_t *thread, struct swap *swap,
                           const char *root)
{
    snprintf(swap->folder, sizeof(swap->folder), "%s/d", root);
    snprintf(swap->link, sizeof(swap->link), "%s/l", root);
    mkdir(swap->folder, 0755);
    assert_int_equal(symlink("../outside", swap->link), 0);
    assert_int_equal(pthread_create(thread, NULL, swap_names, swap), 0);
}

static void the_outside_is_as_it_was(void)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);

    file_trees_show(trees.outside, &out);
    strbuf_add_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "secret 1 0600 9 "));
    assert_null(strchr(strchr(out.ptr, '\n') + 1, '\n'));
    assert_string_equal(file_trees_read(&trees, "outside/secret"), "TOPSECRET");
}

static void nothing_tells_the_secret(const char *root)
{
    char command[256];

    snprintf(command, sizeof(command), "grep -rqs TOPSECRET '%s'", root);
    /* grep follows no links below */
    assert_int_not_equal(system(command), 0);
}

/* Write TEXT to d/NAME, or remove it, if d is not just a link. */
static void edit_inside(int root, const char *name, const char *text)
{
    AUTO(file_close)
    int folder = file_open_beneath(root, S("d"), O_PATH | O_DIRECTORY);
    AUTO(file_close) int fd = -1;

    if (folder < 0)
        return;
    unlinkat(folder, name, 0);
    if (text)
        fd = openat(folder, name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644);
    if (fd >= 0)
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void swapped_links_lead_nowhere(void **state)
{
    struct swap near = {.link = ""}, far = {.link = ""};
    struct file_report report;
    pthread_t here, there;
    size_t carried = 0;

    (void)state;
    file_trees_write(&trees, "outside/secret", "TOPSECRET");
    chmod(file_trees_path(&trees, "outside/secret"), 0600);
    start_swapping(&here, &near, trees.near);
    start_swapping(&there, &far, trees.far);
    /* on a busy machine the names are seldom still for long enough */
    for (unsigned i = 0; i < rounds_of(400) || (carried <= 20 && i < 60000);
         i++) {
        char text[16];

        snprintf(text, sizeof(text), "%u", i);
        /* names that are outside, and names that would be made there */
        edit_inside(i % 2 ? trees.near_fd : trees.far_fd,
                    i % 3 ? "secret" : "new", i % 5 ? text : NULL);
        report = file_trees_round(&trees, (enum file_turn)(i % 3));
        carried += report.to_far + report.to_near;
    }
    __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
    pthread_join(here, NULL);
    pthread_join(there, NULL);
    assert_true(carried > 20);
    the_outside_is_as_it_was();
    nothing_tells_the_secret(trees.near);
    nothing_tells_the_secret(trees.far);
}

static void *swap_fifo(void *arg)
{
    static const char *const names[] = {"far/f", "far/g"};

    (void)arg;
    while (!is_stopped()) {
        char path[128], other[128];

        snprintf(path, sizeof(path), "%s/%s", trees.folder, names[0]);
        snprintf(other, sizeof(other), "%s/%s", trees.folder, names[1]);
        renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE);
    }
    return NULL;
}

static void a_fifo_in_a_files_place_stops_nobody(void **state)
{
    pthread_t thread;

    (void)state;
    file_trees_write(&trees, "far/f", "content");
    assert_int_equal(mkfifo(file_trees_path(&trees, "far/g"), 0644), 0);
    pthread_create(&thread, NULL, swap_fifo, NULL);
    for (unsigned i = 0; i < rounds_of(200); i++) {
        file_trees_round(&trees, FILE_TURN_FAR);
        file_trees_remove(&trees, "near/f");
        file_trees_remove(&trees, "near/g");
        file_trees_close(&trees);
        file_near_fini(&trees.end);
        file_near_init(&trees.end, trees.near_fd, &(struct file_limits){0});
    }
    join(thread);
}

enum { BLOCK = 4 * 1024 * 1024 };

/* One write after another over all of a file, each of one letter. */
static void *overwrite(void *arg)
{
    char *bytes = xcalloc(1, BLOCK);
    int fd = open(arg, O_WRONLY);

    for (unsigned i = 0; !is_stopped(); i++) {
        memset(bytes, 'a' + (int)(i % 26), BLOCK);
        assert(pwrite(fd, bytes, BLOCK, 0) == BLOCK);
    }
    close(fd);
    free(bytes);
    return NULL;
}

static void what_is_written_while_it_is_read_is_right_in_the_end(void **state)
{
    char path[128];
    pthread_t thread;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        file_trees_write(&trees, "near/f", "x");
        snprintf(path, sizeof(path), "%s", file_trees_path(&trees, "near/f"));
        assert_int_equal(truncate(path, BLOCK), 0);
        __atomic_store_n(&stop, false, __ATOMIC_SEQ_CST);
        pthread_create(&thread, NULL, overwrite, path);
        for (unsigned j = 0; j < 10; j++)
            file_trees_round(&trees, FILE_TURN_NEAR);
        join(thread);
        /* one round, whatever the last one read */
        file_trees_round(&trees, FILE_TURN_NEAR);
        assert_true(file_trees_are_alike(&trees));
    }
}

static void *append(void *arg)
{
    int fd = open(arg, O_WRONLY | O_APPEND);
    char line[16];

    for (unsigned i = 0; !is_stopped(); i++) {
        snprintf(line, sizeof(line), "%07u\n", i);
        assert(write(fd, line, 8) == 8);
        if (i % 256 == 0)
            usleep(1000); /* or it grows faster than it can be read */
    }
    close(fd);
    return NULL;
}

static void a_growing_file_comes_whole_or_not_at_all(void **state)
{
    char path[128];
    pthread_t thread;

    (void)state;
    file_trees_write(&trees, "far/log", "");
    snprintf(path, sizeof(path), "%s", file_trees_path(&trees, "far/log"));
    pthread_create(&thread, NULL, append, path);
    for (unsigned i = 0; i < rounds_of(100); i++) {
        struct stat st;

        file_trees_round(&trees, FILE_TURN_FAR);
        if (stat(file_trees_path(&trees, "near/log"), &st) == 0)
            assert_int_equal(st.st_size % 8, 0);
    }
    join(thread);
    file_trees_round(&trees, FILE_TURN_FAR);
    assert_true(file_trees_are_alike(&trees));
}

/* A round that gets an unkind end after a random while. */
static void kill_later(pid_t pid, unsigned *seed)
{
    usleep((unsigned)rand_r(seed) % 12000);
    kill(pid, SIGKILL);
}

static void *kill_child(void *arg)
{
    kill_later(trees.child, arg);
    return NULL;
}

/* Files whose content is one letter, so that a part of two shows. */
static void write_letters(const char *root, unsigned *seed)
{
    char *bytes = xcalloc(1, 300000);
    char path[128];

    for (unsigned i = 0; i < 20; i++) {
        size_t len = 1 + (unsigned)rand_r(seed) % 300000;
        int fd;

        snprintf(path, sizeof(path), "%s/file%u", root, i);
        memset(bytes, 'a' + rand_r(seed) % 26, len);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        assert_true(write(fd, bytes, len) == (ssize_t)len);
        close(fd);
    }
    free(bytes);
}

static void all_files_are_whole(const char *root)
{
    char *bytes = xcalloc(1, 300001);
    char path[128];

    for (unsigned i = 0; i < 20; i++) {
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "%s/file%u", root, i);
        fd = open(path, O_RDONLY);
        if (fd < 0)
            continue;
        n = read(fd, bytes, 300001);
        assert_true(n > 0);
        for (ssize_t j = 1; j < n; j++)
            assert_true(bytes[j] == bytes[0]);
        close(fd);
    }
    free(bytes);
}

static void a_killed_far_end_leaves_whole_files(void **state)
{
    unsigned seed = 5;

    (void)state;
    trees.forked = true;
    /* this one is written in place: half of it may be seen, but not stay */
    file_mounts_add(&trees.end.mounts, S(""));
    file_mounts_add(&trees.end.mounts, S("one"));
    file_trees_write(&trees, "near/one", "1");
    file_trees_round(&trees, FILE_TURN_NEAR);
    file_trees_close(&trees);
    for (unsigned i = 0; i < rounds_of(25); i++) {
        struct file_report report;
        pthread_t thread;

        write_letters(trees.near, &seed);
        file_trees_write(&trees, "near/one", i % 2 ? "22222" : "333");
        assert_int_equal(file_trees_open(&trees, -1), 0);
        pthread_create(&thread, NULL, kill_child, &seed);
        file_near_round(&trees.end, FILE_TURN_NEAR, &report);
        pthread_join(thread, NULL);
        file_trees_close(&trees);
        all_files_are_whole(trees.far);
        /* whoever's turn it is: the near side alone has changed something */
        file_trees_round(&trees, FILE_TURN_FAR);
        assert_true(file_trees_are_alike(&trees));
        assert_string_equal(file_trees_read(&trees, "near/one"),
                            i % 2 ? "22222" : "333");
        file_trees_close(&trees);
    }
}

static void both_ends_killed_leave_whole_files(void **state)
{
    unsigned seed = 6;

    (void)state;
    for (unsigned i = 0; i < rounds_of(25); i++) {
        pid_t pid;

        write_letters(i % 2 ? trees.near : trees.far, &seed);
        pid = fork();
        if (pid == 0) {
            file_trees_round(&trees, i % 2 ? FILE_TURN_NEAR : FILE_TURN_FAR);
            _exit(0);
        }
        kill_later(pid, &seed);
        waitpid(pid, NULL, 0);
        all_files_are_whole(trees.near);
        all_files_are_whole(trees.far);
        file_trees_round(&trees, i % 2 ? FILE_TURN_NEAR : FILE_TURN_FAR);
        assert_true(file_trees_are_alike(&trees));
        file_trees_close(&trees);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, make, clean)
        T(swapped_links_lead_nowhere),
        T(a_fifo_in_a_files_place_stops_nobody),
        T(what_is_written_while_it_is_read_is_right_in_the_end),
        T(a_growing_file_comes_whole_or_not_at_all),
        T(a_killed_far_end_leaves_whole_files),
        T(both_ends_killed_leave_whole_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
