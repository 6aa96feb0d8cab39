#include "proxy/http/chunked.h"

#include "proxy/http/http_message.h"

static const char bad_size[] = "a chunk size is not a hexadecimal number";
static const char bad_line[] = "a chunk-size line is malformed";
static const char bad_end[] = "a chunk does not end where its size says";
static const char bad_trailer[] = "a trailer line is malformed";

static const char *add_digit(struct chunked *body, char c)
{
    int digit = hex_digit(c);

    if (digit < 0)
        return bad_size;
    /* below 2^63, as a Content-Length is */
    if (body->left > (uint64_t)INT64_MAX >> 4)
        return "a chunk size is too large";
    body->left = body->left << 4 | (uint64_t)digit;
    body->state = CHUNKED_DIGITS;
    return NULL;
}

static const char *expect_byte(struct chunked *body, char c, char expected,
                               enum chunked_state then, const char *why)
{
    if (c != expected)
        return why;
    body->state = then;
    return NULL;
}

static const char *end_of_size_line(struct chunked *body, char c)
{
    const char *why = expect_byte(body, c, '\n', CHUNKED_BYTES, bad_line);

    if (!why && body->left == 0)
        body->state = CHUNKED_TRAILER;
    body->line = 0;
    return why;
}

/* One byte of the framing; NULL or what is wrong with it. */
static const char *framing_byte(struct chunked *body, char c)
{
    switch (body->state) {
    case CHUNKED_SIZE:
        return add_digit(body, c);
    case CHUNKED_DIGITS:
        if (c == '\r')
            body->state = CHUNKED_SIZE_LF;
        else if (c == ';')
            body->state = CHUNKED_EXTENSION;
        else
            return add_digit(body, c);
        return NULL;
    case CHUNKED_EXTENSION:
        if (c == '\r')
            body->state = CHUNKED_SIZE_LF;
        else if (!http_is_value(str_of(&c, 1)))
            return bad_line;
        return NULL;
    case CHUNKED_SIZE_LF:
        return end_of_size_line(body, c);
    case CHUNKED_BYTES_CR:
        return expect_byte(body, c, '\r', CHUNKED_BYTES_LF, bad_end);
    case CHUNKED_BYTES_LF:
        return expect_byte(body, c, '\n', CHUNKED_SIZE, bad_end);
    case CHUNKED_TRAILER:
        if (c == '\r') {
            body->state = CHUNKED_LAST_LF;
            return NULL;
        }
        body->state = CHUNKED_TRAILER_NAME;
        return http_is_token(str_of(&c, 1)) ? NULL : bad_trailer;
    case CHUNKED_TRAILER_NAME:
        if (c == ':')
            body->state = CHUNKED_TRAILER_VALUE;
        else if (!http_is_token(str_of(&c, 1)))
            return bad_trailer;
        return NULL;
    case CHUNKED_TRAILER_VALUE:
        if (c == '\r')
            body->state = CHUNKED_TRAILER_LF;
        else if (!http_is_value(str_of(&c, 1)))
            return bad_trailer;
        return NULL;
    case CHUNKED_TRAILER_LF:
        return expect_byte(body, c, '\n', CHUNKED_TRAILER, bad_trailer);
    case CHUNKED_LAST_LF:
        return expect_byte(body, c, '\n', CHUNKED_OVER, bad_trailer);
    case CHUNKED_BYTES:
    case CHUNKED_OVER:
        break;
    }
    return "the chunks are over";
}

/* Count a byte of a line that a peer could stretch. */
static const char *count_byte(struct chunked *body)
{
    if (body->state == CHUNKED_BYTES_CR || body->state == CHUNKED_BYTES_LF)
        return NULL;
    body->line++;
    if (body->state >= CHUNKED_TRAILER)
        return body->line > LIMIT_TRAILER ? "the trailers are too long" : NULL;
    return body->line > LIMIT_CHUNK_LINE ? "a chunk-size line is too long"
                                         : NULL;
}

enum chunked_event chunked_next(struct chunked *body, struct str input,
                                size_t *used, struct str *data)
{
    size_t at = 0;

    while (body->state != CHUNKED_OVER && !body->why && at < input.len) {
        if (body->state == CHUNKED_BYTES) {
            *data = str_from_index(input, at);
            if (data->len >= body->left) {
                data->len = (size_t)body->left;
                body->state = CHUNKED_BYTES_CR;
            }
            body->left -= data->len;
            *used = at + data->len;
            return CHUNKED_DATA;
        }
        body->why = count_byte(body);
        if (!body->why)
            body->why = framing_byte(body, input.ptr[at++]);
    }
    *used = at;
    if (body->why)
        return CHUNKED_BAD;
    return body->state == CHUNKED_OVER ? CHUNKED_END : CHUNKED_MORE;
}
