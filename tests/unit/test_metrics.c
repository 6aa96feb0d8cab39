#include "tests/unit/unit.h"

#include <errno.h>
#include <jansson.h>

#include "proxy/metrics/metrics.h"

static struct counters counters;
static struct frontend_view frontend;
static struct backend_view backends[2];
static const char *const defences[] = {"nothing may be executed", NULL};
static struct picture picture;

static int setup(void **state)
{
    (void)state;
    counters = (struct counters){.bytes_in = 100, .lookups = 8};
    counters.operations[OP_SYSTEM_INFO].verdicts[AUDIT_VERDICT_ALLOW] = 3;
    counters.operations[OP_SYSTEM_INFO].within[DURATION_COUNT - 1] = 2;
    counters.operations[OP_SYSTEM_INFO].duration_ns = 1500000000;
    counters.closes[AUDIT_CLOSE_DONE] = 3;
    frontend = (struct frontend_view){
        .namespace = "r1",
        .listener = "/a\"b\\c\nd",
        .host = "ssh://a",
        .counters = &counters,
        .clients = 4,
        .clients_max = 256,
        .open = {[ACCESS_STREAM] = 2},
        .bytes_in = 11,
        .port_listeners = 2,
        .port_connections = 3,
        .ports_carried = 4,
        .ports_refused = 5,
        .port_flows = 15,
        .flows_carried = 16,
        .flows_refused = 17,
        .datagrams_in = 18,
        .datagrams_out = 19,
        .datagrams_lost = 20,
        .copies = { .directories = 1,
                 .files_out = 6,
                 .files_in = 7,
                 .removed_out = 8,
                 .removed_in = 9,
                 .bytes_out = 10,
                 .bytes_in = 11,
                 .rounds = 12,
                 .failed = 3,
                 .lost = 13,
                 .left = 14},
    };
    backends[0] = (struct backend_view){.upstream = "ssh://a",
                                        .link_up = true,
                                        .engine_up = true,
                                        .connects = 3,
                                        .links = 4,
                                        .idle = 5};
    backends[1] = (struct backend_view){.upstream = "ssh://a", .twin = 1};
    picture = (struct picture){
        .process = {.version = "1.2",
                    .libssh2 = "1.10",
                    .libevent = "2.1",
                    .defences = defences,
                    .memory = 4096},
        .frontends = &frontend,
        .frontend_count = 1,
        .backends = backends,
        .backend_count = 2,
    };
    return 0;
}

static void has(const struct strbuf *page, const char *line)
{
    AUTO(strbuf_fini) struct strbuf whole = STRBUF(4096);

    strbuf_addf(&whole, "\n%s\n", line);
    if (!memmem(page->ptr, page->len, whole.ptr, whole.len))
        fail_msg("%s is missing in\n%.*s", line, STR_FMT(strbuf_str(page)));
}

#define OF_R1 "namespace=\"r1\",listener=\"/a\\\"b\\\\c\\nd\""

static void prometheus_gets_a_line_for_each_number(void **state)
{
    AUTO(strbuf_fini) struct strbuf page = STRBUF(MIB);

    (void)state;
    assert_int_equal(metrics_put(&page, &picture), 0);
    has(&page, "# TYPE berth_requests_total counter");
    has(&page, "berth_requests_total{" OF_R1
               ",operation=\"SystemInfo\",verdict=\"allow\"} 3");
    has(&page, "berth_request_duration_seconds_bucket{" OF_R1
               ",operation=\"SystemInfo\",le=\"1\"} 0");
    has(&page, "berth_request_duration_seconds_bucket{" OF_R1
               ",operation=\"SystemInfo\",le=\"+Inf\"} 3");
    has(&page, "berth_request_duration_seconds_sum{" OF_R1
               ",operation=\"SystemInfo\"} 1.5");
    has(&page, "berth_request_duration_seconds_count{" OF_R1
               ",operation=\"SystemInfo\"} 3");
    has(&page, "berth_requests_closed_total{" OF_R1 ",close=\"done\"} 3");
    has(&page, "berth_requests_open{" OF_R1 ",kind=\"stream\"} 2");
    has(&page, "berth_host{" OF_R1 ",upstream=\"ssh://a\"} 1");
    has(&page, "berth_lookups_total{" OF_R1 "} 8");
    has(&page, "berth_port_listeners{" OF_R1 "} 2");
    has(&page, "berth_port_connections{" OF_R1 "} 3");
    has(&page, "berth_port_connections_carried_total{" OF_R1 "} 4");
    has(&page, "berth_port_connections_refused_total{" OF_R1 "} 5");
    has(&page, "berth_port_flows{" OF_R1 "} 15");
    has(&page, "berth_port_flows_carried_total{" OF_R1 "} 16");
    has(&page, "berth_port_flows_refused_total{" OF_R1 "} 17");
    has(&page, "berth_port_datagrams_total{" OF_R1 ",direction=\"in\"} 18");
    has(&page, "berth_port_datagrams_total{" OF_R1 ",direction=\"out\"} 19");
    has(&page, "berth_port_datagrams_lost_total{" OF_R1 "} 20");
    has(&page, "berth_copied_directories{" OF_R1 "} 1");
    has(&page, "berth_copied_files_total{" OF_R1 ",to=\"engine\"} 6");
    has(&page, "berth_copied_files_total{" OF_R1 ",to=\"runner\"} 7");
    has(&page, "berth_copied_removals_total{" OF_R1 ",to=\"engine\"} 8");
    has(&page, "berth_copied_removals_total{" OF_R1 ",to=\"runner\"} 9");
    has(&page, "berth_copied_bytes_total{" OF_R1 ",to=\"engine\"} 10");
    has(&page, "berth_copied_bytes_total{" OF_R1 ",to=\"runner\"} 11");
    has(&page, "berth_copy_rounds_total{" OF_R1 ",result=\"done\"} 9");
    has(&page, "berth_copy_rounds_total{" OF_R1 ",result=\"failed\"} 3");
    has(&page, "berth_copy_conflicts_total{" OF_R1 "} 13");
    has(&page, "berth_copy_postponed_total{" OF_R1 "} 14");
    has(&page, "berth_link_up{upstream=\"ssh://a\"} 1");
    has(&page, "berth_link_reconnects_total{upstream=\"ssh://a\"} 2");
    has(&page, "berth_links{upstream=\"ssh://a\"} 4");
    has(&page, "berth_streams{upstream=\"ssh://a\",state=\"idle\"} 5");
    has(&page, "process_resident_memory_bytes 4096");
}

static void what_runs_is_among_the_bytes(void **state)
{
    AUTO(strbuf_fini) struct strbuf page = STRBUF(MIB);

    (void)state;
    assert_int_equal(metrics_put(&page, &picture), 0);
    has(&page, "berth_bytes_total{" OF_R1 ",direction=\"in\"} 111");
}

static void two_ways_to_one_url_are_told_apart(void **state)
{
    AUTO(strbuf_fini) struct strbuf page = STRBUF(MIB);

    (void)state;
    assert_int_equal(metrics_put(&page, &picture), 0);
    has(&page, "berth_link_up{upstream=\"ssh://a#2\"} 0");
    has(&page, "berth_link_reconnects_total{upstream=\"ssh://a#2\"} 0");
}

static void operations_that_nobody_called_take_no_line(void **state)
{
    AUTO(strbuf_fini) struct strbuf page = STRBUF(MIB);

    (void)state;
    assert_int_equal(metrics_put(&page, &picture), 0);
    assert_null(memmem(page.ptr, page.len, "ContainerList", 13));
}

static void all_operations_of_64_policies_fit(void **state)
{
    AUTO(strbuf_fini) struct strbuf page = STRBUF(32 * MIB);
    static struct frontend_view all[64];

    (void)state;
    for (unsigned op = 0; op < OP_COUNT; op++) {
        for (unsigned v = 0; v < AUDIT_VERDICT_COUNT; v++)
            counters.operations[op].verdicts[v] = UINT32_MAX;
    }
    for (size_t i = 0; i < 64; i++)
        all[i] = frontend;
    picture.frontends = all;
    picture.frontend_count = 64;
    assert_int_equal(metrics_put(&page, &picture), 0);
}

static void a_page_too_long_is_an_error_and_not_half_a_page(void **state)
{
    AUTO(strbuf_fini) struct strbuf page = STRBUF(2 * KIB);

    (void)state;
    assert_int_equal(metrics_put(&page, &picture), -ENOBUFS);
}

static void the_status_has_what_runs_and_what_was_refused(void **state)
{
    static struct refusals refusals;
    AUTO(strbuf_fini) struct strbuf text = STRBUF(MIB);
    json_auto_t *status = NULL;
    const json_t *of, *item;

    (void)state;
    refusals = (struct refusals){
        .count = 1,
        .items = {{.time_ns = 1500000000,
                   .count = 2,
                   .operation = OP_CONTAINER_CREATE,
                   .verdict = AUDIT_VERDICT_DENY,
                   .rule = "operations.allow",
                   .path = "/containers/create",
                   .allow = "operations.allow: [\"ContainerCreate\"]"}}};
    frontend.runner = "Runner_01";
    frontend.refusals = &refusals;
    frontend.call_count = 1;
    frontend.calls[0] = (struct call_view){
        .operation = OP_SYSTEM_EVENTS, .path = S("/\xff"), .seconds = 1.5};
    assert_int_equal(metrics_put_status(&text, &picture), 0);
    status = json_loadb(text.ptr, text.len, 0, NULL);
    assert_non_null(status);
    of = json_array_get(json_object_get(status, "berths"), 0);
    assert_string_equal(json_string_value(json_object_get(of, "runner")),
                        "Runner_01");
    item = json_array_get(json_object_get(of, "calls"), 0);
    assert_string_equal(json_string_value(json_object_get(item, "operation")),
                        "SystemEvents");
    assert_string_equal(json_string_value(json_object_get(item, "path")),
                        "(not UTF-8)");
    item = json_array_get(json_object_get(of, "refusals"), 0);
    assert_int_equal(json_integer_value(json_object_get(item, "count")), 2);
    assert_string_equal(json_string_value(json_object_get(item, "allow")),
                        "operations.allow: [\"ContainerCreate\"]");
}

static void the_status_says_the_same_in_json(void **state)
{
    static const struct {
        const char *key;
        int value;
    } ports[] = {
        {"listeners",      2 },
        {"connections",    3 },
        {"carried",        4 },
        {"refused",        5 },
        {"flows",          15},
        {"flows_carried",  16},
        {"flows_refused",  17},
        {"datagrams_in",   18},
        {"datagrams_out",  19},
        {"datagrams_lost", 20}
    };
    AUTO(strbuf_fini) struct strbuf text = STRBUF(MIB);
    json_auto_t *status = NULL;
    const json_t *of, *item;

    (void)state;
    assert_int_equal(metrics_put_status(&text, &picture), 0);
    status = json_loadb(text.ptr, text.len, 0, NULL);
    assert_non_null(status);
    assert_true(json_is_false(json_object_get(status, "ready")));
    of = json_array_get(json_object_get(status, "berths"), 0);
    assert_int_equal(json_integer_value(json_object_get(of, "bytes_in")), 111);
    item = json_object_get(of, "ports");
    for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++)
        assert_int_equal(
            json_integer_value(json_object_get(item, ports[i].key)),
            ports[i].value);
    assert_int_equal(json_object_size(item), sizeof(ports) / sizeof(*ports));
    item = json_object_get(of, "copies");
    assert_int_equal(json_integer_value(json_object_get(item, "files_out")), 6);
    assert_int_equal(json_integer_value(json_object_get(item, "bytes_in")), 11);
    assert_int_equal(json_integer_value(json_object_get(item, "rounds")), 12);
    assert_int_equal(json_integer_value(json_object_get(item, "failed")), 3);
    assert_int_equal(json_integer_value(json_object_get(item, "conflicts")),
                     13);
    of = json_object_get(of, "requests");
    assert_int_equal(json_integer_value(json_object_get(of, "allow")), 3);
    of = json_array_get(json_object_get(status, "engines"), 0);
    assert_true(json_is_true(json_object_get(of, "link_up")));
    of = json_object_get(json_object_get(status, "process"), "defences");
    assert_string_equal(json_string_value(json_array_get(of, 0)), defences[0]);
}

static void ready_is_who_has_all_links_and_engines(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(KIB);

    (void)state;
    backends[1].why = "no route";
    assert_false(metrics_ready(&picture, &why));
    assert_true(str_eq(strbuf_str(&why), S("ssh://a: no route\n")));
    strbuf_clear(&why);
    backends[1].link_up = true;
    assert_false(metrics_ready(&picture, &why));
    assert_true(
        str_eq(strbuf_str(&why), S("ssh://a: the engine has not answered\n")));
    strbuf_clear(&why);
    backends[1].engine_up = true;
    assert_true(metrics_ready(&picture, &why));
    assert_int_equal(why.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(prometheus_gets_a_line_for_each_number, setup),
        cmocka_unit_test_setup(what_runs_is_among_the_bytes, setup),
        cmocka_unit_test_setup(two_ways_to_one_url_are_told_apart, setup),
        cmocka_unit_test_setup(operations_that_nobody_called_take_no_line,
                               setup),
        cmocka_unit_test_setup(all_operations_of_64_policies_fit, setup),
        cmocka_unit_test_setup(a_page_too_long_is_an_error_and_not_half_a_page,
                               setup),
        cmocka_unit_test_setup(the_status_says_the_same_in_json, setup),
        cmocka_unit_test_setup(the_status_has_what_runs_and_what_was_refused,
                               setup),
        cmocka_unit_test_setup(ready_is_who_has_all_links_and_engines, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
