#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "policy/build/build.h"
#include "policy/build/pb.h"
#include "tests/support/pb_json.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The cases in tests/policy/build/: each file is a list of
 *
 *     {"name": "what is to be seen",
 *      "policy": {...},             its sections; left out: the defaults
 *      "namespace": "r1", "engine": "26.1.5", "store": "containerd", "reports",
 *      "images": [{...}],           what GET /images/json says
 *      "records": [{...}],          history records seen before, by this tunnel
 *      "call": "Control/Solve",     the end of a path; "side": "session"
 *      "metadata": {"key": "value"}, "metadata_sent": {...}
 *      "message": {...} or "hex": "0a01",   the request
 *      "rule", "field", "status":   the refusal; left out: it is allowed
 *      "sent": {...},               what of it goes on, null: that it does not
 *      "record": {...},             and on record, likewise
 *      "answered": true,            the engine is not asked
 *      "after": {...}, "replaced": ["sha256:..."],   what is left to do
 *      "replies": [{...}], "shown": [{...} or null]}   null: it is left out
 *
 * What is compared is what a case says; lists as wholes.
 */

struct test_case {
    const char *file;
    const json_t *json;
};

static void wrong(const struct test_case *test, const char *what,
                  const char *got)
{
    fail_msg("%s: %s: %s: %s", test->file,
             json_string_value(json_object_get(test->json, "name")), what, got);
}

static const char *text(const struct test_case *test, const char *key)
{
    return json_string_value(json_object_get(test->json, key));
}

/* ---- comparing ---- */

static bool is_like(const json_t *wanted, const json_t *got)
{
    union {
        const json_t *in;
        json_t *out;
    } object = {wanted};
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_null(wanted))
        return got == NULL || json_is_null(got);
    if (json_is_object(wanted)) {
        if (!json_is_object(got))
            return false;
        json_object_foreach(object.out, key, value)
        {
            if (!is_like(value, json_object_get(got, key)))
                return false;
        }
        return true;
    }
    if (json_is_array(wanted)) {
        if (json_array_size(wanted) != json_array_size(got))
            return false;
        json_array_foreach(object.out, i, value)
        {
            if (!is_like(value, json_array_get(got, i)))
                return false;
        }
        return true;
    }
    return json_equal(object.out, got);
}

static void expect(const struct test_case *test, const char *what,
                   const json_t *wanted, const json_t *got)
{
    char *dump;

    if (!wanted || is_like(wanted, got))
        return;
    dump = json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    wrong(test, what, dump ? dump : "nothing");
    free(dump);
}

/* ---- one case ---- */

struct scene {
    struct rules rules;
    struct build_view view;
    struct build_images *images;
    const struct rpc_method *method;
    struct build_call *call;
    struct verdict why;
};

static void read_rules(const struct test_case *test, struct rules *rules)
{
    json_auto_t *none = json_object();
    const json_t *policy = json_object_get(test->json, "policy");
    struct layer layers[] = {
        {.name = test->file, .root = policy ? policy : none},
    };
    struct environment environment = {0};
    struct problems problems = {0};

    settings_read(&rules_shape, rules, layers, 1, &environment, &problems);
    if (problems.count)
        wrong(test, "policy", problems.items[0].text);
    problems_fini(&problems);
}

static const struct rpc_method *find_method(const struct test_case *test)
{
    const char *side = text(test, "side");
    enum rpc_side wanted = side ? RPC_SESSION : RPC_CONTROL;

    for (size_t i = 0; i < rpc_method_count; i++)
        if (rpc_methods[i].side == wanted &&
            str_has_suffix(rpc_methods[i].path, str_from(text(test, "call"))))
            return &rpc_methods[i];
    wrong(test, "no such call", text(test, "call"));
    return NULL;
}

static json_t *as_json(const struct pb_type *type, struct str bytes)
{
    struct pb_tree tree = {0};
    struct pb_message *message;
    struct pb_fault fault;
    json_t *json = NULL;

    if (pb_parse(&tree, type, bytes, PB_STRICT, &message, &fault) == 0)
        json = pb_to_json(message);
    else
        fail_msg("what was written is not read: %s %s", fault.where,
                 fault.what);
    pb_tree_fini(&tree);
    return json;
}

static void setup(const struct test_case *test, struct scene *scene)
{
    const char *ns = text(test, "namespace"), *engine = text(test, "engine");
    const char *store = text(test, "store");
    const json_t *images = json_object_get(test->json, "images");

    read_rules(test, &scene->rules);
    scene->view = (struct build_view){
        .ns = str_from(ns ? ns : "r1"),
        .rules = &scene->rules,
        .reports = json_is_true(json_object_get(test->json, "reports")),
        .engine = str_from(engine ? engine : "26.1.5+dfsg1"),
        .containerd_store = !store || strcmp(store, "graph") != 0,
        .memory = build_memory_new(),
    };
    scene->images = build_images_new(scene->view.ns, images);
    scene->method = find_method(test);
}

static void teardown(struct scene *scene)
{
    build_call_free(scene->call);
    build_images_free(scene->images);
    build_memory_free(scene->view.memory);
    settings_fini(&rules_shape, &scene->rules);
}

/* History records that the tunnel has passed: of what they name, content may
 * be read. */
static void relay_records(const struct test_case *test, struct scene *scene)
{
    const struct rpc_method *listen = rpc_find(
        RPC_CONTROL, S("/moby.buildkit.v1.Control/ListenBuildHistory"));
    const json_t *records = json_object_get(test->json, "records");
    const json_t *record;
    size_t i;

    json_array_foreach(records, i, record)
    {
        struct build_call *call = build_call_new(&scene->view, listen, 1);
        AUTO(strbuf_fini) struct strbuf in = STRBUF(MIB);
        AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);

        pb_from_json(listen->answered, record, &in);
        build_message(call, BUILD_REPLY, strbuf_str(&in), &out, &scene->why);
        build_call_free(call);
    }
}

static int give_metadata(const struct test_case *test, struct scene *scene)
{
    json_t *metadata = json_object_get(test->json, "metadata");
    json_t *wanted = json_object_get(test->json, "metadata_sent");
    json_auto_t *standard =
        json_pack("{s:s}", "buildkit-controlapi-buildid", "b1");
    json_auto_t *sent = json_object();
    const char *key;
    json_t *value;

    if (!metadata && scene->method->scoped)
        metadata = standard;
    json_object_foreach(metadata, key, value)
    {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
        int r = build_metadata(scene->call, BUILD_REQUEST, str_from(key),
                               str_from(json_string_value(value)), &out,
                               &scene->why);

        if (r == BUILD_E_REFUSED)
            return r;
        if (r == 0)
            json_object_set_new(sent, key, json_string(strbuf_cstr(&out)));
    }
    expect(test, "metadata", wanted, sent);
    return build_metadata_end(scene->call, &scene->why);
}

static void check_refusal(const struct test_case *test,
                          const struct verdict *why)
{
    const char *rule = text(test, "rule"), *field = text(test, "field");
    const json_t *status = json_object_get(test->json, "status");

    if (!rule) {
        fprintf(stderr, "%s by %s at %s\n", why->reason, why->rule, why->field);
        wrong(test, "refused", why->reason);
    }
    if (rule && strcmp(why->rule, rule) != 0)
        wrong(test, why->reason, why->rule);
    if (field && strcmp(why->field, field) != 0)
        wrong(test, "field", why->field);
    if (status && json_integer_value(status) != build_status_of(why))
        wrong(test, "status", why->reason);
    assert_true(strlen(why->reason) > 10);
    assert_int_equal(why->kind, VERDICT_DENY);
}

static void check_request(const struct test_case *test, struct scene *scene,
                          const struct strbuf *out)
{
    json_t *wanted = json_object_get(test->json, "sent");
    json_auto_t *sent = NULL;

    if (text(test, "rule"))
        wrong(test, "allowed", "");
    if (wanted) {
        sent = as_json(scene->method->asked, strbuf_str(out));
        expect(test, "sent", wanted, sent);
    }
    expect(test, "record", json_object_get(test->json, "record"),
           build_record(scene->call));
    if (json_is_true(json_object_get(test->json, "answered")) !=
        build_is_answered(scene->call))
        wrong(test, "answered", "");
    if (json_is_true(json_object_get(test->json, "reported")) !=
        (build_reported(scene->call) != NULL))
        wrong(test, "reported", "");
}

static void check_replies(const struct test_case *test, struct scene *scene)
{
    const json_t *shown = json_object_get(test->json, "shown"), *reply;
    size_t i;

    json_array_foreach(json_object_get(test->json, "replies"), i, reply)
    {
        const json_t *wanted = json_array_get(shown, i);
        AUTO(strbuf_fini) struct strbuf in = STRBUF(MIB);
        AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
        json_auto_t *got = NULL;
        int r;

        pb_from_json(scene->method->answered, reply, &in);
        r = build_message(scene->call, BUILD_REPLY, strbuf_str(&in), &out,
                          &scene->why);
        if (r != 0 && r != BUILD_DROP)
            wrong(test, "the reply is refused", scene->why.reason);
        if (r == 0)
            got = as_json(scene->method->answered, strbuf_str(&out));
        expect(test, "shown", wanted, got);
    }
}

static void check_after(const struct test_case *test, struct scene *scene)
{
    struct build_after after = build_after(scene->call);
    json_auto_t *replaced = json_array();
    json_auto_t *got =
        json_pack("{s:s%, s:s%}", "anchor", after.anchor.ptr, after.anchor.len,
                  "image", after.image.ptr, after.image.len);

    expect(test, "after", json_object_get(test->json, "after"), got);
    for (size_t i = 0; build_replaced(scene->call, i).len; i++)
        json_array_append_new(replaced,
                              json_stringn(build_replaced(scene->call, i).ptr,
                                           build_replaced(scene->call, i).len));
    expect(test, "replaced", json_object_get(test->json, "replaced"), replaced);
}

static void run_case(const struct test_case *test)
{
    const json_t *message = json_object_get(test->json, "message");
    const json_t *hex = json_object_get(test->json, "hex");
    AUTO(strbuf_fini) struct strbuf in = STRBUF(4 * MIB);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(4 * MIB);
    struct scene scene = {0};
    int r;

    setup(test, &scene);
    relay_records(test, &scene);
    scene.call = build_call_new(&scene.view, scene.method, 1);
    build_call_images(scene.call, scene.images);
    r = give_metadata(test, &scene);
    for (const char *digits = json_string_value(hex);
         digits && digits[0] && digits[1]; digits += 2)
        strbuf_add_char(
            &in, (char)(hex_digit(digits[0]) * 16 + hex_digit(digits[1])));
    if (message)
        pb_from_json(scene.method->asked, message, &in);
    if (r == 0 && (message || hex || scene.method->request == RPC_ONE))
        r = build_message(scene.call, BUILD_REQUEST, strbuf_str(&in), &out,
                          &scene.why);
    if (r == BUILD_E_REFUSED)
        check_refusal(test, &scene.why);
    else
        check_request(test, &scene, &out);
    check_replies(test, &scene);
    check_after(test, &scene);
    teardown(&scene);
}

static void run_file(const char *path)
{
    json_error_t error;
    json_auto_t *cases = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    const json_t *item;
    size_t i;

    if (!json_is_array(cases))
        fail_msg("%s:%d: %s", path, error.line, error.text);
    assert_true(json_array_size(cases) > 0);
    json_array_foreach(cases, i, item)
    {
        struct test_case test = {strrchr(path, '/') + 1, item};

        run_case(&test);
    }
}

static void every_case(void **state)
{
    const char *root = getenv("BERTH_SOURCE_ROOT");
    char folder[4096], path[4096 + 256];
    const struct dirent *entry;
    unsigned count = 0;
    DIR *dir;

    (void)state;
    snprintf(folder, sizeof(folder), "%s/tests/policy/build",
             root ? root : ".");
    dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (!str_has_suffix(str_from(entry->d_name), S(".json")))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        run_file(path);
        count++;
    }
    closedir(dir);
    assert_true(count > 0);
}

/* ---- what cases cannot say ---- */

static void heads_of_a_session_are_the_namespaces(void **state)
{
    static const struct {
        const char *name, *value, *sent;
    } cases[] = {
        {"x-docker-expose-session-uuid",             "abc123",   "r1.abc123"                          },
        {"x-docker-expose-session-sharedkey",        "dir:node", "r1.dir:node"                        },
        {"x-docker-expose-session-sharedkey",        "",         ""                                   },
        {"x-docker-expose-session-name",             "dir",      NULL                                 },
        {"x-buildkit-session-health-custom-timeout", "1",        NULL                                 },
        {"x-docker-expose-session-grpc-method",
         "/moby.filesync.v1.FileSync/DiffCopy",                  "/moby.filesync.v1.FileSync/DiffCopy"},
        {"x-docker-expose-session-grpc-method",
         "/moby.filesync.v1.FileSync/TarStream",                 NULL                                 },
        {"x-docker-expose-session-grpc-method",
         "/moby.exporter.v1.Exporter/FindExporters",             NULL                                 },
        {"x-docker-expose-session-grpc-method",
         "/moby.buildkit.v1.sourcepolicy.policysession.PolicyVerifier/"
         "CheckPolicy",                                          NULL                                 },
        {"x-docker-expose-session-grpc-method",
         "/moby.buildkit.v1.Control/Solve",                      NULL                                 },
    };
    struct build_view view = {.ns = S("r1")};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
        struct verdict why;
        int r = build_session_head(&view, str_from(cases[i].name),
                                   str_from(cases[i].value), &out, &why);

        if (r != (cases[i].sent ? 0 : BUILD_DROP) ||
            (cases[i].sent &&
             !str_eq(strbuf_str(&out), str_from(cases[i].sent))))
            fail_msg("%s: %s", cases[i].name, cases[i].value);
    }
}

static void a_session_is_called_by_letters_and_digits(void **state)
{
    static const char *const names[] = {
        "", "a:b", "a.b", "a/b", "r2.abc", "a b", "\x01", "\xc3\xa9",
    };
    struct build_view view = {.ns = S("r1")};
    char most[LIMIT_BUILD_ID + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
        struct verdict why;

        assert_int_equal(build_session_head(&view,
                                            S("x-docker-expose-session-uuid"),
                                            str_from(names[i]), &out, &why),
                         BUILD_E_REFUSED);
    }
    memset(most, 'a', sizeof(most));
    for (size_t len = LIMIT_BUILD_ID; len <= LIMIT_BUILD_ID + 1; len++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
        struct verdict why;

        assert_int_equal(build_session_head(&view,
                                            S("x-docker-expose-session-uuid"),
                                            str_of(most, len), &out, &why),
                         len > LIMIT_BUILD_ID ? BUILD_E_REFUSED : 0);
    }
}

static void errors_name_what_the_runner_knows(void **state)
{
    struct rules rules = {0};
    struct build_view view = {.ns = S("r1"), .rules = &rules};
    const struct rpc_method *status =
        rpc_find(RPC_CONTROL, S("/moby.buildkit.v1.Control/Status"));
    struct build_call *call = build_call_new(&view, status, 1);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
    struct verdict why;

    (void)state;
    assert_int_equal(
        build_message(call, BUILD_REQUEST, S("\x0a\x03xyz"), &out, &why), 0);
    assert_true(str_eq(strbuf_str(&out), S("\x0a\x06r1.xyz")));
    strbuf_clear(&out);
    assert_int_equal(
        build_error_text(call,
                         S("no such job r1.xyz: r1.berth.invalid/app:latest: "
                           "not found, r1.foo r2.berth.invalid/app"),
                         &out),
        0);
    assert_string_equal(
        strbuf_cstr(&out),
        "no such job xyz: docker.io/library/app:latest: not found, r1.foo "
        "r2.berth.invalid/app");
    strbuf_clear(&out);
    /* code 2, "r1.xyz", one detail with a name in its JSON */
    assert_int_equal(
        build_error_details(call,
                            S("\x08\x02\x12\x06r1.xyz\x1a\x21\x0a\x03url\x12"
                              "\x1a{\"a\":\"r1.berth.invalid/b\"}"),
                            &out),
        0);
    assert_true(str_eq(strbuf_str(&out),
                       S("\x08\x02\x12\x03xyz\x1a\x22\x0a\x03url\x12\x1b{\"a\":"
                         "\"docker.io/library/b\"}")));
    build_call_free(call);
}

static void content_that_was_read_names_more(void **state)
{
    struct build_memory *memory = build_memory_new();
    struct rules rules = {0};
    struct build_view view = {.ns = S("r1"), .rules = &rules, .memory = memory};
    const struct rpc_method *read = rpc_find(
        RPC_CONTROL, S("/containerd.services.content.v1.Content/Read"));
    const char *index =
        "{\"manifests\":[{\"digest\":\"sha256:"
        "1111111111111111111111111111111111111111111111111111111111111111\"}]}";
    struct build_call *call = build_call_new(&view, read, 1);
    AUTO(strbuf_fini) struct strbuf ask = STRBUF(KIB);
    AUTO(strbuf_fini) struct strbuf reply = STRBUF(KIB);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
    json_auto_t *asked = json_pack(
        "{s:s}", "digest",
        "sha256:"
        "1111111111111111111111111111111111111111111111111111111111111111");
    json_auto_t *told = json_pack("{s:s}", "data", index);
    struct verdict why;

    (void)state;
    pb_from_json(read->asked, asked, &ask);
    pb_from_json(read->answered, told, &reply);
    assert_int_equal(
        build_message(call, BUILD_REQUEST, strbuf_str(&ask), &out, &why),
        BUILD_E_REFUSED);
    build_call_free(call);
    /* the same call, of a blob that is known and names it */
    view.ns = S("");
    call = build_call_new(&view, read, 1);
    assert_int_equal(
        build_message(call, BUILD_REQUEST, strbuf_str(&ask), &out, &why), 0);
    assert_int_equal(
        build_message(call, BUILD_REPLY, strbuf_str(&reply), &out, &why), 0);
    build_call_free(call);
    view.ns = S("r1");
    call = build_call_new(&view, read, 1);
    assert_int_equal(
        build_message(call, BUILD_REQUEST, strbuf_str(&ask), &out, &why), 0);
    build_call_free(call);
    build_memory_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(heads_of_a_session_are_the_namespaces),
        cmocka_unit_test(a_session_is_called_by_letters_and_digits),
        cmocka_unit_test(errors_name_what_the_runner_knows),
        cmocka_unit_test(content_that_was_read_names_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
