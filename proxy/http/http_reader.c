#include "proxy/http/http_reader.h"

#include <assert.h>
#include <stdlib.h>

/* http-parser's methods have the names that we gave to events */
#define HTTP_HEAD PARSER_METHOD_HEAD
#include <http_parser.h>
#undef HTTP_HEAD

#include "proxy/http/chunked.h"
#include "proxy/http/head_check.h"

enum reader_state {
    READER_IDLE,
    READER_HEAD, /* some bytes of it are in ->bytes */
    READER_SIZED,
    READER_CHUNKED,
    READER_UNTIL_EOF,
    READER_END, /* all was read, HTTP_END is still to be told */
    READER_HIJACK,
    READER_ERROR,
};

#define BIT(n)   (1U << (n))
#define ANY_TIME (BIT(READER_HIJACK) | BIT(READER_ERROR))

/* The states that may follow, as bits. */
static const unsigned successors[] = {
    [READER_IDLE] = BIT(READER_HEAD) | ANY_TIME,
    [READER_HEAD] = BIT(READER_IDLE) | BIT(READER_SIZED) | BIT(READER_CHUNKED) |
                    BIT(READER_UNTIL_EOF) | BIT(READER_END) | ANY_TIME,
    [READER_SIZED] = BIT(READER_END) | ANY_TIME,
    [READER_CHUNKED] = BIT(READER_END) | ANY_TIME,
    [READER_UNTIL_EOF] = BIT(READER_IDLE) | ANY_TIME,
    [READER_END] = BIT(READER_IDLE) | ANY_TIME,
    [READER_HIJACK] = BIT(READER_HIJACK),
    [READER_ERROR] = BIT(READER_ERROR),
};

struct http_reader {
    enum http_side side;
    enum reader_state state;

    struct strbuf bytes; /* of the head; the slices of ->head point here */
    size_t line;         /* where the line begins that is being gathered */
    size_t blanks;       /* empty lines before this head */
    size_t interims;     /* 1xx responses before this one */
    struct head_check check;

    enum method expected; /* the method that the next response answers */
    struct http_head head;

    uint64_t left; /* READER_SIZED: the bytes still to come */
    struct chunked chunked;

    struct http_error error;
};

static void enter(struct http_reader *r, enum reader_state to)
{
    assert(successors[r->state] & BIT(to));
    r->state = to;
}

static enum http_event fail(struct http_reader *r, int status,
                            const char *reason)
{
    r->error.status = r->side == HTTP_RESPONSES ? 502 : status;
    r->error.reason = reason;
    enter(r, READER_ERROR);
    return HTTP_ERROR;
}

struct http_reader *http_reader_new(enum http_side side)
{
    struct http_reader *r = xcalloc(1, sizeof(*r));

    r->side = side;
    r->bytes = (struct strbuf)STRBUF(LIMIT_HEAD);
    /* A setting of the whole process, and always the same: it must not speak
     * before our own limit does. */
    http_parser_set_max_header_size(2 * LIMIT_HEAD);
    return r;
}

struct http_reader *http_reader_free(struct http_reader *r)
{
    if (r) {
        strbuf_fini(&r->bytes);
        free(r);
    }
    return NULL;
}

/*
 * http-parser's callbacks. The head lies before it in one piece, so each tells
 * of a whole thing, and the bytes are those of ->bytes.
 */
static int on_url(http_parser *parser, const char *at, size_t len)
{
    struct http_reader *r = parser->data;

    r->head.target = str_of(at, len);
    return 0;
}

static int on_status(http_parser *parser, const char *at, size_t len)
{
    struct http_reader *r = parser->data;

    r->head.reason = str_of(at, len);
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t len)
{
    struct http_reader *r = parser->data;

    if (r->head.header_count == LIMIT_HEADERS)
        return -1;
    r->head.headers[r->head.header_count++] =
        (struct http_header){str_of(at, len), S("")};
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t len)
{
    struct http_reader *r = parser->data;

    r->head.headers[r->head.header_count - 1].value = str_trim(str_of(at, len));
    return 0;
}

static bool parse(struct http_reader *r, http_parser *parser)
{
    static const http_parser_settings settings = {
        .on_url = on_url,
        .on_status = on_status,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
    };
    size_t parsed;

    http_parser_init(parser,
                     r->side == HTTP_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE);
    parser->data = r;
    parsed = http_parser_execute(parser, &settings, r->bytes.ptr, r->bytes.len);
    /* Every line but the last, which is empty, and the first is a header: if
     * the parser counts otherwise, it has read something else than we have. */
    return HTTP_PARSER_ERRNO(parser) == HPE_OK && parsed == r->bytes.len &&
           r->head.header_count == r->check.lines - 1;
}

static bool is_interim(int status)
{
    return status < 200 && status != 101;
}

/* RFC 9112, 6.3 */
static enum http_body body_of(const struct http_reader *r)
{
    if (r->side == HTTP_RESPONSES &&
        (r->expected == METHOD_HEAD || r->head.status < 200 ||
         r->head.status == 204 || r->head.status == 304))
        return HTTP_BODY_NONE;
    if (r->check.is_chunked)
        return HTTP_BODY_CHUNKED;
    if (r->check.has_length)
        return HTTP_BODY_SIZED;
    return r->side == HTTP_REQUESTS ? HTTP_BODY_NONE : HTTP_BODY_EOF;
}

/* RFC 9112, 9.3 */
static bool keeps_alive(const struct http_head *head)
{
    if (head->body == HTTP_BODY_EOF ||
        http_head_has_token(head, S("Connection"), S("close")))
        return false;
    return head->minor > 0 ||
           http_head_has_token(head, S("Connection"), S("keep-alive"));
}

static void fill_head(struct http_reader *r, const http_parser *parser)
{
    struct http_head *head = &r->head;
    const struct str *upgrade;

    if (r->side == HTTP_REQUESTS)
        head->method = method_find(str_from(http_method_str(parser->method)));
    else
        head->status = parser->status_code;
    head->minor = parser->http_minor;
    head->body = body_of(r);
    if (head->body == HTTP_BODY_SIZED)
        head->length = parser->content_length;
    head->keep_alive = keeps_alive(head);
    head->expect_continue = r->check.wants_continue;
    upgrade = http_head_get(head, S("Upgrade"));
    head->upgrade = upgrade ? *upgrade : S("");
}

static void enter_body(struct http_reader *r)
{
    if (r->side == HTTP_RESPONSES && r->head.status == 101) {
        enter(r, READER_HIJACK);
        return;
    }
    switch (r->head.body) {
    case HTTP_BODY_NONE:
        enter(r, READER_END);
        break;
    case HTTP_BODY_SIZED:
        r->left = r->head.length;
        enter(r, r->left ? READER_SIZED : READER_END);
        break;
    case HTTP_BODY_CHUNKED:
        r->chunked = (struct chunked){0};
        enter(r, READER_CHUNKED);
        break;
    case HTTP_BODY_EOF:
        enter(r, READER_UNTIL_EOF);
        break;
    }
}

static enum http_event end_of_head(struct http_reader *r)
{
    http_parser parser;

    if (head_check_end(&r->check, &r->error) != 0)
        return fail(r, r->error.status, r->error.reason);
    r->head.header_count = 0;
    r->head.target = r->head.reason = S("");
    r->head.length = 0;
    if (!parse(r, &parser)) {
        if (HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_METHOD)
            return fail(r, 501, "the method is not known");
        if (HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_URL)
            return fail(r, 400, "the request target is malformed");
        return fail(r, 400, "the head is malformed");
    }
    fill_head(r, &parser);
    if (r->side == HTTP_RESPONSES) {
        bool interim = is_interim(r->head.status);

        if (interim && r->interims == LIMIT_INTERIM)
            return fail(r, 502, "there are too many interim responses");
        r->interims = interim ? r->interims + 1 : 0;
        if (!interim)
            r->expected = METHOD_GET;
    }
    enter_body(r);
    return HTTP_HEAD;
}

/* A line is complete at the end of ->bytes. */
static enum http_event end_of_line(struct http_reader *r)
{
    struct str line = str_from_index(strbuf_str(&r->bytes), r->line);

    line.len--;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0 && r->check.lines > 0)
        return end_of_head(r);
    if (line.len == 0) {
        /* RFC 9112, 2.2: a client may send them behind a body */
        if (r->side == HTTP_RESPONSES || r->blanks == LIMIT_BLANKS)
            return fail(r, 400, "there are empty lines before the head");
        r->blanks++;
        strbuf_clear(&r->bytes);
        enter(r, READER_IDLE);
        return HTTP_MORE;
    }
    if (head_check_line(&r->check, line, &r->error) != 0)
        return fail(r, r->error.status, r->error.reason);
    r->line = r->bytes.len;
    return HTTP_MORE;
}

static enum http_event too_long(struct http_reader *r)
{
    if (r->side == HTTP_REQUESTS && r->check.lines == 0)
        return fail(r, 414, "the request line is too long");
    return fail(r, 431, "the head is too long");
}

static enum http_event read_head(struct http_reader *r, struct str input,
                                 size_t *used)
{
    enum http_event event = HTTP_MORE;

    while (event == HTTP_MORE && *used < input.len) {
        struct str rest = str_from_index(input, *used);
        ssize_t lf = str_find(rest, '\n');

        if (r->state == READER_IDLE) {
            strbuf_clear(&r->bytes);
            r->line = 0;
            head_check_init(&r->check, r->side);
            enter(r, READER_HEAD);
        }
        if (lf >= 0)
            rest = str_head(rest, (size_t)lf + 1);
        if (strbuf_add(&r->bytes, rest) < 0)
            return too_long(r);
        *used += rest.len;
        if (lf >= 0)
            event = end_of_line(r);
    }
    return event;
}

static enum http_event read_sized(struct http_reader *r, struct str input,
                                  size_t *used, struct str *data)
{
    if (input.len == 0)
        return HTTP_MORE;
    *data = r->left < input.len ? str_head(input, (size_t)r->left) : input;
    *used = data->len;
    r->left -= data->len;
    if (r->left == 0)
        enter(r, READER_END);
    return HTTP_DATA;
}

static enum http_event read_chunked(struct http_reader *r, struct str input,
                                    size_t *used, struct str *data)
{
    switch (chunked_next(&r->chunked, input, used, data)) {
    case CHUNKED_MORE:
        return HTTP_MORE;
    case CHUNKED_DATA:
        return HTTP_DATA;
    case CHUNKED_END:
        enter(r, READER_END);
        return HTTP_END;
    case CHUNKED_BAD:
        break;
    }
    return fail(r, 400, r->chunked.why);
}

/* HTTP_END has been told. */
static enum http_event end_of_message(struct http_reader *r)
{
    r->blanks = 0;
    enter(r, READER_IDLE);
    return HTTP_END;
}

enum http_event http_reader_next(struct http_reader *r, struct str input,
                                 size_t *used, struct str *data)
{
    enum http_event event;

    *used = 0;
    *data = S("");
    switch (r->state) {
    case READER_IDLE:
    case READER_HEAD:
        return read_head(r, input, used);
    case READER_SIZED:
        return read_sized(r, input, used, data);
    case READER_CHUNKED:
        event = read_chunked(r, input, used, data);
        return event == HTTP_END ? end_of_message(r) : event;
    case READER_UNTIL_EOF:
        *used = input.len;
        *data = input;
        return input.len ? HTTP_DATA : HTTP_MORE;
    case READER_END:
        return end_of_message(r);
    case READER_HIJACK:
        return HTTP_HIJACK;
    case READER_ERROR:
        break;
    }
    return HTTP_ERROR;
}

enum http_event http_reader_eof(struct http_reader *r)
{
    switch (r->state) {
    case READER_IDLE:
        if (r->interims == 0)
            return HTTP_MORE;
        return fail(r, 502, "the stream ended before the final response");
    case READER_UNTIL_EOF:
    case READER_END:
        return end_of_message(r);
    case READER_HIJACK:
        return HTTP_HIJACK;
    case READER_ERROR:
        return HTTP_ERROR;
    case READER_HEAD:
    case READER_SIZED:
    case READER_CHUNKED:
        break;
    }
    return fail(r, 400, "the stream ended in the middle of a message");
}

void http_reader_expect(struct http_reader *r, enum method method)
{
    r->expected = method;
}

void http_reader_hijack(struct http_reader *r)
{
    if (r->state != READER_ERROR)
        enter(r, READER_HIJACK);
}

bool http_reader_is_idle(const struct http_reader *r)
{
    return r->state == READER_IDLE && r->interims == 0;
}

bool http_reader_in_head(const struct http_reader *r)
{
    return r->state == READER_HEAD;
}

const struct http_head *http_reader_head(const struct http_reader *r)
{
    return &r->head;
}

const struct http_error *http_reader_error(const struct http_reader *r)
{
    return &r->error;
}

/* What one head of usual length takes. */
#define KEPT (4 * KIB)

void http_reader_forget(struct http_reader *r)
{
    if (r->state == READER_IDLE && r->bytes.cap > KEPT) {
        strbuf_fini(&r->bytes);
        r->head.header_count = 0;
        r->head.target = r->head.reason = r->head.upgrade = S("");
    }
}
