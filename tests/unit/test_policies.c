#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "proxy/base/policies.h"

enum {
    FILES = 2,
};

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static char dir[] = "/tmp/berth-policies.XXXXXX";
static char paths[FILES][128];

static int setup(void **state)
{
    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < FILES; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/%d.json", dir, i);
    return 0;
}

static int teardown(void **state)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(4096);

    (void)state;
    for (int i = 0; i < FILES; i++)
        unlink(paths[i]);
    strbuf_addf(&path, "%s/engine.sock", dir);
    unlink(strbuf_cstr(&path));
    strbuf_clear(&path);
    strbuf_addf(&path, "%s/link.sock", dir);
    unlink(strbuf_cstr(&path));
    return rmdir(dir);
}

/* A policy for NAMESPACE with these members of "upstream". */
static void write_policy(int number, const char *namespace_,
                         const char *upstream)
{
    FILE *file = fopen(paths[number], "w");

    assert_non_null(file);
    fprintf(file,
            "{\"version\": 1, \"namespace\": \"%s\", \"listen\": {\"path\": "
            "\"%s/%d.sock\"}, \"upstream\": {%s%s}}",
            namespace_, dir, number, upstream,
            strstr(upstream, "ssh://")   ? ", \"host_key\": \"SHA256:" KEY "\""
            : strstr(upstream, "tcp://") ? ", \"plain_tcp\": true"
                                         : "");
    assert_int_equal(fclose(file), 0);
}

/* Do the two go together? What is said if they do not is in WHY. */
static bool go_together(struct strbuf *why)
{
    const char *const files[] = {paths[0], paths[1]};
    struct policies all = {.count = 0};
    int r = policies_load(files, FILES, NULL, 0, &all, why);

    assert_int_equal(all.count, r ? 0 : FILES);
    policies_fini(&all);
    return r == 0;
}

static void refused(const char *a, const char *b)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);

    write_policy(0, "r1", a);
    write_policy(1, "r1", b);
    assert_false(go_together(&why));
    if (!strstr(strbuf_cstr(&why), "same namespace, r1, on the same engine"))
        fail_msg("%s and %s: %s", a, b, strbuf_cstr(&why));
    /* with a namespace each, they do */
    write_policy(1, "r2", b);
    strbuf_clear(&why);
    if (!go_together(&why))
        fail_msg("%s and %s: %s", a, b, strbuf_cstr(&why));
}

static void taken(const char *a, const char *b)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);

    write_policy(0, "r1", a);
    write_policy(1, "r1", b);
    if (!go_together(&why))
        fail_msg("%s and %s: %s", a, b, strbuf_cstr(&why));
}

static void two_runners_of_one_engine_need_two_namespaces(void **state)
{
    (void)state;
    refused("\"url\": \"unix:///e.sock\"", "\"url\": \"unix:///e.sock\"");
    /* whatever else differs */
    refused("\"url\": \"unix:///e.sock\", \"wait\": \"31s\"",
            "\"url\": \"unix:///e.sock\", \"wait\": \"30s\"");
    refused("\"url\": \"ssh://a@host\"",
            "\"url\": \"ssh://b@HOST.:22/var/run/docker.sock\", "
            "\"spare_channels\": 1");
    refused("\"url\": \"ssh://a@host/run/docker.sock\"",
            "\"url\": \"ssh://a@host/var/run/docker.sock\"");
    refused("\"url\": \"tcp://localhost:2375\"",
            "\"url\": \"tcp://127.0.0.1:2375\"");
    refused("\"url\": \"tcp://[::1]:2375\"",
            "\"url\": \"tcp://127.0.0.2:2375\"");
}

static void other_engines_have_namespaces_of_their_own(void **state)
{
    (void)state;
    taken("\"url\": \"unix:///e.sock\"", "\"url\": \"unix:///f.sock\"");
    taken("\"url\": \"tcp://a:2375\"", "\"url\": \"tcp://b:2375\"");
    taken("\"url\": \"tcp://a:2375\"", "\"url\": \"tcp://a:2376\"");
    taken("\"url\": \"ssh://u@a:22\"", "\"url\": \"ssh://u@a:23\"");
    taken("\"url\": \"ssh://u@a/x.sock\"", "\"url\": \"ssh://u@a/y.sock\"");
}

static void a_socket_by_another_name_is_the_same(void **state)
{
    AUTO(strbuf_fini) struct strbuf socket = STRBUF(4096), link = STRBUF(4096);
    AUTO(strbuf_fini) struct strbuf a = STRBUF(4096), b = STRBUF(4096);
    FILE *file;

    (void)state;
    strbuf_addf(&socket, "%s/engine.sock", dir);
    strbuf_addf(&link, "%s/link.sock", dir);
    file = fopen(strbuf_cstr(&socket), "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(symlink(strbuf_cstr(&socket), strbuf_cstr(&link)), 0);
    strbuf_addf(&a, "\"url\": \"unix://%s\"", strbuf_cstr(&socket));
    strbuf_addf(&b, "\"url\": \"unix://%s\"", strbuf_cstr(&link));
    refused(strbuf_cstr(&a), strbuf_cstr(&b));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(two_runners_of_one_engine_need_two_namespaces),
        TEST(other_engines_have_namespaces_of_their_own),
        TEST(a_socket_by_another_name_is_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
