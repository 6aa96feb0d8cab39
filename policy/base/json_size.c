#include "policy/base/json_size.h"

#include <stdint.h>

enum {
    VALUE = 48,   /* a string, or a number, with what malloc adds */
    OBJECT = 208, /* with its first eight buckets */
    MEMBER = 112, /* with its bucket, of which there may be as many again */
    ARRAY = 112,  /* with its first eight places */
    PLACE = 16,   /* in an array, of which half may be empty */
};

size_t json_memory(const json_t *value)
{
    json_t *all = (json_t *)(uintptr_t)value;
    size_t sum = 0;
    void *at;

    if (!value)
        return 0;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        for (at = json_object_iter(all); at;
             at = json_object_iter_next(all, at))
            sum += MEMBER + json_object_iter_key_len(at) +
                   json_memory(json_object_iter_value(at));
        return sum + OBJECT;
    case JSON_ARRAY:
        for (size_t i = 0; i < json_array_size(value); i++)
            sum += PLACE + json_memory(json_array_get(value, i));
        return sum + ARRAY;
    case JSON_STRING:
        return VALUE + json_string_length(value);
    case JSON_INTEGER:
    case JSON_REAL:
        return VALUE;
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return 0; /* there is one for all */
}
