#include "tests/unit/unit.h"

#include <errno.h>

#include "proxy/grpc/h2_fields.h"

static void fields_are_found_by_their_names(void **state)
{
    AUTO(h2_fields_fini) struct h2_fields fields = H2_FIELDS(100, 10);
    struct str value;

    (void)state;
    assert_int_equal(h2_fields_add(&fields, S("a"), S("1")), 0);
    assert_int_equal(h2_fields_add(&fields, S("b"), S("")), 0);
    assert_int_equal(h2_fields_add(&fields, S("a"), S("2")), 0);
    assert_true(h2_fields_get(&fields, S("a"), &value));
    assert_true(str_eq(value, S("1")));
    assert_false(h2_fields_one(&fields, S("a"), &value));
    assert_true(h2_fields_one(&fields, S("b"), &value));
    assert_int_equal(value.len, 0);
    assert_false(h2_fields_get(&fields, S("c"), &value));
    assert_true(str_eq(h2_fields_at(&fields, 2).value, S("2")));
    h2_fields_clear(&fields);
    assert_false(h2_fields_get(&fields, S("a"), &value));
}

static void bytes_and_fields_have_a_maximum(void **state)
{
    AUTO(h2_fields_fini) struct h2_fields bytes = H2_FIELDS(6, 10);
    AUTO(h2_fields_fini) struct h2_fields count = H2_FIELDS(100, 2);

    (void)state;
    assert_int_equal(h2_fields_add(&bytes, S("ab"), S("c")), 0);
    assert_int_equal(h2_fields_add(&bytes, S("ab"), S("cd")), -ENOBUFS);
    assert_int_equal(h2_fields_add(&bytes, S("abcd"), S("")), -ENOBUFS);
    assert_int_equal(h2_fields_add(&bytes, S("ab"), S("c")), 0);
    assert_int_equal(bytes.count, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(h2_fields_add(&count, S("a"), S("b")),
                         i < 2 ? 0 : -ENOBUFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_by_their_names),
        cmocka_unit_test(bytes_and_fields_have_a_maximum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
