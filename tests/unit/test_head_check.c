#include "tests/unit/unit.h"

#include "tests/support/http_trace.h"

#define REQUEST "GET / HTTP/1.1\r\nHost: x\r\n"

struct malformed {
    struct str input;
    const char *expected; /* the error, as http_trace writes it */
};

static void assert_error(enum http_side side, const struct malformed *c)
{
    AUTO(strbuf_fini) struct strbuf whole = STRBUF(TRACE_MAX);
    AUTO(strbuf_fini) struct strbuf bytes = STRBUF(TRACE_MAX);
    AUTO(strbuf_fini) struct strbuf expected = STRBUF(TRACE_MAX);
    size_t cuts[1000];

    for (size_t i = 0; i < c->input.len; i++)
        cuts[i] = i;
    http_trace(side, METHOD_GET, c->input, NULL, 0, &whole);
    http_trace(side, METHOD_GET, c->input, cuts, c->input.len, &bytes);
    assert_int_equal(strbuf_addf(&expected, "ERROR %s\n", c->expected), 0);
    assert_string_equal(strbuf_cstr(&whole), strbuf_cstr(&expected));
    assert_string_equal(strbuf_cstr(&bytes), strbuf_cstr(&expected));
}

#define REQUEST_LINE "400 the request line is not METHOD TARGET HTTP/1.1"
#define TARGET                                                                 \
    "400 the request target has a byte in it that must be percent-encoded"
#define VERSION "505 only HTTP/1.0 and HTTP/1.1 are spoken"
#define HEADER  "400 a header line is not NAME: VALUE"
#define CONTROL "400 a header has a control byte in it"
#define LENGTH  "400 Content-Length is not a number of bytes"
#define BOTH    "400 both Content-Length and Transfer-Encoding are given"
#define CODING  "501 no Transfer-Encoding but chunked is understood"

/* clang-format off */
static const struct malformed requests[] = {
    {STR("GET /\r\n"), REQUEST_LINE},
    {STR("GET\r\n"), REQUEST_LINE},
    {STR(" GET / HTTP/1.1\r\n"), REQUEST_LINE},
    {STR("GET  / HTTP/1.1\r\n"), REQUEST_LINE},
    {STR("GET /  HTTP/1.1\r\n"), REQUEST_LINE},
    {STR("GET / HTTP/1.1 \r\n"), REQUEST_LINE},
    {STR("GET / x HTTP/1.1\r\n"), REQUEST_LINE},
    {STR("GET\t/ HTTP/1.1\r\n"), REQUEST_LINE},
    {STR("GET / http/1.1\r\n"), REQUEST_LINE},
    {STR("GET / HTTP/1.10\r\n"), REQUEST_LINE},
    {STR("GET / HTTP/1,1\r\n"), REQUEST_LINE},
    {STR("GET / HTTP/11\r\n"), REQUEST_LINE},
    {STR("GET / HTTP/1.1\r\r\n"), REQUEST_LINE},
    {STR("G(T / HTTP/1.1\r\n"), REQUEST_LINE},
    {STR("G\0T / HTTP/1.1\r\n"), REQUEST_LINE},
    {STR("\x16\x03\x01\x02\n"), REQUEST_LINE},
    {STR("GET  HTTP/1.1\r\n"), TARGET},
    {STR("GET /\t HTTP/1.1\r\n"), TARGET},
    {STR("GET /\0 HTTP/1.1\r\n"), TARGET},
    {STR("GET /\r HTTP/1.1\r\n"), TARGET},
    {STR("GET /\x7f HTTP/1.1\r\n"), TARGET},
    {STR("GET /\xc3\xa4 HTTP/1.1\r\n"), TARGET},
    {STR("GET / HTTP/2.0\r\n"), VERSION},
    {STR("GET / HTTP/0.9\r\n"), VERSION},
    {STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
     "505 HTTP/2 is not spoken on this socket; use HTTP/1.1, and for BuildKit "
     "POST /grpc with Upgrade: h2c"},
    {STR("FROB / HTTP/1.1\r\nHost: x\r\n\r\n"), "501 the method is not known"},
    {STR("get / HTTP/1.1\r\nHost: x\r\n\r\n"), "501 the method is not known"},
    {STR("GET x/y HTTP/1.1\r\nHost: x\r\n\r\n"),
     "400 the request target is malformed"},

    {STR("GET / HTTP/1.1\r\n\r\n"), "400 the Host header is missing"},
    {STR("GET / HTTP/1.1\n\n"), "400 the Host header is missing"},
    {STR(REQUEST "host: x\r\n"), "400 two Host headers are given"},
    {STR("GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n"),
     "400 two Host headers are given"},
    {STR(REQUEST " folded\r\n"), "400 a header line is folded"},
    {STR(REQUEST "\tfolded\r\n"), "400 a header line is folded"},
    {STR("GET / HTTP/1.1\r\n Host: x\r\n"), "400 a header line is folded"},
    {STR(REQUEST " \r\n"), "400 a header line is folded"},
    {STR(REQUEST "Content-Length : 1\r\n"), HEADER},
    {STR(REQUEST "Content-Length\t: 1\r\n"), HEADER},
    {STR(REQUEST "NoColon\r\n"), HEADER},
    {STR(REQUEST ": empty\r\n"), HEADER},
    {STR(REQUEST "a b: c\r\n"), HEADER},
    {STR(REQUEST "a\0b: c\r\n"), HEADER},
    {STR(REQUEST "\xc3\xa4: c\r\n"), HEADER},
    {STR(REQUEST "\r\r\n"), HEADER},
    {STR(REQUEST "a: b\rc\r\n"), CONTROL},
    {STR(REQUEST "a: b\r\r\n"), CONTROL},
    {STR(REQUEST "a: b\0\r\n"), CONTROL},
    {STR(REQUEST "a: \x1b[0m\r\n"), CONTROL},
    {STR(REQUEST "a: \x7f\r\n"), CONTROL},

    {STR(REQUEST "Content-Length: 1\r\nContent-Length: 1\r\n"),
     "400 two Content-Length headers are given"},
    {STR(REQUEST "content-length: 1\r\nCONTENT-LENGTH: 2\r\n"),
     "400 two Content-Length headers are given"},
    {STR(REQUEST "Content-Length: 1, 1\r\n"), LENGTH},
    {STR(REQUEST "Content-Length: \r\n"), LENGTH},
    {STR(REQUEST "Content-Length: +1\r\n"), LENGTH},
    {STR(REQUEST "Content-Length: -1\r\n"), LENGTH},
    {STR(REQUEST "Content-Length: 0x1\r\n"), LENGTH},
    {STR(REQUEST "Content-Length: 1 1\r\n"), LENGTH},
    {STR(REQUEST "Content-Length: 1.0\r\n"), LENGTH},
    {STR(REQUEST "Content-Length: 9223372036854775808\r\n"), LENGTH},
    {STR(REQUEST "Content-Length: 18446744073709551617\r\n"), LENGTH},
    {STR(REQUEST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), BOTH},
    {STR(REQUEST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), BOTH},
    {STR(REQUEST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
     "400 two Transfer-Encoding headers are given"},
    {STR(REQUEST "Transfer-Encoding: gzip, chunked\r\n"), CODING},
    {STR(REQUEST "Transfer-Encoding: chunked, chunked\r\n"), CODING},
    {STR(REQUEST "Transfer-Encoding: chunked;q=1\r\n"), CODING},
    {STR(REQUEST "Transfer-Encoding: \"chunked\"\r\n"), CODING},
    {STR(REQUEST "Transfer-Encoding: xchunked\r\n"), CODING},
    {STR(REQUEST "Transfer-Encoding: \x0b" "chunked\r\n"), CONTROL},
    {STR(REQUEST "Transfer-Encoding: identity\r\n"), CODING},
    {STR(REQUEST "Transfer-Encoding:\r\n"), CODING},
    {STR("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"),
     "400 HTTP/1.0 knows no Transfer-Encoding"},
    {STR(REQUEST "Expect: 200-ok\r\n"),
     "417 no Expect but 100-continue is understood"},
    {STR(REQUEST "Expect: 100-continue, x\r\n"),
     "417 no Expect but 100-continue is understood"},
    {STR(REQUEST "Upgrade: tcp\r\nUpgrade: h2c\r\n"),
     "400 two Upgrade headers are given"},

    {STR("\r\n\r\n\n\n\r\n" REQUEST "\r\n"),
     "400 there are empty lines before the head"},
    {STR("GET / HT"), "400 the stream ended in the middle of a message"},
    {STR(REQUEST "\r"), "400 the stream ended in the middle of a message"},
};

#define STATUS_LINE "502 the status line is not HTTP/1.1 STATUS REASON"

static const struct malformed responses[] = {
    {STR("HTTP/1.1\r\n"), STATUS_LINE},
    {STR("HTTP/1.1 20\r\n"), STATUS_LINE},
    {STR("HTTP/1.1 2000 OK\r\n"), STATUS_LINE},
    {STR("HTTP/1.1 099 OK\r\n"), STATUS_LINE},
    {STR("HTTP/1.1 2x0 OK\r\n"), STATUS_LINE},
    {STR("HTTP/1.1  200 OK\r\n"), STATUS_LINE},
    {STR("HTTP/1.1\t200 OK\r\n"), STATUS_LINE},
    {STR("HTTP/1.1 200 O\0K\r\n"), STATUS_LINE},
    {STR("HTTP/1.1 200 O\rK\r\n"), STATUS_LINE},
    {STR("ICY 200 OK\r\n"), STATUS_LINE},
    {STR("\0\0\0\4\n"), STATUS_LINE},
    {STR("HTTP/2.0 200 OK\r\n"), "502 only HTTP/1.0 and HTTP/1.1 are spoken"},
    {STR("\r\nHTTP/1.1 200 OK\r\n\r\n"),
     "502 there are empty lines before the head"},
    {STR("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n"),
     "502 a header line is folded"},
    {STR("HTTP/1.1 200 OK\r\nA : b\r\n"),
     "502 a header line is not NAME: VALUE"},
    {STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n"),
     "502 two Content-Length headers are given"},
    {STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: "
         "chunked\r\n"),
     "502 both Content-Length and Transfer-Encoding are given"},
    {STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n"),
     "502 no Transfer-Encoding but chunked is understood"},
    {STR("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"),
     "502 HTTP/1.0 knows no Transfer-Encoding"},
};
/* clang-format on */

static void malformed_requests_are_refused_with_their_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        assert_error(HTTP_REQUESTS, &requests[i]);
}

static void malformed_responses_are_a_bad_gateway(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
        assert_error(HTTP_RESPONSES, &responses[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests_are_refused_with_their_reason),
        cmocka_unit_test(malformed_responses_are_a_bad_gateway),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
