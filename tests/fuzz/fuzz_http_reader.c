/*
 * The first byte says which side is read and how the bytes behind it are cut.
 * Properties: reading whole is reading in pieces, and a request's head that
 * was read and is written anew is read as the same again.
 */

#include <assert.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/http_trace.h"

#define CUTS 256

/* Cuts of small and changing distance, different for each SEED. */
static size_t make_cuts(size_t *cuts, size_t len, unsigned seed)
{
    size_t count = 0, at = 0;

    while (count < CUTS) {
        seed = seed * 1103515245 + 12345;
        at += 1 + (seed >> 16) % (1 + (seed >> 24) % 32);
        if (at >= len)
            break;
        cuts[count++] = at;
    }
    return count;
}

static void write_anew(struct strbuf *out, const struct http_head *head)
{
    int r = http_put_request_line(out, head->method, head->target);

    for (size_t i = 0; i < head->header_count; i++)
        r |=
            http_put_header(out, head->headers[i].name, head->headers[i].value);
    r |= http_put_end_of_head(out);
    assert(r == 0);
}

static void assert_same(const struct http_head *a, const struct http_head *b)
{
    assert(a->method == b->method && str_eq(a->target, b->target));
    assert(a->body == b->body && a->length == b->length);
    assert(a->header_count == b->header_count);
    for (size_t i = 0; i < a->header_count; i++) {
        assert(str_eq(a->headers[i].name, b->headers[i].name));
        assert(str_eq(a->headers[i].value, b->headers[i].value));
    }
}

/* The first head of INPUT, if it has one that a writer can name. */
static void check_rewriting(struct str input)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(2 * LIMIT_HEAD);
    struct http_reader *first = http_reader_new(HTTP_REQUESTS);
    struct http_reader *again = http_reader_new(HTTP_REQUESTS);
    struct str data;
    size_t used;

    if (http_reader_next(first, input, &used, &data) == HTTP_HEAD &&
        http_reader_head(first)->method != METHOD_OTHER &&
        http_reader_head(first)->minor > 0) {
        write_anew(&out, http_reader_head(first));
        if (out.len <= LIMIT_HEAD) {
            enum http_event event =
                http_reader_next(again, strbuf_str(&out), &used, &data);

            assert(event == HTTP_HEAD && used == out.len);
            assert_same(http_reader_head(first), http_reader_head(again));
        }
    }
    http_reader_free(first);
    http_reader_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    AUTO(strbuf_fini) struct strbuf whole = STRBUF(TRACE_MAX);
    AUTO(strbuf_fini) struct strbuf cut = STRBUF(TRACE_MAX);
    unsigned choice = len ? bytes[0] : 0;
    enum http_side side = choice & 1 ? HTTP_RESPONSES : HTTP_REQUESTS;
    enum method method = choice & 2 ? METHOD_HEAD : METHOD_GET;
    struct str input = str_of((const char *)bytes + 1, len ? len - 1 : 0);
    size_t cuts[CUTS], count;

    if (len == 0)
        return 0;
    http_trace(side, method, input, NULL, 0, &whole);
    count = make_cuts(cuts, input.len, choice >> 2);
    http_trace(side, method, input, cuts, count, &cut);
    assert(str_eq(strbuf_str(&whole), strbuf_str(&cut)));
    if (side == HTTP_REQUESTS)
        check_rewriting(input);
    return 0;
}
