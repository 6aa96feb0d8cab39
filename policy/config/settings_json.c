#include "policy/config/settings.h"

#include "policy/config/setting_types.h"

static json_t *strings_to_json(const struct setting *setting,
                               const struct strings *strings)
{
    struct setting item = *setting;
    json_t *list;

    item.type = SETTING_STRING;
    if (setting->type == SETTING_STRINGS_OR_ONE && strings->count == 1)
        return setting_scalar_to_json(&item, &strings->items[0]);
    list = json_array();
    for (size_t i = 0; i < strings->count; i++)
        json_array_append_new(
            list, setting_scalar_to_json(&item, &strings->items[i]));
    return list;
}

static json_t *objects_to_json(const struct setting *setting,
                               const struct objects *objects)
{
    json_t *list = json_array();

    for (size_t i = 0; i < objects->count; i++)
        json_array_append_new(
            list, settings_to_json(setting->of, (const char *)objects->items +
                                                    i * setting->of->size));
    return list;
}

static json_t *row_to_json(const struct setting *setting, const void *member)
{
    if (setting->type == SETTING_STRINGS ||
        setting->type == SETTING_STRINGS_OR_ONE)
        return strings_to_json(setting, member);
    if (setting->type == SETTING_OBJECT)
        return settings_to_json(setting->of, member);
    if (setting->type == SETTING_OBJECTS)
        return objects_to_json(setting, member);
    return setting_scalar_to_json(setting, member);
}

json_t *settings_to_json(const struct shape *shape, const void *object)
{
    json_t *result = json_object();

    for (size_t i = 0; i < shape->count; i++)
        json_object_set_new(
            result, shape->rows[i].key,
            row_to_json(&shape->rows[i],
                        (const char *)object + shape->rows[i].offset));
    return result;
}
