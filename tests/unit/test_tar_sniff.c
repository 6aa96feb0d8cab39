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

static void the_beginning_of_a_mark_may_become_one(void **state)
{
    static const struct str marks[] = {
        STR("\x1f\x8b\x08"),
        STR("BZh"),
        STR("\xfd"
            "7zXZ\0"),
        STR("\x28\xb5\x2f\xfd"),
        STR("\x50\x2a\x4d\x18"),
        STR("\x5f\x2a\x4d\x18"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        for (size_t len = 0; len < marks[i].len; len++) {
            assert_true(tar_may_be_compressed(str_head(marks[i], len)));
            assert_false(tar_is_compressed(str_head(marks[i], len)));
        }
        assert_true(tar_is_compressed(marks[i]));
    }
    assert_false(tar_may_be_compressed(S("e")));
    assert_false(tar_may_be_compressed(S("BZx")));
    assert_false(tar_may_be_compressed(S("\x50\x2a\x4e")));
    assert_false(tar_may_be_compressed(S("\xfd"
                                         "7zXZ.")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_engine_would_unpack_is_seen),
        cmocka_unit_test(a_plain_archive_is_not_compressed),
        cmocka_unit_test(the_beginning_of_a_mark_may_become_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
