#pragma once

/* Texts in JSON values as what the rest of the program calls a text. */

#include <jansson.h>

#include "policy/base/str.h"

/* It is VALUE's, and as long-lived; "" where that is no text, or NULL. */
static inline struct str str_of_json(const json_t *value)
{
    const char *text = json_string_value(value);

    return text ? str_of(text, json_string_length(value)) : S("");
}

/* The same of OBJECT's member KEY; empty where there is none. */
static inline struct str str_at(const json_t *object, const char *key)
{
    return str_of_json(json_object_get(object, key));
}

/* A new JSON string of S. */
static inline json_t *json_of_str(struct str s)
{
    return json_stringn(s.ptr ? s.ptr : "", s.len);
}
