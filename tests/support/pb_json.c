#include "tests/support/pb_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/base/limits.h"
#include "policy/build/schema.h"

static void die(const char *what, const char *name)
{
    fprintf(stderr, "%s: %s\n", name, what);
    abort();
}

static const struct pb_field *find(const struct pb_type *type, const char *name)
{
    for (size_t i = 0; i < type->count; i++)
        if (strcmp(type->fields[i].name, name) == 0)
            return &type->fields[i];
    die("no such field", name);
    return NULL;
}

static void put_bytes(struct pb_tree *tree, const json_t *json,
                      struct strbuf *out)
{
    const json_t *op = json_object_get(json, "op");
    const char *hex = json_string_value(json_object_get(json, "hex"));

    (void)tree;
    if (json_is_string(json))
        strbuf_add(out,
                   str_of(json_string_value(json), json_string_length(json)));
    else if (op)
        pb_from_json(&schema_op, op, out);
    else
        for (; hex && hex[0] && hex[1]; hex += 2)
            strbuf_add_char(out,
                            (char)(hex_digit(hex[0]) * 16 + hex_digit(hex[1])));
}

static void fill(struct pb_tree *tree, struct pb_message *message,
                 const json_t *json);

static void add_value(struct pb_tree *tree, struct pb_message *message,
                      const struct pb_field *field, const json_t *json)
{
    AUTO(strbuf_fini) struct strbuf bytes = STRBUF(4 * MIB);

    switch (field->kind) {
    case PB_MESSAGE:
        fill(tree, pb_add_message(tree, message, field->number), json);
        return;
    case PB_STRING:
    case PB_BYTES:
        put_bytes(tree, json, &bytes);
        pb_add_text(tree, message, field->number,
                    pb_keep(tree, strbuf_str(&bytes)));
        return;
    case PB_BOOL:
    case PB_INT32:
    case PB_UINT32:
    case PB_INT64:
    case PB_UINT64:
    case PB_ENUM:
        pb_set_number(tree, message, field->number,
                      json_is_boolean(json)
                          ? json_is_true(json)
                          : (uint64_t)json_integer_value(json));
        return;
    }
}

static void add_entry(struct pb_tree *tree, struct pb_message *message,
                      const struct pb_field *field, const char *key,
                      const json_t *json)
{
    struct pb_message *entry = pb_add_message(tree, message, field->number);

    pb_set_text(tree, entry, 1, pb_keep(tree, str_from(key)));
    add_value(tree, entry, pb_field_find(field->of, 2), json);
}

static void fill(struct pb_tree *tree, struct pb_message *message,
                 const json_t *json)
{
    union {
        const json_t *in;
        json_t *out;
    } object = {json};
    const char *name, *key;
    json_t *value, *item;
    size_t i;

    json_object_foreach(object.out, name, value)
    {
        const struct pb_field *field = find(message->type, name);

        if (field->count == PB_MAP)
            json_object_foreach(value, key, item)
            {
                add_entry(tree, message, field, key, item);
            }
        else if (field->count == PB_MANY)
            json_array_foreach(value, i, item)
            {
                add_value(tree, message, field, item);
            }
        else
            add_value(tree, message, field, value);
    }
}

void pb_from_json(const struct pb_type *type, const json_t *json,
                  struct strbuf *out)
{
    struct pb_tree tree = {0};
    struct pb_message *message = pb_new(&tree, type);

    fill(&tree, message, json);
    if (pb_put(message, out) != 0)
        die("is too long", type->name);
    pb_tree_fini(&tree);
}

static json_t *text_json(struct str text)
{
    json_t *json = json_stringn(text.len ? text.ptr : "", text.len);
    AUTO(strbuf_fini) struct strbuf hex = STRBUF(8 * MIB);

    if (json)
        return json;
    for (size_t i = 0; i < text.len; i++)
        strbuf_addf(&hex, "%02x", (unsigned char)text.ptr[i]);
    return json_pack("{s:s}", "hex", strbuf_cstr(&hex));
}

static json_t *value_json(const struct pb_value *value)
{
    switch (value->field->kind) {
    case PB_MESSAGE:
        return pb_to_json(value->message);
    case PB_STRING:
    case PB_BYTES:
        return text_json(value->bytes);
    case PB_BOOL:
        return json_boolean(value->number);
    case PB_INT32:
    case PB_UINT32:
    case PB_INT64:
    case PB_UINT64:
    case PB_ENUM:
        return json_integer((json_int_t)value->number);
    }
    return NULL;
}

static void add_to_map(json_t *map, const struct pb_message *entry)
{
    const struct pb_value *value = pb_find(entry, 2);
    char *key = xstr_dup(pb_text(entry, 1));

    json_object_set_new(map, key, value ? value_json(value) : json_string(""));
    free(key);
}

json_t *pb_to_json(const struct pb_message *message)
{
    json_t *json = json_object();

    for (const struct pb_value *value = message->first; value;
         value = value->next) {
        const struct pb_field *field = value->field;
        json_t *there = json_object_get(json, field->name);

        if (field->count == PB_ONE) {
            json_object_set_new(json, field->name, value_json(value));
            continue;
        }
        if (!there) {
            there = field->count == PB_MAP ? json_object() : json_array();
            json_object_set_new(json, field->name, there);
        }
        if (field->count == PB_MAP)
            add_to_map(there, value->message);
        else
            json_array_append_new(there, value_json(value));
    }
    return json;
}
