#include "tests/unit/unit.h"

#include <stdlib.h>

#include "tests/support/exchange_driver.h"
#include "tests/support/tar_bytes.h"

/* Classic builds without a namespace. */

#define ALLOW   "\"operations\": {\"allow\": [\"system\", \"image\", \"build\"]}"
#define IMAGES  ALLOW ", \"images\": {\"registries\": [\"docker.io/library/*\"]}"
#define ALL     "\"build\": {\"remotes\": [\"*\"], \"frontends\": [\"*\"]}"
#define ID      "sha256:" DIGITS DIGITS DIGITS DIGITS
#define DIGITS  "0123456789abcdef"
#define STARTED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct exchange_driver driver;

static int teardown(void **state)
{
    (void)state;
    driver_fini(&driver);
    return 0;
}

static void begin(const char *keys)
{
    driver_init(&driver, driver_policy(keys));
    driver_know_engine(&driver);
    driver_see_builds(&driver, "Docker/28.5.2 (linux)");
}

static bool was_told(enum side side, const char *text)
{
    struct str out = strbuf_str(&driver.sides[side].out);

    return memmem(out.ptr, out.len, text, strlen(text)) != NULL;
}

/* A build of DOCKERFILE. */
static void build(const char *query, const char *dockerfile)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(64 * KIB);
    AUTO(strbuf_fini) struct strbuf head = STRBUF(KIB);

    tar_add(&tar, TAR_FILE, "Dockerfile", NULL, str_from(dockerfile));
    tar_add_end(&tar);
    strbuf_addf(
        &head,
        "POST /build%s HTTP/1.1\r\nHost: d\r\n"
        "Content-Type: application/x-tar\r\nContent-Length: %zu\r\n\r\n",
        query, tar.len);
    driver_send(&driver, CLIENT, strbuf_str(&head));
    driver_send(&driver, CLIENT, strbuf_str(&tar));
    driver_open_stream(&driver);
}

/* It asks the engine for TARGET, which has STATUS and IMAGE. */
static void asks(const char *target, int status, const char *image)
{
    json_t *reply = json_loads(image, 0, NULL);
    size_t index;
    const struct lookup *ask = driver_lookup(&driver, &index);

    assert_non_null(ask);
    assert_string_equal(ask->target, target);
    assert_true(driver_answer(&driver, status, reply));
    json_decref(reply);
}

/* The engine says LINE. */
static void says(const char *line)
{
    AUTO(strbuf_fini) struct strbuf chunk = STRBUF(KIB);

    strbuf_addf(&chunk, "%zx\r\n%s\n\r\n", strlen(line) + 1, line);
    driver_send(&driver, ENGINE, strbuf_str(&chunk));
}

static void the_image_that_was_judged_is_built_from(void **state)
{
    (void)state;
    begin(IMAGES);
    build("?t=app", "ARG B=busybox\nFROM $B\nLABEL a=b\n");
    asks("/images/busybox/json", 200,
         "{\"Id\": \"" ID "\", \"RepoTags\": [\"busybox:latest\"]}");
    assert_true(was_told(ENGINE, "POST /build?t=app&dockerfile=.berth."));
    assert_true(was_told(ENGINE, "\nFROM " ID "\nLABEL a=b"));
    driver_send(&driver, ENGINE, S(STARTED));
    says("{\"stream\":\"Step 1/3 : ARG B=busybox\"}");
    says("{\"stream\":\"Step 2/3 : FROM " ID "\"}");
    says("{\"stream\":\"Successfully tagged r1.berth.invalid/app:1\\n\"}");
    says("{\"errorDetail\":{\"message\":\"no .berth.dockerfile\"},\"error\":"
         "\"no .berth.dockerfile\"}");
    assert_true(was_told(CLIENT, "Step 2/3 : FROM $B\""));
    assert_true(was_told(CLIENT, "tagged r1.berth.invalid/app:1"));
    assert_true(was_told(CLIENT, "\"error\":\"no Dockerfile\""));
}

static void
one_that_is_not_there_is_pulled_and_nothing_else_is_made(void **state)
{
    (void)state;
    begin(IMAGES);
    build("", "FROM busybox:1\n");
    asks("/images/busybox:1/json", 404, "{\"message\": \"no\"}");
    asks("/images/create?fromImage=docker.io%2Flibrary%2Fbusybox&tag=1", 200,
         "{}");
    asks("/images/docker.io%2Flibrary%2Fbusybox:1/json?manifests=0", 200,
         "{\"Id\": \"" ID "\"}");
    assert_true(was_told(ENGINE, "FROM " ID));
    driver_send(&driver, ENGINE, S(STARTED "0\r\n\r\n"));
    assert_false(driver_answer(&driver, 200, NULL));
    assert_true(was_told(CLIENT, "0\r\n\r\n"));
}

static void what_the_policy_does_not_name_is_refused(void **state)
{
    (void)state;
    begin(IMAGES);
    build("", "FROM busybox\nCOPY --from=evil.example/a / /\n");
    asks("/images/busybox/json", 200, "{\"Id\": \"" ID "\"}");
    asks("/images/evil.example%2Fa/json", 404, "{\"message\": \"no\"}");
    assert_true(was_told(CLIENT, "HTTP/1.1 403"));
    assert_true(was_told(CLIENT, "images.registries in the policy"));
    assert_false(was_told(ENGINE, "evil"));
}

static void
buildkit_of_old_clients_is_refused_where_it_could_take_more(void **state)
{
    static const char *const keys[] = {
        IMAGES ", " ALL,
        ALLOW,
        ALLOW ", \"build\": {\"remotes\": [\"*\"]}",
        ALLOW ", " ALL ", \"images\": {\"digests_only\": true}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (i)
            driver_fini(&driver);
        begin(keys[i]);
        build("?version=2", "FROM busybox\n");
        assert_true(was_told(CLIENT, "HTTP/1.1 403"));
        assert_true(was_told(CLIENT, "DOCKER_BUILDKIT=0"));
        assert_int_equal(driver.sides[ENGINE].out.len, 0);
        driver_reconnect(&driver);
        driver.facts.known = false;
        driver_send(&driver, CLIENT,
                    S("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"));
        assert_true(driver_open_stream(&driver));
        driver_send(&driver, ENGINE,
                    S("HTTP/1.1 200 OK\r\nBuilder-Version: 2\r\n"
                      "Content-Length: 2\r\n\r\nOK"));
        assert_true(was_told(CLIENT, "Builder-Version: 1\r\n"));
    }
}

static void where_nothing_is_restricted_bytes_pass(void **state)
{
    static const char *const keys[] = {
        ALLOW ", " ALL,
        IMAGES ", \"mode\": \"report-only\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (i)
            driver_fini(&driver);
        begin(keys[i]);
        driver_send(&driver, CLIENT,
                    S("POST /build?version=2 HTTP/1.1\r\nHost: d\r\n"
                      "Content-Length: 8\r\n\r\nanything"));
        assert_true(driver_open_stream(&driver));
        assert_true(was_told(ENGINE, "\r\nanything\r\n"));
        driver_reconnect(&driver);
        strbuf_clear(&driver.sides[ENGINE].out);
        build("?pull=1", "FROM evil.example/a\n");
        assert_true(was_told(ENGINE, "POST /build?pull=1 HTTP/1.1"));
        assert_false(was_told(ENGINE, ".berth.dockerfile"));
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_image_that_was_judged_is_built_from),
        TEST(one_that_is_not_there_is_pulled_and_nothing_else_is_made),
        TEST(what_the_policy_does_not_name_is_refused),
        TEST(buildkit_of_old_clients_is_refused_where_it_could_take_more),
        TEST(where_nothing_is_restricted_bytes_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
