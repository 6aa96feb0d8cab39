#include "policy/base/json_write.h"

#include <errno.h>

#include "policy/base/json_plain.h"
#include "policy/base/json_reader.h"

static int put_escape(struct strbuf *out, unsigned char c)
{
    switch (c) {
    case '"':
        return strbuf_add(out, S("\\\""));
    case '\\':
        return strbuf_add(out, S("\\\\"));
    case '\n':
        return strbuf_add(out, S("\\n"));
    case '\t':
        return strbuf_add(out, S("\\t"));
    default:
        return strbuf_addf(out, "\\u%04x", c);
    }
}

/* TEXT, of which the byte at PLAIN is the first that might need an escape. */
static int put_escaped(struct strbuf *out, struct str text, size_t plain)
{
    int r = strbuf_add_char(out, '"');

    while (r == 0 && text.len) {
        r = strbuf_add(out, str_head(text, plain));
        text = str_from_index(text, plain);
        if (r == 0 && text.len) {
            unsigned char c = (unsigned char)text.ptr[0];

            r = c >= 0x80 ? strbuf_add_char(out, (char)c) : put_escape(out, c);
            text = str_from_index(text, 1);
        }
        plain = json_plain_length(text);
    }
    return r == 0 ? strbuf_add_char(out, '"') : r;
}

int json_write_text(struct strbuf *out, struct str text)
{
    size_t plain = json_plain_length(text);
    char *to;

    if (plain < text.len)
        return put_escaped(out, text, plain);
    to = strbuf_reserve(out, text.len + 2);
    if (!to)
        return -ENOBUFS;
    to[0] = '"';
    if (text.len)
        memcpy(to + 1, text.ptr, text.len);
    to[text.len + 1] = '"';
    strbuf_commit(out, text.len + 2);
    return 0;
}

static int put_integer(struct strbuf *out, json_int_t n)
{
    char text[24], *at = text + sizeof(text);
    uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (n < 0)
        *--at = '-';
    return strbuf_add(out, str_of(at, (size_t)(text + sizeof(text) - at)));
}

static int put_list(struct strbuf *out, const json_t *list)
{
    const json_t *value;
    size_t i;
    int r = strbuf_add_char(out, '[');

    json_array_foreach(list, i, value)
    {
        if (r == 0 && i > 0)
            r = strbuf_add_char(out, ',');
        if (r == 0)
            r = json_write(out, value);
    }
    return r == 0 ? strbuf_add_char(out, ']') : r;
}

static int put_object(struct strbuf *out, json_t *object)
{
    void *at = json_object_iter(object);
    int r = strbuf_add_char(out, '{');

    for (bool first = true; r == 0 && at; first = false) {
        if (!first)
            r = strbuf_add_char(out, ',');
        if (r == 0)
            r = json_write_text(out, str_of(json_object_iter_key(at),
                                            json_object_iter_key_len(at)));
        if (r == 0)
            r = strbuf_add_char(out, ':');
        if (r == 0)
            r = json_write(out, json_object_iter_value(at));
        at = json_object_iter_next(object, at);
    }
    return r == 0 ? strbuf_add_char(out, '}') : r;
}

/* Rare, and jansson knows how to keep it a real. */
static int put_real(struct strbuf *out, const json_t *real)
{
    char text[64];
    size_t len = json_dumpb(real, text, sizeof(text), JSON_ENCODE_ANY);

    return strbuf_add(out, str_of(text, len));
}

static int put_string(struct strbuf *out, const json_t *value)
{
    struct str number;

    return json_kept_number(value, &number)
               ? strbuf_add(out, number)
               : json_write_text(out, str_of(json_string_value(value),
                                             json_string_length(value)));
}

int json_write(struct strbuf *out, const json_t *tree)
{
    switch (json_typeof(tree)) {
    case JSON_OBJECT:
        /* reading it does not change it, but jansson's iterators say so */
        return put_object(out, (json_t *)(uintptr_t)tree);
    case JSON_ARRAY:
        return put_list(out, tree);
    case JSON_STRING:
        return put_string(out, tree);
    case JSON_INTEGER:
        return put_integer(out, json_integer_value(tree));
    case JSON_REAL:
        return put_real(out, tree);
    case JSON_TRUE:
        return strbuf_add(out, S("true"));
    case JSON_FALSE:
        return strbuf_add(out, S("false"));
    case JSON_NULL:
        break;
    }
    return strbuf_add(out, S("null"));
}
