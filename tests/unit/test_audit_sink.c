#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/policy_file.h"
#include "proxy/server/audit_sink.h"

static char dir[] = "/tmp/berth-sink.XXXXXX";
static char path[64], moved[64];

static int setup(void **state)
{
    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/audit", dir);
    snprintf(moved, sizeof(moved), "%s/audit.1", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(moved);
    return rmdir(dir);
}

static int sink_to(const char *to, struct audit_sink **out)
{
    struct audit_policy policy = {.to = to ? xstrdup(to) : NULL};
    int r = audit_sink_new(NULL, &policy, out);

    free(policy.to);
    return r;
}

static void file_is(const char *file, const char *text)
{
    AUTO(strbuf_fini) struct strbuf got = STRBUF(4096);

    assert_int_equal(file_read(file, &got), 0);
    assert_string_equal(strbuf_cstr(&got), text);
}

static void lines_are_appended_to_a_private_file(void **state)
{
    struct audit_sink *sink;
    struct stat st;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sink_to(path, &sink), 0);
        assert_int_equal(audit_sink_write(sink, S("one\n")), 0);
        audit_sink_free(sink);
    }
    file_is(path, "one\none\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void after_a_rotation_the_path_is_a_new_file(void **state)
{
    struct audit_sink *sink;

    (void)state;
    assert_int_equal(sink_to(path, &sink), 0);
    audit_sink_write(sink, S("one\n"));
    assert_int_equal(rename(path, moved), 0);
    audit_sink_write(sink, S("two\n"));
    audit_sink_reopen(sink);
    audit_sink_write(sink, S("three\n"));
    audit_sink_free(sink);
    file_is(moved, "one\ntwo\n");
    file_is(path, "three\n");
}

static void a_path_that_cannot_be_opened_is_an_error(void **state)
{
    struct audit_sink *sink;

    (void)state;
    assert_int_equal(sink_to("/nonexistent/audit", &sink), -ENOENT);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(sink_to(path, &sink), -ELOOP);
}

static void a_full_disk_is_an_error(void **state)
{
    struct audit_sink *sink;

    (void)state;
    assert_int_equal(sink_to("/dev/full", &sink), 0);
    assert_int_equal(audit_sink_write(sink, S("one\n")), -ENOSPC);
    audit_sink_free(sink);
}

static void no_audit_takes_every_line(void **state)
{
    struct audit_sink *sink;

    (void)state;
    assert_int_equal(sink_to(NULL, &sink), 0);
    assert_int_equal(audit_sink_write(sink, S("one\n")), 0);
    audit_sink_free(sink);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lines_are_appended_to_a_private_file),
        TEST(after_a_rotation_the_path_is_a_new_file),
        TEST(a_path_that_cannot_be_opened_is_an_error),
        TEST(a_full_disk_is_an_error),
        TEST(no_audit_takes_every_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
