#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "policy/config/exposure.h"

#include <jansson.h>

/* What the sections in KEYS are said to give away. */
static const char *exposed(const char *keys)
{
    static struct strbuf out = STRBUF(64 * KIB);
    json_auto_t *root = json_loads(keys, 0, NULL);
    struct layer layer = {.name = "policy", .root = root};
    struct environment environment = {0};
    struct problems problems = {0};
    struct rules rules = {0};

    assert_non_null(root);
    settings_read(&rules_shape, &rules, &layer, 1, &environment, &problems);
    assert_int_equal(problems.count, 0);
    strbuf_clear(&out);
    assert_int_equal(exposure_put(&rules, &out), 0);
    problems_fini(&problems);
    settings_fini(&rules_shape, &rules);
    return strbuf_cstr(&out);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void the_defaults_give_nothing_away(void **state)
{
    (void)state;
    assert_string_equal(exposed("{}"), "");
}

static void what_is_harmless_is_not_told(void **state)
{
    (void)state;
    assert_string_equal(
        exposed(
            "{\"container\": {\"capabilities\": [\"NET_RAW\", \"cap_kill\"],"
            " \"device_requests\": [\"gpu\"],"
            " \"device_cgroup_rules\": [\"c 10:229 rwm\", \"c 1:3 r\"],"
            " \"log_drivers\": [\"json-file\", \"journald\"],"
            " \"storage_options\": [\"size=10g\"],"
            " \"devices\": [\"/dev/kvm\", \"/dev/fuse:rw\"],"
            " \"runtimes\": [\"runsc\"],"
            " \"security_options\": [\"no-new-privileges\"],"
            " \"mounts\": [{\"source\": \"/srv/shared\"},"
            " {\"source\": \"/home/ci\", \"by\": \"copy\", \"mode\": \"rw\"},"
            " {\"source\": \"/usr/share/zoneinfo\"}]},"
            " \"network\": {\"subnets\": [\"10.1.0.0/16\", \"fd00::/8\"]},"
            " \"build\": {\"remotes\": [\"https://github.com/acme/*\"]},"
            " \"volume\": {\"options\": [\"size=*\"]}}"),
        "");
}

static void each_rule_that_gives_the_host_away_is_told(void **state)
{
    static const char *const rules[] = {
        "{\"container\": {\"privileged\": true}}",
        "{\"exec\": {\"privileged\": true}}",
        "{\"container\": {\"host_namespaces\": [\"pid\"]}}",
        "{\"container\": {\"host_namespaces\": [\"network\"]}}",
        "{\"container\": {\"host_namespaces\": [\"user\"]}}",
        "{\"container\": {\"capabilities\": [\"SYS_ADMIN\"]}}",
        "{\"container\": {\"capabilities\": [\"cap_sys_module\"]}}",
        "{\"container\": {\"capabilities\": [\"ALL\"]}}",
        "{\"container\": {\"devices\": [\"/dev/sda\"]}}",
        "{\"container\": {\"device_cgroup_rules\": [\"b *\"]}}",
        "{\"container\": {\"device_cgroup_rules\": [\"b 254:0 rwm\"]}}",
        "{\"container\": {\"device_cgroup_rules\": [\"c 1:11 rwm\"]}}",
        "{\"container\": {\"device_cgroup_rules\": [\"c 1:* rwm\"]}}",
        "{\"container\": {\"security_options\": [\"label=type:spc_t\"]}}",
        "{\"container\": {\"security_options\": [\"seccomp={\\\"a\\\":1}\"]}}",
        "{\"container\": {\"log_drivers\": [\"fluentd\"]}}",
        "{\"container\": {\"log_options\": [\"fluentd-address=*\"]}}",
        "{\"container\": {\"log_options\": [\"*\"]}}",
        "{\"container\": {\"capabilities\": [\"SYS_TIME\"]}}",
        "{\"container\": {\"capabilities\": [\"NET_ADMIN\"]}}",
        "{\"container\": {\"capabilities\": [\"SYSLOG\"]}}",
        "{\"container\": {\"capabilities\": [\"SOME_NEW_ONE\"]}}",
        "{\"container\": {\"device_requests\": [\"cdi=a/b=*\"]}}",
        "{\"container\": {\"annotations\": [\"run.oci.hooks\"]}}",
        "{\"container\": {\"oom_protected\": true}}",
        "{\"container\": {\"realtime\": true}}",
        "{\"container\": {\"checkpoints\": true}}",
        "{\"container\": {\"root\": false}}",
        "{\"container\": {\"storage_options\": [\"*\"]}}",
        "{\"container\": {\"engine_socket\": \"/run/docker.sock\"}}",
        "{\"network\": {\"subnets\": [\"0.0.0.0/0\"]}}",
        "{\"network\": {\"subnets\": [\"8.8.8.0/24\"]}}",
        "{\"network\": {\"options\": [\"com.docker.network.bridge.*\"]}}",
        "{\"network\": {\"endpoint_options\": [\"x=*\"]}}",
        "{\"network\": {\"config_only\": true}}",
        "{\"build\": {\"remotes\": [\"http://10.0.0.1/*\"]}}",
        "{\"build\": {\"outputs\": [\"registry\"]}}",
        "{\"ports\": {\"lowest\": 1}}",
        "{\"container\": {\"security_options\": [\"seccomp=*\"]}}",
        "{\"container\": {\"security_options\": [\"apparmor:unconfined\"]}}",
        "{\"container\": {\"unmasked_paths\": true}}",
        "{\"container\": {\"runtimes\": [\"*\"]}}",
        "{\"container\": {\"propagation\": [\"rshared\"]}}",
        "{\"volume\": {\"drivers\": [\"local\", \"sshfs\"]}}",
        "{\"volume\": {\"options\": [\"device=*\"]}}",
        "{\"network\": {\"drivers\": [\"macvlan\"]}}",
        "{\"images\": {\"import_urls\": true}}",
        "{\"build\": {\"remotes\": [\"*\"]}}",
        "{\"build\": {\"host_network\": true}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (count_lines(exposed(rules[i])) != 1)
            fail_msg("%s: %s", rules[i], exposed(rules[i]));
    }
}

static void a_mount_is_told_of_by_what_is_in_it(void **state)
{
    static const struct {
        const char *mount, *words;
    } mounts[] = {
        {"\"source\": \"/\"",                          "engine's socket"   },
        {"\"source\": \"/run\"",                       "engine's socket"   },
        {"\"source\": \"/var/run/\"",                  "engine's socket"   },
        {"\"source\": \"/var\"",                       "engine's socket"   },
        {"\"source\": \"/work\", \"host\": \"/run\"",  "engine's socket"   },
        {"\"source\": \"/var/lib/docker/volumes\"",    "all containers"    },
        {"\"source\": \"/etc/ssl\"",                   "passwords"         },
        {"\"source\": \"/home\"",                      "everybody's"       },
        {"\"source\": \"/usr/lib\", \"mode\": \"rw\"", "the host runs"     },
        {"\"source\": \"/srv/w\", \"mode\": \"rw\"",   "symbolic link"     },
        {"\"source\": \"/etc\", \"by\": \"copy\"",     "that berth runs on"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        AUTO(strbuf_fini) struct strbuf keys = STRBUF(4096);
        const char *text;

        strbuf_addf(&keys, "{\"container\": {\"mounts\": [{%s}]}}",
                    mounts[i].mount);
        text = exposed(strbuf_cstr(&keys));
        if (!strstr(text, mounts[i].words) || count_lines(text) != 1)
            fail_msg("%s: %s", mounts[i].mount, text);
    }
}

static void of_the_runners_container_all_is_told_of(void **state)
{
    static const char all[] =
        "{\"container\": {\"runner\": \"ci\", \"mounts\": [{\"source\": \"/\", "
        "\"by\": \"container\", \"mode\": \"rw\"}]}}";
    static const char some[] =
        "{\"container\": {\"runner\": \"ci\", \"mounts\": [{\"source\": "
        "\"/etc\", \"by\": \"container\", \"mode\": \"rw\"}]}}";

    (void)state;
    assert_non_null(strstr(exposed(all), "whatever ci mounts"));
    assert_string_equal(exposed(some), "");
}

static void many_of_a_kind_are_one_line(void **state)
{
    AUTO(strbuf_fini) struct strbuf keys = STRBUF(64 * KIB);

    (void)state;
    assert_non_null(strstr(
        exposed("{\"container\": {\"devices\": [\"/dev/sda\", \"/dev/kvm\","
                " \"/dev/sdb\", \"/dev/sdc\"]}}"),
        "\"/dev/sda\" (and 2 more)"));
    strbuf_addf(&keys, "{\"container\": {\"mounts\": [");
    for (unsigned i = 0; i < 40; i++)
        strbuf_addf(&keys, "%s{\"source\": \"/etc/%u\"}", i ? "," : "", i);
    strbuf_addf(&keys, "]}}");
    assert_int_equal(count_lines(exposed(strbuf_cstr(&keys))), 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_give_nothing_away),
        cmocka_unit_test(what_is_harmless_is_not_told),
        cmocka_unit_test(each_rule_that_gives_the_host_away_is_told),
        cmocka_unit_test(of_the_runners_container_all_is_told_of),
        cmocka_unit_test(a_mount_is_told_of_by_what_is_in_it),
        cmocka_unit_test(many_of_a_kind_are_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
