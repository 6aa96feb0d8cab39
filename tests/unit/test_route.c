#include "tests/unit/unit.h"

#include "policy/docker/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const bodies[] = {
    [BODY_NONE] = "none",
    [BODY_JSON] = "json",
    [BODY_JSON_OPTIONAL] = "json-optional",
    [BODY_TAR] = "tar",
    [BODY_RAW] = "raw",
};
static const char *const replies[] = {
    [REPLY_EMPTY] = "empty",           [REPLY_JSON] = "json",
    [REPLY_JSON_LATER] = "json-later", [REPLY_JSON_LINES] = "json-lines",
    [REPLY_STREAM] = "stream",         [REPLY_HIJACK] = "tunnel",
};
static const char *const upgrades[] = {
    [UPGRADE_NONE] = "none",
    [UPGRADE_TCP] = "tcp",
    [UPGRADE_H2C] = "h2c",
    [UPGRADE_WEBSOCKET] = "websocket",
};

/* One line of the catalogue as ROUTE would have it. */
static void put_row(struct strbuf *out, const struct route *route)
{
    enum operation op = route->operation;

    strbuf_addf(out, "%s\t%s\t%s\t%s\t%s\t%s\t1.%u\t", operation_name(op),
                method_name(route->method), route->path,
                operation_group_name(operation_group(op)),
                operation_access_name(operation_access(op)),
                operation_mutates(op) ? "yes" : "no",
                route->since ? route->since : 24);
    if (route->removed)
        strbuf_addf(out, "1.%u\t", route->removed);
    else
        strbuf_addf(out, "-\t");
    strbuf_addf(out, "%s\t%s\t%s\t%s", bodies[route->body],
                replies[route->reply], upgrades[route->upgrade],
                route->query ? route->query : "-");
}

static void read_catalogue(struct strbuf *text)
{
    const char *root = getenv("BERTH_SOURCE_ROOT");
    char path[4096];
    FILE *file;
    char *to;
    size_t n;

    assert_non_null(root);
    snprintf(path, sizeof(path), "%s/tests/catalogue/endpoints.tsv", root);
    file = fopen(path, "re");
    assert_non_null(file);
    do {
        to = strbuf_reserve(text, 4096);
        assert_non_null(to);
        n = fread(to, 1, 4096, file);
        strbuf_commit(text, n);
    } while (n);
    fclose(file);
}

static void the_table_and_the_catalogue_say_the_same(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(MIB);
    bool seen[256] = {false};
    struct str rest, line;
    size_t lines = 0;

    (void)state;
    assert_true(route_count <= 256);
    read_catalogue(&text);
    rest = strbuf_str(&text);
    while (rest.len) {
        size_t i = 0;

        str_cut(rest, '\n', &line, &rest);
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        lines++;
        for (; i < route_count; i++) {
            AUTO(strbuf_fini) struct strbuf row = STRBUF(KIB);

            put_row(&row, &routes[i]);
            if (str_eq(strbuf_str(&row), line))
                break;
        }
        if (i == route_count)
            fail_msg("no row says: %.*s", STR_FMT(line));
        assert_false(seen[i]);
        seen[i] = true;
    }
    assert_int_equal(lines, 123);
    for (size_t i = 0; i < route_count; i++) {
        AUTO(strbuf_fini) struct strbuf row = STRBUF(KIB);

        put_row(&row, &routes[i]);
        if (!seen[i])
            fail_msg("the catalogue lacks: %s", strbuf_cstr(&row));
    }
}

static void every_operation_has_a_route(void **state)
{
    (void)state;
    for (unsigned op = OP_NONE + 1; op < OP_COUNT; op++) {
        size_t i = 0;

        while (i < route_count && routes[i].operation != op)
            i++;
        if (i == route_count)
            fail_msg("%s has no route", operation_name((enum operation)op));
    }
}

/* RAW parsed and found; parsing must succeed. */
static int find(struct target *target, enum method method, const char *raw,
                struct route_match *match)
{
    struct verdict why = {0};

    if (target_parse(target, str_from(raw), &why) != 0)
        fail_msg("%s: %s", raw, why.reason);
    return route_find(method, target, match);
}

static void no_row_hides_another(void **state)
{
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    for (size_t i = 0; i < route_count; i++) {
        AUTO(strbuf_fini) struct strbuf raw = STRBUF(KIB);
        struct str rest = str_from(routes[i].path), before, name;
        struct route_match match;

        while (str_cut(rest, '{', &before, &rest)) {
            strbuf_add(&raw, before);
            str_cut(rest, '}', &name, &rest);
            strbuf_add(&raw, str_has_suffix(name, S("*")) ? S("a/b") : S("a"));
        }
        strbuf_add(&raw, before);
        assert_int_equal(
            find(&target, routes[i].method, strbuf_cstr(&raw), &match), 0);
        assert_ptr_equal(match.route, &routes[i]);
    }
}

static void tricky_paths_go_where_the_engine_sends_them(void **state)
{
    static const struct {
        enum method method;
        const char *raw;
        enum operation op;
        const char *params[2];
    } cases[] = {
  // clang-format off
        {METHOD_GET,    "/containers/json",                  OP_CONTAINER_LIST,     {0}},
        {METHOD_GET,    "/containers/json/json",             OP_CONTAINER_INSPECT,  {"json"}},
        {METHOD_GET,    "/containers/x/json/logs",           OP_CONTAINER_LOGS,     {"x/json"}},
        {METHOD_GET,    "/containers/x/logs/json",           OP_CONTAINER_INSPECT,  {"x/logs"}},
        {METHOD_GET,    "/containers/web/db/json",           OP_CONTAINER_INSPECT,  {"web/db"}},
        {METHOD_GET,    "/containers/x/attach/ws",           OP_CONTAINER_ATTACH_WEBSOCKET, {"x"}},
        {METHOD_POST,   "/containers/create/attach",         OP_CONTAINER_ATTACH,   {"create"}},
        {METHOD_DELETE, "/containers/x/checkpoints/c",       OP_CHECKPOINT_DELETE,  {"x", "c"}},
        {METHOD_DELETE, "/containers/a/x/checkpoints/c",     OP_CONTAINER_DELETE,   {"a/x/checkpoints/c"}},
        {METHOD_DELETE, "/containers/x/checkpoints/c/d",     OP_CONTAINER_DELETE,   {"x/checkpoints/c/d"}},
        {METHOD_DELETE, "/containers/x/checkpoints",         OP_CONTAINER_DELETE,   {"x/checkpoints"}},
        {METHOD_HEAD,   "/containers/x/archive?path=/",      OP_CONTAINER_ARCHIVE_INFO, {"x"}},
        {METHOD_PUT,    "/containers/x/archive?path=/",      OP_PUT_CONTAINER_ARCHIVE, {"x"}},
        {METHOD_GET,    "/images/json",                      OP_IMAGE_LIST,         {0}},
        {METHOD_GET,    "/images/json/json",                 OP_IMAGE_INSPECT,      {"json"}},
        {METHOD_GET,    "/images/get/get",                   OP_IMAGE_GET,          {"get"}},
        {METHOD_GET,    "/images/a/b:tag/json",              OP_IMAGE_INSPECT,      {"a/b:tag"}},
        {METHOD_GET,    "/images/localhost:5000/foo/json",   OP_IMAGE_INSPECT,      {"localhost:5000/foo"}},
        {METHOD_GET,    "/images/a%2Fb:tag/json",            OP_IMAGE_INSPECT,      {"a/b:tag"}},
        {METHOD_GET,    "/images/a%2fjson/json",             OP_IMAGE_INSPECT,      {"a/json"}},
        {METHOD_GET,    "/images/r/i@sha256:ab/json",        OP_IMAGE_INSPECT,      {"r/i@sha256:ab"}},
        {METHOD_GET,    "/images/a/json/history",            OP_IMAGE_HISTORY,      {"a/json"}},
        {METHOD_POST,   "/images/create/push",               OP_IMAGE_PUSH,         {"create"}},
        {METHOD_DELETE, "/images/a/b/c",                     OP_IMAGE_DELETE,       {"a/b/c"}},
        {METHOD_GET,    "/distribution/docker.io/x/y/json",  OP_DISTRIBUTION_INSPECT, {"docker.io/x/y"}},
        {METHOD_GET,    "/networks",                         OP_NETWORK_LIST,       {0}},
        {METHOD_GET,    "/networks/",                        OP_NETWORK_LIST,       {0}},
        {METHOD_GET,    "/networks/create",                  OP_NETWORK_INSPECT,    {"create"}},
        {METHOD_GET,    "/networks/a/b",                     OP_NETWORK_INSPECT,    {"a/b"}},
        {METHOD_POST,   "/networks/create/connect",          OP_NETWORK_CONNECT,    {"create"}},
        {METHOD_GET,    "/volumes/create",                   OP_VOLUME_INSPECT,     {"create"}},
        {METHOD_GET,    "/debug/pprof/",                     OP_DEBUG_PPROF_INDEX,  {0}},
        {METHOD_GET,    "/debug/pprof/trace",                OP_DEBUG_PPROF_TRACE,  {0}},
        {METHOD_GET,    "/debug/pprof/heap",                 OP_DEBUG_PPROF_NAMED,  {"heap"}},
        {METHOD_GET,    "/v1.24/info",                       OP_SYSTEM_INFO,        {0}},
        {METHOD_GET,    "/v1.044/info",                      OP_SYSTEM_INFO,        {0}},
        {METHOD_HEAD,   "/_ping",                            OP_SYSTEM_PING_HEAD,   {0}},
        {METHOD_GET,    "/v1.44/_ping",                      OP_SYSTEM_PING,        {0}},
        {METHOD_OPTIONS, "/",                                OP_SYSTEM_OPTIONS,     {""}},
        {METHOD_OPTIONS, "/v1.44/",                          OP_SYSTEM_OPTIONS,     {""}},
        {METHOD_OPTIONS, "/no/such/thing/",                  OP_SYSTEM_OPTIONS,     {"no/such/thing/"}},
        {METHOD_OPTIONS, "/containers%2Fjson",               OP_SYSTEM_OPTIONS,     {"containers/json"}},
  // clang-format on
    };
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route_match match = {0};
        size_t params = 0;

        print_message("%s\n", cases[i].raw);
        assert_int_equal(find(&target, cases[i].method, cases[i].raw, &match),
                         0);
        assert_int_equal(match.route->operation, cases[i].op);
        for (; params < 2 && cases[i].params[params]; params++)
            assert_true(str_eq(match.params[params].value,
                               str_from(cases[i].params[params])));
        assert_int_equal(match.param_count, params);
    }
}

static void what_the_engine_does_not_route_is_unknown(void **state)
{
    static const struct {
        enum method method;
        const char *raw;
    } cases[] = {
        {METHOD_GET,    "/"                        },
        {METHOD_GET,    "/v1.44/"                  },
        {METHOD_GET,    "/v1.44"                   },
        {METHOD_GET,    "/v1.44/v1.44/info"        },
        {METHOD_GET,    "/V1.44/info"              },
        {METHOD_GET,    "/Info"                    },
        {METHOD_GET,    "/inf"                     },
        {METHOD_GET,    "/infos"                   },
        {METHOD_GET,    "/info/"                   },
        {METHOD_GET,    "/info/x"                  },
        {METHOD_GET,    "/x/info"                  },
        {METHOD_GET,    "/_ping/"                  },
        {METHOD_GET,    "/containers/json/"        },
        {METHOD_GET,    "/containers"              },
        {METHOD_GET,    "/containers/"             },
        {METHOD_GET,    "/containers/x"            },
        {METHOD_GET,    "/containers/x/jsonx"      },
        {METHOD_GET,    "/images/"                 },
        {METHOD_GET,    "/images/x"                },
        {METHOD_DELETE, "/images/"                 },
        {METHOD_DELETE, "/images/x/"               },
        {METHOD_DELETE, "/images"                  },
        {METHOD_DELETE, "/containers/"             },
        {METHOD_GET,    "/volumes/"                },
        {METHOD_GET,    "/services/a/b"            },
        {METHOD_GET,    "/services/a/b/logs"       },
        {METHOD_GET,    "/debug/pprof"             },
        {METHOD_GET,    "/debug/pprof/a/b"         },
 /* an encoded slash may not stand for one of the path's own */
        {METHOD_GET,    "/containers%2Fjson"       },
        {METHOD_GET,    "/v1.44%2Finfo"            },
        {METHOD_GET,    "/images/x%2Fjson"         },
        {METHOD_GET,    "/images%2Fx/json"         },
        {METHOD_GET,    "/containers/x/attach%2Fws"},
        {METHOD_GET,    "/services/a%2Fb"          },
        {METHOD_GET,    "/services/a%2Flogs"       },
 /* the method is matched exactly, and HEAD is not GET */
        {METHOD_HEAD,   "/info"                    },
        {METHOD_HEAD,   "/containers/json"         },
        {METHOD_POST,   "/_ping"                   },
        {METHOD_PUT,    "/containers/create"       },
        {METHOD_OTHER,  "/info"                    },
        {METHOD_DELETE, "/containers/x/archive/"   },
    };
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route_match match = {.param_count = 7};

        print_message("%s\n", cases[i].raw);
        assert_int_equal(find(&target, cases[i].method, cases[i].raw, &match),
                         ROUTE_E_UNKNOWN);
        assert_int_equal(match.param_count, 7);
    }
}

static void a_name_in_the_path_says_what_it_names(void **state)
{
    AUTO(target_fini) struct target target;
    struct route_match match;

    (void)state;
    target_init(&target);
    assert_int_equal(
        find(&target, METHOD_DELETE, "/containers/x/checkpoints/c", &match), 0);
    assert_int_equal(match.params[0].kind, REF_CONTAINER);
    assert_int_equal(match.params[1].kind, REF_CHECKPOINT);
    assert_int_equal(find(&target, METHOD_POST, "/exec/e/start", &match), 0);
    assert_int_equal(match.params[0].kind, REF_EXEC);
    assert_string_equal(ref_kind_name(REF_EXEC), "exec");
}

static void query_keys_are_known_by_their_exact_name(void **state)
{
    AUTO(target_fini) struct target target;
    struct route_match match;
    bool repeats = true;

    (void)state;
    target_init(&target);
    assert_int_equal(find(&target, METHOD_POST, "/build", &match), 0);
    assert_true(route_knows_query(match.route, S("target"), &repeats));
    assert_false(repeats);
    assert_true(route_knows_query(match.route, S("t"), &repeats));
    assert_true(repeats);
    assert_true(route_knows_query(match.route, S("outputs"), &repeats));
    assert_false(route_knows_query(match.route, S("T"), &repeats));
    assert_false(route_knows_query(match.route, S("t[]"), &repeats));
    assert_false(route_knows_query(match.route, S("targ"), &repeats));
    assert_false(route_knows_query(match.route, S("rm forcerm"), &repeats));
    assert_false(route_knows_query(match.route, S(""), &repeats));
    assert_int_equal(find(&target, METHOD_GET, "/info", &match), 0);
    assert_false(route_knows_query(match.route, S("size"), &repeats));
}

static void a_key_given_twice_where_one_is_meant_is_refused(void **state)
{
    AUTO(target_fini) struct target target;
    struct route_match match;
    struct verdict why = {0};

    (void)state;
    target_init(&target);
    assert_int_equal(find(&target, METHOD_POST,
                          "/build?t=a&t=b&rm=1&unknown=1&unknown=2", &match),
                     0);
    assert_int_equal(route_check_query(&match, &target, &why), 0);
    assert_int_equal(
        find(&target, METHOD_POST, "/build?t=a&t=b&rm=1&r%6d=1", &match), 0);
    assert_int_equal(route_check_query(&match, &target, &why), ROUTE_E_QUERY);
    assert_int_equal(why.kind, VERDICT_DENY);
    assert_int_equal(why.status, 400);
    assert_string_equal(why.rule, "request.query");
    assert_string_equal(why.field, "query rm");
    assert_non_null(strstr(why.reason, "ImageBuild"));
}

static void the_target_is_written_anew(void **state)
{
    static const struct {
        enum method method;
        const char *raw, *written;
    } cases[] = {
  // clang-format off
        {METHOD_GET,  "/_ping", "/_ping"},
        {METHOD_GET,  "/v1.044.3/%69nfo?x=1", "/v1.44/info"},
        {METHOD_GET,  "/v1.024/networks/", "/v1.24/networks/"},
        {METHOD_GET,  "/images/a%2Fb%3atag/json?platform={\"os\":\"linux\"}", "/images/a/b:tag/json?platform=%7B%22os%22%3A%22linux%22%7D"},
        {METHOD_GET,  "/images/%2525+%20?/json", NULL},
        {METHOD_GET,  "/images/%2525+%20%3f/json", "/images/%2525%2B%20%3F/json"},
        {METHOD_GET,  "/containers/json?ALL=1&all=1&&filters=a+b%20c%2Bd&size", "/containers/json?all=1&filters=a+b+c%2Bd&size="},
        {METHOD_POST, "/build?t=a&password=x&t=b&remote=a%26t%3dc", "/build?t=a&t=b&remote=a%26t%3Dc"},
        {METHOD_OPTIONS, "/v1.44/", "/v1.44/"},
        {METHOD_OPTIONS, "/a%2Fb/?x=1", "/a/b/"},
  // clang-format on
    };
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_HEAD);
        struct route_match match;
        int r;

        print_message("%s\n", cases[i].raw);
        r = find(&target, cases[i].method, cases[i].raw, &match);
        assert_int_equal(r, cases[i].written ? 0 : ROUTE_E_UNKNOWN);
        if (r)
            continue;
        assert_int_equal(route_put_target(&out, &match, &target), 0);
        assert_string_equal(strbuf_cstr(&out), cases[i].written);
    }
}

static void a_changed_name_version_and_query_are_written(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_HEAD);
    AUTO(target_fini) struct target target;
    struct route_match match;

    (void)state;
    target_init(&target);
    assert_int_equal(find(&target, METHOD_DELETE,
                          "/v1.99/containers/db/checkpoints/c?dir=x", &match),
                     0);
    target.minor = 55;
    match.params[0].value = S("r1.db");
    assert_int_equal(target_set(&target, S("dir"), S("/y")), 0);
    assert_int_equal(route_put_target(&out, &match, &target), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "/v1.55/containers/r1.db/checkpoints/c?dir=%2Fy");
    out.max = out.len;
    assert_int_equal(route_put_target(&out, &match, &target), -ENOBUFS);
}

static void a_changed_name_cannot_change_the_path(void **state)
{
    static const char *const names[] = {
        "", ".", "..", "/x", "x/", "x//y", "x/../y", "x/.",
    };
    AUTO(target_fini) struct target target;
    struct route_match match;

    (void)state;
    target_init(&target);
    assert_int_equal(find(&target, METHOD_GET, "/images/x/json", &match), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_HEAD);

        match.params[0].value = str_from(names[i]);
        assert_int_equal(route_put_target(&out, &match, &target), -EINVAL);
    }
    assert_int_equal(find(&target, METHOD_GET, "/services/x", &match), 0);
    for (size_t i = 0; i < 2; i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_HEAD);

        match.params[0].value = i ? S("a/b") : S("a?b%2f");
        assert_int_equal(route_put_target(&out, &match, &target),
                         i ? -EINVAL : 0);
        if (i == 0)
            assert_string_equal(strbuf_cstr(&out), "/services/a%3Fb%252f");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_and_the_catalogue_say_the_same),
        cmocka_unit_test(every_operation_has_a_route),
        cmocka_unit_test(no_row_hides_another),
        cmocka_unit_test(tricky_paths_go_where_the_engine_sends_them),
        cmocka_unit_test(what_the_engine_does_not_route_is_unknown),
        cmocka_unit_test(a_name_in_the_path_says_what_it_names),
        cmocka_unit_test(query_keys_are_known_by_their_exact_name),
        cmocka_unit_test(a_key_given_twice_where_one_is_meant_is_refused),
        cmocka_unit_test(the_target_is_written_anew),
        cmocka_unit_test(a_changed_name_version_and_query_are_written),
        cmocka_unit_test(a_changed_name_cannot_change_the_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
