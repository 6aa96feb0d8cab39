#include "tests/unit/unit.h"

#include <arpa/inet.h>

#include "policy/base/loopback.h"

static void an_address_of_this_machine_has_its_bytes_and_port(void **state)
{
    struct loopback it;

    (void)state;
    assert_true(loopback_parse(S("127.0.0.2:9323"), &it));
    assert_int_equal(it.family, AF_INET);
    assert_memory_equal(it.address, "\x7f\0\0\2", 4);
    assert_int_equal(it.port, 9323);
    assert_true(loopback_parse(S("[::1]:65535"), &it));
    assert_int_equal(it.family, AF_INET6);
    assert_memory_equal(it.address, &in6addr_loopback, 16);
    assert_int_equal(it.port, 65535);
}

static void anything_else_is_refused(void **state)
{
    static const char *const others[] = {
        "",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:x",
        "127.0.0.1:80:80",
        "127.0.0.0/8:80",
        "127.0.0.1/32:80",
        "128.0.0.1:80",
        "0.0.0.0:80",
        ":80",
        "localhost:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::]:80",
        "[::2]:80",
        "[::1:80",
        "[127.0.0.1]:80",
        "/run/sock",
    };
    struct loopback it = {.port = 7};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (loopback_parse(str_from(others[i]), &it))
            fail_msg("\"%s\" is taken", others[i]);
    }
    assert_int_equal(it.port, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_of_this_machine_has_its_bytes_and_port),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
