#include "tests/unit/unit.h"

#include "policy/docker/operation.h"

static void every_operation_is_found_by_its_own_name_only(void **state)
{
    (void)state;
    for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++) {
        const char *name = operation_name((enum operation)i);

        assert_int_equal(operation_find(str_from(name)), i);
    }
    assert_int_equal(operation_find(S("ContainerCreate")), OP_CONTAINER_CREATE);
    assert_int_equal(operation_find(S("containercreate")), OP_NONE);
    assert_int_equal(operation_find(S("ContainerCreat")), OP_NONE);
    assert_int_equal(operation_find(S("none")), OP_NONE);
    assert_int_equal(operation_find(S("")), OP_NONE);
}

static void every_group_and_access_class_is_found_and_used(void **state)
{
    unsigned in_group[GROUP_COUNT] = {0}, in_access[ACCESS_COUNT] = {0};

    (void)state;
    for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++) {
        in_group[operation_group((enum operation)i)]++;
        in_access[operation_access((enum operation)i)]++;
    }
    for (unsigned i = 0; i < GROUP_COUNT; i++) {
        const char *name = operation_group_name((enum operation_group)i);

        assert_int_equal(operation_group_find(str_from(name)), i);
        assert_true(in_group[i] > 0);
    }
    for (unsigned i = 0; i < ACCESS_COUNT; i++) {
        const char *name = operation_access_name((enum operation_access)i);

        assert_int_equal(operation_access_find(str_from(name)), i);
        assert_true(in_access[i] > 0);
    }
    assert_int_equal(operation_group_find(S("containers")), GROUP_COUNT);
    assert_int_equal(operation_group_find(S("")), GROUP_COUNT);
    assert_int_equal(operation_access_find(S("READ")), ACCESS_COUNT);
}

static void what_only_reads_does_not_mutate(void **state)
{
    (void)state;
    for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++) {
        enum operation_access access = operation_access((enum operation)i);

        if (access == ACCESS_READ)
            assert_false(operation_mutates((enum operation)i));
        if (access == ACCESS_WRITE || access == ACCESS_UPGRADE)
            assert_true(operation_mutates((enum operation)i));
    }
    assert_true(operation_mutates(OP_IMAGE_BUILD));
    assert_false(operation_mutates(OP_CONTAINER_LOGS));
}

static void the_innards_of_the_daemon_are_no_part_of_system_read(void **state)
{
    (void)state;
    assert_int_equal(operation_group(OP_DEBUG_PPROF_NAMED), GROUP_DEBUG);
    assert_int_equal(operation_group(OP_SYSTEM_INFO), GROUP_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_found_by_its_own_name_only),
        cmocka_unit_test(every_group_and_access_class_is_found_and_used),
        cmocka_unit_test(what_only_reads_does_not_mutate),
        cmocka_unit_test(the_innards_of_the_daemon_are_no_part_of_system_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
