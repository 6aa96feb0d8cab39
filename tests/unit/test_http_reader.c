#include "tests/unit/unit.h"

#include "tests/support/http_trace.h"

#include <sys/mman.h>
#include <unistd.h>

struct sample {
    enum http_side side;
    enum method method; /* which the response answers */
    struct str input;
    const char *expected;
};

/* clang-format off */
static const struct sample samples[] = {
    {HTTP_REQUESTS, 0, STR("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"),
     "HEAD GET /_ping 1.1 none keep-alive|Host=d\nEND\n"},
    {HTTP_REQUESTS, 0, STR("HEAD /_ping HTTP/1.0\r\n\r\n"),
     "HEAD HEAD /_ping 1.0 none\nEND\n"},
    {HTTP_REQUESTS, 0,
     STR("GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n"),
     "HEAD GET / 1.0 none keep-alive|Connection=x, Keep-Alive\nEND\n"},
    {HTTP_REQUESTS, 0,
     STR("GET / HTTP/1.1\r\nHost: \r\nConnection: keep-alive\r\n"
         "Connection:close\r\n\r\n"),
     "HEAD GET / 1.1 none|Host=|Connection=keep-alive|Connection=close\n"
     "END\n"},
    {HTTP_REQUESTS, 0,
     STR("GET /c?f={\"a\":[\"b\"]} HTTP/1.1\nHost: d\nX:  \ta \xc3\xa4\t b \t\n"
         "Y:\n\n"),
     "HEAD GET /c?f={\"a\":[\"b\"]} 1.1 none keep-alive|Host=d|"
     "X=a \xc3\xa4\t b|Y=\nEND\n"},
    {HTTP_REQUESTS, 0,
     STR("POST /c HTTP/1.1\r\nHost: d\r\nContent-Length: 11\r\n\r\nhello "
         "world"),
     "HEAD POST /c 1.1 sized 11 keep-alive|Host=d|Content-Length=11\n"
     "DATA hello world\nEND\n"},
    {HTTP_REQUESTS, 0,
     STR("POST /c HTTP/1.1\r\nHost: d\r\ncontent-length: 0\r\n\r\n"),
     "HEAD POST /c 1.1 sized 0 keep-alive|Host=d|content-length=0\nEND\n"},
    {HTTP_REQUESTS, 0,
     STR("PUT /a HTTP/1.1\r\nHost: d\r\nTransfer-Encoding:Chunked\r\n\r\n"
         "3\r\nabc\r\n0A;x\r\n0123456789\r\n0\r\nT: x\r\n\r\n"),
     "HEAD PUT /a 1.1 chunked keep-alive|Host=d|Transfer-Encoding=Chunked\n"
     "DATA abc0123456789\nEND\n"},
    {HTTP_REQUESTS, 0, /* pipelined, empty lines between */
     STR("POST /1 HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc\n\r\n"
         "DELETE /2 HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\nPATCH /3 HTTP/1.1\r\nHost: d\r\n\r\n\r\n\r\n\n\n"
         "OPTIONS * HTTP/1.1\r\nHost: d\r\n\r\n"),
     "HEAD POST /1 1.1 sized 3 keep-alive|Host=d|Content-Length=3\n"
     "DATA abc\nEND\n"
     "HEAD DELETE /2 1.1 chunked keep-alive|Host=d|Transfer-Encoding=chunked\n"
     "END\n"
     "HEAD OTHER /3 1.1 none keep-alive|Host=d\nEND\n"
     "HEAD OPTIONS * 1.1 none keep-alive|Host=d\nEND\n"},
    {HTTP_REQUESTS, 0,
     STR("POST /grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
         "Upgrade: h2c\r\nExpect: 100-Continue\r\n\r\n"),
     "HEAD POST /grpc 1.1 none keep-alive expects upgrade=h2c|Host=d|"
     "Connection=Upgrade|Upgrade=h2c|Expect=100-Continue\nEND\n"},
    {HTTP_REQUESTS, 0, /* an Upgrade takes nothing from the body */
     STR("POST /exec/1/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
         "Upgrade: tcp\r\nContent-Length: 2\r\n\r\n{}"
         "POST /2 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
         "Upgrade: tcp\r\nTransfer-Encoding: chunked\r\n\r\n"
         "2\r\n[]\r\n0\r\n\r\n"),
     "HEAD POST /exec/1/start 1.1 sized 2 keep-alive upgrade=tcp|Host=d|"
     "Connection=Upgrade|Upgrade=tcp|Content-Length=2\nDATA {}\nEND\n"
     "HEAD POST /2 1.1 chunked keep-alive upgrade=tcp|Host=d|"
     "Connection=Upgrade|Upgrade=tcp|Transfer-Encoding=chunked\n"
     "DATA []\nEND\n"},
    {HTTP_REQUESTS, 0, /* other forms of target: whoever routes refuses them */
     STR("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"
         "GET http://d/x HTTP/1.1\r\nHost: d\r\n\r\n"),
     "HEAD OTHER a:80 1.1 none keep-alive|Host=a\nEND\n"
     "HEAD GET http://d/x 1.1 none keep-alive|Host=d\nEND\n"},
    {HTTP_REQUESTS, 0,
     STR("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"),
     "HEAD POST / 1.0 none|Expect=100-continue\nEND\n"},
    {HTTP_REQUESTS, 0,
     STR("GET / HTTP/1.1\r\nHost: d\r\nProxy-Connection: close\r\n"
         "Content-Length:  9223372036854775807 \r\n\r\nx"),
     "HEAD GET / 1.1 sized 9223372036854775807 keep-alive|Host=d|"
     "Proxy-Connection=close|Content-Length=9223372036854775807\n"
     "DATA x\nERROR 400 the stream ended in the middle of a message\n"},
    {HTTP_REQUESTS, 0,
     STR("POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5\r\nhelloXX0\r\n\r\n"),
     "HEAD POST / 1.1 chunked keep-alive|Host=d|Transfer-Encoding=chunked\n"
     "DATA hello\nERROR 400 a chunk does not end where its size says\n"},

    {HTTP_RESPONSES, METHOD_GET,
     STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
         "HTTP/1.1 404\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
         "0\r\n\r\n"),
     "HEAD 200 OK 1.1 sized 2 keep-alive|Content-Length=2\nDATA OK\nEND\n"
     "HEAD 404  1.1 chunked keep-alive|Transfer-Encoding=chunked\nDATA x\n"
     "END\n"},
    {HTTP_RESPONSES, METHOD_HEAD, /* no body, whatever the head says; once */
     STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
     "HEAD 200 OK 1.1 none keep-alive|Content-Length=2\nEND\n"
     "HEAD 200 OK 1.1 sized 2 keep-alive|Content-Length=2\nDATA ab\nEND\n"},
    {HTTP_RESPONSES, METHOD_HEAD, /* an interim one does not answer it */
     STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
         "Transfer-Encoding: chunked\r\n\r\n"),
     "HEAD 100 Continue 1.1 none keep-alive\nEND\n"
     "HEAD 200 OK 1.1 none keep-alive|Transfer-Encoding=chunked\nEND\n"},
    {HTTP_RESPONSES, METHOD_POST,
     STR("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"
         "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
         "HTTP/1.0 200 OK\r\n\r\nall of\r\n\r\nit"),
     "HEAD 204 No Content 1.1 none keep-alive|Content-Length=9\nEND\n"
     "HEAD 304 Not Modified 1.1 none keep-alive|Content-Length=9\nEND\n"
     "HEAD 200 OK 1.0 eof\nDATA all of\r\n\r\nit\nEND\n"},
    {HTTP_RESPONSES, METHOD_POST,
     STR("HTTP/1.1 200 OK\r\nContent-Type: "
         "application/vnd.docker.raw-stream\r\n\r\n"),
     "HEAD 200 OK 1.1 eof|Content-Type=application/vnd.docker.raw-stream\n"
     "END\n"},
    {HTTP_RESPONSES, METHOD_POST,
     STR("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
         "HTTP/1.1 raw bytes"),
     "HEAD 101 UPGRADED 1.1 none keep-alive upgrade=tcp|Connection=Upgrade|"
     "Upgrade=tcp\nTUNNEL\n"},
    {HTTP_RESPONSES, METHOD_POST,
     STR("HTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1"),
     "HEAD 103 Early Hints 1.1 none keep-alive|Link=</a>\nEND\n"
     "ERROR 502 the stream ended in the middle of a message\n"},
    {HTTP_RESPONSES, METHOD_POST, STR("HTTP/1.1 100 Continue\r\n\r\n"),
     "HEAD 100 Continue 1.1 none keep-alive\nEND\n"
     "ERROR 502 the stream ended before the final response\n"},
    {HTTP_RESPONSES, METHOD_GET, STR(""), ""},
    {HTTP_RESPONSES, METHOD_GET,
     STR("HTTP/1.1 200 OK\r\nExpect: anything\r\nTransfer-Encoding: chunked"
         "\r\n\r\n1\r\n"),
     "HEAD 200 OK 1.1 chunked keep-alive|Expect=anything|"
     "Transfer-Encoding=chunked\n"
     "ERROR 502 the stream ended in the middle of a message\n"},
};
/* clang-format on */
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

/* Read S cut at CUTS and compare. OUT only lends its memory. */
static void assert_sample(const struct sample *s, const size_t *cuts,
                          size_t count, struct strbuf *out)
{
    strbuf_clear(out);
    http_trace(s->side, s->method, s->input, cuts, count, out);
    assert_string_equal(strbuf_cstr(out), s->expected);
}

static void messages_are_read_whole(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(TRACE_MAX);

    (void)state;
    for (size_t i = 0; i < SAMPLES; i++)
        assert_sample(&samples[i], NULL, 0, &out);
}

static void messages_are_read_byte_by_byte(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(TRACE_MAX);
    size_t cuts[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
        cuts[i] = i;
    for (size_t i = 0; i < SAMPLES; i++)
        assert_sample(&samples[i], cuts, samples[i].input.len, &out);
}

static void messages_are_read_cut_at_every_pair_of_positions(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(TRACE_MAX);
    size_t cuts[2];

    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        for (cuts[0] = 0; cuts[0] <= samples[i].input.len;
             cuts[0] += one_round_in()) {
            for (cuts[1] = cuts[0]; cuts[1] <= samples[i].input.len; cuts[1]++)
                assert_sample(&samples[i], cuts, 2, &out);
        }
    }
}

/* Every sample, cut once, each piece against the end of a readable page. */
static void no_byte_behind_the_input_is_read(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < SAMPLES; i++) {
        struct str input = samples[i].input;

        for (size_t cut = 0; cut <= input.len; cut++) {
            struct http_reader *reader = http_reader_new(samples[i].side);
            struct str pieces[2] = {str_head(input, cut),
                                    str_from_index(input, cut)};

            for (int p = 0; p < 2; p++) {
                char *at = map + page - pieces[p].len;
                struct str rest = str_of(at, pieces[p].len), data;
                enum http_event event;
                size_t used;

                memcpy(at, pieces[p].ptr, pieces[p].len);
                do {
                    event = http_reader_next(reader, rest, &used, &data);
                    rest = str_of(rest.ptr + used, rest.len - used);
                } while (event != HTTP_MORE && event != HTTP_HIJACK &&
                         event != HTTP_ERROR);
            }
            http_reader_free(reader);
        }
    }
    munmap(map, 2 * page);
}

static void a_sized_body_comes_as_one_slice_of_the_input(void **state)
{
    struct http_reader *reader = http_reader_new(HTTP_REQUESTS);
    static char body[300000];
    struct str head =
        S("PUT / HTTP/1.1\r\nHost: d\r\nContent-Length: 299999\r\n\r\n");
    struct str data;
    size_t used;

    (void)state;
    assert_int_equal(http_reader_next(reader, head, &used, &data), HTTP_HEAD);
    assert_int_equal(used, head.len);
    assert_int_equal(
        http_reader_next(reader, str_of(body, sizeof(body)), &used, &data),
        HTTP_DATA);
    assert_ptr_equal(data.ptr, body);
    assert_int_equal(data.len, 299999);
    assert_int_equal(used, 299999);
    /* the byte behind it is not the message's: told and left */
    assert_int_equal(http_reader_next(reader, S("\n"), &used, &data), HTTP_END);
    assert_int_equal(used, 0);
    assert_true(http_reader_is_idle(reader));
    http_reader_free(reader);
}

static void it_knows_whether_it_is_in_a_head(void **state)
{
    struct http_reader *reader = http_reader_new(HTTP_REQUESTS);
    struct str data;
    size_t used;

    (void)state;
    assert_true(http_reader_is_idle(reader));
    assert_false(http_reader_in_head(reader));
    http_reader_next(reader, S("\r\n"), &used, &data);
    assert_true(http_reader_is_idle(reader));
    http_reader_next(reader, S("G"), &used, &data);
    assert_false(http_reader_is_idle(reader));
    assert_true(http_reader_in_head(reader));
    http_reader_next(reader, S("ET / HTTP/1.0\r\n\r\n"), &used, &data);
    assert_false(http_reader_in_head(reader));
    assert_false(http_reader_is_idle(reader));
    assert_int_equal(http_reader_next(reader, S(""), &used, &data), HTTP_END);
    assert_true(http_reader_is_idle(reader));
    http_reader_free(reader);
    assert_null(http_reader_free(NULL));
}

static void a_hijack_takes_nothing_any_more(void **state)
{
    struct http_reader *reader = http_reader_new(HTTP_RESPONSES);
    struct str data;
    size_t used;

    (void)state;
    assert_int_equal(
        http_reader_next(reader, S("HTTP/1.1 200 OK\r\n\r\n"), &used, &data),
        HTTP_HEAD);
    http_reader_hijack(reader);
    assert_int_equal(http_reader_next(reader, S("raw"), &used, &data),
                     HTTP_HIJACK);
    assert_int_equal(used, 0);
    assert_int_equal(http_reader_eof(reader), HTTP_HIJACK);
    http_reader_free(reader);
}

static void an_error_stays(void **state)
{
    struct http_reader *reader = http_reader_new(HTTP_REQUESTS);
    struct str data;
    size_t used;

    (void)state;
    assert_null(http_reader_error(reader)->reason);
    assert_int_equal(http_reader_next(reader, S("x\n"), &used, &data),
                     HTTP_ERROR);
    http_reader_hijack(reader);
    assert_int_equal(
        http_reader_next(reader, S("GET / HTTP/1.0\n\n"), &used, &data),
        HTTP_ERROR);
    assert_int_equal(used, 0);
    assert_int_equal(http_reader_eof(reader), HTTP_ERROR);
    assert_int_equal(http_reader_error(reader)->status, 400);
    http_reader_free(reader);
}

/* A request whose head is LEN bytes, stretched in its target or a header. */
static void put_request(struct strbuf *buf, bool in_target, size_t len)
{
    struct str head = in_target ? S("GET /") : S("GET / HTTP/1.0\r\nA: ");
    struct str tail = in_target ? S(" HTTP/1.0\r\n\r\n") : S("\r\n\r\n");

    strbuf_clear(buf);
    assert_int_equal(strbuf_add(buf, head), 0);
    while (buf->len + tail.len < len)
        assert_int_equal(strbuf_add_char(buf, 'x'), 0);
    assert_int_equal(strbuf_add(buf, tail), 0);
    assert_int_equal(buf->len, len);
}

/* The same event at the end whether fed whole or in pieces. */
static void assert_last_line(enum http_side side, struct str input,
                             const char *expected)
{
    size_t cuts[600], count = 0;

    for (size_t at = 0; at < input.len && count < 600; at += 1009)
        cuts[count++] = at;
    for (int pass = 0; pass < 2; pass++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(TRACE_MAX);

        http_trace(side, METHOD_GET, input, cuts, pass ? count : 0, &out);
        assert_true(str_has_suffix(strbuf_str(&out), str_from(expected)));
    }
}

static void a_head_may_be_as_long_as_its_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf in = STRBUF(TRACE_MAX);

    (void)state;
    put_request(&in, false, LIMIT_HEAD);
    assert_last_line(HTTP_REQUESTS, strbuf_str(&in), "\nEND\n");
    put_request(&in, false, LIMIT_HEAD + 1);
    assert_last_line(HTTP_REQUESTS, strbuf_str(&in),
                     "ERROR 431 the head is too long\n");
    put_request(&in, true, LIMIT_HEAD);
    assert_last_line(HTTP_REQUESTS, strbuf_str(&in), "\nEND\n");
    put_request(&in, true, LIMIT_HEAD + 3);
    assert_last_line(HTTP_REQUESTS, strbuf_str(&in),
                     "ERROR 414 the request line is too long\n");
}

static void a_head_may_have_as_many_headers_as_its_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf in = STRBUF(TRACE_MAX);

    (void)state;
    strbuf_addf(&in, "HTTP/1.1 204 OK\r\n");
    for (int i = 0; i < LIMIT_HEADERS; i++)
        strbuf_addf(&in, "N%d: %d\r\n", i, i);
    strbuf_addf(&in, "\r\n");
    assert_last_line(HTTP_RESPONSES, strbuf_str(&in),
                     "|N126=126|N127=127\nEND\n");
    in.len -= 2;
    strbuf_addf(&in, "One: more\r\n");
    assert_last_line(HTTP_RESPONSES, strbuf_str(&in),
                     "ERROR 502 there are too many headers\n");
    strbuf_consume(&in, strlen("HTTP/1.1 204 OK\r\n"));
    {
        AUTO(strbuf_fini) struct strbuf request = STRBUF(TRACE_MAX);

        strbuf_addf(&request, "GET / HTTP/1.0\r\n");
        strbuf_add(&request, strbuf_str(&in));
        assert_last_line(HTTP_REQUESTS, strbuf_str(&request),
                         "ERROR 431 there are too many headers\n");
    }
}

static void interim_responses_may_come_up_to_their_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf in = STRBUF(TRACE_MAX);

    (void)state;
    for (int i = 0; i < LIMIT_INTERIM; i++)
        strbuf_addf(&in, "HTTP/1.1 102 Processing\r\n\r\n");
    strbuf_addf(&in, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_last_line(HTTP_RESPONSES, strbuf_str(&in),
                     "HEAD 204 No Content 1.1 none keep-alive\nEND\n");
    in.len -= strlen("HTTP/1.1 204 No Content\r\n\r\n");
    strbuf_addf(&in, "HTTP/1.1 102 Processing\r\n\r\n");
    assert_last_line(HTTP_RESPONSES, strbuf_str(&in),
                     "ERROR 502 there are too many interim responses\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_read_whole),
        cmocka_unit_test(messages_are_read_byte_by_byte),
        cmocka_unit_test(messages_are_read_cut_at_every_pair_of_positions),
        cmocka_unit_test(no_byte_behind_the_input_is_read),
        cmocka_unit_test(a_sized_body_comes_as_one_slice_of_the_input),
        cmocka_unit_test(it_knows_whether_it_is_in_a_head),
        cmocka_unit_test(a_hijack_takes_nothing_any_more),
        cmocka_unit_test(an_error_stays),
        cmocka_unit_test(a_head_may_be_as_long_as_its_limit),
        cmocka_unit_test(a_head_may_have_as_many_headers_as_its_limit),
        cmocka_unit_test(interim_responses_may_come_up_to_their_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
