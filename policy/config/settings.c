#include "policy/config/settings.h"

#include <assert.h>
#include <stdlib.h>

#include "policy/base/json_locate.h"
#include "policy/base/limits.h"
#include "policy/base/suggest.h"
#include "policy/config/setting_types.h"

/* Of a message with its path, and without, of a value shown in it, and of the
 * keys listed. */
enum { REPORT_MAX = 2048, MESSAGE_MAX = 1024, SHOWN_MAX = 60, LISTED_MAX = 8 };

/* What stays the same all the way down. */
struct reader {
    const struct layer *layers;
    size_t layer_count;
    const struct environment *environment;
    struct problems *problems;
};

/* One place in the document: what each layer says there, NULL where it says
 * nothing. */
struct node {
    const struct json_path *path;
    const json_t *values[LAYERS_MAX];
};

enum where { AT_VALUE, AT_KEY };

static void read_shape(struct reader *reader, const struct shape *shape,
                       const struct node *node, void *object);

/*
 * Where PATH is in LAYER, or the nearest thing around it. A place that no
 * layer with a text has is reported without a position.
 */
static struct json_position locate(const struct layer *layer,
                                   const struct json_path *path,
                                   enum where where)
{
    struct json_position position = {0, 0};

    if (layer->text.len == 0)
        return position;
    if (where == AT_KEY && json_locate_key(layer->text, path, &position))
        return position;
    while (!json_locate(layer->text, path, &position) && path != NULL)
        path = path->up;
    return position;
}

/* Add "PATH: MESSAGE", found in layer number INDEX. */
static void report(struct reader *reader, size_t index,
                   const struct json_path *path, enum where where,
                   struct str message)
{
    const struct layer *layer = &reader->layers[index];
    struct json_position position = locate(layer, path, where);
    AUTO(strbuf_fini) struct strbuf text = STRBUF(REPORT_MAX);

    json_path_put(&text, path);
    if (text.len > 0)
        strbuf_add(&text, S(": "));
    strbuf_add(&text, message);
    problems_add(reader->problems, layer->name, position.line, position.column,
                 strbuf_str(&text));
}

/* The layer to blame for something that is missing: the one with the file. */
static size_t main_layer(const struct reader *reader)
{
    for (size_t i = 0; i < reader->layer_count; i++)
        if (reader->layers[i].text.len > 0)
            return i;
    return 0;
}

/* VALUE as JSON, cut to a length that a message bears. */
static void put_shown(struct strbuf *out, const json_t *value)
{
    char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT |
                                        JSON_REAL_PRECISION(15));
    struct str text = str_from(shown);

    strbuf_add(out, str_head(text, SHOWN_MAX));
    if (text.len > SHOWN_MAX)
        strbuf_add(out, S("..."));
    free(shown);
}

static void report_wrong(struct reader *reader, size_t index,
                         const struct json_path *path,
                         const struct setting *setting, const json_t *value,
                         int r)
{
    AUTO(strbuf_fini) struct strbuf message = STRBUF(MESSAGE_MAX);

    put_shown(&message, value);
    if (r == SETTING_E_OUT_OF_RANGE) {
        strbuf_add(&message, S(" is out of range; write "));
        setting_put_range(setting, &message);
    } else {
        strbuf_addf(&message, " is no %s; write ", setting_noun(setting->type));
        setting_put_remedy(setting, &message);
    }
    if (setting->type == SETTING_ENUM && json_is_string(value)) {
        struct suggestion suggestion =
            SUGGESTION(str_from(json_string_value(value)));

        for (size_t i = 0; setting->words[i] != NULL; i++)
            suggestion_weigh(&suggestion, setting->words[i]);
        if (suggestion.best != NULL)
            strbuf_addf(&message, " (did you mean \"%s\"?)", suggestion.best);
    }
    report(reader, index, path, AT_VALUE, strbuf_str(&message));
}

/* The string VALUE with the environment filled in, put into TEXT. */
static bool fill_in(struct reader *reader, size_t index,
                    const struct json_path *path, const json_t *value,
                    struct strbuf *text)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(MESSAGE_MAX);
    struct str raw =
        str_of(json_string_value(value), json_string_length(value));
    int r = environment_fill(reader->environment, raw, text, &why);

    if (r < 0)
        strbuf_addf(&why, "is longer than %zu bytes; write a shorter one",
                    LIMIT_POLICY_TEXT);
    if (r != 0)
        report(reader, index, path, AT_VALUE, strbuf_str(&why));
    return r == 0;
}

/* Read one value that is neither null nor a list nor an object. */
static void read_scalar(struct reader *reader, const struct setting *setting,
                        size_t index, const struct json_path *path,
                        const json_t *value, void *member)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_POLICY_TEXT);
    json_auto_t *filled = NULL;

    if (json_is_string(value)) {
        if (!fill_in(reader, index, path, value, &text))
            return;
        filled = json_stringn(text.ptr != NULL ? text.ptr : "", text.len);
        value = filled;
        if (filled == NULL) {
            report(reader, index, path, AT_VALUE,
                   S("is not UTF-8 once the environment is filled in; set "
                     "the variable to plain text"));
            return;
        }
    }
    int r = setting_read_scalar(setting, value, strbuf_str(&text), member);

    if (r != 0) {
        report_wrong(reader, index, path, setting, value, r);
        return;
    }
    if (setting->check != NULL && json_is_string(value)) {
        AUTO(strbuf_fini) struct strbuf why = STRBUF(MESSAGE_MAX);

        put_shown(&why, value);
        strbuf_add_char(&why, ' ');
        if (!setting->check(strbuf_str(&text), &why))
            report(reader, index, path, AT_VALUE, strbuf_str(&why));
    }
}

static bool list_is_too_long(struct reader *reader,
                             const struct setting *setting, size_t index,
                             const struct json_path *path, size_t count)
{
    AUTO(strbuf_fini) struct strbuf message = STRBUF(MESSAGE_MAX);

    if ((double)count <= setting_max(setting))
        return false;
    strbuf_addf(&message, "has %zu entries; write %.0f at most", count,
                setting_max(setting));
    report(reader, index, path, AT_VALUE, strbuf_str(&message));
    return true;
}

static void read_strings(struct reader *reader, const struct setting *setting,
                         size_t index, const struct json_path *path,
                         const json_t *value, void *member)
{
    struct setting item = *setting;
    struct strings *strings = member;
    bool one = setting->type == SETTING_STRINGS_OR_ONE && json_is_string(value);
    size_t count = one ? 1 : json_array_size(value);

    item.type = SETTING_STRING;
    item.fallback = NULL;
    if (!one && !json_is_array(value)) {
        report_wrong(reader, index, path, setting, value, SETTING_E_WRONG);
        return;
    }
    if (list_is_too_long(reader, setting, index, path, count) || count == 0)
        return;
    strings->items = xcalloc(count, sizeof(char *));
    strings->count = count;
    for (size_t i = 0; i < count; i++) {
        struct json_path at = {path, NULL, i};

        read_scalar(reader, &item, index, one ? path : &at,
                    one ? value : json_array_get(value, i), &strings->items[i]);
    }
}

static void read_objects(struct reader *reader, const struct setting *setting,
                         size_t index, const struct json_path *path,
                         const json_t *value, void *member)
{
    struct objects *objects = member;
    size_t count = json_array_size(value);

    if (!json_is_array(value)) {
        report_wrong(reader, index, path, setting, value, SETTING_E_WRONG);
        return;
    }
    if (list_is_too_long(reader, setting, index, path, count) || count == 0)
        return;
    objects->items = xcalloc(count, setting->of->size);
    objects->count = count;
    for (size_t i = 0; i < count; i++) {
        struct json_path at = {path, NULL, i};
        struct node node = {.path = &at};

        node.values[index] = json_array_get(value, i);
        read_shape(reader, setting->of, &node,
                   (char *)objects->items + i * setting->of->size);
    }
}

static void read_member(struct reader *reader, const struct setting *setting,
                        size_t index, const struct json_path *path,
                        const json_t *value, void *member)
{
    if (json_is_null(value) && setting_is_optional(setting))
        setting_clear(setting, member);
    else if (setting->type == SETTING_STRINGS ||
             setting->type == SETTING_STRINGS_OR_ONE)
        read_strings(reader, setting, index, path, value, member);
    else if (setting->type == SETTING_OBJECTS)
        read_objects(reader, setting, index, path, value, member);
    else
        read_scalar(reader, setting, index, path, value, member);
}

static void read_row(struct reader *reader, const struct setting *setting,
                     const struct node *node, void *member)
{
    json_auto_t *fallback = NULL;

    for (size_t i = 0; i < reader->layer_count; i++)
        if (node->values[i] != NULL) {
            read_member(reader, setting, i, node->path, node->values[i],
                        member);
            return;
        }
    if (setting->fallback == NULL) {
        AUTO(strbuf_fini) struct strbuf message = STRBUF(MESSAGE_MAX);

        strbuf_addf(&message, "is missing; add it: %s", setting->help);
        report(reader, main_layer(reader), node->path, AT_VALUE,
               strbuf_str(&message));
        return;
    }
    fallback = json_loads(setting->fallback, JSON_DECODE_ANY, NULL);
    read_member(reader, setting, main_layer(reader), node->path, fallback,
                member);
}

static void report_unknown(struct reader *reader, const struct shape *shape,
                           size_t index, const struct json_path *path)
{
    struct suggestion suggestion = SUGGESTION(str_from(path->key));
    AUTO(strbuf_fini) struct strbuf message = STRBUF(MESSAGE_MAX);

    for (size_t i = 0; i < shape->count; i++)
        suggestion_weigh(&suggestion, shape->rows[i].key);
    strbuf_add(&message, S("is no key of a policy; "));
    if (suggestion.best != NULL) {
        strbuf_addf(&message, "did you mean \"%s\"?", suggestion.best);
    } else if (shape->count > LISTED_MAX) {
        strbuf_add(&message, S("docs/policy.md has them all"));
    } else {
        strbuf_add(&message, S("there are "));
        for (size_t i = 0; i < shape->count; i++)
            strbuf_addf(&message, "%s%s",
                        i == 0                  ? ""
                        : i + 1 == shape->count ? " and "
                                                : ", ",
                        shape->rows[i].key);
    }
    report(reader, index, path, AT_KEY, strbuf_str(&message));
}

/* Refuse what layer INDEX says at NODE unless it is an object of known keys. */
static bool object_is_sound(struct reader *reader, const struct shape *shape,
                            size_t index, const struct node *node)
{
    const struct setting self = {.type = SETTING_OBJECT, .of = shape};
    const char *key;
    json_t *value;

    if (!json_is_object(node->values[index])) {
        report_wrong(reader, index, node->path, &self, node->values[index],
                     SETTING_E_WRONG);
        return false;
    }
    /* jansson's iterators want the object writable; nothing is written */
    union {
        const json_t *in;
        json_t *out;
    } object = {node->values[index]};

    json_object_foreach(object.out, key, value)
    {
        struct json_path path = {node->path, key, 0};

        if (shape_find(shape, key) == NULL)
            report_unknown(reader, shape, index, &path);
    }
    return true;
}

static void check_whole(struct reader *reader, const struct shape *shape,
                        const struct node *node, const void *object)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(MESSAGE_MAX);
    const char *key = NULL;
    size_t index = main_layer(reader);

    if (shape->check == NULL || shape->check(object, &key, &why))
        return;
    struct json_path path = {node->path, key, 0};

    for (size_t i = reader->layer_count; i-- > 0;)
        if (key == NULL ? node->values[i] != NULL
                        : json_object_get(node->values[i], key) != NULL)
            index = i;
    report(reader, index, key != NULL ? &path : node->path, AT_VALUE,
           strbuf_str(&why));
}

static bool is_lone(const struct shape *shape, const json_t *value)
{
    return shape->lone != NULL && value != NULL && !json_is_object(value);
}

/* What VALUE, an object or what stands for one, says of KEY. */
static const json_t *value_at(const struct shape *shape, const json_t *value,
                              const char *key)
{
    if (!is_lone(shape, value))
        return json_object_get(value, key);
    return strcmp(shape->lone, key) == 0 ? value : NULL;
}

/* The place of KEY: the object's own for one that is said in its place, or that
 * would best be. */
static struct json_path path_of(const struct shape *shape,
                                const struct node *node, const char *key)
{
    struct json_path inside = {node->path, key, 0};

    if (shape->lone == NULL || strcmp(shape->lone, key) != 0)
        return inside;
    for (size_t i = 0; i < LAYERS_MAX; i++) {
        if (is_lone(shape, node->values[i]))
            break;
        if (json_object_get(node->values[i], key) != NULL)
            return inside;
    }
    assert(node->path); /* the document as a whole is no lone value */
    return *node->path;
}

static void read_shape(struct reader *reader, const struct shape *shape,
                       const struct node *node, void *object)
{
    struct node sound = {.path = node->path};
    size_t before = reader->problems->count;

    for (size_t i = 0; i < reader->layer_count; i++) {
        if (node->values[i] == NULL)
            continue;
        if (!is_lone(shape, node->values[i]) &&
            !object_is_sound(reader, shape, i, node))
            return; /* already reported; its keys are missing, too */
        sound.values[i] = node->values[i];
    }
    for (size_t r = 0; r < shape->count; r++) {
        const struct setting *setting = &shape->rows[r];
        struct json_path path = path_of(shape, node, setting->key);
        struct node child = {.path = &path};
        void *member = (char *)object + setting->offset;

        for (size_t i = 0; i < reader->layer_count; i++)
            child.values[i] = value_at(shape, sound.values[i], setting->key);
        if (setting->type == SETTING_OBJECT)
            read_shape(reader, setting->of, &child, member);
        else
            read_row(reader, setting, &child, member);
    }
    /* members that did not survive their own check cannot be compared */
    if (reader->problems->count == before)
        check_whole(reader, shape, node, object);
}

void settings_read(const struct shape *shape, void *object,
                   const struct layer *layers, size_t layer_count,
                   const struct environment *environment,
                   struct problems *problems)
{
    struct reader reader = {layers, layer_count, environment, problems};
    struct node root = {0};

    for (size_t i = 0; i < layer_count; i++)
        root.values[i] = layers[i].root;
    read_shape(&reader, shape, &root, object);
}

static void fini_row(const struct setting *setting, void *member)
{
    if (setting->type == SETTING_STRING ||
        setting->type == SETTING_WORD_OR_NUMBER) {
        free(*(char **)member);
    } else if (setting->type == SETTING_STRINGS ||
               setting->type == SETTING_STRINGS_OR_ONE) {
        struct strings *strings = member;

        for (size_t i = 0; i < strings->count; i++)
            free(strings->items[i]);
        free(strings->items);
    } else if (setting->type == SETTING_OBJECT) {
        settings_fini(setting->of, member);
    } else if (setting->type == SETTING_OBJECTS) {
        struct objects *objects = member;

        for (size_t i = 0; i < objects->count; i++)
            settings_fini(setting->of,
                          (char *)objects->items + i * setting->of->size);
        free(objects->items);
    }
}

void settings_fini(const struct shape *shape, void *object)
{
    for (size_t i = 0; i < shape->count; i++)
        fini_row(&shape->rows[i], (char *)object + shape->rows[i].offset);
}

const struct setting *shape_find(const struct shape *shape, const char *key)
{
    for (size_t i = 0; i < shape->count; i++)
        if (str_eq(str_from(shape->rows[i].key), str_from(key)))
            return &shape->rows[i];
    return NULL;
}
