#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base/limits.h"
#include "policy/build/pb_private.h"

/* Reading: bytes into a tree, or the first fault. */

/* The way down to where we are, for a fault's WHERE. */
struct step {
    const struct step *up;
    const struct pb_field *field;
    const struct pb_message *in;  /* the message that has the field */
    const struct pb_value *value; /* ours, once it is in there */
};

struct parser {
    struct pb_tree *tree;
    enum pb_strictness strictness;
    struct pb_fault *fault;
};

/* Where a message is being filled. */
struct filling {
    struct pb_message *message;
    struct pb_value **end;
    const struct step *step;
    unsigned depth;
};

static void put_step(struct strbuf *out, const struct step *step)
{
    size_t index = 0;

    if (!step)
        return;
    put_step(out, step->up);
    strbuf_addf(out, "%s%s", out->len ? "." : "", step->field->name);
    if (step->field->count == PB_ONE)
        return;
    for (const struct pb_value *value = pb_find(step->in, step->field->number);
         value && value != step->value; value = pb_next(value))
        index++;
    strbuf_addf(out, "[%zu]", index);
}

static int report(struct parser *parser, const struct step *step,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int report(struct parser *parser, const struct step *step,
                  const char *format, ...)
{
    AUTO(strbuf_fini) struct strbuf where = STRBUF(4 * KIB);
    va_list args;

    put_step(&where, step);
    snprintf(parser->fault->where, sizeof(parser->fault->where), "%.*s",
             STR_FMT(strbuf_str(&where)));
    va_start(args, format);
    vsnprintf(parser->fault->what, sizeof(parser->fault->what), format, args);
    va_end(args);
    return PB_E_FAULT;
}

/* The shortest form only: at most ten bytes, the last of them not 0. */
static int take_varint(struct str *in, uint64_t *out)
{
    uint64_t n = 0;

    for (size_t i = 0; i < in->len && i < 10; i++) {
        unsigned char byte = (unsigned char)in->ptr[i];

        if (i == 9 && byte > 1)
            return -ERANGE;
        n |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        if (byte == 0 && i > 0)
            return -EILSEQ;
        *in = str_from_index(*in, i + 1);
        *out = n;
        return 0;
    }
    return -EINVAL;
}

static int take_bytes(struct str *in, struct str *out)
{
    uint64_t length;

    if (take_varint(in, &length) || length > in->len)
        return -EINVAL;
    *out = str_head(*in, (size_t)length);
    *in = str_from_index(*in, (size_t)length);
    return 0;
}

/* Step over a value of a field that no row has. */
static int skip(struct str *in, unsigned wire)
{
    struct str bytes;
    uint64_t n;

    if (wire == PB_WIRE_VARINT)
        return take_varint(in, &n);
    if (wire == PB_WIRE_LENGTH)
        return take_bytes(in, &bytes);
    if (wire != PB_WIRE_64 && wire != PB_WIRE_32)
        return -EINVAL;
    n = wire == PB_WIRE_64 ? 8 : 4;
    if (in->len < n)
        return -EINVAL;
    *in = str_from_index(*in, (size_t)n);
    return 0;
}

static bool is_number(const struct pb_field *field)
{
    return field->kind <= PB_ENUM;
}

static bool is_in_range(const struct parser *parser,
                        const struct pb_field *field, uint64_t n)
{
    switch (field->kind) {
    case PB_BOOL:
        return n <= 1;
    case PB_ENUM:
        return n <= field->most || parser->strictness == PB_LENIENT;
    case PB_UINT32:
        return n <= UINT32_MAX;
    case PB_INT32:
        return n == (uint64_t)(int64_t)(int32_t)n;
    case PB_INT64:
    case PB_UINT64:
    case PB_STRING:
    case PB_BYTES:
    case PB_MESSAGE:
        break;
    }
    return true;
}

static struct pb_value *append(struct parser *parser, struct filling *to,
                               struct step *step)
{
    struct pb_value *value;

    if (parser->tree->values >= LIMIT_PB_VALUES) {
        report(parser, step, "is one value too many; there may be %d",
               LIMIT_PB_VALUES);
        return NULL;
    }
    value = pb_value_new(parser->tree, step->field);
    *to->end = value;
    to->end = &value->next;
    step->value = value;
    return value;
}

static int parse_number(struct parser *parser, struct filling *to,
                        struct step *step, struct str *in)
{
    struct pb_value *value;
    uint64_t n;

    if (take_varint(in, &n))
        return report(parser, step, "is no varint in its shortest form");
    if (!is_in_range(parser, step->field, n))
        return report(parser, step, "has a value that is not known: %llu",
                      (unsigned long long)n);
    value = append(parser, to, step);
    if (!value)
        return PB_E_FAULT;
    value->number = n;
    return 0;
}

/* Numbers of a repeated field, one behind the other. */
static int parse_packed(struct parser *parser, struct filling *to,
                        struct step *step, struct str text)
{
    int r = 0;

    while (text.len && !r) {
        step->value = NULL;
        r = parse_number(parser, to, step, &text);
    }
    return r;
}

static int parse_message(struct parser *parser, struct filling *to,
                         struct str text);

static int parse_bytes(struct parser *parser, struct filling *to,
                       struct step *step, struct str text)
{
    const struct pb_field *field = step->field;
    struct filling below = {.step = step, .depth = to->depth + 1};
    struct pb_value *value;

    if (field->kind == PB_STRING && parser->strictness == PB_STRICT &&
        !str_is_utf8(text))
        return report(parser, step, "is not UTF-8");
    if (below.depth > LIMIT_PB_DEPTH)
        return report(parser, step->up, "is nested deeper than %d levels",
                      LIMIT_PB_DEPTH);
    value = append(parser, to, step);
    if (!value)
        return PB_E_FAULT;
    if (field->kind != PB_MESSAGE) {
        value->bytes = text;
        return 0;
    }
    value->message = pb_new(parser->tree, field->of);
    below.message = value->message;
    below.end = &value->message->first;
    return parse_message(parser, &below, text);
}

/* Is there another value that excludes one of FIELD? */
static bool is_taken(const struct pb_message *message,
                     const struct pb_field *field)
{
    if (field->count == PB_ONE && pb_find(message, field->number))
        return true;
    for (const struct pb_value *value = message->first; field->oneof && value;
         value = value->next)
        if (value->field->oneof == field->oneof)
            return true;
    return false;
}

static int parse_known(struct parser *parser, struct filling *to,
                       struct step *step, unsigned wire, struct str *in)
{
    const struct pb_field *field = step->field;
    struct str bytes;

    if (is_taken(to->message, field))
        return report(parser, step,
                      "is given twice, or beside one that excludes it");
    if (is_number(field) && wire == PB_WIRE_VARINT)
        return parse_number(parser, to, step, in);
    if (wire != PB_WIRE_LENGTH || (is_number(field) && field->count == PB_ONE))
        return report(parser, step, "has the wrong wire type");
    if (take_bytes(in, &bytes))
        return report(parser, step, "is longer than what it is in");
    if (is_number(field))
        return parse_packed(parser, to, step, bytes);
    return parse_bytes(parser, to, step, bytes);
}

static int parse_field(struct parser *parser, struct filling *to,
                       struct str *in)
{
    struct step step = {.up = to->step, .in = to->message};
    uint64_t key;

    if (take_varint(in, &key) || key > UINT32_MAX || key < 8)
        return report(parser, to->step, "has no field where one should begin");
    step.field = pb_field_find(to->message->type, (unsigned)(key >> 3));
    if (step.field)
        return parse_known(parser, to, &step, key & 7, in);
    if (parser->strictness == PB_STRICT)
        return report(parser, to->step, "field %llu is not known",
                      (unsigned long long)(key >> 3));
    return skip(in, key & 7) ? report(parser, to->step, "is broken") : 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct pb_value *left = *(struct pb_value *const *)a;
    const struct pb_value *right = *(struct pb_value *const *)b;
    struct str x, y;
    int order;

    if (left->message->type->fields[0].kind != PB_STRING) {
        uint64_t n = pb_number(left->message, 1);
        uint64_t m = pb_number(right->message, 1);

        return n < m ? -1 : n > m;
    }
    x = pb_text(left->message, 1);
    y = pb_text(right->message, 1);
    if (x.len != y.len)
        return x.len < y.len ? -1 : 1;
    order = x.len ? memcmp(x.ptr, y.ptr, x.len) : 0;
    return order;
}

/* Go takes the last of two equal keys. */
static int check_map(struct parser *parser, struct filling *to,
                     const struct pb_field *field)
{
    struct pb_value *first = pb_find(to->message, field->number);
    struct step step = {to->step, field, to->message, NULL};
    struct pb_value **entries;
    size_t count = 0;
    int r = 0;

    for (struct pb_value *value = first; value; value = pb_next(value))
        count++;
    if (count < 2)
        return 0;
    entries = xcalloc(count, sizeof(struct pb_value *));
    count = 0;
    for (struct pb_value *value = first; value; value = pb_next(value))
        entries[count++] = value;
    qsort(entries, count, sizeof(struct pb_value *), compare_keys);
    for (size_t i = 1; i < count && !r; i++)
        if (compare_keys(&entries[i - 1], &entries[i]) == 0) {
            step.value = entries[i];
            r = report(parser, &step, "has the key of another entry");
        }
    free(entries);
    return r;
}

static int parse_message(struct parser *parser, struct filling *to,
                         struct str text)
{
    const struct pb_type *type = to->message->type;
    int r = 0;

    while (text.len && !r)
        r = parse_field(parser, to, &text);
    for (size_t i = 0; i < type->count && !r; i++)
        if (type->fields[i].count == PB_MAP)
            r = check_map(parser, to, &type->fields[i]);
    return r;
}

int pb_parse(struct pb_tree *tree, const struct pb_type *type, struct str text,
             enum pb_strictness strictness, struct pb_message **out,
             struct pb_fault *fault)
{
    struct parser parser = {tree, strictness, fault};
    struct pb_message *message = pb_new(tree, type);
    struct filling to = {message, &message->first, NULL, 0};
    int r = parse_message(&parser, &to, text);

    if (r == 0)
        *out = message;
    return r;
}
