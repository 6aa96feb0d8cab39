#include "policy/build/pb.h"

#include <assert.h>
#include <stdlib.h>

#include "policy/build/pb_private.h"

const struct pb_field *pb_field_find(const struct pb_type *type,
                                     unsigned number)
{
    for (size_t i = 0; i < type->count; i++)
        if (type->fields[i].number == number)
            return &type->fields[i];
    return NULL;
}

static const struct pb_field string_entry[] = {
    {1, "key",   PB_STRING},
    {2, "value", PB_STRING},
};
const struct pb_type pb_string_entry = PB_TYPE("entry", string_entry);

static const struct pb_field bytes_entry[] = {
    {1, "key",   PB_STRING},
    {2, "value", PB_BYTES },
};
const struct pb_type pb_bytes_entry = PB_TYPE("entry", bytes_entry);

/* Memory of a tree: blocks that are given back together. */

enum { BLOCK_SIZE = 8000 };

struct pb_block {
    struct pb_block *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

static void *tree_take(struct pb_tree *tree, size_t size)
{
    struct pb_block *block = tree->blocks;

    size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

        block = xcalloc(1, sizeof(*block) + room);
        block->size = room;
        block->next = tree->blocks;
        tree->blocks = block;
    }
    block->used += size;
    return block->bytes + block->used - size;
}

void pb_tree_fini(struct pb_tree *tree)
{
    while (tree->blocks) {
        struct pb_block *block = tree->blocks;

        tree->blocks = block->next;
        free(block);
    }
    tree->values = 0;
}

struct str pb_keep(struct pb_tree *tree, struct str text)
{
    char *copy = tree_take(tree, text.len + 1);

    if (text.len)
        memcpy(copy, text.ptr, text.len);
    return str_of(copy, text.len);
}

struct pb_message *pb_new(struct pb_tree *tree, const struct pb_type *type)
{
    struct pb_message *message = tree_take(tree, sizeof(*message));

    message->type = type;
    return message;
}

struct pb_value *pb_value_new(struct pb_tree *tree,
                              const struct pb_field *field)
{
    struct pb_value *value = tree_take(tree, sizeof(*value));

    value->field = field;
    tree->values++;
    return value;
}

/* Before the first value of a later field: Go writes in ascending order. */
static void insert(struct pb_message *message, struct pb_value *value)
{
    struct pb_value **at = &message->first;

    while (*at && (*at)->field->number <= value->field->number)
        at = &(*at)->next;
    value->next = *at;
    *at = value;
}

/* Find */

struct pb_value *pb_find(const struct pb_message *message, unsigned number)
{
    struct pb_value *value = message ? message->first : NULL;

    while (value && value->field->number != number)
        value = value->next;
    return value;
}

struct pb_value *pb_next(const struct pb_value *value)
{
    struct pb_value *next = value->next;

    while (next && next->field != value->field)
        next = next->next;
    return next;
}

struct str pb_text(const struct pb_message *message, unsigned number)
{
    const struct pb_value *value = pb_find(message, number);

    return value ? value->bytes : S("");
}

uint64_t pb_number(const struct pb_message *message, unsigned number)
{
    const struct pb_value *value = pb_find(message, number);

    return value ? value->number : 0;
}

struct pb_message *pb_child(const struct pb_message *message, unsigned number)
{
    const struct pb_value *value = pb_find(message, number);

    return value ? value->message : NULL;
}

struct pb_message *pb_map_find(const struct pb_message *message,
                               unsigned number, struct str key)
{
    for (const struct pb_value *value = pb_find(message, number); value;
         value = pb_next(value))
        if (str_eq(pb_text(value->message, 1), key))
            return value->message;
    return NULL;
}

struct str pb_map_text(const struct pb_message *message, unsigned number,
                       struct str key)
{
    return pb_text(pb_map_find(message, number, key), 2);
}

/* Change */

static const struct pb_field *row(const struct pb_message *message,
                                  unsigned number)
{
    const struct pb_field *field = pb_field_find(message->type, number);

    assert(field != NULL);
    return field;
}

void pb_remove_value(struct pb_message *message, const struct pb_value *value)
{
    struct pb_value **at = &message->first;

    while (*at != value)
        at = &(*at)->next;
    *at = value->next;
}

void pb_remove(struct pb_message *message, unsigned number)
{
    const struct pb_value *value;

    while ((value = pb_find(message, number)))
        pb_remove_value(message, value);
}

void pb_add_text(struct pb_tree *tree, struct pb_message *message,
                 unsigned number, struct str text)
{
    const struct pb_field *field = row(message, number);
    struct pb_value *value = pb_value_new(tree, field);

    assert(field->kind == PB_STRING || field->kind == PB_BYTES);
    value->bytes = text;
    insert(message, value);
}

void pb_set_text(struct pb_tree *tree, struct pb_message *message,
                 unsigned number, struct str text)
{
    struct pb_value *value = pb_find(message, number);

    if (text.len == 0)
        pb_remove(message, number);
    else if (value)
        value->bytes = text;
    else
        pb_add_text(tree, message, number, text);
}

void pb_set_number(struct pb_tree *tree, struct pb_message *message,
                   unsigned number, uint64_t to)
{
    struct pb_value *value;

    pb_remove(message, number);
    if (to == 0)
        return;
    value = pb_value_new(tree, row(message, number));
    assert(value->field->kind <= PB_ENUM);
    value->number = to;
    insert(message, value);
}

struct pb_message *pb_add_message(struct pb_tree *tree,
                                  struct pb_message *message, unsigned number)
{
    const struct pb_field *field = row(message, number);
    struct pb_value *value = pb_value_new(tree, field);

    assert(field->kind == PB_MESSAGE);
    value->message = pb_new(tree, field->of);
    insert(message, value);
    return value->message;
}

void pb_map_set(struct pb_tree *tree, struct pb_message *message,
                unsigned number, struct str key, struct str text)
{
    struct pb_message *entry = pb_map_find(message, number, key);

    if (!entry) {
        entry = pb_add_message(tree, message, number);
        pb_set_text(tree, entry, 1, key);
    }
    pb_set_text(tree, entry, 2, text);
}

void pb_map_remove(struct pb_message *message, unsigned number, struct str key)
{
    for (const struct pb_value *value = pb_find(message, number); value;
         value = pb_next(value))
        if (str_eq(pb_text(value->message, 1), key)) {
            pb_remove_value(message, value);
            return;
        }
}

/* Write */

static size_t varint_size(uint64_t n)
{
    size_t size = 1;

    while (n >= 0x80) {
        n >>= 7;
        size++;
    }
    return size;
}

static int put_varint(struct strbuf *out, uint64_t n)
{
    while (n >= 0x80) {
        int r = strbuf_add_char(out, (char)(n | 0x80));

        if (r)
            return r;
        n >>= 7;
    }
    return strbuf_add_char(out, (char)n);
}

static bool is_varint(const struct pb_field *field)
{
    return field->kind <= PB_ENUM;
}

/* The size of MESSAGE, kept in it and in all that is below. */
static size_t measure(struct pb_message *message)
{
    message->size = 0;
    for (struct pb_value *value = message->first; value; value = value->next) {
        size_t size;

        message->size += varint_size((uint64_t)value->field->number << 3);
        if (is_varint(value->field)) {
            message->size += varint_size(value->number);
            continue;
        }
        size = value->field->kind == PB_MESSAGE ? measure(value->message)
                                                : value->bytes.len;
        message->size += varint_size(size) + size;
    }
    return message->size;
}

static int put_measured(const struct pb_message *message, struct strbuf *out)
{
    int r = 0;

    for (const struct pb_value *value = message->first; value && !r;
         value = value->next) {
        uint64_t key = (uint64_t)value->field->number << 3;

        if (is_varint(value->field)) {
            r = put_varint(out, key | PB_WIRE_VARINT);
            r = r ? r : put_varint(out, value->number);
            continue;
        }
        r = put_varint(out, key | PB_WIRE_LENGTH);
        if (value->field->kind == PB_MESSAGE) {
            r = r ? r : put_varint(out, value->message->size);
            r = r ? r : put_measured(value->message, out);
        } else {
            r = r ? r : put_varint(out, value->bytes.len);
            r = r ? r : strbuf_add(out, value->bytes);
        }
    }
    return r;
}

int pb_put(struct pb_message *message, struct strbuf *out)
{
    measure(message);
    return put_measured(message, out);
}
