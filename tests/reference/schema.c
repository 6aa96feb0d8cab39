#include "tests/reference/reference.h"

#include <assert.h>
#include <stdlib.h>

#include "policy/config/policy.h"
#include "policy/config/setting_types.h"

/* A string with a variable in it may become anything. */
#define VARIABLE "\\$\\$\\{|\\$\\{[A-Za-z_][A-Za-z0-9_]*(\\}|:-)"

static json_t *object_schema(const struct shape *shape);
static json_t *lone_schema(const struct shape *shape);

static json_t *string_schema(const char *pattern)
{
    AUTO(strbuf_fini) struct strbuf whole = STRBUF(1024);
    json_t *schema = json_pack("{s:s}", "type", "string");

    if (pattern == NULL)
        return schema;
    strbuf_addf(&whole, "%s|%s", pattern, VARIABLE);
    json_object_set_new(schema, "pattern", json_string(strbuf_cstr(&whole)));
    return schema;
}

static json_t *either(json_t *a, json_t *b)
{
    return json_pack("{s:[o,o]}", "anyOf", a, b);
}

static json_t *or_null(json_t *schema)
{
    json_t *null = json_pack("{s:s}", "type", "null");
    json_t *choices = json_object_get(schema, "anyOf");

    if (choices == NULL)
        return either(schema, null);
    json_array_append_new(choices, null);
    return schema;
}

/* One of these words, or a variable. */
static json_t *words_schema(json_t *words)
{
    return either(
        json_pack("{s:o}", "enum", words),
        json_pack("{s:s,s:s}", "type", "string", "pattern", VARIABLE));
}

static json_t *enum_words(const struct setting *setting)
{
    json_t *words = json_array();

    for (size_t i = 0; setting->words[i] != NULL; i++)
        json_array_append_new(words, json_string(setting->words[i]));
    return words;
}

static json_t *counted_words(const struct setting *setting)
{
    json_t *words = json_array();

    for (size_t i = 0;; i++) {
        AUTO(strbuf_fini) struct strbuf word = STRBUF(128);

        if (!setting->word_at(i, &word))
            return words;
        json_array_append_new(words, json_stringn(word.ptr, word.len));
    }
}

static json_t *text_schema(const struct setting *setting)
{
    return setting->word_at != NULL ? words_schema(counted_words(setting))
                                    : string_schema(setting->pattern);
}

static json_t *limit(double value)
{
    json_int_t whole = (json_int_t)value;

    return (double)whole < value || (double)whole > value ? json_real(value)
                                                          : json_integer(whole);
}

static json_t *number_schema(const struct setting *setting, const char *type)
{
    return json_pack("{s:s,s:o,s:o}", "type", type, "minimum",
                     limit(setting->min), "maximum",
                     limit(setting_max(setting)));
}

static json_t *list_schema(const struct setting *setting, json_t *items)
{
    json_t *list = json_pack("{s:s,s:o,s:o}", "type", "array", "items", items,
                             "maxItems", limit(setting_max(setting)));

    if (setting->fallback == NULL) /* it must be given, and something in it */
        json_object_set_new(list, "minItems", json_integer(1));
    return list;
}

/* An object, or what may be in its place. */
static json_t *shape_schema(const struct shape *shape)
{
    return shape->lone == NULL
               ? object_schema(shape)
               : either(lone_schema(shape), object_schema(shape));
}

static json_t *type_schema(const struct setting *setting)
{
    switch (setting->type) {
    case SETTING_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case SETTING_STRING:
        return text_schema(setting);
    case SETTING_WORD_OR_NUMBER:
        return either(text_schema(setting), number_schema(setting, "integer"));
    case SETTING_ENUM:
        return words_schema(enum_words(setting));
    case SETTING_INTEGER:
        return number_schema(setting, "integer");
    case SETTING_NUMBER:
        return number_schema(setting, "number");
    case SETTING_DURATION:
        return string_schema("^[0-9]+([mM]?[sS]|[mMhH])$");
    case SETTING_SIZE:
        return either(string_schema("^[0-9]+[bkmgtBKMGT]$"),
                      number_schema(setting, "integer"));
    case SETTING_FILE_MODE:
        return string_schema("^0?[0-7]{3}$");
    case SETTING_STRINGS:
        return list_schema(setting, text_schema(setting));
    case SETTING_STRINGS_OR_ONE:
        return either(text_schema(setting),
                      list_schema(setting, text_schema(setting)));
    case SETTING_OBJECT:
        return shape_schema(setting->of);
    case SETTING_OBJECTS:
        return list_schema(setting, shape_schema(setting->of));
    }
    abort();
}

static bool must_be_given(const struct setting *setting)
{
    if (setting->type != SETTING_OBJECT)
        return setting->fallback == NULL;
    for (size_t i = 0; i < setting->of->count; i++)
        if (must_be_given(&setting->of->rows[i]))
            return true;
    return false;
}

static json_t *row_schema(const struct setting *setting)
{
    json_t *schema = type_schema(setting);

    if (setting_is_optional(setting))
        schema = or_null(schema);
    json_object_set_new(schema, "description", json_string(setting->help));
    if (setting->fallback != NULL && setting->type != SETTING_OBJECT)
        json_object_set_new(
            schema, "default",
            json_loads(setting->fallback, JSON_DECODE_ANY, NULL));
    return schema;
}

/* What may be in the object's place, or NULL. */
static json_t *lone_schema(const struct shape *shape)
{
    const struct setting *setting;
    json_t *schema;

    if (shape->lone == NULL)
        return NULL;
    setting = shape_find(shape, shape->lone);
    schema = type_schema(setting);
    return setting_is_optional(setting) ? or_null(schema) : schema;
}

static json_t *object_schema(const struct shape *shape)
{
    json_t *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < shape->count; i++) {
        const struct setting *setting = &shape->rows[i];

        json_object_set_new(properties, setting->key, row_schema(setting));
        if (must_be_given(setting))
            json_array_append_new(required, json_string(setting->key));
    }
    return json_pack("{s:s,s:b,s:o,s:o}", "type", "object",
                     "additionalProperties", false, "required", required,
                     "properties", properties);
}

void put_settings_schema(struct strbuf *out)
{
    json_auto_t *schema = json_pack("{s:s,s:s}", "$schema",
                                    "http://json-schema.org/draft-07/schema#",
                                    "title", "A policy of berth");
    json_auto_t *object = object_schema(&policy_shape);
    char *text;
    int r;

    json_object_update(schema, object);
    text = json_dumps(schema, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    r = strbuf_addf(out, "%s\n", text);
    assert(r == 0);
    free(text);
}
