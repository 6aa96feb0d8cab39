#include "policy/build/build_private.h"

#include <stdio.h>

/* What is said of a call: refusals, and notes for the record. */

__attribute__((format(printf, 6, 0))) static bool
refuse(struct build_call *call, int status, bool always, const char *rule,
       const char *field, const char *format, va_list args)
{
    char text[LIMIT_REASON];
    struct verdict verdict = {0};

    vsnprintf(text, sizeof(text), format, args);
    verdict_deny(&verdict, status, rule, field, "%s", text);
    if (call->view->reports && status == 403 && !always) {
        if (!call->has_reported)
            call->reported = verdict;
        call->has_reported = true;
        return true;
    }
    *call->why = verdict;
    return false;
}

bool build_refuse(struct build_call *call, int status, const char *rule,
                  const char *field, const char *format, ...)
{
    va_list args;
    bool goes_on;

    va_start(args, format);
    goes_on = refuse(call, status, false, rule, field, format, args);
    va_end(args);
    return goes_on;
}

bool build_forbid(struct build_call *call, const char *rule, const char *field,
                  const char *format, ...)
{
    va_list args;
    bool goes_on;

    va_start(args, format);
    goes_on = refuse(call, 403, true, rule, field, format, args);
    va_end(args);
    return goes_on;
}

static json_t *record_of(struct build_call *call)
{
    if (!call->record)
        call->record = json_object();
    return call->record;
}

static json_t *text_json(struct str text)
{
    return json_stringn(text.len ? text.ptr : "", text.len);
}

void build_note(struct build_call *call, const char *key, struct str text)
{
    json_t *record = record_of(call), *list = json_object_get(record, key);
    const json_t *other;
    json_t *value;
    size_t i;

    if (!list) {
        list = json_array();
        json_object_set_new(record, key, list);
    }
    if (json_array_size(list) >= LIMIT_BUILD_NOTES)
        return;
    value = text_json(str_head(text, LIMIT_BUILD_NOTE));
    json_array_foreach(list, i, other)
    {
        if (value && json_equal(other, value)) {
            json_decref(value);
            return;
        }
    }
    if (value)
        json_array_append_new(list, value);
}

void build_note_one(struct build_call *call, const char *key, struct str text)
{
    json_t *value = text_json(str_head(text, LIMIT_BUILD_NOTE));

    if (value)
        json_object_set_new(record_of(call), key, value);
}

void build_note_change(struct build_call *call, const char *field)
{
    build_note(call, "changed", str_from(field));
}
