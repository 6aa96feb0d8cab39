#include "tests/unit/unit.h"

#include <stdlib.h>

#include "policy/record/audit_view.h"

static const char create[] =
    "{\"time\":\"2026-01-31T12:00:00.123456Z\",\"event\":\"end\","
    "\"id\":\"5f0c-1\",\"namespace\":\"r1\",\"method\":\"POST\","
    "\"operation\":\"ContainerCreate\",\"path\":\"/v1.45/containers/create\","
    "\"query\":{\"name\":\"r1.db\"},\"request\":{\"image\":\"postgres:16\","
    "\"command\":[\"a\",\"b\"]},\"verdict\":\"allow\",\"rule\":\"request\","
    "\"status\":201,\"duration_ms\":12.345,"
    "\"object\":\"0123456789abcdef\",\"close\":\"done\"}";
static const char export[] =
    "{\"time\":\"2026-01-31T13:00:00.5Z\",\"event\":\"end\",\"id\":\"5f0c-2\","
    "\"namespace\":\"r2\",\"operation\":\"ContainerExport\","
    "\"path\":\"/containers/0123456789abcdef/export\",\"verdict\":\"deny\","
    "\"rule\":\"operations.allow\",\"reason\":\"is not allowed\","
    "\"status\":403,\"duration_ms\":0.1,\"close\":\"denied\"}";
static const char logs[] =
    "{\"time\":\"2026-02-01T00:00:00Z\",\"event\":\"decision\","
    "\"namespace\":\"r1\",\"operation\":\"ContainerLogs\","
    "\"path\":\"/v1.45/containers/db/logs\",\"verdict\":\"allow\"}";

static bool takes(struct audit_filter filter, const char *text)
{
    json_t *record = json_loads(text, 0, NULL);
    bool taken = audit_filter_takes(&filter, record);

    json_decref(record);
    return taken;
}

static void shows(const char *text, const char *expected)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(4096);
    json_t *record = json_loads(text, 0, NULL);

    assert_non_null(record);
    assert_int_equal(audit_view_put(&out, record), 0);
    assert_string_equal(strbuf_cstr(&out), expected);
    json_decref(record);
}

static void a_value_cannot_pass_for_another_key(void **state)
{
    (void)state;
    shows(
        "{\"time\":\"2026-01-31T12:00:00.123456Z\",\"event\":\"decision\","
        "\"namespace\":\"r1\",\"operation\":\"ContainerCreate\","
        "\"path\":\"/c\",\"query\":{\"name\":\"x verdict=allow\","
        "\"a\":\"\",\"b\":\"q\\\"\\\\\"},\"verdict\":\"deny\"}",
        "2026-01-31T12:00:00.123  r1        deny        ContainerCreate       "
        "begins            /c name=\"x verdict=allow\" a=\"\" "
        "b=\"q\\\"\\\\\"\n");
}

static void without_a_filter_each_call_is_there_once(void **state)
{
    (void)state;
    assert_true(takes((struct audit_filter){0}, create));
    assert_true(takes((struct audit_filter){0}, export));
    assert_false(takes((struct audit_filter){0}, logs));
    assert_true(takes((struct audit_filter){.decisions = true}, logs));
}

static void a_job_is_found_by_any_of_its_values(void **state)
{
    static const char *const record =
        "{\"event\":\"end\",\"namespace\":\"r1\",\"job\":"
        "{\"GITHUB_RUN_ID\":\"4711\",\"GITHUB_JOB\":\"build\"}}";

    (void)state;
    assert_true(takes((struct audit_filter){.job = "4711"}, record));
    assert_true(takes((struct audit_filter){.job = "bu*"}, record));
    assert_false(takes((struct audit_filter){.job = "471"}, record));
    assert_false(takes((struct audit_filter){.job = "GITHUB_JOB"}, record));
    assert_false(takes((struct audit_filter){.job = "4711"}, create));
}

static void filters_go_by_who_what_and_how_it_came_out(void **state)
{
    (void)state;
    assert_true(takes((struct audit_filter){.namespace_ = "r1"}, create));
    assert_false(takes((struct audit_filter){.namespace_ = "r1"}, export));
    assert_true(takes((struct audit_filter){.verdict = "deny"}, export));
    assert_false(takes((struct audit_filter){.verdict = "deny"}, create));
    assert_true(
        takes((struct audit_filter){.operations = S("container")}, create));
    assert_true(
        takes((struct audit_filter){.operations = S("exec,container:stream")},
              export));
    assert_false(
        takes((struct audit_filter){.operations = S("exec,container:stream")},
              create));
}

static void a_container_is_known_by_name_and_by_id(void **state)
{
    (void)state;
    assert_true(takes((struct audit_filter){.container = "db"}, create));
    assert_true(takes((struct audit_filter){.container = "r1.db"}, create));
    assert_true(
        takes((struct audit_filter){.container = "0123456789ab"}, create));
    assert_true(takes((struct audit_filter){.container = "01234"}, export));
    assert_false(takes((struct audit_filter){.container = "012"}, export));
    assert_false(takes((struct audit_filter){.container = "db"}, export));
    assert_false(takes((struct audit_filter){.container = "d"}, create));
}

static void times_may_be_cut_short(void **state)
{
    (void)state;
    assert_true(takes((struct audit_filter){.since = "2026-01"}, create));
    assert_true(
        takes((struct audit_filter){.since = "2026-01-31T12:00:00"}, create));
    assert_false(
        takes((struct audit_filter){.since = "2026-01-31T12:30"}, create));
    assert_true(takes((struct audit_filter){.until = "2026-01-31"}, export));
    assert_false(takes((struct audit_filter){.until = "2026-01-30"}, export));
    assert_false(
        takes((struct audit_filter){.until = "2026-01-31T12:30"}, export));
}

static void a_call_is_a_line(void **state)
{
    (void)state;
    shows(create, "2026-01-31T12:00:00.123  r1        allow       "
                  "ContainerCreate       201       12.3 ms  /containers/create "
                  "name=r1.db image=postgres:16 command=[\"a\",\"b\"]\n");
    shows(logs, "2026-02-01T00:00:00Z     r1        allow       "
                "ContainerLogs         begins            "
                "/containers/db/logs\n");
}

static void a_refusal_says_why(void **state)
{
    (void)state;
    shows(export, "2026-01-31T13:00:00.5Z   r2        deny        "
                  "ContainerExport       403        0.1 ms  "
                  "/containers/0123456789abcdef/export\n"
                  "        operations.allow: is not allowed\n");
}

static void what_clients_wrote_does_nothing_to_a_terminal(void **state)
{
    (void)state;
    shows("{\"event\":\"decision\",\"time\":\"t\",\"path\":\"/a\\u001b[2J\","
          "\"request\":{\"image\":\"x\\n\\u009b1m\\u00e9\\u007f\"}}",
          "t                        "
          "          -           -                     begins            "
          "/a\\x1b[2J image=x\\x0a\\x9b1m\xc3\xa9\\x7f\n");
}

static const char summary[] =
    "{\"time\":\"2026-01-31T12:00:10.123456Z\",\"event\":\"summary\","
    "\"namespace\":\"r1\",\"since\":\"2026-01-31T12:00:00.100000Z\","
    "\"calls\":20000,\"verdicts\":{\"deny\":20000},"
    "\"operations\":{\"none\":20000}}";

static void what_is_summed_up_is_a_line_too(void **state)
{
    (void)state;
    shows(summary, "2026-01-31T12:00:10.123  r1        20000 calls since "
                   "2026-01-31T12:00:00.100 are not shown: deny=20000 "
                   "none=20000\n");
}

static void a_summary_is_shown_where_its_calls_may_be_wanted(void **state)
{
    json_t *record = json_loads(summary, 0, NULL);
    struct audit_filter all = {0}, deny = {.verdict = "deny"},
                        allow = {.verdict = "allow"},
                        other = {.namespace_ = "r2"},
                        later = {.since = "2026-01-31T13"},
                        one = {.container = "db"},
                        list = {.operations = S("ContainerList")};

    (void)state;
    assert_true(audit_filter_takes(&all, record));
    assert_true(audit_filter_takes(&deny, record));
    assert_false(audit_filter_takes(&allow, record));
    assert_false(audit_filter_takes(&other, record));
    assert_false(audit_filter_takes(&later, record));
    assert_false(audit_filter_takes(&one, record));
    assert_false(audit_filter_takes(&list, record));
    json_decref(record);
}

static void a_record_may_lack_everything(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(4096);
    json_t *record = json_loads("{\"status\":[],\"query\":3}", 0, NULL);

    (void)state;
    assert_int_equal(audit_view_put(&out, record), 0);
    assert_int_equal(out.ptr[out.len - 1], '\n');
    json_decref(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_cannot_pass_for_another_key),
        cmocka_unit_test(without_a_filter_each_call_is_there_once),
        cmocka_unit_test(a_job_is_found_by_any_of_its_values),
        cmocka_unit_test(filters_go_by_who_what_and_how_it_came_out),
        cmocka_unit_test(a_container_is_known_by_name_and_by_id),
        cmocka_unit_test(times_may_be_cut_short),
        cmocka_unit_test(a_call_is_a_line),
        cmocka_unit_test(a_refusal_says_why),
        cmocka_unit_test(what_clients_wrote_does_nothing_to_a_terminal),
        cmocka_unit_test(what_is_summed_up_is_a_line_too),
        cmocka_unit_test(a_summary_is_shown_where_its_calls_may_be_wanted),
        cmocka_unit_test(a_record_may_lack_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
