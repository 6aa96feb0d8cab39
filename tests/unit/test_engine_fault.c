#include "tests/unit/unit.h"

#include "policy/docker/engine_fault.h"

static bool has(const char *component, const char *version, const char *id)
{
    const struct engine_fault *fault = NULL;

    while ((fault = engine_fault_next(fault, str_from(component),
                                      str_from(version)))) {
        if (!strcmp(fault->id, id))
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
        cmocka_unit_test(another_component_has_none_of_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
