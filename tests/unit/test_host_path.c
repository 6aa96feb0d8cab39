#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "policy/config/host_path.h"

static void a_path_says_one_thing(void **state)
{
    static const char *const faulty[] = {
        "",     "a",       "./a",   "//",    "/a//b",  "/a/./b",
        "/a/.", "/a/../b", "/a/..", "/a\nb", "/a\x7f", "/../a",
    };
    char text[LIMIT_PATH + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++) {
        if (!path_fault(str_from(faulty[i])))
            fail_msg("%s", faulty[i]);
    }
    assert_null(path_fault(S("/")));
    assert_null(path_fault(S("/a/b.c/..d/e../")));
    memset(text, '/', sizeof(text));
    for (size_t i = 1; i < sizeof(text); i += 2)
        text[i] = 'a';
    assert_null(path_fault(str_of(text, LIMIT_PATH)));
    assert_non_null(path_fault(str_of(text, LIMIT_PATH + 1)));
}

static void being_within_goes_by_components(void **state)
{
    (void)state;
    assert_true(path_is_within(S("/a/b"), S("/a")));
    assert_true(path_is_within(S("/a"), S("/a")));
    assert_true(path_is_within(S("/a"), S("/")));
    assert_true(path_is_within(S("/"), S("/")));
    assert_false(path_is_within(S("/ab"), S("/a")));
    assert_false(path_is_within(S("/"), S("/a")));
}

static void an_engines_socket_is_known_by_its_name(void **state)
{
    (void)state;
    assert_true(path_is_engine_socket(S("/var/run/docker.sock")));
    assert_true(path_is_engine_socket(S("/x/Docker.Sock/")));
    assert_true(path_is_engine_socket(S("/run/containerd/containerd.sock")));
    assert_true(path_is_engine_socket(S("/run/podman/podman.sock")));
    assert_false(path_is_engine_socket(S("/run/mysqld/mysqld.sock")));
    assert_false(path_is_engine_socket(S("/docker.sock/x")));
    assert_false(path_is_engine_socket(S("/")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_says_one_thing),
        cmocka_unit_test(being_within_goes_by_components),
        cmocka_unit_test(an_engines_socket_is_known_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
