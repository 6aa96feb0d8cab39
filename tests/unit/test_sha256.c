#include "tests/unit/unit.h"

#include "policy/base/sha256.h"

static void the_hash_is_the_known_one(void **state)
{
    char hex[SHA256_HEX + 1];

    (void)state;
    sha256_hex(S("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
                             "b00361a396177a9cb410ff61f20015ad");
    sha256_hex(str_of(NULL, 0), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
                             "27ae41e4649b934ca495991b7852b855");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_the_known_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
