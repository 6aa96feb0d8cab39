#include "tests/wire/plain.h"

#include <assert.h>

#define PLAIN_MAX (128 * MIB)

static void expect_next(struct plain *p)
{
    enum method method = METHOD_GET;

    if (p->method_count) {
        method = *p->methods++;
        p->method_count--;
    }
    http_reader_expect(p->reader, method);
}

void plain_init(struct plain *p, enum http_side kind,
                const enum method *methods, size_t method_count)
{
    *p = (struct plain){
        .kind = kind,
        .reader = http_reader_new(kind),
        .methods = methods,
        .method_count = method_count,
        .message = STRBUF(PLAIN_MAX),
        .chunk = STRBUF(PLAIN_MAX),
        .text = STRBUF(PLAIN_MAX),
    };
    expect_next(p);
}

void plain_fini(struct plain *p)
{
    p->reader = http_reader_free(p->reader);
    strbuf_fini(&p->message);
    strbuf_fini(&p->chunk);
    strbuf_fini(&p->text);
}

static void add(struct strbuf *out, struct str s)
{
    int r = strbuf_add(out, s);

    assert(r == 0);
}

static void end_chunk(struct plain *p)
{
    if (p->chunk.len == 0)
        return;
    strbuf_addf(&p->text, "%zx\r\n", p->chunk.len);
    add(&p->text, strbuf_str(&p->chunk));
    add(&p->text, S("\r\n"));
    strbuf_clear(&p->chunk);
}

static void end_message(struct plain *p)
{
    const struct http_head *head = http_reader_head(p->reader);

    if (head->body == HTTP_BODY_CHUNKED) {
        end_chunk(p);
        add(&p->text, S("0\r\n\r\n"));
    }
    /* a stream carries one request, and then at most a tunnel */
    if (p->kind == HTTP_REQUESTS)
        p->raw = true;
    else if (head->status >= 200)
        expect_next(p);
}

static void take_data(struct plain *p, struct str data)
{
    bool chunked = http_reader_head(p->reader)->body == HTTP_BODY_CHUNKED;

    add(chunked ? &p->chunk : &p->text, data);
}

bool plain_take(struct plain *p, struct strbuf *sent)
{
    struct str in = strbuf_str(sent), data;
    size_t used;

    for (;;) {
        if (p->raw) {
            add(&p->text, in);
            break;
        }
        switch (http_reader_next(p->reader, in, &used, &data)) {
        case HTTP_MORE:
            if (http_reader_in_head(p->reader))
                add(&p->message, str_head(in, used));
            strbuf_clear(sent);
            return true;
        case HTTP_HEAD:
            add(&p->message, str_head(in, used));
            add(&p->text, strbuf_str(&p->message));
            strbuf_clear(&p->message);
            break;
        case HTTP_DATA:
            take_data(p, data);
            break;
        case HTTP_END:
            end_message(p);
            break;
        case HTTP_HIJACK:
            p->raw = true;
            break;
        case HTTP_ERROR:
            return false;
        }
        in = str_from_index(in, used);
    }
    strbuf_clear(sent);
    return true;
}

struct str plain_look(struct plain *p)
{
    end_chunk(p);
    return strbuf_str(&p->text);
}

void plain_forget(struct plain *p)
{
    strbuf_clear(&p->text);
}
