#include "policy/judge/check.h"

#include <assert.h>

/*
 * The walk over a body: keys become Docker's, values are of Docker's types,
 * and every row has its say. What Docker would read in one way only is read
 * that way; the rest is refused.
 */

/* What is to be done with the keys of one object, once all have been seen. */
struct keys {
    const struct record *record;
    size_t next; /* the field behind the last one */
    bool seen[RECORD_FIELDS_MAX];
    const char *spelled[RECORD_FIELDS_MAX]; /* by the client, if otherwise */
};

static bool refuse_unknown(struct judge *judge, const struct keys *keys,
                           const struct place *at, const char *key)
{
    const struct record *elsewhere = keys->record->misplaced;

    if (elsewhere && record_find_folded(elsewhere, key))
        return judge_refuse(judge, 403, "request.body", at,
                            "%s is read here by some old engines only; put it "
                            "into %s",
                            key, keys->record->belongs);
    judge_note_lack(judge, "request.unknown_fields", S("drop"));
    return judge_refuse(
        judge, 403, "request.body", at,
        "%s has no field of this name that berth knows, so it cannot judge it; "
        "leave it out, or have the policy drop such fields with "
        "request.unknown_fields: \"drop\"",
        keys->record->name);
}

/*
 * Settle one KEY of OBJECT, and delete it where it says nothing. The caller
 * iterates over it and must not use KEY afterwards.
 */
static bool settle_key(struct judge *judge, struct keys *keys,
                       const struct place *place, json_t *object,
                       const char *key, json_t *value)
{
    const struct record *record = keys->record;
    const struct field *field = record_find(record, key, keys->next);
    struct place at = place_field(place, object, key);
    size_t i;

    if (!str_is_ascii(str_from(key)))
        return judge_refuse(judge, 400, "request.body", &at,
                            "the keys of %s are plain ASCII; an engine might "
                            "read this one as another",
                            record->name);
    if (!field)
        field = record_find_folded(record, key);
    if (!field) {
        if (!json_is_empty(value) &&
            judge->rules->request.unknown_fields == UNKNOWN_REFUSE &&
            !refuse_unknown(judge, keys, &at, key))
            return false;
        if (!json_is_null(value))
            judge_note(judge, CHANGE_DROPPED, &at);
        json_object_del(object, key);
        return true;
    }
    i = (size_t)(field - record->fields);
    keys->next = i + 1;
    if (keys->seen[i])
        return judge_refuse(judge, 400, "request.body", &at,
                            "%s is given twice, in different spellings; give "
                            "it once",
                            field->name);
    keys->seen[i] = true;
    if (json_is_null(value)) {
        json_object_del(object, key);
        return true;
    }
    if (field->type == FIELD_IGNORED) {
        judge_note(judge, CHANGE_DROPPED, &at);
        json_object_del(object, key);
        return true;
    }
    if (strcmp(key, field->name) != 0)
        keys->spelled[i] = key;
    return true;
}

/* Give what the client spelled in its own way Docker's key. */
static void respell(struct judge *judge, const struct keys *keys,
                    const struct place *place, json_t *object)
{
    for (size_t i = 0; i < keys->record->count; i++) {
        const char *old = keys->spelled[i];
        const char *name = keys->record->fields[i].name;
        struct place at = place_field(place, object, name);

        if (!old)
            continue;
        json_object_set(object, name, json_object_get(object, old));
        json_object_del(object, old);
        judge_note(judge, CHANGE_FOLDED, &at);
    }
}

bool judge_record(struct judge *judge, const struct record *record,
                  const struct place *place, json_t *object)
{
    struct keys keys = {.record = record};
    const char *key;
    json_t *value;
    void *next;

    assert(record->count <= RECORD_FIELDS_MAX);
    json_object_foreach_safe(object, next, key, value)
    {
        if (!settle_key(judge, &keys, place, object, key, value))
            return false;
    }
    respell(judge, &keys, place, object);
    for (size_t i = 0; i < record->count; i++) {
        const struct field *field = &record->fields[i];
        struct place at = place_field(place, object, field->name);

        value = keys.seen[i] ? json_object_get(object, field->name) : NULL;
        if (value && !judge_field(judge, field, &at, value))
            return false;
    }
    return !record->check || record->check(judge, place, object);
}

static bool refuse_type(struct judge *judge, const struct place *place,
                        const char *wanted)
{
    return judge_refuse(judge, 400, "request.body", place,
                        "this has to be %s, or no engine reads it", wanted);
}

static bool judge_integer(struct judge *judge, const struct field *field,
                          const struct place *place, const json_t *value)
{
    json_int_t n = json_integer_value(value);

    if (!json_is_integer(value))
        return refuse_type(judge, place, "an integer");
    if ((field->min || field->max) && (n < field->min || n > field->max))
        return judge_refuse(
            judge, 400, "request.body", place,
            "this has to be an integer from %" JSON_INTEGER_FORMAT
            " to %" JSON_INTEGER_FORMAT,
            field->min, field->max);
    return true;
}

/* Docker reads a null inside of a map or list as "nothing", spelled EMPTY. */
static json_t *fill_null(const struct place *place, json_t *value,
                         json_type empty)
{
    if (!json_is_null(value))
        return value;
    value = empty == JSON_STRING  ? json_string("")
            : empty == JSON_ARRAY ? json_array()
                                  : json_object();
    place_set(place, value);
    return value;
}

static bool judge_strings(struct judge *judge, const struct place *place,
                          json_t *list)
{
    size_t i;
    json_t *value;

    if (!json_is_array(list))
        return refuse_type(judge, place, "a list of strings");
    json_array_foreach(list, i, value)
    {
        struct place at = place_element(place, list, i);

        if (!json_is_string(fill_null(&at, value, JSON_STRING)))
            return refuse_type(judge, &at, "a string");
    }
    return true;
}

static bool judge_string_lists(struct judge *judge, const struct place *place,
                               json_t *list)
{
    size_t i;
    json_t *value;

    if (!json_is_array(list))
        return refuse_type(judge, place, "a list of lists of strings");
    json_array_foreach(list, i, value)
    {
        struct place at = place_element(place, list, i);

        if (!judge_strings(judge, &at, fill_null(&at, value, JSON_ARRAY)))
            return false;
    }
    return true;
}

static bool judge_integers(struct judge *judge, const struct place *place,
                           json_t *list)
{
    static const struct field size = {.min = 0, .max = UINT32_MAX};
    size_t i;
    json_t *value;

    if (!json_is_array(list))
        return refuse_type(judge, place, "a list of integers");
    json_array_foreach(list, i, value)
    {
        struct place at = place_element(place, list, i);

        if (!judge_integer(judge, &size, &at, value))
            return false;
    }
    return true;
}

static bool judge_string_map(struct judge *judge, const struct place *place,
                             json_t *map, bool nullable)
{
    const char *key;
    json_t *value;

    if (!json_is_object(map))
        return refuse_type(judge, place, "an object of strings");
    json_object_foreach(map, key, value)
    {
        struct place at = place_key(place, map, key);

        if (nullable && json_is_null(value))
            continue;
        if (!json_is_string(fill_null(&at, value, JSON_STRING)))
            return refuse_type(judge, &at, "a string");
    }
    return true;
}

static bool judge_struct(struct judge *judge, const struct field *field,
                         const struct place *place, json_t *object)
{
    if (!json_is_object(object))
        return refuse_type(judge, place, "an object");
    if (!judge_record(judge, field->of, place, object))
        return false;
    return !field->each || field->each(judge, field, place, object);
}

static bool judge_structs(struct judge *judge, const struct field *field,
                          const struct place *place, json_t *list)
{
    size_t i;
    json_t *value;

    if (!json_is_array(list))
        return refuse_type(judge, place, "a list of objects");
    json_array_foreach(list, i, value)
    {
        struct place at = place_element(place, list, i);

        if (!judge_struct(judge, field, &at, value))
            return false;
    }
    return true;
}

static bool judge_struct_map(struct judge *judge, const struct field *field,
                             const struct place *place, json_t *map)
{
    bool lists = field->type == FIELD_STRUCTS_MAP;
    const char *key;
    json_t *value;

    if (!json_is_object(map))
        return refuse_type(judge, place,
                           lists ? "an object of lists"
                                 : "an object of objects");
    json_object_foreach(map, key, value)
    {
        struct place at = place_key(place, map, key);

        value = fill_null(&at, value, lists ? JSON_ARRAY : JSON_OBJECT);
        if (!(lists ? judge_structs : judge_struct)(judge, field, &at, value))
            return false;
    }
    return true;
}

static bool judge_type(struct judge *judge, const struct field *field,
                       const struct place *place, json_t *value)
{
    switch (field->type) {
    case FIELD_IGNORED:
    case FIELD_ANY:
        return true;
    case FIELD_BOOL:
        return json_is_boolean(value) ||
               refuse_type(judge, place, "true or false");
    case FIELD_INT:
        return judge_integer(judge, field, place, value);
    case FIELD_STRING:
        return json_is_string(value) || refuse_type(judge, place, "a string");
    case FIELD_COMMAND:
        return json_is_string(value) || judge_strings(judge, place, value);
    case FIELD_STRINGS:
        return judge_strings(judge, place, value);
    case FIELD_INTS:
        return judge_integers(judge, place, value);
    case FIELD_STRING_LISTS:
        return judge_string_lists(judge, place, value);
    case FIELD_STRING_MAP:
        return judge_string_map(judge, place, value, false);
    case FIELD_STRING_OR_NULL_MAP:
        return judge_string_map(judge, place, value, true);
    case FIELD_STRUCT:
        return judge_struct(judge, field, place, value);
    case FIELD_STRUCTS:
        return judge_structs(judge, field, place, value);
    case FIELD_STRUCT_MAP:
    case FIELD_STRUCTS_MAP:
        return judge_struct_map(judge, field, place, value);
    }
    assert(!"a type without a reader");
    return false;
}

bool judge_field(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *value)
{
    if (!judge_type(judge, field, place, value))
        return false;
    return !field->check || field->check(judge, field, place, value);
}
