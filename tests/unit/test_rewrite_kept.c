/*
 * All pairs of namespaces, all places in which a request can name something,
 * and names that were made up to end in the other namespace: what is sent names
 * nothing but the runner's own. And what a runner calls a network or a volume,
 * it is shown again.
 */

#include "tests/unit/unit.h"

#include "policy/docker/reference.h"
#include "policy/isolation/rewrite.h"
#include "tests/support/fake_engine.h"
#include "tests/support/isolation_oracle.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const namespaces[] = {"r1", "r10", "r", "1", "a-b", "0"};
enum { NAMESPACES = sizeof(namespaces) / sizeof(*namespaces) };

/* "%" is the other namespace, "=" the runner's own. */
static const char *const shapes[] = {
    "%.web", "=.%.web", "%",       "%..web",   "%.bridge", "web.%",
    "=.web", "=",       "x_%.web", "0123abcd", "%.%.%",    "bridge.%"};
enum { SHAPES = sizeof(shapes) / sizeof(*shapes) };

static struct str put_name(struct strbuf *out, const char *shape,
                           const char *own, const char *other)
{
    strbuf_clear(out);
    for (; *shape; shape++) {
        if (*shape == '%')
            strbuf_addf(out, "%s", other);
        else if (*shape == '=')
            strbuf_addf(out, "%s", own);
        else
            strbuf_add_char(out, *shape);
    }
    return strbuf_str(out);
}

/* ---- a request with a name in one place ---- */

/* How NAME is written in a place of FORM; "" where a name is none of it. */
static const char *format_of(enum reference_form form, enum ref_kind kind)
{
    switch (form) {
    case FORM_NAME:
    case FORM_REF:
    case FORM_MOUNT:
    case FORM_KEYS:
        return "%";
    case FORM_MODE:
        return kind == REF_NETWORK ? "%" : "container:%";
    case FORM_LINK:
        return "%:alias";
    case FORM_FROM:
        return "%:ro";
    case FORM_BIND:
        return "%:/path";
    case FORM_ID:
    case FORM_LABELS:
    case FORM_ALIASES:
    case FORM_PATH:
    case FORM_TEXT:
    case FORM_OURS:
    case FORM_HOST:
        break;
    }
    return "";
}

/* TEXT at the end of PATH, and what has to be around it. */
static json_t *around(const char *path, const char *text)
{
    size_t len;
    json_t *object;
    char name[64];

    if (*path == '.')
        path++;
    if (*path == '\0')
        return json_string(text);
    if (strcmp(path, "{key}") == 0)
        return json_pack("{s:{}}", text);
    if (strncmp(path, "[]", 2) == 0)
        return json_pack("[o]", around(path + 2, text));
    len = strcspn(path, ".[{");
    snprintf(name, sizeof(name), "%.*s", (int)len, path);
    object = json_pack("{s:o}", name, around(path + len, text));
    if (strcmp(name, "Source") == 0)
        json_object_set_new(object, "Type", json_string("volume"));
    return object;
}

static bool is_sent_kept(const char *ns, enum method method, struct str raw,
                         json_t **body)
{
    const struct rewrite_context context = obliging_context(ns);
    enum rewrite_step step;
    struct route_match match;
    struct target target;
    struct verdict why;
    struct rewrite rw;
    const char *wrong;

    target_init(&target);
    if (target_parse(&target, raw, &why) || route_find(method, &target, &match))
        fail_msg("%.*s", STR_FMT(raw));
    step = obliging_answers(
        &rw, rewrite_begin(&rw, &context, &match, &target, body));
    wrong = step != REWRITE_DONE
                ? NULL
                : kept_wrong(context.ns, context.owned, &match, &target, *body);
    if (wrong)
        fail_msg("%s sends %.*s with another's in %s", ns, STR_FMT(raw), wrong);
    rewrite_fini(&rw);
    target_fini(&target);
    obliging_context_free(&context);
    return step == REWRITE_DONE;
}

/* The path of OPERATION, with "own" where it names something. */
static struct str put_path(struct strbuf *out, enum operation operation,
                           enum method *method)
{
    size_t i = 0;

    while (routes[i].operation != operation)
        i++;
    *method = routes[i].method;
    strbuf_clear(out);
    for (const char *at = routes[i].path; *at; at++) {
        if (*at == '{') {
            strbuf_addf(out, "own");
            at = strchr(at, '}');
        } else {
            strbuf_add_char(out, *at);
        }
    }
    return strbuf_str(out);
}

static size_t check_place(const struct document *document,
                          const struct reference *row, const char *own,
                          const char *other)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(KIB);
    AUTO(strbuf_fini) struct strbuf name = STRBUF(KIB);
    AUTO(strbuf_fini) struct strbuf text = STRBUF(KIB);
    const char *format = format_of(row->form, row->kind);
    enum method method;
    size_t sent = 0;

    if (row->kind == REF_IMAGE || !*format || strstr(row->path, "{}"))
        return 0;
    put_path(&path, document->operation, &method);
    for (size_t i = 0; i < SHAPES; i++) {
        json_t *body;

        put_name(&name, shapes[i], own, other);
        put_name(&text, format, own, strbuf_cstr(&name));
        body = around(row->path, strbuf_cstr(&text));
        sent += is_sent_kept(own, method, strbuf_str(&path), &body);
        json_decref(body);
    }
    return sent;
}

static void no_place_of_a_body_takes_another_s_name(void **state)
{
    size_t sent = 0;

    (void)state;
    for (size_t i = 0; i < document_count; i++) {
        const struct document *document = &documents[i];

        if (document->side != IN_REQUEST)
            continue;
        for (size_t row = 0; row < document->count; row++) {
            for (size_t n = 0; n < NAMESPACES * NAMESPACES; n++)
                sent += check_place(document, &document->rows[row],
                                    namespaces[n % NAMESPACES],
                                    namespaces[n / NAMESPACES]);
        }
    }
    assert_true(sent > 4000);
}

/* ---- paths and queries ---- */

static void no_path_and_no_query_takes_another_s_name(void **state)
{
    static const struct {
        enum method method;
        const char *target; /* "%" is the name */
    } requests[] = {
        {METHOD_GET,    "/containers/%/json"                                 },
        {METHOD_DELETE, "/containers/%?force=1&v=1"                          },
        {METHOD_GET,    "/networks/%"                                        },
        {METHOD_DELETE, "/volumes/%"                                         },
        {METHOD_POST,   "/containers/own/rename?name=%"                      },
        {METHOD_GET,    "/containers/json?before=%&since=%"                  },
        {METHOD_GET,    "/containers/json?filters={\"name\":[\"%\"]}"        },
        {METHOD_GET,    "/containers/json?filters={\"network\":[\"%\"]}"     },
        {METHOD_GET,    "/containers/json?filters={\"label\":[\"%\"]}"       },
        {METHOD_GET,    "/volumes?filters={\"name\":{\"%\":true}}"           },
        {METHOD_POST,   "/containers/prune?filters={\"label!\":[\"%\"]}"     },
        {METHOD_POST,   "/networks/prune?filters={\"label\":[\"%\"]}"        },
        {METHOD_POST,   "/volumes/prune?filters={\"label\":[\"%\"]}"         },
        {METHOD_POST,   "/images/prune?filters={\"label\":[\"%\"]}"          },
        {METHOD_POST,   "/commit?container=%"                                },
        {METHOD_POST,   "/build?labels={\"%\":\"x\"}&networkmode=container:%"},
        {METHOD_POST,   "/build?version=2&networkmode=%"                     },
    };
    enum { REQUESTS = sizeof(requests) / sizeof(*requests) };
    AUTO(strbuf_fini) struct strbuf name = STRBUF(KIB);
    AUTO(strbuf_fini) struct strbuf raw = STRBUF(KIB);
    size_t sent = 0;

    (void)state;
    for (size_t i = 0; i < REQUESTS * NAMESPACES * NAMESPACES; i++) {
        size_t request = i / NAMESPACES / NAMESPACES;
        const char *own = namespaces[i % NAMESPACES];
        const char *other = namespaces[i / NAMESPACES % NAMESPACES];

        for (size_t n = 0; n < SHAPES; n++) {
            json_t *body = NULL;

            put_name(&name, shapes[n], own, other);
            /* "=" is also in queries: it stands for itself there */
            put_name(&raw, requests[request].target, "=", strbuf_cstr(&name));
            sent += is_sent_kept(own, requests[request].method,
                                 strbuf_str(&raw), &body);
            json_decref(body);
        }
    }
    assert_true(sent > 4000);
}

/* ---- there and back ---- */

/* What an engine that keeps what it is sent says of it, to whoever sent it. */
static json_t *there_and_back(const char *ns, const char *create,
                              const char *inspect, const json_t *asked)
{
    const struct rewrite_context context = obliging_context(ns);
    json_t *body = json_deep_copy(asked), *none = NULL;
    struct route_match match;
    struct target target;
    struct verdict why;
    struct rewrite rw;

    target_init(&target);
    assert_int_equal(target_parse(&target, str_from(create), &why), 0);
    assert_int_equal(route_find(METHOD_POST, &target, &match), 0);
    assert_int_equal(obliging_answers(&rw, rewrite_begin(&rw, &context, &match,
                                                         &target, &body)),
                     REWRITE_DONE);
    rewrite_fini(&rw);

    target_parse(&target, str_from(inspect), &why);
    assert_int_equal(route_find(METHOD_GET, &target, &match), 0);
    assert_int_equal(rewrite_begin(&rw, &context, &match, &target, &none),
                     REWRITE_DONE);
    assert_int_equal(rewrite_reply(&rw, 200, body), 0);
    rewrite_fini(&rw);
    target_fini(&target);
    obliging_context_free(&context);
    return body;
}

static void check_there_and_back(const char *create, const char *inspect,
                                 const char *shape)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(KIB);

    for (size_t n = 0; n < NAMESPACES * NAMESPACES * 4; n++) {
        const char *own = namespaces[n % NAMESPACES];
        json_t *asked, *shown;

        put_name(&name, shape, own, namespaces[n / NAMESPACES % NAMESPACES]);
        asked = json_pack("{s:s, s:s}", "Name", strbuf_cstr(&name), "Driver",
                          "local");
        if (n / NAMESPACES / NAMESPACES & 1)
            json_object_set_new(asked, "Labels",
                                json_pack("{s:s}", strbuf_cstr(&name), own));
        if (n / NAMESPACES / NAMESPACES & 2)
            json_object_set_new(asked, "Options",
                                json_pack("{s:s}", "o", strbuf_cstr(&name)));
        shown = there_and_back(own, create, inspect, asked);
        if (json_is_null(json_object_get(shown, "Labels")) ||
            json_object_size(json_object_get(shown, "Labels")) == 0)
            json_object_del(shown, "Labels"); /* how engines show none */
        if (!json_equal(shown, asked))
            fail_msg("%s: %s comes back as %s", own, strbuf_cstr(&name),
                     json_dumps(shown, JSON_SORT_KEYS));
        json_decref(asked);
        json_decref(shown);
    }
}

static void networks_and_volumes_come_back_as_they_went(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        if (strcmp(shapes[i], "%") == 0 || strcmp(shapes[i], "=") == 0)
            continue; /* too short for a volume, at times */
        check_there_and_back("/networks/create", "/networks/own", shapes[i]);
        check_there_and_back("/volumes/create", "/volumes/own", shapes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_place_of_a_body_takes_another_s_name),
        cmocka_unit_test(no_path_and_no_query_takes_another_s_name),
        cmocka_unit_test(networks_and_volumes_come_back_as_they_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
