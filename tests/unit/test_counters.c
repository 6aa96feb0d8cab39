#include "tests/unit/unit.h"

#include "tests/support/exchange_driver.h"

static struct counters counters;

static int setup(void **state)
{
    (void)state;
    counters = (struct counters){0};
    return 0;
}

static void an_end_is_counted_under_operation_verdict_and_reason(void **state)
{
    struct verdict verdict = {.kind = VERDICT_DENY};
    struct audit_facts end = {.operation = OP_SYSTEM_INFO,
                              .verdict = &verdict,
                              .bytes_in = 3,
                              .bytes_out = 5,
                              .close = AUDIT_CLOSE_DENIED};

    (void)state;
    counters_add(&counters, &end);
    end.would_deny = true;
    counters_add(&counters, &end);
    verdict.kind = VERDICT_ALLOW;
    end.would_deny = false;
    end.operation = OP_CONTAINER_LIST;
    end.close = AUDIT_CLOSE_DONE;
    counters_add(&counters, &end);
    end.verdict = NULL;
    counters_add(&counters, &end);

    assert_int_equal(
        counters.operations[OP_SYSTEM_INFO].verdicts[AUDIT_VERDICT_DENY], 1);
    assert_int_equal(
        counters.operations[OP_SYSTEM_INFO].verdicts[AUDIT_VERDICT_WOULD_DENY],
        1);
    assert_int_equal(counters_requests(&counters, AUDIT_VERDICT_ALLOW), 1);
    assert_int_equal(counters_requests(&counters, AUDIT_VERDICT_NONE), 1);
    assert_int_equal(
        operation_requests(&counters.operations[OP_CONTAINER_LIST]), 2);
    assert_int_equal(counters.closes[AUDIT_CLOSE_DENIED], 2);
    assert_int_equal(counters.closes[AUDIT_CLOSE_DONE], 2);
    assert_int_equal(counters.bytes_in, 12);
    assert_int_equal(counters.bytes_out, 20);
}

static void a_duration_is_within_its_bound_and_all_above(void **state)
{
    const uint64_t ms = 1000000;
    struct audit_facts end = {.operation = OP_SYSTEM_INFO};
    const struct operation_counters *info =
        &counters.operations[OP_SYSTEM_INFO];

    (void)state;
    end.duration_ns = 2 * ms; /* the edge belongs to it */
    counters_add(&counters, &end);
    end.duration_ns = 2 * ms + 1;
    counters_add(&counters, &end);
    end.duration_ns = 86400000 * ms; /* more than the last */
    counters_add(&counters, &end);
    assert_string_equal(duration_bound(1), "0.002");
    assert_int_equal(info->within[0], 0);
    assert_int_equal(info->within[1], 1);
    assert_int_equal(info->within[2], 2);
    assert_int_equal(info->within[DURATION_COUNT - 1], 2);
    assert_int_equal(operation_requests(info), 3);
    assert_true(info->duration_ns == 86400004 * ms + 1);
}

/* What runs is looked at; what is over is counted, once. */
static void an_exchange_is_seen_while_it_runs_and_counted_behind(void **state)
{
    static struct exchange_driver d;
    struct exchange_glance glance;

    (void)state;
    driver_init(&d, driver_policy("\"operations\": {\"allow\": [\"image\"]}"));
    assert_false(connection_look(d.connection, &glance));
    driver_send(&d, CLIENT,
                S("POST /images/load HTTP/1.1\r\nHost: d\r\n"
                  "Content-Length: 4\r\n\r\n"));
    assert_true(driver_open_stream(&d));
    driver_send(&d, CLIENT, S("abc"));
    assert_true(connection_look(d.connection, &glance));
    assert_int_equal(glance.operation, OP_IMAGE_LOAD);
    assert_true(str_eq(glance.path, S("/images/load")));
    assert_int_equal(glance.bytes_in, 3);
    assert_int_equal(glance.bytes_out, 0);
    assert_int_equal(counters_requests(&d.counters, AUDIT_VERDICT_ALLOW), 0);

    driver_send(&d, CLIENT, S("d"));
    driver_send(&d, ENGINE,
                S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
    assert_false(connection_look(d.connection, &glance));
    assert_int_equal(counters_requests(&d.counters, AUDIT_VERDICT_ALLOW), 1);
    assert_int_equal(d.counters.bytes_in, 4);
    assert_int_equal(d.counters.bytes_out, 5);
    driver_fini(&d);
}

/* Refused while its body still comes: counted, and no longer seen. */
static void a_refusal_is_counted_once_although_its_body_is_drained(void **state)
{
    static struct exchange_driver d;
    struct exchange_glance glance;

    (void)state;
    driver_init(&d, driver_policy(""));
    driver_send(&d, CLIENT,
                S("POST /images/load HTTP/1.1\r\nHost: d\r\n"
                  "Content-Length: 4\r\n\r\nab"));
    assert_int_equal(counters_requests(&d.counters, AUDIT_VERDICT_DENY), 1);
    assert_false(connection_look(d.connection, &glance));
    driver_send(&d, CLIENT, S("cd"));
    assert_int_equal(counters_requests(&d.counters, AUDIT_VERDICT_DENY), 1);
    driver_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            an_end_is_counted_under_operation_verdict_and_reason, setup),
        cmocka_unit_test_setup(a_duration_is_within_its_bound_and_all_above,
                               setup),
        cmocka_unit_test(an_exchange_is_seen_while_it_runs_and_counted_behind),
        cmocka_unit_test(
            a_refusal_is_counted_once_although_its_body_is_drained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
