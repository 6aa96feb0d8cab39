#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/base64.h"
#include "proxy/ssh/key_file.h"
#include "proxy/ssh/key_pair.h"
#include "proxy/ssh/ssh_wire.h"

static char dir[64], path[80], public_path[80];

static int make_directory(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/berth-pair-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/key", dir);
    snprintf(public_path, sizeof(public_path), "%s/key.pub", dir);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    unlink(public_path);
    return rmdir(dir);
}

static void make(struct strbuf *public)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1024);

    assert_int_equal(key_pair_make(path, "a comment", public, &why), 0);
    assert_int_equal(why.len, 0);
}

/* The bytes between the lines of a PEM file. */
static void read_armor(const char *text, struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf letters = STRBUF(4096);
    const char *at = strchr(text, '\n'), *end = strstr(text, "-----END");

    if (!at || !end)
        fail_msg("no PEM: %s", text);
    for (; at && at < end; at++) {
        if (*at != '\n')
            strbuf_add_char(&letters, *at);
    }
    assert_int_equal(base64_decode(strbuf_str(&letters), out), 0);
}

static struct str take(struct str *in)
{
    struct str s;

    assert_int_equal(ssh_wire_string(in, &s), 0);
    return s;
}

static void a_key_has_a_private_and_a_public_half(void **state)
{
    AUTO(strbuf_fini) struct strbuf public = STRBUF(1024);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1024);
    AUTO(strbuf_fini) struct strbuf bytes = STRBUF(4096);
    AUTO(key_file_fini) struct key_file file = {0};
    struct str rest, inner, half, both;
    uint32_t count, check[2];

    (void)state;
    make(&public);
    assert_true(str_has_prefix(strbuf_str(&public), S("ssh-ed25519 AAAA")));
    assert_non_null(strstr(strbuf_cstr(&public), " a comment"));
    assert_null(strchr(strbuf_cstr(&public), '\n'));
    assert_int_equal(key_file_read(path, 4096, KEY_FILE_PRIVATE, &file, &why),
                     0);
    read_armor(file.data, &bytes);
    rest = strbuf_str(&bytes);
    assert_true(str_has_prefix(rest, S("openssh-key-v1")));
    rest = str_from_index(rest, sizeof("openssh-key-v1"));
    assert_true(str_eq(take(&rest), S("none")));
    assert_true(str_eq(take(&rest), S("none")));
    assert_true(str_eq(take(&rest), S("")));
    assert_int_equal(ssh_wire_u32(&rest, &count), 0);
    assert_int_equal(count, 1);
    half = take(&rest);
    inner = take(&rest);
    assert_int_equal(rest.len, 0);
    assert_int_equal(inner.len % 8, 0);
    assert_int_equal(ssh_wire_u32(&inner, &check[0]), 0);
    assert_int_equal(ssh_wire_u32(&inner, &check[1]), 0);
    assert_int_equal(check[0], check[1]);
    assert_true(str_eq(take(&inner), S("ssh-ed25519")));
    assert_true(str_eq(take(&half), S("ssh-ed25519")));
    half = take(&half);
    assert_true(str_eq(take(&inner), half));
    both = take(&inner);
    assert_int_equal(both.len, 64);
    assert_true(str_eq(str_from_index(both, 32), half));
    assert_true(str_eq(take(&inner), S("a comment")));
    for (size_t i = 0; i < inner.len; i++)
        assert_int_equal(inner.ptr[i], i + 1);
}

static void the_private_half_is_nobody_elses_to_read(void **state)
{
    AUTO(strbuf_fini) struct strbuf public = STRBUF(1024);
    mode_t before = umask(0);
    struct stat st;

    (void)state;
    make(&public);
    umask(before);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(public_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void no_two_keys_are_alike(void **state)
{
    AUTO(strbuf_fini) struct strbuf first = STRBUF(1024);
    AUTO(strbuf_fini) struct strbuf second = STRBUF(1024);

    make(&first);
    assert_int_equal(remove_directory(state), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    make(&second);
    assert_string_not_equal(strbuf_cstr(&first), strbuf_cstr(&second));
}

static void refused(const char *existing)
{
    AUTO(strbuf_fini) struct strbuf public = STRBUF(1024);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1024);
    int fd = open(existing, O_WRONLY | O_CREAT, 0600);
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_int_equal(key_pair_make(path, "", &public, &why), -EEXIST);
    assert_non_null(strstr(strbuf_cstr(&why), "never overwritten"));
    assert_int_equal(public.len, 0);
    assert_int_equal(stat(existing, &st), 0);
    assert_int_equal(st.st_size, 1);
}

static void a_file_that_is_there_is_never_overwritten(void **state)
{
    (void)state;
    refused(path);
}

static void without_the_public_half_there_is_no_private_one(void **state)
{
    (void)state;
    refused(public_path);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_directory_that_is_missing_is_told(void **state)
{
    AUTO(strbuf_fini) struct strbuf public = STRBUF(1024);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1024);

    (void)state;
    assert_int_equal(key_pair_make("/tmp/berth-no-such/key", "", &public, &why),
                     -ENOENT);
    assert_non_null(strstr(strbuf_cstr(&why), "/tmp/berth-no-such/key"));
}

static void only_ssh_takes_a_key(void **state)
{
    AUTO(strbuf_fini) struct strbuf advice = STRBUF(4096);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(1024);
    struct policy policy = {
        .upstream_keys.generate_identity = true,
        .upstream.kind = UPSTREAM_TCP,
        .upstream.identities = {path},
        .upstream.identity_count = 1,
        .namespace = path,
    };

    (void)state;
    assert_int_equal(key_pair_ensure(&policy, &advice, &why), 0);
    assert_int_equal(access(path, F_OK), -1);
    policy.upstream.kind = UPSTREAM_SSH;
    policy.upstream.path = path;
    assert_int_equal(key_pair_ensure(&policy, &advice, &why), 0);
    assert_int_equal(access(path, F_OK), 0);
}

static void advice_names_the_socket_as_sshd_wants_it(void **state)
{
    AUTO(strbuf_fini) struct strbuf advice = STRBUF(4096);

    (void)state;
    key_pair_put_advice(&advice, "ssh-ed25519 AAAA me", "/srv/d.sock");
    assert_non_null(
        strstr(strbuf_cstr(&advice),
               "restrict,port-forwarding,permitopen=\"[/srv/d.sock]:*\","
               "command=\"/bin/false\" ssh-ed25519 AAAA me\n"));
    strbuf_clear(&advice);
    key_pair_put_advice(&advice, "k", "/var/run/docker.sock");
    assert_non_null(strstr(strbuf_cstr(&advice),
                           "permitopen=\"[/var/run/docker.sock]:*\","
                           "permitopen=\"[/run/docker.sock]:*\""));
}

int main(void)
{
#define IN_DIRECTORY(test)                                                     \
    cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_key_has_a_private_and_a_public_half),
        IN_DIRECTORY(the_private_half_is_nobody_elses_to_read),
        IN_DIRECTORY(no_two_keys_are_alike),
        IN_DIRECTORY(a_file_that_is_there_is_never_overwritten),
        IN_DIRECTORY(without_the_public_half_there_is_no_private_one),
        IN_DIRECTORY(only_ssh_takes_a_key),
        cmocka_unit_test(a_directory_that_is_missing_is_told),
        cmocka_unit_test(advice_names_the_socket_as_sshd_wants_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
