#include "tests/unit/unit.h"

#include "policy/docker/address_pools.h"

/* NETWORKS: their subnets, in JSON's commas. */
static int left(const char *info, const char *networks)
{
    json_auto_t *about = json_loads(info, 0, NULL);
    json_auto_t *subnets = json_loads(networks, 0, NULL), *list = json_array();
    json_t *subnet;
    size_t i;

    assert_non_null(about);
    assert_non_null(subnets);
    json_array_foreach(subnets, i, subnet)
    {
        json_array_append_new(list, json_pack("{s:{s:[{s:O}]}}", "IPAM",
                                              "Config", "Subnet", subnet));
    }
    return address_pools_left(about, list);
}

#define POOL                                                                   \
    "{\"DefaultAddressPools\":[{\"Base\":\"10.230.0.0/22\",\"Size\":24}]}"

static void each_range_that_is_free_is_a_network(void **state)
{
    (void)state;
    assert_int_equal(left(POOL, "[]"), 4);
    assert_int_equal(left(POOL, "[\"10.230.1.0/24\"]"), 3);
    assert_int_equal(left(POOL, "[\"10.230.1.0/24\",\"172.30.0.0/24\"]"), 3);
    assert_int_equal(left(POOL, "[\"10.230.3.0/24\",\"10.230.0.0/24\","
                                "\"10.230.2.0/24\",\"10.230.1.0/24\"]"),
                     0);
}

static void what_overlaps_takes_all_that_it_touches(void **state)
{
    (void)state;
    assert_int_equal(left(POOL, "[\"10.230.1.16/28\"]"), 3);
    assert_int_equal(left(POOL, "[\"10.230.1.16/28\",\"10.230.1.64/28\"]"), 3);
    assert_int_equal(left(POOL, "[\"10.230.0.0/23\"]"), 2);
    assert_int_equal(left(POOL, "[\"10.0.0.0/8\"]"), 0);
    assert_int_equal(left(POOL, "[\"0.0.0.0/0\"]"), 0);
    assert_int_equal(left(POOL, "[\"fd00::/8\",\"nonsense\",7]"), 4);
}

static void engines_have_pools_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(left("{}", "[]"), 15 + 16);
    assert_int_equal(left("{\"DefaultAddressPools\":null}",
                          "[\"172.17.0.0/16\",\"192.168.16.0/20\"]"),
                     14 + 15);
    assert_int_equal(left("{}", "[\"172.16.0.0/12\",\"192.168.0.0/16\"]"), 0);
}

static void large_pools_are_counted_so_far(void **state)
{
    (void)state;
    assert_int_equal(left("{\"DefaultAddressPools\":[{\"Base\":\"10.0.0.0/8\","
                          "\"Size\":32}]}",
                          "[]"),
                     ADDRESS_POOLS_MANY);
    assert_int_equal(left("{\"DefaultAddressPools\":[{\"Base\":\"0.0.0.0/0\","
                          "\"Size\":32}]}",
                          "[\"0.0.0.0/1\",\"128.0.0.0/1\"]"),
                     0);
}

static void what_makes_no_sense_is_no_pool(void **state)
{
    (void)state;
    assert_int_equal(left("{\"DefaultAddressPools\":[{\"Base\":\"x\","
                          "\"Size\":24},{\"Base\":\"10.0.0.0/24\",\"Size\":16},"
                          "{\"Base\":\"10.0.0.0/24\",\"Size\":-1},{},7]}",
                          "[]"),
                     0);
    assert_int_equal(address_pools_left(NULL, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_range_that_is_free_is_a_network),
        cmocka_unit_test(what_overlaps_takes_all_that_it_touches),
        cmocka_unit_test(engines_have_pools_of_their_own),
        cmocka_unit_test(large_pools_are_counted_so_far),
        cmocka_unit_test(what_makes_no_sense_is_no_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
