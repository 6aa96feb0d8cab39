#include "tests/unit/unit.h"

#include "policy/docker/engine_fault.h"

static bool has(const char *component, const char *version, const char *id)
{
    const struct engine_fault *fault = NULL;

    while ((fault = engine_fault_next(fault, str_from(component),
                                      str_from(version)))) {
        if (strstr(fault->id, id))
            return true;
    }
    return false;
}

static void a_fault_ends_with_the_fix_of_its_line(void **state)
{
    static const char id[] = "CVE-2024-29018";

    (void)state;
    assert_true(has("Engine", "23.0.10", id));
    assert_false(has("Engine", "23.0.11", id));
    assert_true(has("Engine", "25.0.4", id));
    assert_false(has("Engine", "25.0.5", id));
    assert_false(has("Engine", "26.0.0", id));
    assert_false(has("Engine", "29.0.0", id));
    /* lines that were never fixed, old ones and one in between */
    assert_true(has("Engine", "20.10.24", id));
    assert_true(has("Engine", "24.0.9", id));
}

static void a_line_may_have_two_numbers(void **state)
{
    static const char id[] = "CVE-2025-31133";

    (void)state;
    assert_true(has("runc", "1.1.15", id));
    assert_true(has("runc", "1.2.7", id));
    assert_false(has("runc", "1.2.8", id));
    assert_true(has("runc", "1.3.2", id));
    assert_false(has("runc", "1.3.10", id));
    assert_false(has("runc", "2.0", id));
}

static void versions_are_read_as_distributions_write_them(void **state)
{
    (void)state;
    assert_true(has("runc", "1.1.5+ds1", "CVE-2024-21626"));
    assert_false(has("runc", "1.1.12+ds1", "CVE-2024-21626"));
    assert_true(has("Engine", "20.10.24+dfsg1", "CVE-2024-29018"));
    assert_true(has("Engine", "", "CVE-2024-29018"));
    assert_true(has("Engine", "unknown", "CVE-2024-29018"));
}

static void what_came_with_a_version_is_not_in_those_before(void **state)
{
    static const char id[] = "CVE-2025-47290";

    (void)state;
    assert_true(has("containerd", "v2.1.0", id));
    assert_true(has("containerd", "2.1.0", id));
    assert_false(has("containerd", "v2.1.1", id));
    assert_false(has("containerd", "v2.0.5", id));
    assert_false(has("containerd", "1.7.24~ds1", id));
}

static void faults_of_this_year_are_known(void **state)
{
    static const struct {
        const char *id, *last_bad, *first_good;
    } cases[] = {
        {"CVE-2026-33747", "29.3.0",  "29.3.1" },
        {"CVE-2026-33748", "29.3.0",  "29.3.1" },
        {"CVE-2026-41567", "29.5.0",  "29.5.1" },
        {"CVE-2026-41568", "29.5.0",  "29.5.1" },
        {"CVE-2026-42306", "25.0.16", "25.0.17"},
        {"CVE-2026-61711", "29.6.0",  "29.6.1" },
        {"CVE-2026-15789", "29.6.1",  "29.6.2" },
        {"CVE-2026-93318", "29.8.1",  "29.8.2" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_true(has("Engine", cases[i].last_bad, cases[i].id));
        assert_false(has("Engine", cases[i].first_good, cases[i].id));
    }
    assert_null(engine_fault_next(NULL, S("Engine"), S("29.9.0")));
}

static void packages_of_distributions_are_told_from_releases(void **state)
{
    static const char *const packaged[] = {
        "28.5.2+dfsg4",      "1.1.15+ds1",   "1.7.24~ds1",
        "24.0.7-0ubuntu4.1", "2.1.5-1.fc43", "1.1.12-4.el9_5",
        "25.0.8-1.amzn2023"};
    static const char *const released[] = {
        "28.5.2", "v2.2.6", "29.0.0-rc.1", "1.3.3", "ecc6942", "?", ""};

    (void)state;
    for (size_t i = 0; i < sizeof(packaged) / sizeof(*packaged); i++)
        assert_true(engine_fault_is_packaged(str_from(packaged[i])));
    for (size_t i = 0; i < sizeof(released) / sizeof(*released); i++)
        assert_false(engine_fault_is_packaged(str_from(released[i])));
}

static void another_component_has_none_of_them(void **state)
{
    (void)state;
    assert_null(engine_fault_next(NULL, S("containerd"), S("1.0")));
    assert_null(engine_fault_next(NULL, S("runc"), S("9.9.9")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_ends_with_the_fix_of_its_line),
        cmocka_unit_test(a_line_may_have_two_numbers),
        cmocka_unit_test(versions_are_read_as_distributions_write_them),
        cmocka_unit_test(what_came_with_a_version_is_not_in_those_before),
        cmocka_unit_test(faults_of_this_year_are_known),
        cmocka_unit_test(packages_of_distributions_are_told_from_releases),
        cmocka_unit_test(another_component_has_none_of_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
