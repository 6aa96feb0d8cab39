#include "proxy/grpc/h2_fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST 16

void h2_fields_fini(struct h2_fields *fields)
{
    strbuf_fini(&fields->text);
    free(fields->spans);
    fields->spans = NULL;
    fields->count = fields->cap = 0;
}

size_t h2_fields_memory(const struct h2_fields *fields)
{
    return fields->text.cap + fields->cap * sizeof(*fields->spans);
}

void h2_fields_clear(struct h2_fields *fields)
{
    strbuf_clear(&fields->text);
    fields->count = 0;
}

static void grow(struct h2_fields *fields)
{
    size_t cap = fields->cap ? 2 * fields->cap : FIRST;
    struct h2_span *spans =
        reallocarray(fields->spans, cap, sizeof(*fields->spans));

    if (!spans) {
        fputs("berth: out of memory\n", stderr);
        abort();
    }
    fields->spans = spans;
    fields->cap = cap;
}

int h2_fields_add(struct h2_fields *fields, struct str name, struct str value)
{
    struct strbuf *text = &fields->text;
    struct h2_span span = {.name = text->len, .value = text->len + name.len};

    if (fields->count == fields->max || name.len > text->max - text->len ||
        value.len > text->max - text->len - name.len)
        return -ENOBUFS;
    if (fields->count == fields->cap)
        grow(fields);
    strbuf_add(text, name);
    strbuf_add(text, value);
    span.end = text->len;
    fields->spans[fields->count++] = span;
    return 0;
}

struct h2_field h2_fields_at(const struct h2_fields *fields, size_t index)
{
    const struct h2_span *span = &fields->spans[index];
    const char *text = fields->text.ptr;

    return (struct h2_field){
        .name = str_of(text + span->name, span->value - span->name),
        .value = str_of(text + span->value, span->end - span->value),
    };
}

/* How many are named NAME; *VALUE is the first one's. */
static size_t count_named(const struct h2_fields *fields, struct str name,
                          struct str *value)
{
    size_t found = 0;

    for (size_t i = 0; i < fields->count; i++) {
        struct h2_field field = h2_fields_at(fields, i);

        if (!str_eq(field.name, name))
            continue;
        if (found++ == 0)
            *value = field.value;
    }
    return found;
}

bool h2_fields_get(const struct h2_fields *fields, struct str name,
                   struct str *value)
{
    return count_named(fields, name, value) > 0;
}

bool h2_fields_one(const struct h2_fields *fields, struct str name,
                   struct str *value)
{
    return count_named(fields, name, value) == 1;
}
