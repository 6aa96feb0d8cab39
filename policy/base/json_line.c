#include "policy/base/json_line.h"

#include <errno.h>

#include "policy/base/json_write.h"

#define NUMBER_MAX 32

static void note(struct json_line *line, int result)
{
    line->full |= result < 0;
}

static void add(struct json_line *line, struct str bytes)
{
    note(line, strbuf_add(line->out, bytes));
}

static void add_key(struct json_line *line, const char *key)
{
    /* an object with members does not end with its brace */
    bool first = line->out->len == line->start + 1;

    add(line, first ? S("\"") : S(",\""));
    add(line, str_from(key));
    add(line, S("\":"));
}

void json_line_begin(struct json_line *line, struct strbuf *out)
{
    *line = (struct json_line){.out = out, .start = out->len};
    add(line, S("{"));
}

void json_line_text(struct json_line *line, const char *key, struct str value)
{
    add_key(line, key);
    note(line, json_write_text(line->out,
                               str_is_utf8(value) ? value : S("(not UTF-8)")));
}

/* With zeros before it, if it has less than LEAST digits. */
static void add_decimal(struct json_line *line, uint64_t value, size_t least)
{
    char text[NUMBER_MAX];
    size_t at = sizeof(text);

    while (value || sizeof(text) - at < least) {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    }
    add(line, str_of(text + at, sizeof(text) - at));
}

void json_line_uint(struct json_line *line, const char *key, uint64_t value)
{
    add_key(line, key);
    add_decimal(line, value, 1);
}

void json_line_int(struct json_line *line, const char *key, int64_t value)
{
    add_key(line, key);
    if (value < 0)
        add(line, S("-"));
    add_decimal(line, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

void json_line_millis(struct json_line *line, const char *key, uint64_t micros)
{
    json_line_uint(line, key, micros / 1000);
    add(line, S("."));
    add_decimal(line, micros % 1000, 3);
}

void json_line_null(struct json_line *line, const char *key)
{
    add_key(line, key);
    add(line, S("null"));
}

void json_line_json(struct json_line *line, const char *key, struct str json)
{
    add_key(line, key);
    add(line, json);
}

int json_line_end(struct json_line *line)
{
    add(line, S("}"));
    if (!line->full)
        return 0;
    line->out->len = line->start;
    return -ENOBUFS;
}

void json_line_open(struct json_line *line, const char *key,
                    struct json_line *inner)
{
    size_t mark = line->out->len;

    add_key(line, key);
    json_line_begin(inner, line->out);
    inner->mark = mark;
}

void json_line_close(struct json_line *line, struct json_line *inner)
{
    if (!inner->full && line->out->len == inner->start + 1)
        line->out->len = inner->mark;
    else
        note(line, json_line_end(inner));
}
