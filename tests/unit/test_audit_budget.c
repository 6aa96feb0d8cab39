#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdio.h>

#include "policy/base/limits.h"
#include "policy/record/audit_budget.h"

#define SECOND ((uint64_t)1000000000)
#define NOON   (1700000000 * SECOND)

static const struct verdict denied = {.kind = VERDICT_DENY, .rule = "routes"};

static struct audit_facts refused(void)
{
    return (struct audit_facts){.time_ns = NOON,
                                .operation = OP_NONE,
                                .verdict = &denied,
                                .bytes_in = 3};
}

static void a_burst_is_on_record_and_then_a_rate(void **state)
{
    struct audit_budget budget = {0};

    (void)state;
    assert_true(audit_budget_allows(&budget, NOON, false));
    audit_budget_charge(&budget, LIMIT_AUDIT_BURST - 1);
    assert_true(audit_budget_allows(&budget, NOON, false));
    audit_budget_charge(&budget, 1);
    assert_false(audit_budget_allows(&budget, NOON, false));
    /* a second later, as much as the rate gives, and no more */
    assert_true(audit_budget_allows(&budget, NOON + SECOND, false));
    assert_int_equal(budget.left, LIMIT_AUDIT_RATE);
    audit_budget_charge(&budget, 2 * LIMIT_AUDIT_RATE);
    assert_false(audit_budget_allows(&budget, NOON + SECOND, false));
}

static void many_short_times_add_up(void **state)
{
    struct audit_budget budget = {.seen_ns = NOON};
    uint64_t step = SECOND / (10 * LIMIT_AUDIT_RATE); /* a tenth of a byte */

    (void)state;
    for (uint64_t i = 1; i <= 1000; i++)
        audit_budget_allows(&budget, NOON + i * step, false);
    assert_in_range(budget.left, 85, 100);
}

static void it_never_grows_beyond_a_burst(void **state)
{
    struct audit_budget budget = {.seen_ns = NOON, .left = LIMIT_AUDIT_BURST};

    (void)state;
    audit_budget_allows(&budget, NOON + SECOND, false);
    assert_int_equal(budget.left, LIMIT_AUDIT_BURST);
    audit_budget_charge(&budget, LIMIT_AUDIT_BURST);
    audit_budget_allows(&budget, NOON + 100000 * SECOND, false);
    assert_int_equal(budget.left, LIMIT_AUDIT_BURST);
}

static void a_clock_that_is_set_back_gives_nothing(void **state)
{
    struct audit_budget budget = {.seen_ns = NOON};

    (void)state;
    assert_false(audit_budget_allows(&budget, NOON - 100 * SECOND, false));
    assert_true(audit_budget_allows(&budget, NOON - 99 * SECOND, false));
    assert_int_equal(budget.left, LIMIT_AUDIT_RATE);
}

static void on_a_nearly_full_disk_nothing_is_allowed(void **state)
{
    struct audit_budget budget = {0};

    (void)state;
    assert_false(audit_budget_allows(&budget, NOON, true));
    assert_true(audit_budget_allows(&budget, NOON, false));
}

static void what_is_left_out_is_summed_up(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_AUDIT_LINE);
    struct audit_budget budget = {.left = 5, .seen_ns = NOON};
    struct audit_facts end = refused();

    (void)state;
    assert_true(audit_budget_sum_up(&budget, &end));
    assert_false(audit_budget_sum_up(&budget, &end));
    end.operation = OP_CONTAINER_LIST;
    end.verdict = NULL;
    end.bytes_out = 70;
    assert_false(audit_budget_sum_up(&budget, &end));
    assert_int_equal(audit_put_summary(&out, &budget, NOON + 10 * SECOND,
                                       S("r1"), S("/run/b.sock")),
                     0);
    assert_string_equal(
        strbuf_cstr(&out),
        "{\"time\":\"2023-11-14T22:13:30.000000Z\",\"event\":\"summary\","
        "\"namespace\":\"r1\",\"listener\":\"/run/b.sock\","
        "\"since\":\"2023-11-14T22:13:20.000000Z\",\"calls\":3,"
        "\"verdicts\":{\"none\":1,\"deny\":2},"
        "\"operations\":{\"none\":2,\"ContainerList\":1},"
        "\"bytes_in\":9,\"bytes_out\":70}\n");
    audit_budget_forget(&budget);
    assert_int_equal(budget.calls, 0);
    assert_int_equal(budget.operations[OP_CONTAINER_LIST], 0);
    assert_int_equal(budget.left, 5);
    assert_true(audit_budget_sum_up(&budget, &end));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_on_record_and_then_a_rate),
        cmocka_unit_test(many_short_times_add_up),
        cmocka_unit_test(it_never_grows_beyond_a_burst),
        cmocka_unit_test(a_clock_that_is_set_back_gives_nothing),
        cmocka_unit_test(on_a_nearly_full_disk_nothing_is_allowed),
        cmocka_unit_test(what_is_left_out_is_summed_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
