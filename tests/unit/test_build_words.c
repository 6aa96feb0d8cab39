#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "policy/build/build.h"
#include "tests/support/pb_json.h"

/* What the cases in tests/policy/build/ cannot say: heads, errors, contents. */

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
        cmocka_unit_test(heads_of_a_session_are_the_namespaces),
        cmocka_unit_test(a_session_is_called_by_letters_and_digits),
        cmocka_unit_test(errors_name_what_the_runner_knows),
        cmocka_unit_test(content_that_was_read_names_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
