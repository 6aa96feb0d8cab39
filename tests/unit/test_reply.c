#include "tests/unit/unit.h"

#include "proxy/exchange/reply.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* A head of NAME, VALUE pairs up to NULL. */
/* The head of a reply that goes as it comes, or that opens a TUNNEL. */
static int put_head(struct strbuf *out, const struct http_head *request,
                    const struct http_head *reply, bool hijack,
                    enum reply_connection connection,
                    enum reply_framing *framing)
{
    *framing = hijack ? REPLY_FRAMING_HIJACK : reply_framing(request, reply);
    return reply_put_head(out, request, reply, *framing, reply->length,
                          connection);
}

static struct http_head some_head(const char *const *pairs)
{
    struct http_head head = {.minor = 1, .keep_alive = true};

    for (; *pairs; pairs += 2)
        head.headers[head.header_count++] =
            (struct http_header){str_from(pairs[0]), str_from(pairs[1])};
    return head;
}

#define HEAD(...)  some_head((const char *const[]){__VA_ARGS__, NULL})
#define NO_HEADERS some_head((const char *const[]){NULL})

/* ---- the engine's head ---- */

struct framed {
    const char *title;
    enum method method;
    unsigned minor;
    enum http_body body;
    uint64_t length;
    bool hijack;
    enum reply_connection connection;
    enum reply_framing framing;
    const char *head; /* behind the status line */
};

static void a_body_is_framed_for_the_client_that_asked(void **state)
{
    static const struct framed rows[] = {
        {"sized",           METHOD_GET,  1, HTTP_BODY_SIZED,   7, false, REPLY_KEEP_ALIVE,
         REPLY_FRAMING_SIZED,                                                                                     "Content-Length: 7\r\n\r\n"                     },
        {"empty",           METHOD_GET,  1, HTTP_BODY_SIZED,   0, false, REPLY_KEEP_ALIVE,
         REPLY_FRAMING_SIZED,                                                                                     "Content-Length: 0\r\n\r\n"                     },
        {"closing",         METHOD_GET,  1, HTTP_BODY_SIZED,   7, false, REPLY_CLOSE,
         REPLY_FRAMING_SIZED,                                                                                     "Connection: close\r\nContent-Length: 7\r\n\r\n"},
        {"chunked",         METHOD_GET,  1, HTTP_BODY_CHUNKED, 0, false,
         REPLY_KEEP_ALIVE,                                                                 REPLY_FRAMING_CHUNKED,
         "Transfer-Encoding: chunked\r\n\r\n"                                                                                                                     },
        {"until EOF",       METHOD_GET,  1, HTTP_BODY_EOF,     0, false, REPLY_KEEP_ALIVE,
         REPLY_FRAMING_CHUNKED,                                                                                   "Transfer-Encoding: chunked\r\n\r\n"            },
        {"no body",         METHOD_GET,  1, HTTP_BODY_NONE,    0, false, REPLY_KEEP_ALIVE,
         REPLY_FRAMING_NONE,                                                                                      "\r\n"                                          },
        {"1.0, sized",      METHOD_GET,  0, HTTP_BODY_SIZED,   7, false,
         REPLY_KEEP_ALIVE,                                                                 REPLY_FRAMING_SIZED,
         "Connection: keep-alive\r\nContent-Length: 7\r\n\r\n"                                                                                                    },
        {"1.0, chunked",    METHOD_GET,  0, HTTP_BODY_CHUNKED, 0, false,
         REPLY_KEEP_ALIVE,                                                                 REPLY_FRAMING_RAW,     "Connection: close\r\n\r\n"                     },
        {"1.0, until EOF",  METHOD_GET,  0, HTTP_BODY_EOF,     0, false,
         REPLY_KEEP_ALIVE,                                                                 REPLY_FRAMING_RAW,     "Connection: close\r\n\r\n"                     },
        {"raw tunnel",      METHOD_POST, 1, HTTP_BODY_EOF,     0, true,  REPLY_KEEP_ALIVE,
         REPLY_FRAMING_HIJACK,                                                                                    "\r\n"                                          },
        {"raw tunnel, 1.0", METHOD_POST, 0, HTTP_BODY_EOF,     0, true,  REPLY_CLOSE,
         REPLY_FRAMING_HIJACK,                                                                                    "\r\n"                                          },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct framed *row = &rows[i];
        AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);
        struct http_head request = {.method = row->method, .minor = row->minor};
        struct http_head reply = {.status = 200,
                                  .reason = S("OK"),
                                  .body = row->body,
                                  .length = row->length};
        enum reply_framing framing;
        struct str line, rest;

        assert_int_equal(put_head(&out, &request, &reply, row->hijack,
                                  row->connection, &framing),
                         0);
        str_cut(strbuf_str(&out), '\n', &line, &rest);
        if (framing != row->framing || !str_eq(rest, str_from(row->head)))
            fail_msg("%s: %d, %.*s", row->title, framing, STR_FMT(rest));
    }
}

static void the_reply_to_a_head_keeps_the_length_that_it_tells_of(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);
    struct http_head request = {.method = METHOD_HEAD, .minor = 1};
    struct http_head reply = HEAD("Content-Length", "1000");
    enum reply_framing framing;

    (void)state;
    reply.status = 200;
    reply.reason = S("OK");
    assert_int_equal(
        put_head(&out, &request, &reply, false, REPLY_KEEP_ALIVE, &framing), 0);
    assert_int_equal(framing, REPLY_FRAMING_NONE);
    assert_string_equal(strbuf_cstr(&out),
                        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
}

static void what_belongs_to_the_engines_connection_stays_there(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);
    struct http_head request = {.method = METHOD_GET, .minor = 1};
    struct http_head reply =
        HEAD("connection", "x-mine , Close", "X-Mine", "1", "KEEP-ALIVE", "5",
             "Proxy-Connection", "x", "TE", "x", "trailer", "x", "Upgrade", "x",
             "Transfer-Encoding", "chunked", "Content-Type", "a/b",
             "Api-Version", "1.45", "Content-Type", "c/d");
    enum reply_framing framing;

    (void)state;
    reply.status = 204;
    reply.reason = S("No Content");
    assert_int_equal(
        put_head(&out, &request, &reply, false, REPLY_KEEP_ALIVE, &framing), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "HTTP/1.1 204 No Content\r\nContent-Type: a/b\r\n"
                        "Api-Version: 1.45\r\nContent-Type: c/d\r\n\r\n");
}

static void a_hijack_names_its_protocol(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);
    struct http_head request = {.method = METHOD_POST, .minor = 1};
    struct http_head reply = HEAD("Upgrade", "tcp", "Content-Type", "raw");
    enum reply_framing framing;

    (void)state;
    reply.status = 101;
    reply.reason = S("UPGRADED");
    reply.upgrade = S("tcp");
    assert_int_equal(
        put_head(&out, &request, &reply, true, REPLY_CLOSE, &framing), 0);
    assert_int_equal(framing, REPLY_FRAMING_HIJACK);
    assert_string_equal(strbuf_cstr(&out),
                        "HTTP/1.1 101 UPGRADED\r\nContent-Type: raw\r\n"
                        "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
}

static void a_head_that_cannot_be_written_leaves_no_trace(void **state)
{
    struct http_head request = {.method = METHOD_GET, .minor = 1};
    struct http_head bad[] = {
        HEAD("A", "1", "B", "2\r\nInjected: 1"),
        HEAD("A", "1", "B c", "2"),
        HEAD("A", "1"),
    };
    enum reply_framing framing;

    (void)state;
    bad[0].status = bad[1].status = bad[2].status = 200;
    bad[2].reason = S("OK\r\nInjected: 1");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);

        strbuf_addf(&out, "before");
        assert_int_equal(
            put_head(&out, &request, &bad[i], false, REPLY_CLOSE, &framing),
            -EINVAL);
        assert_string_equal(strbuf_cstr(&out), "before");
    }
}

static void a_head_that_does_not_fit_leaves_no_trace(void **state)
{
    struct http_head request = {.method = METHOD_GET, .minor = 1};
    struct http_head reply = HEAD("Content-Type", "application/json");
    AUTO(strbuf_fini) struct strbuf out = STRBUF(40);
    enum reply_framing framing;

    (void)state;
    reply.status = 200;
    assert_int_equal(
        put_head(&out, &request, &reply, false, REPLY_CLOSE, &framing),
        -ENOBUFS);
    assert_int_equal(out.len, 0);
}

/* ---- berth's own ---- */

static void an_answer_is_docker_s_kind_of_json(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);
    const struct http_head request = {.method = METHOD_GET, .minor = 1};

    (void)state;
    reply_put_message(&out, &request, 403, "no \"x\"", false, 0,
                      REPLY_KEEP_ALIVE);
    assert_string_equal(strbuf_cstr(&out),
                        "HTTP/1.1 403 Forbidden\r\n"
                        "Content-Type: application/json\r\n"
                        "Content-Length: 30\r\n\r\n"
                        "{\"message\":\"berth: no \\\"x\\\"\"}\n");
}

static void an_answer_says_when_to_try_again_and_that_it_closes(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);
    const struct http_head request = {.method = METHOD_HEAD, .minor = 1};

    (void)state;
    reply_put_message(&out, &request, 503, "x", false, 7, REPLY_CLOSE);
    assert_string_equal(strbuf_cstr(&out),
                        "HTTP/1.1 503 Service Unavailable\r\n"
                        "Content-Type: application/json\r\n"
                        "Retry-After: 7\r\nConnection: close\r\n"
                        "Content-Length: 23\r\n\r\n");
}

/* The message of the answer to MESSAGE, as a client reads it. */
static char *message_of(const char *message)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(16 * KIB);
    const struct http_head request = {.method = METHOD_GET, .minor = 1};
    const char *body;
    json_t *reply;
    char *text;

    reply_put_message(&out, &request, 502, message, false, 0, REPLY_CLOSE);
    body = strstr(strbuf_cstr(&out), "\r\n\r\n");
    assert_non_null(body);
    reply = json_loads(body, 0, NULL);
    assert_non_null(reply);
    text = xstrdup(json_string_value(json_object_get(reply, "message")));
    json_decref(reply);
    return text;
}

static void an_answer_is_json_whatever_it_says(void **state)
{
    char *text = message_of("the server says \xff\xfe\"\r\n\x01 and \xc3\xa9");

    (void)state;
    assert_string_equal(text, "berth: the server says ??\"\r\n\x01 and ??");
    free(text);
    text = message_of("caf\xc3\xa9");
    assert_string_equal(text, "berth: caf\xc3\xa9");
    free(text);
}

static void a_message_that_is_too_long_is_cut(void **state)
{
    char long_message[2 * LIMIT_ERROR_TEXT];
    char *text;

    (void)state;
    memset(long_message, 'x', sizeof(long_message) - 1);
    long_message[sizeof(long_message) - 1] = '\0';
    text = message_of(long_message);
    assert_int_equal(strlen(text), strlen("berth: ") + LIMIT_ERROR_TEXT);
    free(text);
}

/* ---- the ping ---- */

static void the_facts_are_what_a_ping_said_of_the_engine(void **state)
{
    AUTO(engine_facts_fini) struct engine_facts facts;
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);
    const struct http_head request = {.method = METHOD_GET, .minor = 1};
    struct http_head reply =
        HEAD("Api-Version", "1.45", "Date", "now", "Content-Type", "x",
             "Content-Length", "2", "Connection", "close", "Swarm", "inactive");

    (void)state;
    engine_facts_init(&facts);
    assert_false(facts.known);
    reply.status = 200;
    assert_true(engine_facts_learn(&facts, &reply));
    assert_true(facts.known);
    reply_put_ping(&out, &request, &facts, false, REPLY_CLOSE);
    assert_string_equal(strbuf_cstr(&out),
                        "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\n"
                        "Swarm: inactive\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Connection: close\r\nContent-Length: 2\r\n\r\nOK");
}

static void what_is_no_ping_makes_the_engine_unknown(void **state)
{
    AUTO(engine_facts_fini) struct engine_facts facts;
    struct http_head good = HEAD("Api-Version", "1.45");
    struct http_head bad = HEAD("Api-Version", "1.45");
    struct http_head other = NO_HEADERS;

    (void)state;
    engine_facts_init(&facts);
    good.status = other.status = 200;
    bad.status = 500;
    assert_true(engine_facts_learn(&facts, &good));
    assert_false(engine_facts_learn(&facts, &bad));
    assert_false(facts.known);
    assert_true(engine_facts_learn(&facts, &good));
    assert_false(engine_facts_learn(&facts, &other));
    assert_false(facts.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_framed_for_the_client_that_asked),
        cmocka_unit_test(the_reply_to_a_head_keeps_the_length_that_it_tells_of),
        cmocka_unit_test(what_belongs_to_the_engines_connection_stays_there),
        cmocka_unit_test(a_hijack_names_its_protocol),
        cmocka_unit_test(a_head_that_cannot_be_written_leaves_no_trace),
        cmocka_unit_test(a_head_that_does_not_fit_leaves_no_trace),
        cmocka_unit_test(an_answer_is_docker_s_kind_of_json),
        cmocka_unit_test(an_answer_says_when_to_try_again_and_that_it_closes),
        cmocka_unit_test(an_answer_is_json_whatever_it_says),
        cmocka_unit_test(a_message_that_is_too_long_is_cut),
        cmocka_unit_test(the_facts_are_what_a_ping_said_of_the_engine),
        cmocka_unit_test(what_is_no_ping_makes_the_engine_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
