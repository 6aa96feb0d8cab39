#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/record/audit_verify.h"
#include "proxy/base/policy_file.h"
#include "proxy/server/audit_sink.h"
#include "proxy/server/chained_file.h"

static char dir[] = "/tmp/berth-chain.XXXXXX";
static char path[64], moved[64], older[64];

static int setup(void **state)
{
    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/audit", dir);
    snprintf(moved, sizeof(moved), "%s/audit.1", dir);
    snprintf(older, sizeof(older), "%s/audit.2", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(moved);
    unlink(older);
    return rmdir(dir);
}

static struct audit_sink *open_sink(void)
{
    const struct audit_policy policy = {.to = path, .chain = true};
    struct audit_sink *sink = NULL;

    assert_int_equal(audit_sink_new(NULL, &policy, &sink), 0);
    return sink;
}

static void put(struct audit_sink *sink, int number)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(64);

    strbuf_addf(&line, "{\"call\":%d}\n", number);
    assert_int_equal(audit_sink_write(sink, strbuf_str(&line)), 0);
}

static void rotate(void)
{
    rename(moved, older);
    assert_int_equal(rename(path, moved), 0);
}

static void show_fault(struct str text, void *arg)
{
    (void)arg;
    print_message("%.*s\n", STR_FMT(text));
}

static void feed(struct audit_verify *v, const char *file)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(64 * MIB);
    struct str rest, line;

    if (access(file, F_OK) < 0)
        return;
    assert_int_equal(file_read(file, &text), 0);
    audit_verify_file(v, file);
    rest = strbuf_str(&text);
    while (str_cut(rest, '\n', &line, &rest))
        audit_verify_line(v, line);
    assert_int_equal(line.len, 0);
}

/* The three files hold LINES lines of one chain, and FAULTS. */
static void assert_chain(size_t lines, size_t faults)
{
    struct audit_verify *v = audit_verify_new(show_fault, NULL);
    struct audit_verify_result result;

    feed(v, older);
    feed(v, moved);
    feed(v, path);
    result = audit_verify_end(v);
    assert_int_equal(result.faults, faults);
    assert_int_equal(result.lines, lines);
    assert_int_equal(result.unchained, 0);
    assert_int_equal(result.first, 1);
    audit_verify_free(v);
}

static void a_chain_goes_on_after_a_restart(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct audit_sink *sink = open_sink();

        put(sink, i);
        put(sink, i);
        audit_sink_free(sink);
    }
    assert_chain(6, 0);
}

static void a_chain_goes_on_in_a_new_file(void **state)
{
    struct audit_sink *sink = open_sink();

    (void)state;
    for (int i = 0; i < 2; i++) {
        put(sink, i);
        put(sink, i);
        rotate();
        audit_sink_reopen(sink);
    }
    put(sink, 5);
    audit_sink_free(sink);
    assert_chain(5, 0);
}

static void a_reload_in_the_middle_of_a_rotation_goes_on(void **state)
{
    struct audit_sink *old = open_sink(), *new;

    (void)state;
    put(old, 1);
    assert_int_equal(rename(path, older), 0); /* not PATH.1 */
    audit_sink_reopen(old);
    new = open_sink();
    audit_sink_free(old);
    put(new, 2);
    audit_sink_free(new);
    assert_chain(2, 0);
}

static void a_start_after_a_rotation_goes_on_from_the_rotated_file(void **state)
{
    struct audit_sink *sink = open_sink();

    (void)state;
    put(sink, 1);
    put(sink, 2);
    audit_sink_free(sink);
    rotate();
    sink = open_sink();
    put(sink, 3);
    audit_sink_free(sink);
    assert_chain(3, 0);
}

static void a_copied_and_cut_file_goes_on(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
    struct audit_sink *sink = open_sink();
    int fd;

    (void)state;
    put(sink, 1);
    assert_int_equal(file_read(path, &text), 0);
    fd = open(moved, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text.ptr, text.len), text.len);
    close(fd);
    assert_int_equal(truncate(path, 0), 0);
    put(sink, 2);
    audit_sink_free(sink);
    assert_chain(2, 0);
}

static void nobody_has_to_be_told_of_a_rotation(void **state)
{
    struct audit_sink *sink = open_sink();

    (void)state;
    put(sink, 1);
    rotate();
    put(sink, 2);
    audit_sink_free(sink);
    assert_chain(2, 0);
    assert_int_equal(access(path, F_OK), 0);
}

static void two_listeners_have_one_chain(void **state)
{
    struct audit_sink *a = open_sink(), *b = open_sink();

    (void)state;
    for (int i = 0; i < 4; i++) {
        put(a, i);
        put(b, i);
        if (i == 2)
            rotate();
    }
    audit_sink_free(a);
    put(b, 9);
    audit_sink_free(b);
    assert_chain(9, 0);
}

static void a_torn_line_is_a_fault_and_the_chain_goes_on(void **state)
{
    struct audit_sink *sink = open_sink();
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    (void)state;
    put(sink, 1);
    assert_int_equal(write(fd, "{\"cut\":", 7), 7);
    close(fd);
    put(sink, 2);
    put(sink, 3);
    audit_sink_free(sink);
    assert_chain(4, 1);
}

static void a_line_of_a_lock_that_is_held_is_lost(void **state)
{
    struct audit_sink *sink = open_sink();
    int fd = open(path, O_RDWR | O_CLOEXEC);

    (void)state;
    put(sink, 1);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(audit_sink_write(sink, S("{\"call\":2}\n")), -EBUSY);
    assert_int_equal(flock(fd, LOCK_UN), 0);
    put(sink, 3);
    close(fd);
    audit_sink_free(sink);
    assert_chain(2, 0);
}

static void a_full_disk_tears_no_chain(void **state)
{
    struct chained_file *file = chained_file_new(path);
    int full = open("/dev/full", O_RDWR | O_CLOEXEC);

    (void)state;
    /* it is no file, of whose size anything could be told */
    assert_int_equal(chained_file_write(file, full, S("{\"call\":1}\n"), true),
                     -ESPIPE);
    close(full);
    chained_file_free(file);
}

enum { WRITERS = 4, EACH = 500, ROTATIONS = 2 };

static void write_many(int number)
{
    struct audit_sink *sink = open_sink();

    /* on a busy machine another one may hold the lock for longer than a sink
     * waits for it; then nothing is written, and said so */
    for (int i = 0; i < EACH; i++) {
        AUTO(strbuf_fini) struct strbuf line = STRBUF(64);
        int r;

        strbuf_addf(&line, "{\"call\":%d}\n", number * EACH + i);
        do
            r = audit_sink_write(sink, strbuf_str(&line));
        while (r == -EBUSY);
        assert_int_equal(r, 0);
    }
    audit_sink_free(sink);
    _exit(0);
}

static void processes_that_write_at_once_have_one_chain(void **state)
{
    pid_t pids[WRITERS];
    bool writing = true;

    (void)state;
    for (int i = 0; i < WRITERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            write_many(i);
    }
    for (int i = 0; i < ROTATIONS && writing; i++) {
        struct stat st = {0};

        while (writing && (stat(path, &st) < 0 || st.st_size < 16384))
            writing = waitpid(pids[0], NULL, WNOHANG) == 0;
        if (writing)
            rotate();
    }
    for (int i = 0; i < WRITERS; i++)
        waitpid(pids[i], NULL, 0);
    assert_chain(WRITERS * EACH, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_chain_goes_on_after_a_restart),
        TEST(a_chain_goes_on_in_a_new_file),
        TEST(a_reload_in_the_middle_of_a_rotation_goes_on),
        TEST(a_start_after_a_rotation_goes_on_from_the_rotated_file),
        TEST(a_copied_and_cut_file_goes_on),
        TEST(nobody_has_to_be_told_of_a_rotation),
        TEST(two_listeners_have_one_chain),
        TEST(a_torn_line_is_a_fault_and_the_chain_goes_on),
        TEST(a_line_of_a_lock_that_is_held_is_lost),
        TEST(a_full_disk_tears_no_chain),
        TEST(processes_that_write_at_once_have_one_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
