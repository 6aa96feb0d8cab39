#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/ssh/key_file.h"

static char path[64];

static int make_file(void **state)
{
    int fd;

    (void)state;
    strcpy(path, "/tmp/berth-key-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0 || write(fd, "secret", 6) != 6)
        return -1;
    return close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void refused(size_t max, enum key_file_kind kind, const char *reason)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1024);
    struct key_file file = {0};

    assert_int_equal(key_file_read(path, max, kind, &file, &why),
                     KEY_FILE_E_REFUSED);
    assert_null(file.data);
    assert_non_null(strstr(strbuf_cstr(&why), path));
    assert_non_null(strstr(strbuf_cstr(&why), reason));
}

static void a_private_file_is_read_up_to_its_maximum(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1024);
    AUTO(key_file_fini) struct key_file file = {0};

    (void)state;
    assert_int_equal(key_file_read(path, 6, KEY_FILE_PRIVATE, &file, &why), 0);
    assert_int_equal(file.len, 6);
    assert_string_equal(file.data, "secret");
    refused(5, KEY_FILE_PRIVATE, "longer than 5 bytes");
}

static void a_private_file_that_others_may_read_is_refused(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1024);
    AUTO(key_file_fini) struct key_file file = {0};

    (void)state;
    chmod(path, 0640);
    refused(6, KEY_FILE_PRIVATE, "mode 0640); chmod 600");
    chmod(path, 0604);
    refused(6, KEY_FILE_PRIVATE, "mode 0604); chmod 600");
    assert_int_equal(key_file_read(path, 6, KEY_FILE_PUBLIC, &file, &why), 0);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    unlink(path);
    refused(6, KEY_FILE_PRIVATE, "No such file");
    assert_int_equal(mkfifo(path, 0600), 0);
    refused(6, KEY_FILE_PRIVATE, "not a regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_private_file_is_read_up_to_its_maximum, make_file, remove_file),
        cmocka_unit_test_setup_teardown(
            a_private_file_that_others_may_read_is_refused, make_file,
            remove_file),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, make_file,
                                        remove_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
