#include "policy/record.h"

#include <errno.h>

#include "policy/json_write.h"

#define NUMBER_MAX 32

static void note(struct record *record, int result)
{
    record->full |= result < 0;
}

static void add(struct record *record, struct str bytes)
{
    note(record, strbuf_add(record->out, bytes));
}

static void add_key(struct record *record, const char *key)
{
    /* an object with members does not end with its brace */
    bool first = record->out->len == record->start + 1;

    add(record, first ? S("\"") : S(",\""));
    add(record, str_from(key));
    add(record, S("\":"));
}

void record_begin(struct record *record, struct strbuf *out)
{
    *record = (struct record){.out = out, .start = out->len};
    add(record, S("{"));
}

void record_text(struct record *record, const char *key, struct str value)
{
    add_key(record, key);
    note(record,
         json_write_text(record->out,
                         str_is_utf8(value) ? value : S("(not UTF-8)")));
}

/* With zeros before it, if it has less than LEAST digits. */
static void add_decimal(struct record *record, uint64_t value, size_t least)
{
    char text[NUMBER_MAX];
    size_t at = sizeof(text);

    while (value || sizeof(text) - at < least) {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    }
    add(record, str_of(text + at, sizeof(text) - at));
}

void record_uint(struct record *record, const char *key, uint64_t value)
{
    add_key(record, key);
    add_decimal(record, value, 1);
}

void record_int(struct record *record, const char *key, int64_t value)
{
    add_key(record, key);
    if (value < 0)
        add(record, S("-"));
    add_decimal(record, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

void record_millis(struct record *record, const char *key, uint64_t micros)
{
    record_uint(record, key, micros / 1000);
    add(record, S("."));
    add_decimal(record, micros % 1000, 3);
}

void record_null(struct record *record, const char *key)
{
    add_key(record, key);
    add(record, S("null"));
}

void record_json(struct record *record, const char *key, struct str json)
{
    add_key(record, key);
    add(record, json);
}

int record_end(struct record *record)
{
    add(record, S("}"));
    if (!record->full)
        return 0;
    record->out->len = record->start;
    return -ENOBUFS;
}

void record_open(struct record *record, const char *key, struct record *inner)
{
    size_t mark = record->out->len;

    add_key(record, key);
    record_begin(inner, record->out);
    inner->mark = mark;
}

void record_close(struct record *record, struct record *inner)
{
    if (!inner->full && record->out->len == inner->start + 1)
        record->out->len = inner->mark;
    else
        note(record, record_end(inner));
}
