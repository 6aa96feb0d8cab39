#include "tests/unit/unit.h"

#include "proxy/exchange/request.h"

#include <errno.h>
#include <stdlib.h>

#include "proxy/http/http_reader.h"
#include "tests/support/exchange_driver.h"

static struct policy *policy;

static int setup(void **state)
{
    (void)state;
    policy = driver_policy(
        "\"build\": {\"remotes\": [\"*\"]}, "
        "\"operations\": {\"allow\": [\"system\", \"container\", \"exec\", "
        "\"image\", \"build\", \"volume\", \"network\", \"plugin\", "
        "\"Session\", \"Grpc\"]}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    policy_unref(policy);
    return 0;
}

/* A request as the reader gives it, up to the verdict of its head. */
static const struct rewrite_context context = {.ns = STR("r1")};

struct asked {
    struct http_reader *reader;
    const struct http_head *head;
    struct request rq;
};

static void ask(struct asked *asked, const char *head)
{
    struct str data;
    size_t used;

    asked->reader = http_reader_new(HTTP_REQUESTS);
    if (http_reader_next(asked->reader, str_from(head), &used, &data) !=
        HTTP_HEAD)
        fail_msg("no head: %s", head);
    asked->head = http_reader_head(asked->reader);
    request_init(&asked->rq);
    request_read_head(&asked->rq, policy, asked->head);
}

static void fini(struct asked *asked)
{
    request_fini(&asked->rq);
    http_reader_free(asked->reader);
}

#define SIZED   "Content-Length: 2\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define HOST    " HTTP/1.1\r\nHost: d\r\n"

static void each_kind_of_body_has_its_fate(void **state)
{
    static const struct {
        const char *head;
        enum request_body body;
    } rows[] = {
        {"GET /info" HOST "\r\n",                                     REQUEST_BODY_NONE   },
        {"GET /info" HOST SIZED "\r\n",                               REQUEST_BODY_DROP   },
        {"GET /info" HOST CHUNKED "\r\n",                             REQUEST_BODY_DROP   },
        {"POST /containers/a/start" HOST "Content-Length: 0\r\n\r\n",
         REQUEST_BODY_NONE                                                                },
        {"POST /containers/create" HOST SIZED "\r\n",                 REQUEST_BODY_COLLECT},
        {"POST /containers/create" HOST CHUNKED "\r\n",               REQUEST_BODY_COLLECT},
        {"POST /commit" HOST CHUNKED "\r\n",                          REQUEST_BODY_COLLECT},
        {"POST /exec/e/start" HOST SIZED "\r\n",                      REQUEST_BODY_COLLECT},
        {"POST /build" HOST SIZED "\r\n",                             REQUEST_BODY_STREAM },
        {"POST /build" HOST CHUNKED "\r\n",                           REQUEST_BODY_STREAM },
        {"POST /images/create" HOST CHUNKED "\r\n",                   REQUEST_BODY_STREAM },
        {"POST /containers/a/attach" HOST SIZED "\r\n",               REQUEST_BODY_DROP   },
        {"POST /containers/a/attach" HOST CHUNKED "\r\n",             REQUEST_BODY_HIJACK },
        {"POST /session" HOST "Upgrade: h2c\r\n" SIZED "\r\n",
         REQUEST_BODY_DROP                                                                },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct asked asked;

        ask(&asked, rows[i].head);
        if (asked.rq.verdict.kind != VERDICT_ALLOW ||
            asked.rq.body != rows[i].body)
            fail_msg("%s: %d %s", rows[i].head, asked.rq.body,
                     asked.rq.verdict.reason);
        fini(&asked);
    }
}

static void what_the_head_alone_refuses_is_refused_at_once(void **state)
{
    static const struct {
        const char *head;
        int status;
        const char *rule;
    } rows[] = {
        {"GET /swarm" HOST "\r\n",                                                 503, "operations.allow"        },
        {"GET /nothing" HOST "\r\n",                                               403, "routes"                  },
        {"GET /a//b" HOST "\r\n",                                                  400, "request.path"            },
        {"GET /images/json?all=1&all=2" HOST "\r\n",                               400, "request.query"           },
        {"POST /containers/create" HOST SIZED
         "Content-Type: Application/X-WWW-Form-Urlencoded ; a=b\r\n\r\n", 415, "request.content-type"    },
        {"POST /containers/create" HOST SIZED "Content-Encoding: br\r\n\r\n",
         415,                                                                           "request.content-encoding"},
        {"POST /containers/create" HOST "Content-Length: 4194305\r\n\r\n",         413,
         "request.body"                                                                                           },
        {"GET /info" HOST "Content-Length: 1048577\r\n\r\n",                       413,
         "request.body"                                                                                           },
        {"POST /session" HOST "\r\n",                                              400, "request.upgrade"         },
        {"POST /grpc" HOST "Upgrade: h2\r\n\r\n",                                  400, "request.upgrade"         },
        {"GET /containers/a/attach/ws" HOST "Upgrade: tcp\r\n\r\n",                400,
         "request.upgrade"                                                                                        },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct verdict *verdict;
        struct asked asked;

        ask(&asked, rows[i].head);
        verdict = &asked.rq.verdict;
        if (verdict->kind != VERDICT_DENY || verdict->status != rows[i].status)
            fail_msg("%s: %d %s", rows[i].head, verdict->status,
                     verdict->reason);
        assert_string_equal(verdict->rule, rows[i].rule);
        fini(&asked);
    }
}

static void an_announced_body_at_its_limit_is_taken(void **state)
{
    static const char *const heads[] = {
        "POST /containers/create" HOST "Content-Length: 4194304\r\n\r\n",
        "GET /info" HOST "Content-Length: 1048576\r\n\r\n",
        "POST /build" HOST "Content-Length: 9223372036854775807\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct asked asked;

        ask(&asked, heads[i]);
        assert_int_equal(asked.rq.verdict.kind, VERDICT_ALLOW);
        fini(&asked);
    }
}

static void a_body_nobody_looks_at_is_not_kept(void **state)
{
    struct asked asked;
    char *megabyte = xcalloc(1, MIB);

    (void)state;
    ask(&asked, "POST /containers/a/stop" HOST CHUNKED "\r\n");
    request_add_body(&asked.rq, str_of(megabyte, MIB));
    assert_int_equal(asked.rq.verdict.kind, VERDICT_ALLOW);
    assert_int_equal(asked.rq.collected.cap, 0);
    request_add_body(&asked.rq, S("x"));
    assert_int_equal(asked.rq.verdict.kind, VERDICT_DENY);
    assert_int_equal(asked.rq.verdict.status, 413);
    free(megabyte);
    fini(&asked);
}

/* What goes to the engine for HEAD and BODY. */
static void check_sent(const char *head, const char *body, const char *sent)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(REQUEST_MAX);
    struct asked asked;

    ask(&asked, head);
    if (*body)
        request_add_body(&asked.rq, str_from(body));
    if (asked.rq.verdict.kind == VERDICT_ALLOW)
        request_judge(&asked.rq, policy, &context, NULL);
    if (asked.rq.verdict.kind != VERDICT_ALLOW)
        fail_msg("%s", asked.rq.verdict.reason);
    assert_int_equal(request_put(&out, &asked.rq, asked.head), 0);
    assert_string_equal(strbuf_cstr(&out), sent);
    fini(&asked);
}

static void only_headers_that_the_operation_knows_go_on(void **state)
{
#define ALL                                                                    \
    "X-Registry-Auth: a\r\nX-Registry-Config: b\r\naccept: c\r\n"              \
    "X-Docker-Expose-Session-Uuid: d\r\nSec-WebSocket-Key: e\r\n"              \
    "user-agent: f\r\nOrigin: g\r\nCookie: h\r\nForwarded: i\r\n"              \
    "X-Forwarded-For: j\r\nContent-Type: k\r\nTE: l\r\nTrailer: m\r\n"         \
    "HTTP2-Settings: n\r\nConnection: X-Registry-Auth\r\nUpgrade: tcp\r\n"

    (void)state;
    check_sent("GET /info" HOST ALL "\r\n", "",
               "GET /info HTTP/1.1\r\nHost: docker\r\n"
               "X-Registry-Auth: a\r\nuser-agent: f\r\n\r\n");
    check_sent("POST /build" HOST ALL CHUNKED "\r\n", "",
               "POST /build HTTP/1.1\r\nHost: docker\r\n"
               "X-Registry-Auth: a\r\nX-Registry-Config: b\r\n"
               "user-agent: f\r\nContent-Type: application/x-tar\r\n"
               "Transfer-Encoding: chunked\r\n\r\n");
    check_sent("POST /containers/a/attach" HOST ALL "\r\n", "",
               "POST /containers/a/attach HTTP/1.1\r\nHost: docker\r\n"
               "X-Registry-Auth: a\r\nuser-agent: f\r\n"
               "Connection: Upgrade\r\nUpgrade: tcp\r\n"
               "Content-Length: 0\r\n\r\n");
#undef ALL
}

static void the_framing_is_that_of_what_is_sent(void **state)
{
    (void)state;
    check_sent("DELETE /containers/a?v=1" HOST "\r\n", "",
               "DELETE /containers/a?v=1 HTTP/1.1\r\nHost: docker\r\n\r\n");
    check_sent("PUT /containers/a/archive" HOST "Content-Length: 0\r\n\r\n", "",
               "PUT /containers/a/archive HTTP/1.1\r\nHost: docker\r\n"
               "Content-Type: application/x-tar\r\nContent-Length: 0\r\n\r\n");
    check_sent("POST /images/create?fromSrc=-" HOST SIZED "\r\n", "",
               "POST /images/create?fromSrc=- HTTP/1.1\r\nHost: docker\r\n"
               "Content-Type: application/octet-stream\r\n"
               "Content-Length: 2\r\n\r\n");
    check_sent("POST /networks/n/disconnect" HOST CHUNKED "\r\n",
               " { \"Container\" : \"c\" } ",
               "POST /networks/n/disconnect HTTP/1.1\r\nHost: docker\r\n"
               "Content-Type: application/json\r\nContent-Length: 17\r\n\r\n"
               "{\"Container\":\"c\"}");
    check_sent("POST /commit?container=a" HOST SIZED "\r\n", "null",
               "POST /commit?container=a HTTP/1.1\r\nHost: docker\r\n"
               "Content-Length: 0\r\n\r\n");
}

static void a_full_buffer_is_told(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(30);
    struct asked asked;

    (void)state;
    ask(&asked, "GET /info" HOST "\r\n");
    request_judge(&asked.rq, policy, &context, NULL);
    assert_int_equal(request_put(&out, &asked.rq, asked.head), -ENOBUFS);
    fini(&asked);
}

static void the_longest_request_there_is_fits(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(REQUEST_MAX);
    AUTO(strbuf_fini) struct strbuf head = STRBUF(LIMIT_HEAD);
    size_t header = (LIMIT_HEAD - 4000) / 3 / 2;
    struct asked asked;

    (void)state;
    /* an escape for each byte of the query: it grows threefold */
    strbuf_addf(&head, "GET /images/json?filters=");
    for (size_t i = 0; i < (LIMIT_HEAD - 4000) / 3; i++)
        strbuf_add_char(&head, '"');
    strbuf_addf(&head, HOST "User-Agent: ");
    for (size_t i = 0; i < 2 * header; i++)
        strbuf_add_char(&head, 'x');
    strbuf_addf(&head, "\r\n\r\n");
    ask(&asked, strbuf_cstr(&head));
    if (asked.rq.verdict.kind == VERDICT_ALLOW)
        request_judge(&asked.rq, policy, &context, NULL);
    if (asked.rq.verdict.kind == VERDICT_ALLOW)
        assert_int_equal(request_put(&out, &asked.rq, asked.head), 0);
    else
        fail_msg("%s", asked.rq.verdict.reason);
    fini(&asked);
}

static void a_target_too_long_to_write_is_refused_with_its_verdict(void **state)
{
    AUTO(strbuf_fini) struct strbuf head = STRBUF(LIMIT_HEAD);
    struct asked asked;

    (void)state;
    strbuf_addf(&head, "GET /containers/json?before=");
    for (size_t i = 0; i < LIMIT_HEAD / 3; i++)
        strbuf_add_char(&head, '"');
    strbuf_addf(&head, HOST "\r\n");
    ask(&asked, strbuf_cstr(&head));
    assert_int_equal(asked.rq.verdict.kind, VERDICT_ALLOW);
    request_judge(&asked.rq, policy, &context, NULL);
    assert_int_equal(asked.rq.verdict.kind, VERDICT_DENY);
    assert_int_equal(asked.rq.verdict.status, 414);
    fini(&asked);
}

/* A name that only berth gives is looked up nowhere: the judge's doubt is met
 * by nothing, and so is a refusal. */
static void what_asks_nothing_is_settled_all_the_same(void **state)
{
    static const char body[] = "{\"Image\": \"r2.berth.invalid/x:1\"}";
    AUTO(strbuf_fini) struct strbuf head = STRBUF(LIMIT_HEAD);
    struct policy *closed = driver_policy(
        "\"operations\": {\"allow\": [\"container\"]}, \"images\": "
        "{\"registries\": [\"docker.io\"]}, \"isolation\": \"namespace\"");
    struct asked asked;

    (void)state;
    policy_unref(policy);
    policy = closed;
    strbuf_addf(&head,
                "POST /v1.45/containers/create" HOST
                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                sizeof(body) - 1);
    ask(&asked, strbuf_cstr(&head));
    assert_int_equal(asked.rq.verdict.kind, VERDICT_ALLOW);
    request_add_body(&asked.rq, str_from(body));
    request_judge(&asked.rq, policy, &context, NULL);
    assert_false(request_asks(&asked.rq));
    assert_int_equal(asked.rq.verdict.kind, VERDICT_DENY);
    assert_string_equal(asked.rq.verdict.rule, "images.registries");
    fini(&asked);
}

/* Up to API 1.43, an engine leaves what is mounted further down in a read-only
 * directory writable, whoever writes the request anew. */
static void what_is_read_only_is_so_without_a_namespace_too(void **state)
{
    static const struct {
        const char *version, *mount, *sent;
    } rows[] = {
        {"/v1.41", "\"ReadOnly\": true",  "/v1.44/containers/create"},
        {"/v1.45", "\"ReadOnly\": true",  "/v1.45/containers/create"},
        {"",       "\"ReadOnly\": true",  "/containers/create"      },
        {"/v1.41", "\"ReadOnly\": false", "/v1.41/containers/create"},
    };
    struct policy *before = policy;
    const struct rewrite_context whole = {.engine_minor = 45};

    (void)state;
    policy = driver_policy(
        "\"operations\": {\"allow\": [\"container\"]}, \"container\": "
        "{\"mounts\": [{\"source\": \"/srv\", \"mode\": \"rw\"}]}");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(strbuf_fini) struct strbuf head = STRBUF(KIB);
        AUTO(strbuf_fini) struct strbuf body = STRBUF(KIB);
        struct asked asked;

        strbuf_addf(&body,
                    "{\"Image\": \"x\", \"HostConfig\": {\"Mounts\": "
                    "[{\"Type\": \"bind\", \"Source\": \"/srv\", "
                    "\"Target\": \"/x\", %s}]}}",
                    rows[i].mount);
        strbuf_addf(&head,
                    "POST %s/containers/create" HOST "Content-Type: "
                    "application/json\r\nContent-Length: %zu\r\n\r\n",
                    rows[i].version, body.len);
        ask(&asked, strbuf_cstr(&head));
        request_add_body(&asked.rq, strbuf_str(&body));
        request_judge(&asked.rq, policy, &whole, NULL);
        assert_int_equal(asked.rq.verdict.kind, VERDICT_ALLOW);
        assert_string_equal(strbuf_cstr(&asked.rq.sent), rows[i].sent);
        fini(&asked);
    }
    policy_unref(policy);
    policy = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_body_has_its_fate),
        cmocka_unit_test(what_the_head_alone_refuses_is_refused_at_once),
        cmocka_unit_test(an_announced_body_at_its_limit_is_taken),
        cmocka_unit_test(a_body_nobody_looks_at_is_not_kept),
        cmocka_unit_test(only_headers_that_the_operation_knows_go_on),
        cmocka_unit_test(the_framing_is_that_of_what_is_sent),
        cmocka_unit_test(a_full_buffer_is_told),
        cmocka_unit_test(the_longest_request_there_is_fits),
        cmocka_unit_test(
            a_target_too_long_to_write_is_refused_with_its_verdict),
        cmocka_unit_test(what_asks_nothing_is_settled_all_the_same),
        cmocka_unit_test(what_is_read_only_is_so_without_a_namespace_too),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
