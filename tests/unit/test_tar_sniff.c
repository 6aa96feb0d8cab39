#include "tests/unit/unit.h"

#include "policy/docker/tar_sniff.h"

static void what_an_engine_would_unpack_is_seen(void **state)
{
    (void)state;
    assert_true(tar_is_compressed(S("\x1f\x8b\x08\x00\x00\x00")));
    assert_true(tar_is_compressed(S("BZh91A")));
    assert_true(tar_is_compressed(S("\xfd"
                                    "7zXZ\0")));
    assert_true(tar_is_compressed(S("\x28\xb5\x2f\xfd")));
    assert_true(tar_is_compressed(S("\x50\x2a\x4d\x18")));
    assert_true(tar_is_compressed(S("\x5f\x2a\x4d\x18xx")));
}

static void a_plain_archive_is_not_compressed(void **state)
{
    (void)state;
    assert_false(tar_is_compressed(S("etc/hosts")));
    assert_false(tar_is_compressed(S("\0\0\0\0\0\0")));
    assert_false(tar_is_compressed(S("P*M\x19xx")));
    assert_false(tar_is_compressed(S("\x60\x2a\x4d\x18xx")));
    assert_false(tar_is_compressed(S("BZ")));
    assert_false(tar_is_compressed(S("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_engine_would_unpack_is_seen),
        cmocka_unit_test(a_plain_archive_is_not_compressed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
