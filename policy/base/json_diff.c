#include "policy/base/json_diff.h"

#include "policy/base/json_locate.h"
#include "policy/base/limits.h"

static bool is_nothing(const json_t *value)
{
    return !value || json_is_null(value);
}

static json_t *new_row(json_t *rows, const struct json_path *path)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_JSON_WRITTEN);
    json_t *row = json_object();

    if (json_path_put(&text, path) == 0)
        json_object_set_new(row, "path",
                            json_stringn(text.ptr ? text.ptr : "", text.len));
    json_array_append_new(rows, row);
    return row;
}

static void compare(json_t *rows, const struct json_path *path, json_t *before,
                    json_t *after);

/* The key that OBJECT has instead of KEY, in another spelling; or NULL. */
static const char *respelled(json_t *object, const char *key, json_t *other)
{
    const char *candidate;
    json_t *value;

    json_object_foreach(object, candidate, value)
    {
        if (str_eq_nocase(str_from(candidate), str_from(key)) &&
            !json_object_get(other, candidate))
            return candidate;
    }
    return NULL;
}

static void compare_objects(json_t *rows, const struct json_path *path,
                            json_t *before, json_t *after)
{
    const char *key;
    json_t *value;

    json_object_foreach(before, key, value)
    {
        const char *now =
            json_object_get(after, key) ? key : respelled(after, key, before);
        struct json_path at = {.up = path, .key = key};

        if (now && now != key)
            json_object_set_new(new_row(rows, &at), "renamed",
                                json_string(now));
        if (now)
            at.key = now;
        compare(rows, &at, value, now ? json_object_get(after, now) : NULL);
    }
    json_object_foreach(after, key, value)
    {
        struct json_path at = {.up = path, .key = key};

        if (!json_object_get(before, key) && !respelled(before, key, after))
            compare(rows, &at, NULL, value);
    }
}

static void compare_lists(json_t *rows, const struct json_path *path,
                          const json_t *before, const json_t *after)
{
    size_t one = json_array_size(before), two = json_array_size(after);

    for (size_t i = 0; i < one || i < two; i++) {
        const struct json_path at = {.up = path, .index = i};

        compare(rows, &at, json_array_get(before, i), json_array_get(after, i));
    }
}

static void compare(json_t *rows, const struct json_path *path, json_t *before,
                    json_t *after)
{
    json_t *row;

    if ((is_nothing(before) && is_nothing(after)) || json_equal(before, after))
        return;
    if (json_is_object(before) && json_is_object(after)) {
        compare_objects(rows, path, before, after);
        return;
    }
    if (json_is_array(before) && json_is_array(after)) {
        compare_lists(rows, path, before, after);
        return;
    }
    row = new_row(rows, path);
    if (!is_nothing(before))
        json_object_set(row, "before", before);
    if (!is_nothing(after))
        json_object_set(row, "after", after);
}

json_t *json_diff(const json_t *before, const json_t *after)
{
    json_t *rows = json_array();

    /* comparing changes neither, but jansson's iterators say so */
    compare(rows, NULL, (json_t *)(uintptr_t)before,
            (json_t *)(uintptr_t)after);
    return rows;
}
