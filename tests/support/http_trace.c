#include "tests/support/http_trace.h"

#include <assert.h>
#include <stdlib.h>

static const char *const bodies[] = {
    [HTTP_BODY_NONE] = "none",
    [HTTP_BODY_SIZED] = "sized",
    [HTTP_BODY_CHUNKED] = "chunked",
    [HTTP_BODY_EOF] = "eof",
};

static void put(struct strbuf *out, struct str text)
{
    int r = strbuf_add(out, text);

    assert(r == 0);
}

static void put_text(struct strbuf *out, const char *text)
{
    put(out, str_from(text));
}

static void put_head(struct strbuf *out, enum http_side side,
                     const struct http_head *head)
{
    put_text(out, "HEAD ");
    if (side == HTTP_REQUESTS) {
        put_text(out, method_name(head->method));
        put_text(out, " ");
        put(out, head->target);
    } else {
        strbuf_addf(out, "%d ", head->status);
        put(out, head->reason);
    }
    strbuf_addf(out, " 1.%u %s", head->minor, bodies[head->body]);
    if (head->body == HTTP_BODY_SIZED)
        strbuf_addf(out, " %llu", (unsigned long long)head->length);
    if (head->keep_alive)
        put_text(out, " keep-alive");
    if (head->expect_continue)
        put_text(out, " expects");
    if (head->upgrade.len) {
        put_text(out, " upgrade=");
        put(out, head->upgrade);
    }
    for (size_t i = 0; i < head->header_count; i++) {
        put_text(out, "|");
        put(out, head->headers[i].name);
        put_text(out, "=");
        put(out, head->headers[i].value);
    }
    put_text(out, "\n");
}

/* DATA lines are ended by whatever comes next. */
static void put_event(struct strbuf *out, enum http_side side,
                      const struct http_reader *reader, enum http_event event,
                      struct str data, bool *in_data)
{
    if (event == HTTP_MORE)
        return;
    if (event == HTTP_DATA) {
        assert(data.len > 0);
        if (!*in_data)
            put_text(out, "DATA ");
        put(out, data);
        *in_data = true;
        return;
    }
    if (*in_data)
        put_text(out, "\n");
    *in_data = false;
    if (event == HTTP_HEAD)
        put_head(out, side, http_reader_head(reader));
    else if (event == HTTP_END)
        put_text(out, "END\n");
    else if (event == HTTP_HIJACK)
        put_text(out, "TUNNEL\n");
    else
        strbuf_addf(out, "ERROR %d %s\n", http_reader_error(reader)->status,
                    http_reader_error(reader)->reason);
}

/* Returns false when the reader takes nothing any more. */
static bool feed(struct http_reader *reader, enum http_side side,
                 struct str piece, struct strbuf *out, bool *in_data)
{
    /* a copy of exactly that size, never NULL */
    char *copy = xstr_dup(piece);
    char *tight = piece.len ? realloc(copy, piece.len) : copy;
    struct str rest = str_of(tight, piece.len), data;
    enum http_event event;
    size_t used;

    if (piece.len)
        assert(tight);
    do {
        event = http_reader_next(reader, rest, &used, &data);
        assert(used <= rest.len);
        if (event == HTTP_DATA)
            assert(data.ptr >= rest.ptr &&
                   data.ptr + data.len <= rest.ptr + used);
        if (event == HTTP_MORE)
            assert(used == rest.len);
        put_event(out, side, reader, event, data, in_data);
        rest = str_of(rest.ptr + used, rest.len - used);
    } while (event == HTTP_HEAD || event == HTTP_DATA || event == HTTP_END);
    free(tight);
    return event == HTTP_MORE;
}

void http_trace(enum http_side side, enum method method, struct str input,
                const size_t *cuts, size_t count, struct strbuf *out)
{
    struct http_reader *reader = http_reader_new(side);
    bool in_data = false, open = true;
    size_t at = 0;

    http_reader_expect(reader, method);
    for (size_t i = 0; open && i <= count; i++) {
        size_t end = i < count ? cuts[i] : input.len;

        open =
            feed(reader, side, str_of(input.ptr + at, end - at), out, &in_data);
        at = end;
    }
    if (open) {
        enum http_event event = http_reader_eof(reader);

        put_event(out, side, reader, event, S(""), &in_data);
        assert(event != HTTP_MORE || http_reader_is_idle(reader));
    }
    http_reader_free(reader);
}
