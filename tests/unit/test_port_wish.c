#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/base/limits.h"
#include "policy/docker/namespace.h"
#include "policy/isolation/port_wish.h"

static json_t *wish_of(const char *label)
{
    json_auto_t *labels = json_pack("{s:s}", LABEL_PORTS, label);

    return port_wish_read(labels);
}

static void a_label_that_is_none_is_no_wish(void **state)
{
    static const char *const bad[] = {
        "", "x", "[]", "1", "{}", "{\"bindings\": []}", "{\"bindings\": null}",
    };
    char *long_one = xcalloc(1, LIMIT_PORT_LABEL + 64);

    (void)state;
    assert_null(port_wish_read(NULL));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_null(wish_of(bad[i]));
    snprintf(long_one, LIMIT_PORT_LABEL + 64,
             "{\"bindings\": {}, \"x\": \"%*s\"}", (int)LIMIT_PORT_LABEL, "");
    assert_null(wish_of(long_one));
    free(long_one);
}

static void tcp_and_udp_are_listened_for(void **state)
{
    json_auto_t *wish = wish_of(
        "{\"bindings\": {\"80/TCP\": [{\"HostPort\": \"0\"}], \"81\": [],"
        " \"53/UDP\": [{\"HostPort\": \"0\"}], \"0/tcp\": [], \"x\": [],"
        " \"53/sctp\": [], \"0/udp\": [], \"80/udpx\": [],"
        " \"70000/tcp\": []},"
        " \"exposed\": [\"81/tcp\", \"82/tcp\", \"54/udp\","
        " \"55/sctp\", 1]}");
    json_auto_t *listens = port_wish_listens(wish);
    json_auto_t *any = json_pack("[{s:s, s:s}]", "HostIp", "", "HostPort", "");

    (void)state;
    assert_int_equal(json_object_size(listens), 5);
    assert_true(json_equal(json_object_get(listens, "53/udp"), any));
    assert_true(json_equal(json_object_get(listens, "54/udp"), any));
    assert_true(port_name_is_udp("53/udp"));
    assert_false(port_name_is_udp("53/tcp"));
    assert_true(json_equal(json_object_get(listens, "80/tcp"), any));
    assert_true(json_equal(json_object_get(listens, "81/tcp"), any));
    assert_true(json_equal(json_object_get(listens, "82/tcp"), any));
}

static void each_namespace_has_a_loopback_address(void **state)
{
    char one[NAMESPACE_ADDRESS], two[NAMESPACE_ADDRESS];
    unsigned part[4];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "r%u", i);
        namespace_address(str_from(name), one);
        assert_int_equal(
            sscanf(one, "%u.%u.%u.%u", &part[0], &part[1], &part[2], &part[3]),
            4);
        assert_int_equal(part[0], 127);
        assert_in_range(part[1], 1, 254);
        assert_in_range(part[2], 0, 255);
        assert_in_range(part[3], 1, 254);
    }
    namespace_address(S("r1"), one);
    namespace_address(S("r2"), two);
    assert_string_not_equal(one, two);
    namespace_address(S("r1"), two);
    assert_string_equal(one, two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_that_is_none_is_no_wish),
        cmocka_unit_test(tcp_and_udp_are_listened_for),
        cmocka_unit_test(each_namespace_has_a_loopback_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
