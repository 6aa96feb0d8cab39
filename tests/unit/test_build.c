#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "policy/build/build.h"
#include "policy/build/pb.h"
#include "tests/support/pb_json.h"
#include "tests/unit/rules_case.h"

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
 *      "says": "a part of its words",
 *      "sent": {...},               what of it goes on, null: that it does not
 *      "record": {...},             and on record, likewise
 *      "answered": true,            the engine is not asked
 *      "after": {...}, "replaced": ["sha256:..."],   what is left to do
 *      "replies": [{...}], "shown": [{...} or null]}   null: it is left out
 *
 * What is compared is what a case says; lists as wholes.
 */

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
    const char *says = text(test, "says");
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
    if (says && !strstr(why->reason, says))
        wrong(test, says, why->reason);
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
        struct test_case test = {
            .file = strrchr(path, '/') + 1,
            .name = json_string_value(json_object_get(item, "name")),
            .json = item,
        };

        assert_non_null(test.name);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
