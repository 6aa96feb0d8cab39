#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "policy/isolation/leftovers.h"

/* What was visited, as lines. */
static struct strbuf seen;

static void note(void *arg, struct str ns, const struct leftover *leftover)
{
    (void)arg;
    strbuf_addf(&seen, "%.*s %.*s %.*s %lld%s\n", STR_FMT(ns),
                STR_FMT(leftover->ref), STR_FMT(leftover->name),
                (long long)leftover->made,
                leftover->is_bridge ? " bridge" : "");
}

static void check_walk(enum leftover_kind kind, const char *reply,
                       const char *expected)
{
    json_auto_t *json = json_loads(reply, 0, NULL);

    assert_non_null(json);
    seen = (struct strbuf)STRBUF(MIB);
    assert_true(leftovers_walk(kind, json, note, NULL));
    assert_string_equal(seen.len ? strbuf_cstr(&seen) : "", expected);
    strbuf_fini(&seen);
}

#define FULL "0123456789012345678901234567890123456789012345678901234567890123"

static void own_is_what_has_label_and_name(void **state)
{
    (void)state;
    check_walk(
        LEFTOVER_CONTAINER,
        "[{\"Id\": \"1\", \"Names\": [\"/r2.x/y\", \"/r1.c\"], \"Created\": 5,"
        "  \"Labels\": {\"berth.namespace\": \"r1\"}},"
        " {\"Id\": \"2\", \"Names\": [\"/c\"], \"Created\": 5,"
        "  \"Labels\": {\"berth.namespace\": \"r1\"}},"
        " {\"Id\": \"3\", \"Names\": [\"/r1.d\"], \"Labels\": {}}]",
        "r1 1 r1.c 5\n");
    check_walk(LEFTOVER_NETWORK,
               "[{\"Id\": \"1\", \"Name\": \"r1.bridge\", \"Created\": "
               "\"1970-01-01T00:00:07Z\","
               "  \"Labels\": {\"berth.namespace\": \"r1\"}},"
               " {\"Id\": \"2\", \"Name\": \"r1.net\","
               "  \"Labels\": {\"berth.namespace\": \"r1\"}},"
               " {\"Id\": \"3\", \"Name\": \"r2.net\","
               "  \"Labels\": {\"berth.namespace\": \"r1\"}}]",
               "r1 1 r1.bridge 7 bridge\nr1 2 r1.net 0\n");
    check_walk(LEFTOVER_VOLUME,
               "{\"Volumes\": [{\"Name\": \"r1.v\", \"CreatedAt\": "
               "\"1970-01-01T00:00:07Z\","
               "  \"Labels\": {\"berth.namespace\": \"r1\"}},"
               " {\"Name\": \"v\", \"Labels\": {\"berth.namespace\": \"r1\"}},"
               " {\"Name\": \"" FULL
               "\", \"Labels\": {\"berth.namespace\": \"r1\"}}]}",
               "r1 r1.v r1.v 7\nr1 " FULL " " FULL " 0\n");
    check_walk(LEFTOVER_VOLUME, "{\"Volumes\": null}", "");
    check_walk(LEFTOVER_BIND,
               "{\"Volumes\": [{\"Name\": \"berth-binds-12\", "
               "\"Labels\": {\"berth.binds\": \"r1\"}},"
               " {\"Name\": \"work\", \"Labels\": {\"berth.binds\": \"r1\"}},"
               " {\"Name\": \"berth-binds-13\", \"Labels\": "
               "{\"berth.namespace\": \"r1\"}}]}",
               "r1 berth-binds-12 berth-binds-12 0\n");
    check_walk(LEFTOVER_BIND, "{\"Volumes\": null}", "");
    check_walk(
        LEFTOVER_COMPANION,
        "[{\"Id\": \"1\", \"Names\": [\"/berth_companion.r1\"], \"Created\": 5,"
        "  \"Labels\": {\"berth.companion\": \"r1\"}},"
        " {\"Id\": \"2\", \"Names\": [\"/berth_companion.r2\"], \"Created\": 5,"
        "  \"Labels\": {\"berth.companion\": \"r1\"}},"
        " {\"Id\": \"3\", \"Names\": [\"/r1.c\"], \"Created\": 5,"
        "  \"Labels\": {\"berth.companion\": \"r1\"}},"
        " {\"Id\": \"4\", \"Names\": [\"/berth_files.r1.0123456789abcdef\"],"
        "  \"Created\": 6, \"Labels\": {\"berth.companion\": \"r1\"}},"
        " {\"Id\": \"5\", \"Names\": [\"/berth_files.r12.123456789abcdef\"],"
        "  \"Created\": 6, \"Labels\": {\"berth.companion\": \"r1\"}},"
        " {\"Id\": \"6\", \"Names\": [\"/berth_relay.r1.0123456789abcdef\"],"
        "  \"Created\": 7, \"Labels\": {\"berth.companion\": \"r1\"}},"
        " {\"Id\": \"7\", \"Names\": [\"/berth_relay.r1.x.123456789abcdef\"],"
        "  \"Created\": 7, \"Labels\": {\"berth.companion\": \"r1\"}}]",
        "r1 1 berth_companion.r1 5\n"
        "r1 4 berth_files.r1.0123456789abcdef 6\n"
        "r1 6 berth_relay.r1.0123456789abcdef 7\n");
    check_walk(LEFTOVER_SOCKETS,
               "{\"Volumes\": [{\"Name\": \"berth_companion.r1\","
               "  \"Labels\": {\"berth.companion\": \"r1\"}},"
               " {\"Name\": \"berth_files.r1.0123456789abcdef\","
               "  \"Labels\": {\"berth.companion\": \"r1\"}},"
               " {\"Name\": \"r1.v\","
               "  \"Labels\": {\"berth.companion\": \"r1\"}}]}",
               "r1 berth_companion.r1 berth_companion.r1 0\n"
               "r1 berth_files.r1.0123456789abcdef "
               "berth_files.r1.0123456789abcdef 0\n");
}

static void of_an_image_the_own_tags_are(void **state)
{
    (void)state;
    check_walk(LEFTOVER_IMAGE,
               "[{\"Id\": \"sha256:1\", \"RepoTags\": [\"alpine:3\", "
               "\"r1.berth.invalid/app:1\", \"r2.berth.invalid/app:1\"]},"
               " {\"Id\": \"sha256:2\", \"RepoTags\": null}]",
               "r1 r1.berth.invalid/app:1 r1.berth.invalid/app:1 0\n"
               "r2 r2.berth.invalid/app:1 r2.berth.invalid/app:1 0\n");
}

/* Also what has no tag of the runner's own words. */
static void and_what_berth_calls_them(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_PATH);
    struct str ns = S("a2345678901234567890123456789012");

    (void)state;
    check_walk(LEFTOVER_IMAGE,
               "[{\"Id\": \"sha256:1\", \"RepoTags\": "
               "[\"r1.anchor.berth.invalid/image:" FULL "\", "
               "\"r1.digest.berth.invalid/a/b:" FULL "\", "
               "\"push.berth.invalid/app:1\", "
               "\"companion.berth.invalid/x86_64:1\"]}]",
               "r1 r1.anchor.berth.invalid/image:" FULL
               " r1.anchor.berth.invalid/image:" FULL " 0\n"
               "r1 r1.digest.berth.invalid/a/b:" FULL
               " r1.digest.berth.invalid/a/b:" FULL " 0\n");
    leftover_put_list(&out, LEFTOVER_IMAGE, ns); /* it has room for it */
    assert_non_null(strstr(strbuf_cstr(&out), "9012.digest.berth.invalid%2F*"));
}

#define LOCK(real, of, from)                                                   \
    "\"Labels\": {\"berth.push\": \"" real "\", \"berth.push.by\": \"r1\", "   \
    "\"berth.push.of\": \"" of "\", \"berth.push.from\": \"" from "\"}"

static void pushes_are_known_by_their_lock(void **state)
{
    (void)state;
    check_walk(LEFTOVER_PUSH,
               "[{\"Id\": \"1\", \"Names\": [\"/berth.push.12\"], \"Created\": "
               "5, " LOCK("docker.io/library/app:1", "sha256:" FULL,
                          "") "},"
                              " {\"Id\": \"2\", \"Names\": [\"/other\"], " LOCK(
                                  "docker.io/library/app:1", "sha256:" FULL,
                                  "") "},"
                                      " {\"Id\": \"3\", \"Names\": "
                                      "[\"/berth.push.13\"], " LOCK(
                                          "docker.io/library/app",
                                          "sha256:" FULL,
                                          "") "},"
                                              " {\"Id\": \"4\", \"Names\": "
                                              "[\"/berth.push.14\"], " LOCK(
                                                  "docker.io/library/app:1",
                                                  "app", "") "}]",
               "r1 1 berth.push.12 5\n");
}

static void steps_are_looked_for_on_the_namespaces_networks(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_PATH);
    json_auto_t *none = json_array();
    json_auto_t *networks =
        json_loads("[{\"Id\": \"1\", \"Name\": \"r1.net\","
                   "  \"Labels\": {\"berth.namespace\": \"r1\"}},"
                   " {\"Id\": \"2\", \"Name\": \"r1.bridge\","
                   "  \"Labels\": {\"berth.namespace\": \"r1\"}},"
                   " {\"Id\": \"3\", \"Name\": \"r1.other\", \"Labels\": {}},"
                   " {\"Id\": \"4\", \"Name\": \"r2.bridge\","
                   "  \"Labels\": {\"berth.namespace\": \"r2\"}}]",
                   0, NULL);

    (void)state;
    assert_int_equal(leftover_put_steps(&out, networks, S("r1")), 2);
    assert_string_equal(strbuf_cstr(&out),
                        "/containers/json?all=1&filters=%7B%22network%22%3A%5B"
                        "%22r1.bridge%22%2C%22r1.net%22%5D%7D");
    strbuf_clear(&out);
    assert_int_equal(leftover_put_steps(&out, none, S("r1")), 0);
}

static void of_many_networks_the_bridge_is_one(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_HEAD);
    json_auto_t *networks = json_array();

    (void)state;
    for (unsigned i = 0; i <= LEFTOVER_NETWORKS; i++) {
        AUTO(strbuf_fini) struct strbuf name = STRBUF(KIB);

        strbuf_addf(&name, i < LEFTOVER_NETWORKS ? "r1.n%u" : "r1.bridge", i);
        json_array_append_new(networks,
                              json_pack("{s:s, s:s, s:{s:s}}", "Id", "1",
                                        "Name", strbuf_cstr(&name), "Labels",
                                        "berth.namespace", "r1"));
    }
    assert_int_equal(leftover_put_steps(&out, networks, S("r1")),
                     LEFTOVER_NETWORKS);
    assert_non_null(strstr(strbuf_cstr(&out), "r1.bridge"));
}

/* Containers of an image by its ID, with a name that nobody chose. */
static void steps_are_what_a_builder_makes_and_have_stopped(void **state)
{
    (void)state;
    check_walk(
        LEFTOVER_STEP,
        "[{\"Id\": \"1\", \"Names\": [\"/busy_hopper\"], \"State\": "
        "\"exited\","
        "  \"Image\": \"sha256:" FULL "\", \"Created\": 5, \"Labels\": {}},"
        " {\"Id\": \"2\", \"Names\": [\"/busy_darwin\"], \"State\": "
        "\"created\","
        "  \"Image\": \"sha256:" FULL "\", \"Labels\": null},"
        " {\"Id\": \"3\", \"Names\": [\"/busy_euler\"], \"State\": "
        "\"running\","
        "  \"Image\": \"sha256:" FULL "\"},"
        " {\"Id\": \"4\", \"Names\": [\"/debug\"], \"State\": \"exited\","
        "  \"Image\": \"busybox\"},"
        " {\"Id\": \"5\", \"Names\": [\"/r2.c\"], \"State\": \"exited\","
        "  \"Image\": \"sha256:" FULL
        "\", \"Labels\": {\"berth.namespace\": \"r2\"}}]",
        " 1 busy_hopper 5\n 2 busy_darwin 0\n");
}

static void nobody_can_list_steps_of_all(void **state)
{
    (void)state;
    assert_int_equal(leftover_next(LEFTOVER_CONTAINER), LEFTOVER_PUSH);
    assert_int_equal(leftover_next(LEFTOVER_PUSH), LEFTOVER_NETWORK);
    assert_int_equal(leftover_next(LEFTOVER_LEASE), LEFTOVER_COUNT);
}

static void what_is_no_list_is_none(void **state)
{
    json_auto_t *text = json_string("x"), *object = json_object();

    (void)state;
    assert_false(leftovers_walk(LEFTOVER_CONTAINER, text, note, NULL));
    assert_false(leftovers_walk(LEFTOVER_NETWORK, object, note, NULL));
    assert_false(leftovers_walk(LEFTOVER_VOLUME, object, note, NULL));
    assert_false(leftovers_walk(LEFTOVER_IMAGE, NULL, note, NULL));
}

static void names_are_written_into_targets(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);

    (void)state;
    leftover_put_removal(&out, LEFTOVER_VOLUME, S("a/../b?c"), true);
    assert_string_equal(strbuf_cstr(&out), "/volumes/a%2F..%2Fb%3Fc");
    strbuf_clear(&out);
    leftover_put_removal(&out, LEFTOVER_CONTAINER, S("12"), true);
    assert_string_equal(strbuf_cstr(&out), "/containers/12?force=1&v=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_is_what_has_label_and_name),
        cmocka_unit_test(of_an_image_the_own_tags_are),
        cmocka_unit_test(and_what_berth_calls_them),
        cmocka_unit_test(pushes_are_known_by_their_lock),
        cmocka_unit_test(steps_are_looked_for_on_the_namespaces_networks),
        cmocka_unit_test(of_many_networks_the_bridge_is_one),
        cmocka_unit_test(steps_are_what_a_builder_makes_and_have_stopped),
        cmocka_unit_test(nobody_can_list_steps_of_all),
        cmocka_unit_test(what_is_no_list_is_none),
        cmocka_unit_test(names_are_written_into_targets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
