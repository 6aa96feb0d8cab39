#include "tests/unit/unit.h"

#include "policy/config/presets.h"

#include "policy/base/limits.h"
#include "policy/config/policy.h"

static const struct environment environment = {0};

static struct policy *load(const char *preset)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct policy *policy = NULL;

    strbuf_addf(&text,
                "{\"version\": 1, \"namespace\": \"r1\", \"upstream\": "
                "{\"url\": \"unix:///s\"}, \"preset\": \"%s\"}",
                preset);
    struct policy_source source = {
        .name = preset, .text = strbuf_str(&text), .environment = &environment};

    if (policy_load(&source, &policy, &why) != 0)
        fail_msg("%s", strbuf_cstr(&why));
    return policy;
}

static bool allows(const char *preset, enum operation operation)
{
    struct policy *policy = load(preset);
    struct verdict verdict = {0};

    policy_operation(policy, operation, &verdict);
    policy_unref(policy);
    return verdict.kind == VERDICT_ALLOW;
}

static void assert_allows(const char *preset, const enum operation *operations,
                          bool expected)
{
    for (; *operations != OP_NONE; operations++)
        if (allows(preset, *operations) != expected)
            fail_msg("%s: %s", preset, operation_name(*operations));
}

/* What no preset is meant to give away. */
static const enum operation never[] = {
    OP_SWARM_INIT,          OP_SWARM_JOIN,    OP_SERVICE_CREATE,
    OP_SECRET_LIST,         OP_CONFIG_LIST,   OP_NODE_UPDATE,
    OP_PLUGIN_PULL,         OP_PLUGIN_CREATE, OP_CHECKPOINT_CREATE,
    OP_DEBUG_VARS,          OP_TASK_LIST,     OP_SWARM_UNLOCK_KEY,
    OP_DEBUG_PPROF_CMDLINE, OP_NONE};

static const enum operation changes[] = {
    OP_CONTAINER_CREATE, OP_CONTAINER_START,
    OP_CONTAINER_DELETE, OP_CONTAINER_EXEC,
    OP_EXEC_START,       OP_NETWORK_CREATE,
    OP_VOLUME_CREATE,    OP_PUT_CONTAINER_ARCHIVE,
    OP_CONTAINER_PRUNE,  OP_CONTAINER_ATTACH,
    OP_VOLUME_PRUNE,     OP_NONE};

static const enum operation images[] = {
    OP_IMAGE_BUILD, OP_IMAGE_CREATE, OP_IMAGE_TAG,
    OP_IMAGE_PUSH,  OP_IMAGE_LOAD,   OP_SESSION,
    OP_GRPC,        OP_SYSTEM_AUTH,  OP_NONE};

static const enum operation reads[] = {OP_CONTAINER_LIST, OP_CONTAINER_INSPECT,
                                       OP_CONTAINER_LOGS, OP_NETWORK_INSPECT,
                                       OP_VOLUME_LIST,    OP_SYSTEM_EVENTS,
                                       OP_CONTAINER_TOP,  OP_NONE};

static const enum operation always[] = {OP_SYSTEM_PING, OP_SYSTEM_VERSION,
                                        OP_SYSTEM_INFO, OP_IMAGE_INSPECT,
                                        OP_IMAGE_LIST,  OP_NONE};

static void every_preset_loads_and_gives_nothing_away(void **state)
{
    (void)state;
    assert_int_equal(preset_count, 6);
    for (size_t i = 0; i < preset_count; i++) {
        assert_allows(presets[i].name, never, false);
        assert_allows(presets[i].name, always, true);
    }
}

static void read_only_reads_and_changes_nothing(void **state)
{
    struct policy *policy = load("read-only");

    (void)state;
    assert_allows("read-only", reads, true);
    for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++) {
        struct verdict verdict = {0};

        policy_operation(policy, (enum operation)i, &verdict);
        if (operation_mutates((enum operation)i))
            assert_int_equal(verdict.kind, VERDICT_DENY);
    }
    policy_unref(policy);
    assert_false(allows("read-only", OP_CONTAINER_ARCHIVE));
    assert_false(allows("read-only", OP_IMAGE_GET));
}

static void build_only_builds_and_runs_nothing(void **state)
{
    (void)state;
    assert_allows("build-only", images, true);
    assert_allows("build-only", changes, false);
    assert_false(allows("build-only", OP_IMAGE_COMMIT));
    assert_false(allows("build-only", OP_CONTAINER_LIST));
}

static void the_ones_for_jobs_run_containers_and_build(void **state)
{
    static const char *const names[] = {"compose-tests", "testcontainers",
                                        "github-actions", "gitlab"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_allows(names[i], reads, true);
        assert_allows(names[i], changes, true);
    }
    assert_allows("compose-tests", images, true);
    assert_allows("github-actions", images, true);
    assert_allows("gitlab", images, true);
}

static void testcontainers_build_and_push_nothing(void **state)
{
    (void)state;
    assert_true(allows("testcontainers", OP_IMAGE_BUILD));
    assert_true(allows("testcontainers", OP_SESSION));
    assert_true(allows("testcontainers", OP_GRPC));
    assert_false(allows("testcontainers", OP_IMAGE_PUSH));
}

static void a_preset_does_not_stand_in_for_the_version(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct policy_source source = {
        .name = "p",
        .text = S("{\"namespace\": \"r1\", \"upstream\": {\"url\": "
                  "\"unix:///s\"}, \"preset\": \"gitlab\"}"),
        .environment = &environment};
    struct policy *policy = NULL;

    (void)state;
    assert_int_equal(policy_load(&source, &policy, &why), POLICY_E_INVALID);
    assert_non_null(strstr(strbuf_cstr(&why), "version: is missing"));
}

/* GitHub's runner mounts docker.sock into each job's container. */
static void without_a_namespace_docker_sock_is_left_out(void **state)
{
    static const char text[] =
        "{\"version\": 1, \"namespace\": \"r1\", \"isolation\": \"none\", "
        "\"upstream\": {\"url\": "
        "\"unix:///s\"}, \"preset\": \"github-actions\"}";
    struct policy_source source = {
        .name = "p", .text = str_from(text), .environment = &environment};
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct policy *policy = load("github-actions"), *none = NULL;

    (void)state;
    assert_string_equal(policy->rules.container.engine_socket, "berth");
    policy_unref(policy);
    if (policy_load(&source, &none, &why) != 0)
        fail_msg("%s", strbuf_cstr(&why));
    assert_string_equal(none->rules.container.engine_socket, "nothing");
    policy_unref(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_namespace_docker_sock_is_left_out),
        cmocka_unit_test(every_preset_loads_and_gives_nothing_away),
        cmocka_unit_test(read_only_reads_and_changes_nothing),
        cmocka_unit_test(build_only_builds_and_runs_nothing),
        cmocka_unit_test(the_ones_for_jobs_run_containers_and_build),
        cmocka_unit_test(testcontainers_build_and_push_nothing),
        cmocka_unit_test(a_preset_does_not_stand_in_for_the_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
