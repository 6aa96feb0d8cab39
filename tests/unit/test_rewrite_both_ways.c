/*
 * What goes in comes out: a request is rewritten, an engine that keeps what it
 * is sent answers with it, and the runner sees what it wrote. For every
 * operation that names something in its path, and for thousands of containers
 * put together at random.
 */

#include "tests/unit/unit.h"

#include "policy/isolation/rewrite.h"
#include "tests/support/fake_engine.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const namespaces[] = {"r1", "a", "runner-12", "0"};

/* ---- paths ---- */

/* ROUTE's path with NAME in the place of what it names. */
static void put_path(struct strbuf *out, const struct route *route,
                     const char *name)
{
    for (const char *at = route->path; *at; at++) {
        if (*at == '{') {
            strbuf_addf(out, "%s", name);
            at = strchr(at, '}');
        } else {
            strbuf_add_char(out, *at);
        }
    }
}

static void check_path(const struct route *route, const char *ns,
                       const char *name)
{
    const struct rewrite_context context = obliging_context(ns);
    AUTO(strbuf_fini) struct strbuf path = STRBUF(KIB);
    AUTO(strbuf_fini) struct strbuf sentence = STRBUF(KIB);
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(KIB);
    struct target target;
    struct route_match match;
    struct verdict why;
    struct rewrite rw;
    enum rewrite_step step;
    json_t *body = json_object();
    struct str sent;

    put_path(&path, route, name);
    target_init(&target);
    assert_int_equal(target_parse(&target, strbuf_str(&path), &why), 0);
    assert_int_equal(route_find(route->method, &target, &match), 0);
    if (match.route == route) {
        step = rewrite_begin(&rw, &context, &match, &target, &body);
        if (obliging_answers(&rw, step) != REWRITE_DONE)
            fail_msg("%s is not sent: %s", route->path, rw.verdict.reason);
        sent = match.params[0].value;
        assert_true(namespace_has(context.ns, sent));
        assert_true(str_eq(namespace_strip(context.ns, sent), str_from(name)));
        strbuf_addf(&sentence, "No such thing: \"%.*s\".", STR_FMT(sent));
        rewrite_text(&rw, strbuf_str(&sentence), &shown);
        strbuf_clear(&sentence);
        strbuf_addf(&sentence, "No such thing: \"%s\".", name);
        assert_string_equal(strbuf_cstr(&shown), strbuf_cstr(&sentence));
        rewrite_fini(&rw);
    }
    target_fini(&target);
    obliging_context_free(&context);
    json_decref(body);
}

static void names_in_paths_come_back_as_they_went(void **state)
{
    static const char *const names[] = {"web", "r1.web", "0.x", "x_y-z"};
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        const char *path = routes[i].path;

        if (!strstr(path, "{container") && !strstr(path, "{network") &&
            !(strstr(path, "{volume") && routes[i].method != METHOD_PUT))
            continue;
        for (size_t n = 0; n < 4 * 4; n++)
            check_path(&routes[i], namespaces[n / 4], names[n % 4]);
        count++;
    }
    assert_true(count > 30);
}

/* ---- containers ---- */

static uint64_t seed;

static unsigned roll(unsigned sides)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % sides;
}

static const char *pick(const char *const *list, size_t count)
{
    return list[roll((unsigned)count)];
}
#define PICK(...)                                                              \
    pick((const char *const[]){__VA_ARGS__},                                   \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* Some of LIST, as a JSON list; null when it is none of them. */
static json_t *some(const char *const *list, size_t count)
{
    json_t *chosen = json_array();

    for (size_t i = 0; i < count; i++) {
        if (roll(3) == 0)
            json_array_append_new(chosen, json_string(list[i]));
    }
    if (json_array_size(chosen))
        return chosen;
    json_decref(chosen);
    return json_null();
}
#define SOME(...)                                                              \
    some((const char *const[]){__VA_ARGS__},                                   \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static json_t *some_mounts(void)
{
    static const char *const mounts[] = {
        "{\"Type\":\"volume\",\"Source\":\"mv\",\"Target\":\"/mv\"}",
        "{\"Type\":\"volume\",\"Target\":\"/anon\"}",
        ("{\"Type\":\"volume\",\"Source\":\"lv\",\"Target\":\"/lv\","
         "\"VolumeOptions\":{\"NoCopy\":true,\"Labels\":{\"a\":\"b\"}}}"),
        "{\"Type\":\"bind\",\"Source\":\"/r1.x\",\"Target\":\"/b\"}",
        "{\"Type\":\"tmpfs\",\"Target\":\"/t\"}"};
    json_t *list = json_array();

    for (size_t i = 0; i < 5; i++) {
        if (roll(3) == 0)
            json_array_append_new(list, json_loads(mounts[i], 0, NULL));
    }
    return list;
}

static json_t *random_container(void)
{
    const char *mode = PICK("bridge", "none", "app", "container:web", "back");
    json_t *body =
        json_pack("{s:s, s:{s:s, s:o, s:o, s:s, s:s}, s:o}", "Image", "busybox",
                  "HostConfig", "NetworkMode", mode, "Binds",
                  SOME("cache:/c:ro", "/host:/h", "data:/d", "r1.x:/x"),
                  "VolumesFrom", SOME("web", "other:ro", "r2.web:z"), "IpcMode",
                  PICK("", "private", "container:web", "host"), "PidMode",
                  PICK("", "container:other"), "Labels", json_object());
    json_t *mounts = some_mounts();

    if (json_array_size(mounts))
        json_object_set(json_object_get(body, "HostConfig"), "Mounts", mounts);
    json_decref(mounts);
    if (roll(2))
        json_object_set_new(json_object_get(body, "Labels"), "x",
                            json_string("berth.namespace"));
    if (roll(2))
        json_object_set_new(body, "Volumes",
                            json_pack("{s:{}, s:{}}", "/decl", "/c"));
    if (strcmp(mode, "app") == 0 || strcmp(mode, "back") == 0)
        json_object_set_new(body, "NetworkingConfig",
                            json_pack("{s:{s:{s:o, s:o}}}", "EndpointsConfig",
                                      mode, "Aliases",
                                      SOME("sql", "me", "www.app"), "Links",
                                      SOME("web:w", "other:o")));
    return body;
}

/* What an engine would say of it. */
static json_t *inspect(const json_t *body, struct str name)
{
    json_t *endpoints = json_object_get(
        json_object_get(body, "NetworkingConfig"), "EndpointsConfig");

    return json_pack(
        "{s:s, s:s%, s:{s:O*, s:O*}, s:O, s:[], s:{s:o}}", "Id", "0123", "Name",
        name.ptr, name.len, "Config", "Labels", json_object_get(body, "Labels"),
        "Volumes", json_object_get(body, "Volumes"), "HostConfig",
        json_object_get(body, "HostConfig"), "Mounts", "NetworkSettings",
        "Networks", endpoints ? json_incref(endpoints) : json_object());
}

static void check_container(const char *ns)
{
    const struct rewrite_context context = obliging_context(ns);
    json_t *asked = random_container(), *body = json_deep_copy(asked);
    json_t *should = inspect(asked, S("/me")), *is;
    AUTO(strbuf_fini) struct strbuf name = STRBUF(256);
    struct route_match match;
    struct target target;
    struct verdict why;
    struct rewrite rw;
    char *a, *b;

    target_init(&target);
    target_parse(&target, S("/v1.45/containers/create?name=me"), &why);
    assert_int_equal(route_find(METHOD_POST, &target, &match), 0);
    if (obliging_answers(&rw, rewrite_begin(&rw, &context, &match, &target,
                                            &body)) != REWRITE_DONE)
        fail_msg("%s", rw.verdict.reason);
    rewrite_fini(&rw);

    strbuf_addf(&name, "/%s.me", ns);
    is = inspect(body, strbuf_str(&name));
    target_parse(&target, S("/v1.45/containers/me/json"), &why);
    assert_int_equal(route_find(METHOD_GET, &target, &match), 0);
    json_decref(body);
    body = NULL;
    assert_int_equal(rewrite_begin(&rw, &context, &match, &target, &body),
                     REWRITE_DONE);
    assert_int_equal(rewrite_reply(&rw, 200, is), 0);
    if (!json_equal(is, should)) {
        a = json_dumps(is, JSON_SORT_KEYS);
        b = json_dumps(should, JSON_SORT_KEYS);
        fail_msg("%s\nand not\n%s", a, b);
    }
    rewrite_fini(&rw);
    target_fini(&target);
    obliging_context_free(&context);
    json_decref(asked);
    json_decref(should);
    json_decref(is);
}

static void containers_come_back_as_they_went(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        seed = i;
        check_container(namespaces[i % 4]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_paths_come_back_as_they_went),
        cmocka_unit_test(containers_come_back_as_they_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
