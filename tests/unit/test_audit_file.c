#include "tests/unit/unit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "proxy/cli/audit_file.h"

static char path[64], old[80];

static int make_file(void **state)
{
    int fd;

    (void)state;
    strcpy(path, "/tmp/berth-record-XXXXXX");
    fd = mkstemp(path);
    snprintf(old, sizeof(old), "%s.1", path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(old);
    return unlink(path);
}

static void append(const char *text)
{
    FILE *file = fopen(path, "a");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

struct seen {
    int count, last;
    int enough;
};

static bool on_record(const json_t *record, void *arg)
{
    struct seen *seen = arg;

    seen->last = (int)json_integer_value(json_object_get(record, "n"));
    return ++seen->count != seen->enough;
}

static void records_come_in_their_order(void **state)
{
    struct seen seen = {0};

    (void)state;
    append("{\"n\":1}\n{\"n\":2}\n");
    assert_int_equal(audit_file_read(path, false, on_record, &seen), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.last, 2);
}

static void the_last_line_may_lack_its_end(void **state)
{
    struct seen seen = {0};

    (void)state;
    append("{\"n\":1}\n{\"n\":2}");
    assert_int_equal(audit_file_read(path, false, on_record, &seen), 0);
    assert_int_equal(seen.count, 2);
}

static void other_lines_are_counted(void **state)
{
    struct seen seen = {0};

    (void)state;
    append("{\"n\":1}\n{\"n\":\n[1]\n\n{\"n\":4}\n");
    assert_int_equal(audit_file_read(path, false, on_record, &seen), 2);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.last, 4);
}

static void a_line_may_be_long_but_not_endless(void **state)
{
    char *pad = calloc(1, LIMIT_AUDIT_LINE);
    struct seen seen = {0};

    (void)state;
    memset(pad, ' ', 200 * KIB);
    append("{\"n\":");
    append(pad);
    append("7}\n");
    assert_int_equal(audit_file_read(path, false, on_record, &seen), 0);
    assert_int_equal(seen.last, 7);
    memset(pad, ' ', LIMIT_AUDIT_LINE - 1);
    append(pad);
    append(pad);
    assert_int_equal(audit_file_read(path, false, on_record, &seen), -EFBIG);
    free(pad);
}

static void bytes_that_are_no_text_are_no_record(void **state)
{
    FILE *file = fopen(path, "a");
    struct seen seen = {0};

    (void)state;
    assert(file);
    assert_int_equal(fwrite("\0\0\n\0{\n\xff\n", 1, 8, file), 8);
    fclose(file);
    append("{\"n\":5}\n");
    assert_int_equal(audit_file_read(path, false, on_record, &seen), 3);
    assert_int_equal(seen.last, 5);
}

static void a_missing_file_is_told(void **state)
{
    (void)state;
    assert_int_equal(
        audit_file_read("/tmp/berth-no-such-file", false, on_record, NULL),
        -ENOENT);
}

/* Adds to the file while it is being followed, from within. */
static bool on_followed(const json_t *record, void *arg)
{
    struct seen *seen = arg;

    if (seen->count == 0)
        append("{\"n\":2}\n");
    if (seen->count == 1) {
        assert_int_equal(rename(path, old), 0);
        append("{\"n\":3}\n");
    }
    return on_record(record, arg);
}

static void a_file_that_grows_and_is_rotated_is_followed(void **state)
{
    struct seen seen = {.enough = 3};

    (void)state;
    append("{\"n\":1}\n");
    assert_int_equal(audit_file_read(path, true, on_followed, &seen), 0);
    assert_int_equal(seen.last, 3);
}

int main(void)
{
#define WITH_FILE(test)                                                        \
    cmocka_unit_test_setup_teardown(test, make_file, remove_file)
    const struct CMUnitTest tests[] = {
        WITH_FILE(records_come_in_their_order),
        WITH_FILE(the_last_line_may_lack_its_end),
        WITH_FILE(other_lines_are_counted),
        WITH_FILE(a_line_may_be_long_but_not_endless),
        WITH_FILE(bytes_that_are_no_text_are_no_record),
        cmocka_unit_test(a_missing_file_is_told),
        WITH_FILE(a_file_that_grows_and_is_rotated_is_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
