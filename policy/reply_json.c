#include "policy/rewrite.h"

#include <ctype.h>
#include <errno.h>

/*
 * jansson reads integers of 63 bits and makes a double of every fraction; an
 * engine writes 18446744073709551615 for "no limit". A number that would not
 * come out as it went in is read as a string with a mark in front of it, which
 * no text of an engine begins with, and written without the mark.
 */
static const struct str mark = STR("\\u001A\\u0002");
static const char mark_read[] = "\x1a\x02";

static bool is_number_char(char c)
{
    return isdigit((unsigned char)c) || (c && strchr("+-.eE", c));
}

static size_t number_length(struct str s)
{
    size_t n = 0;

    while (n < s.len && is_number_char(s.ptr[n]))
        n++;
    return n;
}

static size_t digits(struct str s)
{
    size_t n = 0;

    while (n < s.len && isdigit((unsigned char)s.ptr[n]))
        n++;
    return n;
}

/* Is TEXT a number (RFC 8259, 6)? What is none, jansson shall refuse. */
static bool is_number(struct str text)
{
    size_t n;

    if (text.len && text.ptr[0] == '-')
        text = str_from_index(text, 1);
    n = digits(text);
    if (n == 0 || (n > 1 && text.ptr[0] == '0'))
        return false;
    text = str_from_index(text, n);
    if (text.len && text.ptr[0] == '.') {
        text = str_from_index(text, 1);
        n = digits(text);
        if (n == 0)
            return false;
        text = str_from_index(text, n);
    }
    if (text.len && (text.ptr[0] == 'e' || text.ptr[0] == 'E')) {
        text = str_from_index(text, 1);
        if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '+'))
            text = str_from_index(text, 1);
        n = digits(text);
        if (n == 0)
            return false;
        text = str_from_index(text, n);
    }
    return text.len == 0;
}

/* Is the next thing in TEXT a colon, so that a key stands before it? */
static bool is_before_colon(struct str text)
{
    size_t i = 0;

    while (i < text.len && isspace((unsigned char)text.ptr[i]))
        i++;
    return i < text.len && text.ptr[i] == ':';
}

/* Does jansson give back what it reads here? */
static bool is_plain(struct str number)
{
    for (size_t i = 0; i < number.len; i++) {
        if (strchr(".eE", number.ptr[i]))
            return false;
    }
    return number.len <= 18;
}

/* Past the string that starts at I. */
static size_t skip_string(struct str s, size_t i)
{
    for (i++; i < s.len && s.ptr[i] != '"'; i++) {
        if (s.ptr[i] == '\\')
            i++;
    }
    return i < s.len ? i + 1 : s.len;
}

/* Append BYTES with every number that is not plain as a marked string. 0, 1
 * when there is none (and nothing was appended), or -ENOBUFS. */
static int mark_numbers(struct str bytes, struct strbuf *out)
{
    size_t from = 0;
    int r;

    for (size_t i = 0; i < bytes.len;) {
        struct str number;

        if (bytes.ptr[i] == '"') {
            i = skip_string(bytes, i);
            continue;
        }
        if (!is_number_char(bytes.ptr[i]) ||
            isalpha((unsigned char)bytes.ptr[i])) {
            i++;
            continue;
        }
        number = str_from_index(bytes, i);
        number = str_head(number, number_length(number));
        if (!is_plain(number) && is_number(number) &&
            !is_before_colon(str_from_index(bytes, i + number.len))) {
            r = strbuf_add(out, str_of(bytes.ptr + from, i - from));
            if (r == 0)
                r = strbuf_addf(out, "\"%s%.*s\"", mark.ptr, STR_FMT(number));
            if (r < 0)
                return r;
            from = i + number.len;
        }
        i += number.len;
    }
    return from ? strbuf_add(out, str_from_index(bytes, from)) : 1;
}

json_t *reply_json_parse(struct str bytes)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    AUTO(strbuf_fini) struct strbuf marked = STRBUF(4 * LIMIT_REPLY);
    int r = mark_numbers(bytes, &marked);

    if (r < 0)
        return NULL;
    return r ? json_loadb(bytes.ptr ? bytes.ptr : "", bytes.len, flags, NULL)
             : json_loadb(marked.ptr, marked.len, flags, NULL);
}

/* A string of TEXT's that is a number behind its mark? */
static size_t marked_length(struct str text)
{
    size_t n;

    if (!str_has_prefix(text, mark))
        return 0;
    text = str_from_index(text, mark.len);
    n = number_length(text);
    return n && n < text.len && text.ptr[n] == '"' ? n : 0;
}

static int put_unmarked(struct strbuf *out, struct str text)
{
    size_t from = 0;
    int r;

    for (size_t i = 0; i < text.len;) {
        size_t n;

        if (text.ptr[i] != '"') {
            i++;
            continue;
        }
        n = marked_length(str_from_index(text, i + 1));
        if (n == 0) {
            i = skip_string(text, i);
            continue;
        }
        r = strbuf_add(out, str_of(text.ptr + from, i - from));
        if (r == 0)
            r = strbuf_add(out, str_of(text.ptr + i + 1 + mark.len, n));
        if (r < 0)
            return r;
        i += 1 + mark.len + n + 1;
        from = i;
    }
    return strbuf_add(out, str_from_index(text, from));
}

/* Is there a marked number anywhere in JSON? */
static bool has_marks(json_t *json)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_string(json))
        return json_string_length(json) > sizeof(mark_read) - 1 &&
               memcmp(json_string_value(json), mark_read,
                      sizeof(mark_read) - 1) == 0;
    json_array_foreach(json, i, value)
    {
        if (has_marks(value))
            return true;
    }
    json_object_foreach(json, key, value)
    {
        if (has_marks(value))
            return true;
    }
    return false;
}

static int add_part(const char *bytes, size_t len, void *arg)
{
    return strbuf_add(arg, str_of(bytes, len));
}

int reply_json_put(struct strbuf *out, json_t *json)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    AUTO(strbuf_fini) struct strbuf text = STRBUF(6 * LIMIT_REPLY);

    if (!has_marks(json)) {
        size_t before = out->len;

        if (json_dump_callback(json, add_part, out, flags) == 0)
            return 0;
        out->len = before;
        return -ENOBUFS;
    }
    if (json_dump_callback(json, add_part, &text, flags))
        return -ENOBUFS;
    return put_unmarked(out, strbuf_str(&text));
}
