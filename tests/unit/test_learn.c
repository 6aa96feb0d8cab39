#include "tests/unit/unit.h"

#include <stdlib.h>

#include "policy/base/limits.h"
#include "policy/record/learn.h"

#define CREATE                                                                 \
    "{\"event\":\"end\",\"namespace\":\"r1\",\"method\":\"POST\","             \
    "\"operation\":\"ContainerCreate\",\"path\":\"/v1.41/containers/create\","
#define REPORTED(lacks)                                                        \
    CREATE "\"verdict\":\"would-deny\",\"rule\":\"container.x\","              \
           "\"reason\":\"why\",\"lacks\":" lacks "}"

static json_t *learnt(struct learner *learner, const char *record)
{
    json_t *json = json_loads(record, 0, NULL);

    assert_non_null(json);
    learner_take(learner, json);
    json_decref(json);
    return learner_policy(learner, NULL);
}

/* The policy learnt from RECORD has EXPECTED in SECTION. */
static void teaches(const char *record, const char *section,
                    const char *expected)
{
    struct learner *learner = learner_new(false);
    json_t *policy = learnt(learner, record);
    json_t *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);

    assert_non_null(wanted);
    if (!json_equal(json_object_get(policy, section), wanted)) {
        char *text = json_dumps(policy, 0);

        fail_msg("%s: wanted %s, got %s", section, expected, text);
    }
    json_decref(wanted);
    json_decref(policy);
    learner_free(learner);
}

static void warns(const char *record, const char *words)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(64 * KIB);
    struct learner *learner = learner_new(false);

    json_decref(learnt(learner, record));
    assert_int_equal(learner_put_warnings(learner, &out), 0);
    if (words)
        assert_non_null(strstr(strbuf_cstr(&out), words));
    else
        assert_int_equal(out.len, 0);
    learner_free(learner);
}

static void an_operation_that_passed_is_allowed(void **state)
{
    (void)state;
    teaches(CREATE "\"verdict\":\"allow\"}", "operations",
            "{\"allow\":[\"ContainerCreate\"]}");
    teaches(CREATE "\"verdict\":\"deny\"}", "operations", "{\"allow\":[]}");
    teaches(CREATE "\"verdict\":\"allow\"}", "namespace", "\"r1\"");
}

static void what_is_on_record_of_a_body_is_judged_again(void **state)
{
    static const char record[] = CREATE
        "\"verdict\":\"allow\",\"request\":{\"image\":\"ghcr.io/acme/app:1\","
        "\"privileged\":true,\"binds\":[\"/srv/a:/a:ro\",\"data:/d\"],"
        "\"mounts\":[{\"Type\":\"bind\",\"Source\":\"/srv/a\","
        "\"Target\":\"/b\"}],\"pid\":\"host\","
        "\"ports\":{\"80/tcp\":[{\"HostPort\":\"80\"}]}}}";

    (void)state;
    teaches(record, "container",
            "{\"privileged\":true,\"host_namespaces\":[\"pid\"],"
            "\"mounts\":[{\"source\":\"/srv/a\",\"mode\":\"rw\"}]}");
    teaches(record, "images", "{\"registries\":[\"ghcr.io/acme/app\"]}");
    teaches(record, "ports", "{\"publish\":\"runner\",\"lowest\":80}");
    warns(record, "container.privileged: ");
    warns(record, "container.mounts[0]: /srv/a may be written to");
    warns(record, "container.host_namespaces: \"pid\"");
}

static void a_socket_that_leads_back_is_no_directory(void **state)
{
    (void)state;
    teaches(CREATE "\"verdict\":\"allow\",\"request\":{\"image\":\"app\","
                   "\"mounts\":[{\"Type\":\"bind\",\"Source\":"
                   "\"/var/lib/docker/volumes/berth_companion.r1/_data/84\","
                   "\"Target\":\"/var/run/docker.sock\",\"ReadOnly\":true}]}}",
            "container", "{\"engine_socket\":\"berth\"}");
}

static void what_is_on_record_of_a_query_is_judged_again(void **state)
{
    (void)state;
    teaches("{\"event\":\"end\",\"method\":\"POST\",\"verdict\":\"allow\","
            "\"operation\":\"ImageCreate\",\"path\":\"/v1.41/images/create\","
            "\"query\":{\"fromImage\":\"quay.io/x/y\",\"tag\":\"1\"}}",
            "images", "{\"registries\":[\"quay.io/x/y\"]}");
    teaches("{\"event\":\"end\",\"method\":\"POST\",\"verdict\":\"allow\","
            "\"operation\":\"ImageBuild\",\"path\":\"/build\","
            "\"query\":{\"networkmode\":\"host\",\"t\":[\"a\",\"b\"]}}",
            "build", "{\"host_network\":true}");
}

static void what_was_found_to_be_lacking_is_given(void **state)
{
    (void)state;
    teaches(REPORTED("{\"container.sysctls\":[\"kernel.msgmax\"],"
                     "\"request.unknown_fields\":[\"drop\"]}"),
            "request", "{\"unknown_fields\":\"drop\"}");
    teaches(REPORTED("{\"container.devices\":[\"/dev/kvm:rw\"]}"), "container",
            "{\"devices\":[\"/dev/kvm:rw\"]}");
}

static void lists_keep_what_is_allowed_anyway(void **state)
{
    (void)state;
    teaches(REPORTED("{\"container.log_drivers\":[\"syslog\"]}"), "container",
            "{\"log_drivers\":[\"json-file\",\"local\",\"none\",\"syslog\"]}");
}

static void an_entry_stands_for_itself_only(void **state)
{
    static const char star[] = REPORTED("{\"container.runtimes\":[\"*\"]}");

    (void)state;
    teaches(star, "container", "{}");
    warns(star, "container.runtimes: \"*\" cannot be");
    teaches(REPORTED("{\"container.log_options\":[\"a*=*\"]}"), "container",
            "{}");
    teaches(REPORTED("{\"container.runtimes\":[\"${HOME}\"]}"), "container",
            "{\"runtimes\":[\"$${HOME}\"]}");
}

static void lacks_teach(const char *const *records, const char *section,
                        const char *expected)
{
    struct learner *learner = learner_new(true);
    json_auto_t *wanted = json_loads(expected, 0, NULL);
    json_auto_t *policy = NULL;

    for (; *records; records++) {
        json_auto_t *record = json_loads(*records, 0, NULL);

        assert_non_null(record);
        learner_take(learner, record);
    }
    policy = learner_policy(learner, NULL);
    if (!json_equal(json_object_get(policy, section), wanted))
        fail_msg("%s: wanted %s, got %s", section, expected,
                 json_dumps(policy, 0));
    learner_free(learner);
}

#define MOUNTS(...) REPORTED("{\"container.mounts\":[" __VA_ARGS__ "]}")

static void many_mounts_are_one_directory(void **state)
{
    static const char *const covered[] = {
        MOUNTS("\"/home/runner/_work:rw\",\"/home/runner/_work/_temp:rw\","
               "\"/home/runner/_work/_temp/_github_home:ro\""),
        MOUNTS("\"/home/runner/_work/a/a:rw\""), NULL};
    static const char *const many[] = {
        MOUNTS("\"/srv/w/1/x:rw\",\"/srv/w/2/x:rw\""),
        MOUNTS("\"/srv/w/3/x:rw\",\"/srv/w/4/x:rw\",\"/srv/r:ro\""), NULL};
    static const char *const modes[] = {
        MOUNTS("\"/srv/w/1:rw\",\"/srv/w/2:ro\""),
        MOUNTS("\"/srv/w/3:ro\",\"/srv/w/4:ro\""), NULL};

    (void)state;
    lacks_teach(covered, "container",
                "{\"mounts\":[{\"source\":\"/home/runner/_work\","
                "\"mode\":\"rw\"}]}");
    lacks_teach(many, "container",
                "{\"mounts\":[{\"source\":\"/srv/w\",\"mode\":\"rw\"},"
                "{\"source\":\"/srv/r\",\"mode\":\"ro\"}]}");
    /* nothing that was only read becomes writable */
    lacks_teach(modes, "container",
                "{\"mounts\":[{\"source\":\"/srv/w/1\",\"mode\":\"rw\"},"
                "{\"source\":\"/srv/w/2\",\"mode\":\"ro\"},"
                "{\"source\":\"/srv/w/3\",\"mode\":\"ro\"},"
                "{\"source\":\"/srv/w/4\",\"mode\":\"ro\"}]}");
    warns(MOUNTS("\"/srv/w/1:rw\",\"/srv/w/2:rw\",\"/srv/w/3:rw\","
                 "\"/srv/w/4:rw\""),
          "container.mounts: \"/srv/w:rw\" stands for all that is in it, of "
          "which 4 were seen\n");
}

#define CALL(operation, rest)                                                  \
    "{\"event\":\"end\",\"namespace\":\"r1\",\"method\":\"POST\","             \
    "\"verdict\":\"allow\",\"operation\":\"" operation "\"," rest "}"
#define USED(image) REPORTED("{\"images.registries\":[\"" image "\"]}")

static void what_the_job_made_itself_comes_from_no_registry(void **state)
{
    static const char *const records[] = {
        USED("app:1"),
        USED("ghcr.io/acme/tool:2"),
        USED("mine:latest"),
        USED("both:latest"),
        USED("kit:latest"),
        USED("kept:latest"),
        CALL("ImageBuild", "\"path\":\"/build\",\"query\":{\"t\":"
                           "[\"r1.berth.invalid/app:1\","
                           "\"both\"]}"),
        CALL("ImageTag", "\"path\":\"/images/x/tag\","
                         "\"query\":{\"repo\":\"mine\"}"),
        CALL("ImageCommit",
             "\"path\":\"/commit\",\"query\":{\"repo\":\"kept\"}"),
        CALL("Grpc", "\"path\":\"/grpc\",\"build\":{\"names\":"
                     "[\"docker.io/library/kit:latest\"]}"),
        CALL("ImageCreate", "\"path\":\"/images/create\","
                            "\"query\":{\"fromImage\":\"both\",\"tag\":\"1\"}"),
        NULL};

    (void)state;
    lacks_teach(records, "images",
                "{\"registries\":[\"ghcr.io/acme/tool\","
                "\"docker.io/library/both\"]}");
}

static void images_are_learnt_by_their_owner(void **state)
{
    static const char *const records[] = {
        USED("ghcr.io/acme/a:1"), USED("ghcr.io/acme/b:1"),
        USED("ghcr.io/acme/c:1"), USED("ghcr.io/acme/d:1"),
        USED("ghcr.io/acme/d:2"), NULL};

    (void)state;
    lacks_teach(records, "images", "{\"registries\":[\"ghcr.io/acme\"]}");
}

static void a_folded_namespace_is_not_learnt_as_a_name(void **state)
{
    (void)state;
    teaches("{\"event\":\"end\",\"namespace\":\"runner-01-zgtp319xaefp5\","
            "\"method\":\"POST\",\"operation\":\"ContainerCreate\","
            "\"path\":\"/containers/create\",\"verdict\":\"allow\"}",
            "namespace", "\"${RUNNER_NAME}\"");
}

static void what_no_policy_allows_is_told(void **state)
{
    (void)state;
    warns(CREATE "\"verdict\":\"would-deny\",\"rule\":\"container.mounts\","
                 "\"reason\":\"never\"}",
          "container.mounts: some calls stay refused: never");
    warns(CREATE "\"verdict\":\"allow\"}", NULL);
}

static void a_base_says_where_and_not_what(void **state)
{
    struct learner *learner = learner_new(false);
    json_t *base = json_loads("{\"namespace\":\"n\",\"preset\":\"gitlab\","
                              "\"mode\":\"report-only\","
                              "\"upstream\":{\"url\":\"unix:///x\"},"
                              "\"container\":{\"privileged\":true}}",
                              0, NULL);
    json_t *policy;

    (void)state;
    json_decref(learnt(learner, CREATE "\"verdict\":\"allow\"}"));
    policy = learner_policy(learner, base);
    assert_string_equal(json_string_value(json_object_get(policy, "namespace")),
                        "n");
    assert_non_null(json_object_get(policy, "upstream"));
    assert_null(json_object_get(policy, "mode"));
    assert_null(json_object_get(policy, "preset"));
    assert_null(json_object_get(policy, "container"));
    json_decref(policy);
    json_decref(base);
    learner_free(learner);
}

static void records_that_make_no_sense_teach_nothing(void **state)
{
    static const char *const records[] = {
        "{}",
        "[]",
        "3",
        "{\"operation\":7,\"verdict\":[],\"event\":{}}",
        "{\"operation\":\"Frob\",\"verdict\":\"allow\",\"event\":\"end\"}",
        "{\"operation\":\"ContainerCreate\",\"verdict\":\"would-deny\","
        "\"query\":[1],\"request\":{\"image\":3,\"binds\":\"(cut, of 9 "
        "bytes) [\",\"mounts\":7,\"networks\":{}},\"lacks\":{\"a.b.c\":[3],"
        "\"container\":[\"x\"],\"\":7,\"container.mounts\":[\"x\"],"
        "\"ports.lowest\":[\"-1\"]}}",
        "{\"operation\":\"ContainerCreate\",\"verdict\":\"allow\",\"method\":"
        "\"POST\",\"path\":\"/containers/create\",\"request\":{\"image\":3,"
        "\"binds\":\"(cut, of 9 bytes) [\",\"mounts\":7,\"networks\":[3]}}",
    };
    struct learner *learner = learner_new(true);

    (void)state;
    for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
        json_t *record = json_loads(records[i], JSON_DECODE_ANY, NULL);

        assert_non_null(record);
        learner_take(learner, record);
        json_decref(record);
    }
    assert_int_equal(learner_count(learner), 0);
    json_decref(learner_policy(learner, NULL));
    learner_free(learner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_that_passed_is_allowed),
        cmocka_unit_test(what_is_on_record_of_a_body_is_judged_again),
        cmocka_unit_test(a_socket_that_leads_back_is_no_directory),
        cmocka_unit_test(what_is_on_record_of_a_query_is_judged_again),
        cmocka_unit_test(what_was_found_to_be_lacking_is_given),
        cmocka_unit_test(lists_keep_what_is_allowed_anyway),
        cmocka_unit_test(an_entry_stands_for_itself_only),
        cmocka_unit_test(many_mounts_are_one_directory),
        cmocka_unit_test(what_the_job_made_itself_comes_from_no_registry),
        cmocka_unit_test(images_are_learnt_by_their_owner),
        cmocka_unit_test(a_folded_namespace_is_not_learnt_as_a_name),
        cmocka_unit_test(what_no_policy_allows_is_told),
        cmocka_unit_test(a_base_says_where_and_not_what),
        cmocka_unit_test(records_that_make_no_sense_teach_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
