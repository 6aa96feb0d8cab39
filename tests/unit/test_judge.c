#include "tests/unit/unit.h"

#include "policy/base/json_strict.h"
#include "policy/judge/judge.h"
#include "tests/unit/rules_case.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The cases in tests/policy/judge/: each file is a list of
 *
 *     {"name": "what is to be seen",
 *      "policy": {...},               its sections; left out: the defaults
 *      "request": "POST /path?query", left out: create a container
 *      "body": {...} or "raw": "...", or "host": {...}, a create's HostConfig
 *      "rule": "container.mounts",    the refusal; left out: it is allowed
 *      "field": "HostConfig.Binds[0]", "status": 403,
 *      "also": ["container.privileged HostConfig.Privileged"], the others
 *      "forbidden": true,             a policy that only reports refuses it too
 *      "sent": {...} or "sent_host": {...}, "sent_query": "a=b",
 *      "changes": ["dropped name"],   all of them, in this order
 *      "needs": ["image ghcr.io/x"],  "facts": [{...}], one each,
 *      "log_driver": "journald"}      the engine's own; left out: not asked
 *
 * What is allowed is judged a second time, which must change nothing, unless
 * a path was mapped. What the policy refuses, passes where it only reports, and
 * then comes out alike from a second time, too.
 */

static json_t *read_body(const struct test_case *test, struct judgement *out,
                         bool *refused)
{
    json_t *body = json_object_get(test->json, "body");
    json_t *host = json_object_get(test->json, "host");
    char *dump = NULL;
    json_t *tree = NULL;

    *refused = false;
    if (host)
        return json_pack("{s:s, s:o}", "Image", "alpine", "HostConfig",
                         json_deep_copy(host));
    if (body)
        dump = json_dumps(body, JSON_ENCODE_ANY);
    else if (text(test, "raw"))
        dump = xstrdup(text(test, "raw"));
    else
        return NULL;
    *refused = json_strict_parse(str_from(dump), "", &tree, &out->verdict) != 0;
    free(dump);
    return tree;
}

struct request {
    struct target target;
    struct route_match match;
};

static void read_request(const struct test_case *test, struct request *request)
{
    const char *line = text(test, "request");
    struct str method, target;
    struct verdict why = {0};

    str_cut(str_from(line ? line : "POST /v1.45/containers/create"), ' ',
            &method, &target);
    target_init(&request->target);
    if (target_parse(&request->target, target, &why) != 0)
        wrong(test, "target", why.reason);
    if (route_find(method_find(method), &request->target, &request->match) != 0)
        wrong(test, "request", "no such route");
}

static void check_verdict(const struct test_case *test,
                          const struct verdict *verdict)
{
    const char *rule = text(test, "rule"), *field = text(test, "field");
    const json_t *status = json_object_get(test->json, "status");

    if (!rule) {
        if (verdict->kind != VERDICT_ALLOW) {
            fprintf(stderr, "%s by %s at %s\n", verdict->reason, verdict->rule,
                    verdict->field);
            wrong(test, "refused", verdict->reason);
        }
        return;
    }
    if (verdict->kind != VERDICT_DENY)
        wrong(test, "allowed", "");
    if (strcmp(verdict->rule, rule) != 0)
        wrong(test, verdict->reason, verdict->rule);
    if (field && strcmp(verdict->field, field) != 0)
        wrong(test, "field", verdict->field);
    if (status && json_integer_value(status) != verdict->status)
        wrong(test, "status is another", rule);
    if (!status && verdict->status != 403 && verdict->status != 400)
        wrong(test, "status", "neither 400 nor 403");
    assert_true(strlen(verdict->reason) > 10);
}

static void check_json(const struct test_case *test, const json_t *wanted,
                       const json_t *got)
{
    char *dump;

    if (!wanted || json_equal(wanted, got))
        return;
    dump = json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY);
    wrong(test, "sent", dump ? dump : "nothing");
    free(dump);
}

static void put_query(const struct request *request, struct strbuf *out)
{
    struct str path, query;

    assert_int_equal(route_put_target(out, &request->match, &request->target),
                     0);
    str_cut(strbuf_str(out), '?', &path, &query);
    strbuf_consume(out, out->len - query.len);
}

static void check_sent(const struct test_case *test,
                       const struct request *request, const json_t *body)
{
    AUTO(strbuf_fini) struct strbuf query = STRBUF(LIMIT_HEAD);

    check_json(test, json_object_get(test->json, "sent"), body);
    check_json(test, json_object_get(test->json, "sent_host"),
               json_object_get(body, "HostConfig"));
    if (!text(test, "sent_query"))
        return;
    put_query(request, &query);
    if (!str_eq(strbuf_str(&query), str_from(text(test, "sent_query"))))
        wrong(test, "query", query.len ? strbuf_cstr(&query) : "empty");
}

static void check_changes(const struct test_case *test,
                          const struct judgement *judgement)
{
    const json_t *wanted = json_object_get(test->json, "changes");
    char line[PLACE_MAX + 32];

    if (!wanted)
        return;
    for (size_t i = 0; i < judgement->change_count; i++) {
        const char *line_wanted = json_string_value(json_array_get(wanted, i));

        snprintf(line, sizeof(line), "%s %s",
                 change_kind_name(judgement->changes[i].kind),
                 judgement->changes[i].place);
        if (!line_wanted || strcmp(line, line_wanted) != 0)
            wrong(test, "change", line);
    }
    if (json_array_size(wanted) > judgement->change_count)
        wrong(test, "changes", "too few");
}

static void answer_needs(const struct test_case *test,
                         const struct rules *rules, json_t *body,
                         struct judgement *judgement)
{
    static const char *const names[] = {
        [NEED_CONTAINER] = "container",
        [NEED_IMAGE] = "image",
        [NEED_OWN_IMAGE] = "own image",
        [NEED_ENGINE] = "engine",
    };
    const json_t *wanted = json_object_get(test->json, "needs");
    const json_t *facts = json_object_get(test->json, "facts");

    if (judgement->need_count != json_array_size(wanted))
        wrong(test, "needs", judgement->need_count ? "others" : "none");
    for (size_t i = 0; i < judgement->need_count; i++) {
        struct need *need = &judgement->needs[i];
        const json_t *fact = json_array_get(facts, i);
        char line[512];

        snprintf(line, sizeof(line), "%s%s%s", names[need->kind],
                 need->subject ? " " : "", need->subject ? need->subject : "");
        if (strcmp(line, json_string_value(json_array_get(wanted, i))) != 0)
            wrong(test, "need", line);
        need->fact.known = fact != NULL;
        need->fact.inspected = json_object_get(fact, "inspected");
        need->fact.is_own = json_is_true(json_object_get(fact, "own"));
    }
    if (judgement->need_count)
        assert_int_equal(judgement->verdict.kind, VERDICT_DENY);
    judge_settle(rules, body, judgement);
}

static bool is_mapped(const struct judgement *judgement)
{
    for (size_t i = 0; i < judgement->change_count; i++) {
        if (judgement->changes[i].kind == CHANGE_MAPPED)
            return true;
    }
    return false;
}

static void judge_again(const struct test_case *test, const struct rules *rules,
                        struct request *request, json_t *body,
                        struct judgement *judgement)
{
    json_auto_t *copy = json_deep_copy(body);
    bool settled = judgement->need_count > 0;

    if (is_mapped(judgement))
        return;
    judge_request(rules, &request->match, &request->target, body, judgement);
    if (!settled && judgement->verdict.kind != VERDICT_ALLOW)
        wrong(test, "the second time", judgement->verdict.reason);
    if (judgement->change_count)
        wrong(test, "changed the second time", judgement->changes[0].place);
    if (body && !json_equal(copy, body))
        wrong(test, "the second time", "another body");
}

/* The refusals behind the first. */
static void check_others(const struct test_case *test,
                         const struct judgement *judgement)
{
    const json_t *also = json_object_get(test->json, "also"), *wanted;
    size_t i;

    if (!also)
        return;
    if (json_array_size(also) != judgement->other_count)
        wrong(test, "so many others",
              judgement->other_count ? judgement->others[0].reason : "none");
    json_array_foreach(also, i, wanted)
    {
        const struct verdict *other = &judgement->others[i];
        char got[sizeof(other->rule) + sizeof(other->field) + 1];

        snprintf(got, sizeof(got), "%s %s", other->rule, other->field);
        if (strcmp(got, json_string_value(wanted)) != 0)
            wrong(test, "another", got);
    }
}

static void run_case(const struct test_case *test)
{
    static struct judgement judgement;
    struct rules rules;
    struct request request;
    json_t *body;
    bool refused;

    read_rules(test, &rules);
    judgement_init(&judgement);
    read_request(test, &request);
    body = read_body(test, &judgement, &refused);
    if (!refused) {
        judge_request(&rules, &request.match, &request.target, body,
                      &judgement);
        if (text(test, "log_driver"))
            judge_fill_log(&rules, &request.match, body,
                           str_from(text(test, "log_driver")), &judgement);
        answer_needs(test, &rules, body, &judgement);
    }
    check_verdict(test, &judgement.verdict);
    check_others(test, &judgement);
    if (judgement.verdict.kind == VERDICT_ALLOW) {
        check_sent(test, &request, body);
        check_changes(test, &judgement);
        judge_again(test, &rules, &request, body, &judgement);
    }
    json_decref(body);
    judgement_fini(&judgement);
    target_fini(&request.target);
    settings_fini(&rules_shape, &rules);
}

static bool may_be_reported(const struct test_case *test)
{
    const json_t *status = json_object_get(test->json, "status");

    return text(test, "rule") &&
           (!status || json_integer_value(status) == 403) &&
           !json_is_true(json_object_get(test->json, "forbidden"));
}

/* The same case under a policy that only reports. */
static void report_case(const struct test_case *test)
{
    static struct judgement judgement;
    struct rules rules;
    struct request request;
    json_auto_t *body = NULL, *first = NULL;
    bool refused;

    read_rules(test, &rules);
    judgement_init(&judgement);
    read_request(test, &request);
    body = read_body(test, &judgement, &refused);
    for (int time = 0; time < 2 && !refused; time++) {
        judge_report(&rules, &request.match, &request.target, body, &judgement);
        judge_settle(&rules, body, &judgement);
        if (judgement.verdict.kind == VERDICT_DENY) {
            if (may_be_reported(test) && judgement.verdict.status == 403)
                wrong(test, "not only reported", judgement.verdict.reason);
            assert_true(text(test, "rule") || time > 0);
            break;
        }
        if (json_is_true(json_object_get(test->json, "forbidden")))
            wrong(test, "reported only", judgement.reported.rule);
        if (time == 0 && may_be_reported(test) &&
            (!judgement.would_deny ||
             strcmp(judgement.reported.rule, text(test, "rule")) != 0))
            wrong(test, "reported", judgement.reported.rule);
        if (is_mapped(&judgement))
            break;
        if (time == 0)
            first = json_deep_copy(body);
        else if (body && !json_equal(first, body))
            wrong(test, "reported a second time", "another body");
    }
    judgement_fini(&judgement);
    target_fini(&request.target);
    settings_fini(&rules_shape, &rules);
}

static size_t run_file(const char *directory, const char *name)
{
    char path[8192];
    json_error_t error;
    json_auto_t *cases = NULL;
    json_t *one;
    size_t i;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    cases = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!cases)
        fail_msg("%s:%d: %s", name, error.line, error.text);
    json_array_foreach(cases, i, one)
    {
        struct test_case test = {
            .file = name,
            .name = json_string_value(json_object_get(one, "name")),
            .json = one,
        };

        assert_non_null(test.name);
        run_case(&test);
        report_case(&test);
    }
    return json_array_size(cases);
}

static void the_cases_come_out_as_they_say(void **state)
{
    const char *root = getenv("BERTH_SOURCE_ROOT");
    char directory[4096];
    struct dirent *entry;
    size_t count = 0;
    DIR *dir;

    (void)state;
    assert_non_null(root);
    snprintf(directory, sizeof(directory), "%s/tests/policy/judge", root);
    dir = opendir(directory);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (str_has_suffix(str_from(entry->d_name), S(".json")))
            count += run_file(directory, entry->d_name);
    }
    closedir(dir);
    assert_true(count > 100);
}

static void a_judgement_that_was_never_made_refuses(void **state)
{
    static struct judgement judgement;
    struct rules rules = {0};

    (void)state;
    judgement_init(&judgement);
    assert_int_equal(judgement.verdict.kind, VERDICT_DENY);
    judge_settle(&rules, NULL, &judgement);
    assert_int_equal(judgement.verdict.kind, VERDICT_DENY);
    judgement_fini(&judgement);
}

/* BODY creates a container, or its FIELD is refused. */
static void check_edge(json_t *body, const char *refused)
{
    json_auto_t *json = json_pack("{s:o}", "body", body);
    struct test_case test = {"none", "edge", json};

    if (refused)
        json_object_update_new(json, json_pack("{s:s, s:s, s:i}", "field",
                                               refused, "rule", "request.body",
                                               "status", 400));
    run_case(&test);
    report_case(&test);
}

static void check_labels_of(size_t size, const char *refused)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(2 * LIMIT_LABELS);

    for (size_t i = strlen("abkey"); i < size; i++)
        assert_int_equal(strbuf_add_char(&text, 'x'), 0);
    check_edge(json_pack("{s:s, s:{s:s, s:s}}", "Image", "alpine", "Labels",
                         "a", "b", "key", strbuf_cstr(&text)),
               refused);
}

static void labels_are_as_long_as_the_limit(void **state)
{
    (void)state;
    check_labels_of(LIMIT_LABELS, NULL);
    check_labels_of(LIMIT_LABELS + 1, "Labels");
}

static void check_aliases_of(size_t count, const char *refused)
{
    json_t *aliases = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(aliases, json_string("db"));
    check_edge(json_pack("{s:s, s:{s:{s:{s:o}}}}", "Image", "alpine",
                         "NetworkingConfig", "EndpointsConfig", "app",
                         "Aliases", aliases),
               refused);
}

static void aliases_are_as_many_as_the_limit(void **state)
{
    (void)state;
    check_aliases_of(LIMIT_ALIASES, NULL);
    check_aliases_of(LIMIT_ALIASES + 1,
                     "NetworkingConfig.EndpointsConfig{app}.Aliases");
}

static void changes_beyond_the_limit_are_counted(void **state)
{
    static struct judgement judgement;
    struct test_case test = {"none", "changes", NULL};
    json_auto_t *body = json_object();
    struct rules rules;
    struct request request;

    (void)state;
    read_rules(&test, &rules);
    read_request(&test, &request);
    judgement_init(&judgement);
    json_object_set_new(body, "Image", json_string("alpine"));
    for (int i = 0; i < LIMIT_CHANGES + 5; i++) {
        char key[16];

        snprintf(key, sizeof(key), "Unknown%d", i);
        json_object_set_new(body, key, json_array());
    }
    judge_request(&rules, &request.match, &request.target, body, &judgement);
    assert_int_equal(judgement.verdict.kind, VERDICT_ALLOW);
    assert_int_equal(judgement.change_count, LIMIT_CHANGES);
    assert_int_equal(judgement.changes_omitted, 5);
    judgement_fini(&judgement);
    target_fini(&request.target);
    settings_fini(&rules_shape, &rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cases_come_out_as_they_say),
        cmocka_unit_test(a_judgement_that_was_never_made_refuses),
        cmocka_unit_test(labels_are_as_long_as_the_limit),
        cmocka_unit_test(aliases_are_as_many_as_the_limit),
        cmocka_unit_test(changes_beyond_the_limit_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
