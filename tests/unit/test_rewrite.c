/*
 * Runs the cases of tests/policy/rewrite, one JSON file after the other. One
 * file is a list of them; one case is a request, the questions that it leads to
 * with their answers, what the engine gets, and what its reply becomes:
 *
 *     "case":     what it shows
 *     "request":  "POST /v1.41/containers/create?name=db", and its "body"
 *     "knows":    ["container <id>"], what is known to be the namespace's
 *     "asks":     [{"ask": "GET /images/x/json", "status": 200, "reply": {}}]
 *     one of
 *     "becomes":  "POST /v1.41/containers/create?name=r1.db", "becomes_body"
 *     "refused":  [400, "Invalid container name (...)"]
 *     "answered": [200, []]
 *     and then
 *     "status":   of the engine, with its "reply" (or "lines") and what is
 *                 "shown" of it, or "broken": true when it is not passed on
 *     "after":    the same as asks, of what is done once the engine answered
 *     "line":     of what is done before the next line is shown
 *     "finish":   and of what is done when the reply has ended
 *     "learns":   ["exec <id>"], what is known then
 *     "ports":    where the engine publishes what goes to the runner's
 *                 localhost, with what is "listened" on there by ID; a port is
 *                 "taken" by the container ID; and whose it "opens"
 *
 *     "gateway":  what "bridge" is shown to have
 *     "dockerfile": of a classic build, as its client wrote it
 *     "mounts":   {"/w": "rw"}, what the policy has on the engine's host; "ro",
 *                 "create", or "copy" for what is copied
 *     "runner":   the runner's own container, "binds" what the judge noted of
 *                 the mounts, and what its client is told ("warns")
 *
 * The namespace is r1 and the engine of API 1.45, unless "engine" says 41.
 * Targets are percent-decoded.
 */

#include "tests/unit/unit.h"

#include "policy/isolation/rewrite.h"
#include "tests/support/rewrite_case.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static size_t run_file(const char *directory, const char *name)
{
    char path[8192];
    json_error_t error;
    json_t *cases, *one;
    size_t i, failed = 0;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    cases = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!cases)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    json_array_foreach(cases, i, one)
    {
        AUTO(strbuf_fini) struct strbuf wrong = STRBUF(MIB);

        rewrite_case_run(one, &wrong);
        if (wrong.len)
            print_error("%s: %s:\n%s\n", name,
                        json_string_value(json_object_get(one, "case")),
                        strbuf_cstr(&wrong));
        failed += wrong.len > 0;
    }
    json_decref(cases);
    return failed;
}

static void the_cases_hold(void **state)
{
    const char *root = getenv("BERTH_SOURCE_ROOT");
    char directory[4096];
    struct dirent *entry;
    size_t count = 0, failed = 0;
    DIR *dir;

    (void)state;
    assert_non_null(root);
    snprintf(directory, sizeof(directory), "%s/tests/policy/rewrite", root);
    dir = opendir(directory);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        failed += run_file(directory, entry->d_name);
        count++;
    }
    closedir(dir);
    assert_true(count >= 6);
    assert_int_equal(failed, 0);
}

/* A line of LEN bytes, ended by one that numbers it. */
static json_t *build_line(size_t number, size_t len)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(2 * LIMIT_BUILD_HELD_LINE);

    strbuf_addf(&text, "%zu", number);
    while (text.len < len)
        strbuf_add_char(&text, '.');
    return json_pack("{s:s}", "stream", strbuf_cstr(&text));
}

static void a_quiet_build_s_last_lines_are_kept_for_its_failure(void **state)
{
    const size_t before = 3, count = before + LIMIT_BUILD_HELD_LINES;
    AUTO(strbuf_fini) struct strbuf wrong = STRBUF(4 * MIB);
    json_t *lines = json_array(), *shown = json_array();
    json_t *error = json_pack("{s:s, s:{s:s}}", "error", "x", "errorDetail",
                              "message", "x");
    json_auto_t *one = NULL;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        json_t *line = build_line(i, i == before ? LIMIT_BUILD_HELD_LINE : 0);

        if (i >= before)
            json_array_append(shown, line);
        json_array_append_new(lines, line);
        if (i == count / 2) /* is not kept, and takes no other's place */
            json_array_append_new(lines,
                                  build_line(i, LIMIT_BUILD_HELD_LINE + 1));
    }
    json_array_append(lines, error);
    json_array_append_new(shown, error);
    one =
        json_pack("{s:s, s:[{s:s, s:i, s:[]}], s:s, s:i, s:o, s:o}", "request",
                  "POST /v1.45/build?q=1&networkmode=none", "asks", "ask",
                  "GET /images/json?all=1", "status", 200, "reply", "becomes",
                  "POST /v1.45/build?networkmode=none&cachefrom="
                  "[\"r1.anchor.berth.invalid/none\"]&rm=1&forcerm=1",
                  "status", 200, "lines", lines, "shown", shown);
    rewrite_case_run(one, &wrong);
    if (wrong.len)
        fail_msg("%.*s", STR_FMT(str_head(strbuf_str(&wrong), 4 * KIB)));
}

/* What becomes of a push of COUNT tags. */
static void push_all(size_t count, json_t *refused, struct strbuf *wrong)
{
    static const char one[] = "r1.berth.invalid/reg_5/x";
    static const char own[] =
        "{\"reference\":{\"r1.berth.invalid/reg_5/x\":true}}";
    static const char real[] = "{\"reference\":{\"reg:5/x\":true}}";
    json_t *tags = json_array();
    json_auto_t *test = NULL;

    for (size_t i = 0; i < count; i++)
        json_array_append_new(tags, json_sprintf("%s:%zu", one, 1000 + i));
    test = json_pack(
        "{s:s, s:[{s:s+, s:i, s:[{s:s, s:o}]}, {s:s+, s:i, s:[]}, "
        "{s:s, s:i}, {s:s, s:i}], s:O, s:s}",
        "request", "POST /v1.45/images/reg:5/x/push", "asks", "ask",
        "GET /images/json?filters=", own, "status", 200, "reply", "Id",
        "sha256:0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef",
        "RepoTags", tags, "ask", "GET /images/json?filters=", real, "status",
        200, "reply", "ask", "GET /images/r1.berth.invalid/reg_5/x:1000/json",
        "status", 404, "ask", "GET /images/reg:5/x:1000/json", "status", 404,
        "refused", refused, "becomes",
        "POST /v1.45/images/r1.berth.invalid/reg_5/x/push?tag=1000");
    assert_non_null(test);
    if (json_is_array(refused)) { /* nothing else is asked */
        json_array_remove(json_object_get(test, "asks"), 3);
        json_array_remove(json_object_get(test, "asks"), 2);
    }
    rewrite_case_run(test, wrong);
}

static void a_push_takes_as_many_tags_as_there_is_time_for(void **state)
{
    AUTO(strbuf_fini) struct strbuf wrong = STRBUF(MIB);
    json_auto_t *refused = json_pack(
        "[i, s]", 400,
        "reg:5/x has 129 tags, and berth pushes 128 at a time; name one at a "
        "time");
    json_auto_t *none = json_null();

    (void)state;
    push_all(LIMIT_PUSH_TAGS, none, &wrong);
    push_all(LIMIT_PUSH_TAGS + 1, refused, &wrong);
    if (wrong.len)
        fail_msg("%.*s", STR_FMT(str_head(strbuf_str(&wrong), 4 * KIB)));
}

static void no_operation_reaches_what_is_of_no_namespace(void **state)
{
    static const enum operation_group refused[] = {
        GROUP_SWARM,  GROUP_SERVICE, GROUP_NODE,   GROUP_TASK,
        GROUP_SECRET, GROUP_CONFIG,  GROUP_PLUGIN, GROUP_DEBUG};

    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        struct lookups lookups = {0};
        const struct rewrite_context context = {
            .ns = S("r1"), .engine_minor = 45, .lookups = &lookups};
        struct route_match match = {.route = &routes[i]};
        json_t *body = json_object();
        struct target target;
        struct rewrite rw;
        enum rewrite_step step;
        bool expected = routes[i].operation == OP_VOLUME_UPDATE;

        for (size_t n = 0; n < sizeof(refused) / sizeof(*refused); n++)
            expected |= operation_group(routes[i].operation) == refused[n];
        target_init(&target);
        step = rewrite_begin(&rw, &context, &match, &target, &body);
        if (expected ? step != REWRITE_REFUSED && step != REWRITE_ANSWER
                     : step == REWRITE_REFUSED && rw.verdict.status == 403)
            fail_msg("%s", operation_name(routes[i].operation));
        rewrite_fini(&rw);
        lookups_fini(&lookups);
        target_fini(&target);
        json_decref(body);
    }
}

static void a_request_of_too_many_names_is_refused(void **state)
{
    struct lookups lookups = {0};
    const struct rewrite_context context = {
        .ns = S("r1"), .engine_minor = 45, .lookups = &lookups};
    json_t *binds = json_array();
    json_t *body =
        json_pack("{s:s, s:{s:o}}", "Image", "x", "HostConfig", "Binds", binds);
    struct route_match match;
    struct verdict why;
    struct target target;
    struct rewrite rw;
    char bind[64];

    (void)state;
    for (int i = 0; i <= LIMIT_LOOKUPS; i++) {
        snprintf(bind, sizeof(bind), "vol%d:/v%d", i, i);
        json_array_append_new(binds, json_string(bind));
    }
    target_init(&target);
    assert_int_equal(target_parse(&target, S("/containers/create"), &why), 0);
    assert_int_equal(route_find(METHOD_POST, &target, &match), 0);
    assert_int_equal(rewrite_begin(&rw, &context, &match, &target, &body),
                     REWRITE_REFUSED);
    assert_int_equal(rw.verdict.status, 400);
    rewrite_fini(&rw);
    lookups_fini(&lookups);
    target_fini(&target);
    json_decref(body);
}

static enum rewrite_step begin_create(struct rewrite *rw, struct target *target,
                                      struct route_match *match, json_t **body)
{
    const struct rewrite_context context = {
        .ns = S("r1"),
        .engine_minor = 45,
        .lookups = xcalloc(1, sizeof(struct lookups))};
    struct verdict why;

    target_init(target);
    assert_int_equal(target_parse(target, S("/containers/create"), &why), 0);
    assert_int_equal(route_find(METHOD_POST, target, match), 0);
    return rewrite_begin(rw, &context, match, target, body);
}

static void end_create(struct rewrite *rw, struct target *target)
{
    lookups_fini(rw->context.lookups);
    free(rw->context.lookups);
    rewrite_fini(rw);
    target_fini(target);
}

/* Each would be looked for among all containers. */
static void so_is_one_of_too_many_that_may_be_ids(void **state)
{
    json_t *sources = json_array();
    json_t *body = json_pack("{s:s, s:{s:s, s:o}}", "Image", "x", "HostConfig",
                             "NetworkMode", "none", "VolumesFrom", sources);
    struct route_match match;
    struct target target;
    struct rewrite rw;

    (void)state;
    for (int i = 0; i <= LIMIT_LOOKUPS; i++)
        json_array_append_new(sources, json_string("abc"));
    assert_int_equal(begin_create(&rw, &target, &match, &body),
                     REWRITE_REFUSED);
    assert_int_equal(rw.verdict.status, 400);
    end_create(&rw, &target);

    json_array_remove(sources, 0);
    assert_int_equal(begin_create(&rw, &target, &match, &body), REWRITE_ASK);
    end_create(&rw, &target);
    json_decref(body);
}

/* Were each to cost as much as all before it, this would take minutes. */
static void a_container_may_have_many_anonymous_volumes(void **state)
{
    enum { COUNT = 20000 };
    json_t *volumes = json_object(), *binds = json_array();
    json_t *body =
        json_pack("{s:s, s:o, s:{s:s, s:o}}", "Image", "x", "Volumes", volumes,
                  "HostConfig", "NetworkMode", "none", "Binds", binds);
    struct route_match match;
    struct target target;
    struct rewrite rw;
    char path[200];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof(path), "/%0150d", i);
        json_object_set_new(volumes, path, json_object());
        snprintf(path, sizeof(path), "/b%d", i);
        json_array_append_new(binds, json_string(path));
    }
    assert_int_equal(begin_create(&rw, &target, &match, &body), REWRITE_ASK);
    lookups_answer(rw.context.lookups, 0, 200,
                   json_pack("{s:s}", "Id", "sha256:1"));
    lookups_answer(rw.context.lookups, 1, 404, NULL);
    assert_int_equal(rewrite_next(&rw), REWRITE_DONE);
    assert_int_equal(json_array_size(json_object_get(
                         json_object_get(body, "HostConfig"), "Mounts")),
                     2 * COUNT);
    assert_int_equal(json_array_size(json_object_get(
                         json_object_get(body, "HostConfig"), "Binds")),
                     0);
    assert_int_equal(json_string_length(json_object_get(
                         json_object_get(body, "Labels"), LABEL_VOLUMES)),
                     COUNT * 152);
    end_create(&rw, &target);
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cases_hold),
        cmocka_unit_test(a_quiet_build_s_last_lines_are_kept_for_its_failure),
        cmocka_unit_test(a_push_takes_as_many_tags_as_there_is_time_for),
        cmocka_unit_test(no_operation_reaches_what_is_of_no_namespace),
        cmocka_unit_test(a_request_of_too_many_names_is_refused),
        cmocka_unit_test(so_is_one_of_too_many_that_may_be_ids),
        cmocka_unit_test(a_container_may_have_many_anonymous_volumes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
