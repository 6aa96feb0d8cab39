#include "tests/unit/unit.h"

#include "policy/config/policy.h"
#include "tests/unit/policy_environment.h"

#include <stdlib.h>

#include "policy/base/limits.h"

#define MINIMAL                                                                \
    "\"version\": 1, \"namespace\": \"r1\", "                                  \
    "\"upstream\": { \"url\": \"unix:///var/run/docker.sock\" }"

static int try_load(struct str text, struct policy **policy, struct strbuf *why)
{
    struct policy_source source = {
        .name = "test", .text = text, .environment = &environment};

    return policy_load(&source, policy, why);
}

static struct policy *load(const char *text)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);
    struct policy *policy = NULL;

    if (try_load(str_from(text), &policy, &why) != 0)
        fail_msg("%s", strbuf_cstr(&why));
    return policy;
}

static void defaults_are_filled_in(void **state)
{
    struct policy *policy = load("{" MINIMAL "}");

    (void)state;
    assert_string_equal(policy->namespace, "r1");
    assert_int_equal(policy->mode, POLICY_ENFORCE);
    assert_string_equal(policy->listen.path, "/run/berth/docker.sock");
    assert_int_equal(policy->listen.mode, 0660);
    assert_null(policy->listen.group);
    assert_int_equal(policy->timeouts.head, 30000);
    assert_string_equal(policy->audit.to, "stdout");
    assert_false(policy->audit.required);
    assert_int_equal(policy->upstream.connect_timeout_ms, 10000);
    assert_true(policy->upstream.agent);
    assert_int_equal(policy->upstream.identity_count, 0);
    policy_unref(policy);
}

static void a_group_may_be_a_number(void **state)
{
    struct policy *policy =
        load("{" MINIMAL ", \"listen\": { \"group\": 123 } }");

    (void)state;
    assert_string_equal(policy->listen.group, "123");
    policy_unref(policy);
}

static void a_policy_lives_until_its_last_owner_lets_go(void **state)
{
    struct policy *policy = load("{" MINIMAL "}");

    (void)state;
    assert_ptr_equal(policy_ref(policy), policy);
    policy_unref(policy);
    assert_string_equal(policy->namespace, "r1");
    policy_unref(policy);
    policy_unref(NULL);
}

static struct verdict judge(const char *operations, enum operation operation)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
    struct verdict verdict = {0};

    strbuf_addf(&text, "{" MINIMAL ", \"operations\": %s }", operations);
    struct policy *policy = load(strbuf_cstr(&text));

    policy_operation(policy, operation, &verdict);
    policy_unref(policy);
    return verdict;
}

static void nothing_said_is_no_and_says_what_to_write(void **state)
{
    struct verdict v = judge("{}", OP_CONTAINER_EXPORT);

    (void)state;
    assert_int_equal(v.kind, VERDICT_DENY);
    assert_int_equal(v.status, 403);
    assert_string_equal(v.rule, "operations.allow");
    assert_string_equal(
        v.reason,
        "ContainerExport is not allowed by the policy (operations.allow); to "
        "allow it, add \"ContainerExport\" or \"container:stream\" to "
        "operations.allow");
}

static void an_operation_is_allowed_by_name_group_or_access(void **state)
{
    static const char *const allows[] = {
        "{\"allow\": [\"ContainerLogs\"]}",
        "{\"allow\": [\"exec\", \"container\"]}",
        "{\"allow\": [\"container:stream\"]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(allows) / sizeof(allows[0]); i++) {
        struct verdict v = judge(allows[i], OP_CONTAINER_LOGS);

        assert_int_equal(v.kind, VERDICT_ALLOW);
        assert_string_equal(v.rule, "operations.allow");
        assert_int_equal(judge(allows[i], OP_IMAGE_LIST).kind, VERDICT_DENY);
    }
    assert_int_equal(judge(allows[0], OP_CONTAINER_STATS).kind, VERDICT_DENY);
    assert_int_equal(judge(allows[2], OP_CONTAINER_CREATE).kind, VERDICT_DENY);
}

static void a_plugin_that_may_not_be_looked_at_is_not_there(void **state)
{
    const char *nothing = "{\"allow\": []}";

    (void)state;
    assert_int_equal(judge(nothing, OP_PLUGIN_INSPECT).status, 404);
    assert_int_equal(judge(nothing, OP_PLUGIN_LIST).status, 403);
}

static void deny_goes_before_allow(void **state)
{
    struct verdict v = judge("{\"allow\": [\"ContainerExport\"],"
                             " \"deny\": [\"container:stream\"]}",
                             OP_CONTAINER_EXPORT);

    (void)state;
    assert_int_equal(v.kind, VERDICT_DENY);
    assert_string_equal(v.rule, "operations.deny");
    assert_string_equal(v.reason, "ContainerExport is denied by the policy "
                                  "(operations.deny); to allow it, remove "
                                  "\"container:stream\" from operations.deny");
}

static void ping_and_version_are_always_there(void **state)
{
    static const enum operation always[] = {OP_SYSTEM_PING, OP_SYSTEM_PING_HEAD,
                                            OP_SYSTEM_VERSION};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(judge("{\"deny\": [\"system\"]}", always[i]).kind,
                         VERDICT_ALLOW);
    assert_int_equal(judge("{}", OP_SYSTEM_INFO).kind, VERDICT_DENY);
    assert_int_equal(judge("{\"allow\": [\"system\"]}", OP_NONE).kind,
                     VERDICT_DENY);
}

static void tunnels_of_buildkit_are_allowed_by_name(void **state)
{
    struct verdict v = judge("{\"allow\": [\"system\"]}", OP_GRPC);

    (void)state;
    assert_int_equal(v.kind, VERDICT_DENY);
    assert_string_equal(v.reason,
                        "Grpc is not allowed by the policy "
                        "(operations.allow); to allow it, add \"Grpc\" to "
                        "operations.allow");
    assert_int_equal(judge("{\"allow\": [\"Grpc\"]}", OP_GRPC).kind,
                     VERDICT_ALLOW);
    assert_int_equal(judge("{\"allow\": [\"Grpc\"]}", OP_SESSION).kind,
                     VERDICT_DENY);
}

static void who_may_build_may_open_buildkits_tunnels(void **state)
{
    AUTO(strbuf_fini) struct strbuf warnings = STRBUF(4096);
    struct verdict verdict;
    struct policy *policy =
        load("{" MINIMAL ", \"operations\": { \"allow\": [\"build\"] } }");

    (void)state;
    assert_int_equal(policy_put_warnings(policy, &warnings), 0);
    assert_null(strstr(strbuf_cstr(&warnings), "tunnel"));
    policy_unref(policy);
    policy = load("{" MINIMAL ", \"isolation\": \"none\", "
                  "\"operations\": { \"allow\": [\"build\"] } }");
    policy_operation(policy, OP_GRPC, &verdict);
    assert_int_equal(verdict.kind, VERDICT_ALLOW);
    strbuf_clear(&warnings);
    assert_int_equal(policy_put_warnings(policy, &warnings), 0);
    assert_null(strstr(strbuf_cstr(&warnings), "tunnel"));
    policy_unref(policy);
    assert_int_equal(judge("{\"allow\": [\"build\"]}", OP_GRPC).kind,
                     VERDICT_ALLOW);
    assert_int_equal(judge("{\"allow\": [\"ImageBuild\"]}", OP_SESSION).kind,
                     VERDICT_ALLOW);
    assert_int_equal(judge("{\"allow\": [\"build\"], \"deny\": "
                           "[\"Session\"]}",
                           OP_SESSION)
                         .kind,
                     VERDICT_DENY);
    assert_int_equal(judge("{\"allow\": [\"build\"], \"deny\": "
                           "[\"ImageBuild\"]}",
                           OP_GRPC)
                         .kind,
                     VERDICT_DENY);
}

static void report_only_warns_that_a_runner_can_take_the_host(void **state)
{
    AUTO(strbuf_fini) struct strbuf warnings = STRBUF(4096);

    (void)state;

    struct policy *policy = load("{" MINIMAL ", \"mode\": \"report-only\" }");

    assert_int_equal(policy_put_warnings(policy, &warnings), 0);
    assert_non_null(strstr(strbuf_cstr(&warnings), "mode: report-only"));
    assert_non_null(strstr(strbuf_cstr(&warnings), "can take the host"));
    policy_unref(policy);
}

static void a_policy_may_be_as_long_as_the_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_POLICY + 1);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct policy *policy = NULL;

    (void)state;
    strbuf_addf(&text, "{" MINIMAL "}");
    while (text.len < LIMIT_POLICY)
        strbuf_add_char(&text, ' ');
    assert_int_equal(try_load(strbuf_str(&text), &policy, &why), 0);
    policy_unref(policy);
    strbuf_add_char(&text, ' ');
    assert_int_equal(try_load(strbuf_str(&text), &policy, &why),
                     POLICY_E_INVALID);
    assert_string_equal(
        strbuf_cstr(&why),
        "test: the file has 1048577 bytes; a policy has 1048576 "
        "at most\n");
}

static void what_the_command_line_says_goes_first(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    const struct policy_override overrides[] = {
        {"namespace",   "other"         },
        {"listen.path", "/run/${x}.sock"}
    };
    struct policy_source source = {.name = "p",
                                   .text = str_from("{" MINIMAL "}"),
                                   .environment = &environment,
                                   .overrides = overrides,
                                   .override_count = 2};
    struct policy *policy = NULL;

    (void)state;
    assert_int_equal(policy_load(&source, &policy, &why), 0);
    assert_string_equal(policy->namespace, "other");
    assert_string_equal(policy->listen.path, "/run/${x}.sock");
    policy_unref(policy);

    const struct policy_override wrong = {"namespace", "A\n"};

    source.overrides = &wrong;
    source.override_count = 1;
    assert_int_equal(policy_load(&source, &policy, &why), POLICY_E_INVALID);
    assert_string_equal(strbuf_cstr(&why),
                        "command line: namespace: \"A\\n\" is no name of "
                        "a runner; write one without control characters, like "
                        "\"runner-1\"\n");
}

static const char *get_nothing(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

static void the_url_is_taken_apart_for_the_link(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    const struct environment nothing = {.get = get_nothing};
    struct policy_source source = {
        .name = "p",
        .text = str_from("{\"version\": 1, \"namespace\": \"r1\", "
                         "\"upstream\": { \"url\": \"ssh://h:2222\", "
                         "\"known_hosts\": \"/k\" }}"),
        .environment = &environment};
    struct policy *policy = NULL;

    (void)state;
    assert_int_equal(policy_load(&source, &policy, &why), 0);
    assert_int_equal(policy->upstream.kind, UPSTREAM_SSH);
    assert_string_equal(policy->upstream.host, "h");
    assert_int_equal(policy->upstream.port, 2222);
    assert_string_equal(policy->upstream.user, "me");
    assert_string_equal(policy->upstream.path, "/var/run/docker.sock");
    policy_unref(policy);

    source.environment = &nothing;
    assert_int_equal(policy_load(&source, &policy, &why), POLICY_E_INVALID);
    assert_string_equal(strbuf_cstr(&why),
                        "p: upstream.url: names no user, and $USER is not "
                        "set; write ssh://USER@HOST\n");
}

static void a_plain_port_of_another_machine_is_warned_of(void **state)
{
    static const char *const urls[] = {"tcp://docker:2375", "tcp://[::1]:2375"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(4096);
        AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
        struct policy *policy;

        strbuf_addf(&text,
                    "{\"version\": 1, \"namespace\": \"r1\", "
                    "\"upstream\": { \"url\": \"%s\", "
                    "\"plain_tcp\": true }}",
                    urls[i]);
        policy = load(strbuf_cstr(&text));
        assert_int_equal(policy_put_warnings(policy, &out), 0);
        assert_int_equal(strstr(strbuf_cstr(&out), "in the clear") != NULL,
                         i == 0);
        policy_unref(policy);
    }
}

static void no_file_at_all_is_a_policy_too(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct policy_source source = {.environment = &environment};
    struct policy *policy = NULL;

    (void)state;
    assert_int_equal(policy_load(&source, &policy, &why), 0);
    assert_string_equal(policy->preset, "compose-tests");
    assert_string_equal(policy->runner, "CI-Host_3.lan");
    assert_string_equal(policy->namespace, "ci-host-3-lan-z19m520t2q3hz");
    assert_string_equal(policy->upstream.url, "unix:///var/run/docker.sock");
    policy_unref(policy);
}

static void the_gateway_is_where_ports_answer(void **state)
{
    static const struct {
        const char *ports, *here, *in_container;
    } cases[] = {
        {"\"publish\": \"runner\"",                                     "127.0.0.1", ""        },
        {"\"publish\": \"host\"",                                       "",          ""        },
        {"\"publish\": \"runner\", \"listen\": [\"::1\"]",              "",          ""        },
        {"\"publish\": \"runner\", "
         "\"listen\": [\"::1\", \"127.0.0.2\", \"10.1.2.3\"]", "127.0.0.2", "10.1.2.3"},
        {"\"publish\": \"runner\", \"listen\": [\"0.0.0.0\"]",          "127.0.0.1", ""        },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
        struct policy *policy;

        strbuf_addf(&text, "{" MINIMAL ", \"ports\": { %s } }", cases[i].ports);
        policy = load(strbuf_cstr(&text));
        assert_true(
            str_eq(policy_gateway(policy, false), str_from(cases[i].here)));
        assert_true(str_eq(policy_gateway(policy, true),
                           str_from(cases[i].in_container)));
        policy_unref(policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(a_group_may_be_a_number),
        cmocka_unit_test(a_policy_lives_until_its_last_owner_lets_go),
        cmocka_unit_test(nothing_said_is_no_and_says_what_to_write),
        cmocka_unit_test(an_operation_is_allowed_by_name_group_or_access),
        cmocka_unit_test(a_plugin_that_may_not_be_looked_at_is_not_there),
        cmocka_unit_test(deny_goes_before_allow),
        cmocka_unit_test(ping_and_version_are_always_there),
        cmocka_unit_test(tunnels_of_buildkit_are_allowed_by_name),
        cmocka_unit_test(who_may_build_may_open_buildkits_tunnels),
        cmocka_unit_test(report_only_warns_that_a_runner_can_take_the_host),
        cmocka_unit_test(a_policy_may_be_as_long_as_the_limit),
        cmocka_unit_test(what_the_command_line_says_goes_first),
        cmocka_unit_test(the_url_is_taken_apart_for_the_link),
        cmocka_unit_test(a_plain_port_of_another_machine_is_warned_of),
        cmocka_unit_test(no_file_at_all_is_a_policy_too),
        cmocka_unit_test(the_gateway_is_where_ports_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
