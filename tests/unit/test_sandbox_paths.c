#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/sandbox/sandbox_paths.h"

static struct policies policies;

static struct policy *load(const char *keys)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_POLICY);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);
    const struct environment environment = {0};
    struct policy_source source = {.name = "policy",
                                   .environment = &environment};
    struct policy *policy = NULL;

    strbuf_addf(&text, "{\"version\": 1, \"namespace\": \"r1\", %s}", keys);
    source.text = strbuf_str(&text);
    if (policy_load(&source, &policy, &why))
        fail_msg("%s", strbuf_cstr(&why));
    return policy;
}

static void use(const char *keys)
{
    policies_fini(&policies);
    policies.items[policies.count++] = load(keys);
}

static int teardown(void **state)
{
    (void)state;
    policies_fini(&policies);
    return 0;
}

static bool has(const struct sandbox_paths *paths, const char *path,
                enum sandbox_access access)
{
    for (size_t i = 0; i < paths->count; i++) {
        if (paths->items[i].access == access &&
            !strcmp(paths->items[i].path, path))
            return true;
    }
    return false;
}

#define EVERYTHING                                                             \
    "\"listen\": {\"path\": \"/run/berth/r1/docker.sock\"},"                   \
    "\"metrics\": {\"listen\": \"/run/berth/metrics.sock\"},"                  \
    "\"audit\": {\"to\": \"/var/log/berth/r1.jsonl\"},"                        \
    "\"upstream\": {\"url\": \"ssh://a@b\","                                   \
    " \"identity\": [\"/keys/a/id\", \"/keys/b/id\"],"                         \
    " \"passphrase_file\": \"/keys/c/pass\","                                  \
    " \"known_hosts\": \"/etc/berth/known_hosts\"}"

static void what_a_policy_names_is_reached_by_its_directory(void **state)
{
    AUTO(sandbox_paths_fini) struct sandbox_paths paths = {0};
    static const char *const files[] = {"/etc/berth/r1.json", "r2.json", "-"};

    (void)state;
    use(EVERYTHING);
    sandbox_paths_add(&paths, files, 3, &policies);
    assert_true(has(&paths, "/run/berth/r1", SANDBOX_SOCKETS));
    assert_true(has(&paths, "/run/berth", SANDBOX_SOCKETS));
    assert_true(has(&paths, "/var/log/berth", SANDBOX_APPEND));
    assert_true(has(&paths, "/keys/a", SANDBOX_READ));
    assert_true(has(&paths, "/keys/b", SANDBOX_READ));
    assert_true(has(&paths, "/keys/c", SANDBOX_READ));
    assert_true(has(&paths, "/etc/berth", SANDBOX_READ));
    assert_true(has(&paths, ".", SANDBOX_READ));
    assert_int_equal(paths.count, 8); /* /etc/berth once, "-" not at all */
}

static void what_is_copied_is_reached_as_its_rule_says(void **state)
{
    AUTO(sandbox_paths_fini) struct sandbox_paths paths = {0};

    (void)state;
    use("\"upstream\": {\"url\": \"unix:///x\"}");
    assert_false(sandbox_paths_copy(&policies));
    use("\"upstream\": {\"url\": \"unix:///x\"}, \"container\": {\"mounts\": ["
        "{\"source\": \"/home/ci/work\", \"by\": \"copy\", \"mode\": \"rw\"},"
        "{\"source\": \"/opt/tools\", \"by\": \"copy\"},"
        "{\"source\": \"/srv/shared\", \"mode\": \"rw\"}]}");
    assert_true(sandbox_paths_copy(&policies));
    sandbox_paths_add(&paths, NULL, 0, &policies);
    assert_true(has(&paths, "/home/ci/work", SANDBOX_FILES));
    assert_true(has(&paths, "/opt/tools", SANDBOX_READ));
    assert_false(has(&paths, "/opt/tools", SANDBOX_FILES));
    assert_false(has(&paths, "/srv/shared", SANDBOX_FILES));
}

static void what_jump_hosts_need_is_reached_too(void **state)
{
    AUTO(sandbox_paths_fini) struct sandbox_paths paths = {0};

    (void)state;
    use("\"upstream\": {\"url\": \"ssh://a@b\", \"known_hosts\": \"/h/a/k\","
        " \"jump\": [{\"url\": \"ssh://c@d\", \"identity\": \"/keys/c/id\","
        " \"known_hosts\": \"/h/c/k\"}, \"ssh://e@f\"]}");
    sandbox_paths_add(&paths, NULL, 0, &policies);
    assert_true(has(&paths, "/h/a", SANDBOX_READ));
    assert_true(has(&paths, "/h/c", SANDBOX_READ));
    assert_true(has(&paths, "/keys/c", SANDBOX_READ));
}

static void broad_directories_are_not_opened_for_one_file(void **state)
{
    AUTO(sandbox_paths_fini) struct sandbox_paths paths = {0};
    static const char *const files[] = {"/etc/berth.json", "/policy.json"};

    (void)state;
    use("\"listen\": {\"path\": \"/tmp/docker.sock\"},"
        "\"audit\": {\"to\": \"/dev/full\"},"
        "\"upstream\": {\"url\": \"unix:///run/docker.sock\"}");
    sandbox_paths_add(&paths, files, 2, &policies);
    assert_true(has(&paths, "/etc/berth.json", SANDBOX_READ));
    assert_true(has(&paths, "/policy.json", SANDBOX_READ));
    assert_true(has(&paths, "/dev/full", SANDBOX_APPEND));
    /* but a socket comes and goes, which is its directory's affair */
    assert_true(has(&paths, "/tmp", SANDBOX_SOCKETS));
    assert_int_equal(paths.count, 4);
}

static void addresses_and_words_are_no_paths(void **state)
{
    AUTO(sandbox_paths_fini) struct sandbox_paths paths = {0};

    (void)state;
    use("\"metrics\": {\"listen\": \"127.0.0.1:9323\"},"
        "\"audit\": {\"to\": \"stdout\"},"
        "\"upstream\": {\"url\": \"unix:///run/docker.sock\"}");
    sandbox_paths_add(&paths, NULL, 0, &policies);
    assert_true(has(&paths, "/run/berth", SANDBOX_SOCKETS));
    assert_int_equal(paths.count, 1);
}

static void what_is_below_is_covered_and_nothing_else(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    AUTO(sandbox_paths_fini)
    struct sandbox_paths allowed = {0}, same = {0}, other = {0};

    (void)state;
    use(EVERYTHING);
    sandbox_paths_add(&allowed, NULL, 0, &policies);
    use("\"listen\": {\"path\": \"/run/berth/new/docker.sock\"},"
        "\"audit\": {\"to\": \"/var/log/berth/new.jsonl\"},"
        "\"upstream\": {\"url\": \"ssh://a@b\","
        " \"known_hosts\": \"/etc/berth/x/known_hosts\"}");
    sandbox_paths_add(&same, NULL, 0, &policies);
    assert_true(sandbox_paths_cover(&allowed, &same, &why));
    assert_int_equal(why.len, 0);

    use("\"listen\": {\"path\": \"/run/berths/docker.sock\"},"
        "\"audit\": {\"to\": \"/etc/berth/audit.jsonl\"},"
        "\"upstream\": {\"url\": \"unix:///run/docker.sock\"}");
    sandbox_paths_add(&other, NULL, 0, &policies);
    assert_false(sandbox_paths_cover(&allowed, &other, &why));
    assert_non_null(strstr(strbuf_cstr(&why), "have a socket in /run/berths:"));
    assert_non_null(strstr(strbuf_cstr(&why), "write to /etc/berth:"));
    assert_non_null(strstr(strbuf_cstr(&why), "restart it"));
}

static void as_many_policies_as_there_may_be_fit(void **state)
{
    AUTO(sandbox_paths_fini) struct sandbox_paths paths = {0};
    static char names[POLICIES_MAX][32];
    const char *files[POLICIES_MAX];

    (void)state;
    policies_fini(&policies);
    for (int i = 0; i < POLICIES_MAX; i++) {
        AUTO(strbuf_fini) struct strbuf keys = STRBUF(64 * KIB);

        snprintf(names[i], sizeof(names[i]), "/files/%d/p.json", i);
        files[i] = names[i];
        strbuf_addf(&keys,
                    "\"listen\": {\"path\": \"/l/%d/s\"},"
                    "\"metrics\": {\"listen\": \"/m/%d/s\"},"
                    "\"audit\": {\"to\": \"/a/%d/s\"},"
                    "\"upstream\": {\"url\": \"ssh://a@b\","
                    " \"known_hosts\": \"/h/%d/k\","
                    " \"passphrase_file\": \"/p/%d/p\", \"identity\": [",
                    i, i, i, i, i);
        for (int k = 0; k < LIMIT_IDENTITIES; k++)
            strbuf_addf(&keys, "%s\"/i/%d/%d/k\"", k ? "," : "", i, k);
        strbuf_addf(&keys, "]}");
        policies.items[policies.count++] = load(strbuf_cstr(&keys));
    }
    sandbox_paths_add_system(&paths);
    sandbox_paths_add(&paths, files, POLICIES_MAX, &policies);
    assert_true(paths.count > POLICIES_MAX * (6 + LIMIT_IDENTITIES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            what_a_policy_names_is_reached_by_its_directory, teardown),
        cmocka_unit_test_teardown(what_is_copied_is_reached_as_its_rule_says,
                                  teardown),
        cmocka_unit_test_teardown(what_jump_hosts_need_is_reached_too,
                                  teardown),
        cmocka_unit_test_teardown(broad_directories_are_not_opened_for_one_file,
                                  teardown),
        cmocka_unit_test_teardown(addresses_and_words_are_no_paths, teardown),
        cmocka_unit_test_teardown(what_is_below_is_covered_and_nothing_else,
                                  teardown),
        cmocka_unit_test_teardown(as_many_policies_as_there_may_be_fit,
                                  teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
