#include "tests/unit/unit.h"

#include "policy/base/subnet.h"

static bool within(const char *inner, const char *outer)
{
    struct subnet a, b;

    assert_true(subnet_parse(str_from(inner), &a));
    assert_true(subnet_parse(str_from(outer), &b));
    return subnet_is_within(&a, &b);
}

static void ranges_lie_in_ranges(void **state)
{
    (void)state;
    assert_true(within("10.42.7.0/24", "10.42.0.0/16"));
    assert_true(within("10.42.0.0/16", "10.42.0.0/16"));
    assert_true(within("10.42.255.255", "10.42.0.0/16"));
    assert_true(within("1.2.3.4", "0.0.0.0/0"));
    assert_true(within("10.128.0.0/10", "10.128.0.0/9"));
    assert_false(within("10.64.0.0/10", "10.128.0.0/9"));
    assert_false(within("10.42.0.0/15", "10.42.0.0/16"));
    assert_false(within("10.43.0.0", "10.42.0.0/16"));
    assert_true(within("fd42:0:1::/64", "fd42::/32"));
    assert_false(within("fd43::1", "fd42::/32"));
    assert_false(within("::1", "0.0.0.0/0"));
}

static void other_text_is_no_range(void **state)
{
    static const char *const texts[] = {
        "",          "x",           "10.0.0",       "10.0.0.0/", "10.0.0.0/33",
        "::/129",    "10.0.0.0/-1", "10.0.0.0/8/8", "010.0.0.0", " 10.0.0.0",
        "10.0.0.0 ", "1.2.3.256",   "12345::",
    };
    struct subnet subnet;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (subnet_parse(str_from(texts[i]), &subnet))
            fail_msg("%s", texts[i]);
    }
    assert_false(subnet_parse(S("10.0.0.0\0"), &subnet));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_lie_in_ranges),
        cmocka_unit_test(other_text_is_no_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
