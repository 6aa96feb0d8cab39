#include "policy/base/json_copy.h"

static json_t *copy_object(json_t *object)
{
    json_t *copy = json_object();

    for (void *at = json_object_iter(object); at;
         at = json_object_iter_next(object, at))
        json_object_setn_new_nocheck(
            copy, json_object_iter_key(at), json_object_iter_key_len(at),
            json_copy_shared(json_object_iter_value(at)));
    return copy;
}

static json_t *copy_list(const json_t *list)
{
    json_t *copy = json_array(), *value;
    size_t i;

    json_array_foreach(list, i, value)
    {
        json_array_append_new(copy, json_copy_shared(value));
    }
    return copy;
}

json_t *json_copy_shared(json_t *tree)
{
    if (json_is_object(tree))
        return copy_object(tree);
    if (json_is_array(tree))
        return copy_list(tree);
    return json_incref(tree);
}
