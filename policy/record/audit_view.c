#include "policy/record/audit_view.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/base/glob.h"
#include "policy/base/json_str.h"
#include "policy/base/limits.h"
#include "policy/docker/operation_word.h"

#define SHORT_ID 4 /* characters of an ID that are enough to look for it */

static bool is_wanted(const char *wanted, struct str have)
{
    return !wanted || str_eq(str_from(wanted), have);
}

static bool names_operation(struct str words, struct str name)
{
    enum operation operation = operation_find(name);
    struct str word;

    if (words.len == 0)
        return true;
    while (operation != OP_NONE && words.len) {
        str_cut(words, ',', &word, &words);
        if (operation_word_names(word, operation))
            return true;
    }
    return false;
}

/* NAME as the runner knows it: what was sent has its namespace before it. */
static struct str own_name(struct str name, struct str namespace)
{
    return name.len > namespace.len && str_has_prefix(name, namespace) &&
                   name.ptr[namespace.len] == '.'
               ? str_from_index(name, namespace.len + 1)
               : name;
}

/* What is looked for, in the record of a call in NAMESPACE. */
struct wanted {
    struct str ref, namespace;
};

/* Is SEGMENT the object, by either name, or by the beginning of its ID? */
static bool is_object(struct str segment, const struct wanted *wanted)
{
    struct str ref = wanted->ref;

    return str_eq(segment, ref) ||
           str_eq(own_name(segment, wanted->namespace), ref) ||
           (ref.len >= SHORT_ID && segment.len > ref.len && segment.len >= 12 &&
            str_has_prefix(segment, ref));
}

/* Has the call's job a value like this? */
static bool is_of_job(const json_t *record, const char *wanted)
{
    json_t *job = json_object_get(record, "job"), *value;
    const char *name;

    json_object_foreach(job, name, value)
    {
        if (glob_matches(str_from(wanted), str_from(json_string_value(value))))
            return true;
    }
    return false;
}

static bool path_names(struct str path, const struct wanted *wanted)
{
    struct str segment;

    while (path.len) {
        str_cut(path, '/', &segment, &path);
        if (is_object(segment, wanted))
            return true;
    }
    return false;
}

static bool concerns(const json_t *record, const char *container)
{
    const json_t *query = json_object_get(record, "query");
    const json_t *request = json_object_get(record, "request");
    struct wanted wanted;

    if (!container)
        return true;
    wanted = (struct wanted){str_from(container), str_at(record, "namespace")};
    return path_names(str_at(record, "path"), &wanted) ||
           path_names(str_at(record, "sent"), &wanted) ||
           is_object(str_at(record, "object"), &wanted) ||
           is_object(str_at(query, "name"), &wanted) ||
           is_object(str_at(request, "name"), &wanted) ||
           is_object(str_at(request, "container"), &wanted);
}

/* Times in one form compare like text; the beginning of one is its first
 * moment, or for UNTIL its last. */
static int compare_time(struct str time, struct str bound)
{
    size_t len = time.len < bound.len ? time.len : bound.len;

    return memcmp(time.ptr, bound.ptr, len);
}

static bool is_in_time(const struct audit_filter *filter, struct str time)
{
    return (!filter->since || !time.len ||
            compare_time(time, str_from(filter->since)) >= 0) &&
           (!filter->until || !time.len ||
            compare_time(time, str_from(filter->until)) <= 0);
}

/* A summary is of many calls: it is shown where any of them might be wanted. */
static bool takes_summary(const struct audit_filter *filter,
                          const json_t *record)
{
    return is_wanted(filter->namespace_, str_at(record, "namespace")) &&
           (!filter->verdict ||
            json_object_get(json_object_get(record, "verdicts"),
                            filter->verdict)) &&
           is_in_time(filter, str_at(record, "time")) && !filter->container &&
           !filter->job && filter->operations.len == 0;
}

static bool is_summary(const json_t *record)
{
    return str_eq(str_at(record, "event"), S("summary"));
}

bool audit_filter_takes(const struct audit_filter *filter, const json_t *record)
{
    if (is_summary(record))
        return takes_summary(filter, record);
    return (filter->decisions || str_eq(str_at(record, "event"), S("end"))) &&
           is_wanted(filter->namespace_, str_at(record, "namespace")) &&
           is_wanted(filter->verdict, str_at(record, "verdict")) &&
           names_operation(filter->operations, str_at(record, "operation")) &&
           is_in_time(filter, str_at(record, "time")) &&
           concerns(record, filter->container) &&
           (!filter->job || is_of_job(record, filter->job));
}

static int put_padded(struct strbuf *out, struct str text, size_t width)
{
    int r = strbuf_add_visible(out, text);

    for (size_t len = text.len; len < width && r == 0; len++)
        r = strbuf_add_char(out, ' ');
    return r == 0 ? strbuf_add(out, S("  ")) : r;
}

/* A blank in a value would let it pass for the next KEY=VALUE. */
static bool needs_quotes(struct str text)
{
    return text.len == 0 || str_find(text, ' ') >= 0 ||
           str_find(text, '"') >= 0 || str_find(text, '\\') >= 0;
}

static int put_value(struct strbuf *out, struct str text, bool quoted)
{
    int r = 0;

    if (!quoted)
        return strbuf_add_visible(out, text);
    r = strbuf_add_char(out, '"');
    for (size_t i = 0, from = 0; i <= text.len && r == 0; i++) {
        if (i < text.len && text.ptr[i] != '"' && text.ptr[i] != '\\')
            continue;
        r = strbuf_add_visible(out, str_of(text.ptr + from, i - from));
        if (r == 0 && i < text.len)
            r = strbuf_addf(out, "\\%c", text.ptr[i]);
        from = i + 1;
    }
    return r == 0 ? strbuf_add_char(out, '"') : r;
}

/* KEY=VALUE: text as it is, in quotes where it has blanks; other values as
 * JSON. */
static int put_member(struct strbuf *out, const char *key, const json_t *value)
{
    char *json = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    struct str text = json_is_string(value) ? str_of_json(value)
                                            : str_from(json ? json : "?");
    int r = strbuf_add_char(out, ' ');

    if (r == 0)
        r = strbuf_add_visible(out, str_from(key));
    if (r == 0)
        r = strbuf_add_char(out, '=');
    if (r == 0)
        r = put_value(out, text, json_is_string(value) && needs_quotes(text));
    free(json);
    return r;
}

static int put_members(struct strbuf *out, const json_t *object)
{
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    int r = 0;

    for (; at && r == 0;
         at = json_object_iter_next((json_t *)(uintptr_t)object, at))
        r = put_member(out, json_object_iter_key(at),
                       json_object_iter_value(at));
    return r;
}

/* How it came out: the status and how long it took, or that it began. */
static int put_outcome(struct strbuf *out, const json_t *record)
{
    const json_t *status = json_object_get(record, "status");
    char text[64];

    if (!str_eq(str_at(record, "event"), S("end")))
        return strbuf_addf(out, "%-18s", "begins");
    if (json_is_integer(status))
        snprintf(text, sizeof(text), "%lld",
                 (long long)json_integer_value(status));
    else
        snprintf(text, sizeof(text), "-");
    return strbuf_addf(
        out, "%3s %10.1f ms  ", text,
        json_number_value(json_object_get(record, "duration_ms")));
}

static int put_path(struct strbuf *out, struct str path)
{
    struct str first, rest;

    /* without the version */
    if (str_has_prefix(path, S("/v1."))) {
        str_cut(str_from_index(path, 1), '/', &first, &rest);
        path = str_from_index(path, 1 + first.len);
    }
    return strbuf_add_visible(out, path.len ? path : S("-"));
}

static int put_reason(struct strbuf *out, const json_t *record)
{
    struct str close = str_at(record, "close");
    bool simple = str_eq(close, S("done")) || str_eq(close, S("answered")) ||
                  str_eq(close, S("denied")) || close.len == 0;
    int r = 0;

    if (!simple) {
        r = strbuf_add(out, S("  ("));
        if (r == 0)
            r = strbuf_add_visible(out, close);
        if (r == 0)
            r = strbuf_add_char(out, ')');
    }
    if (r == 0 && str_at(record, "reason").len) {
        r = strbuf_add(out, S("\n        "));
        if (r == 0)
            r = strbuf_add_visible(out, str_at(record, "rule"));
        if (r == 0)
            r = strbuf_add(out, S(": "));
        if (r == 0)
            r = strbuf_add_visible(out, str_at(record, "reason"));
    }
    return r == 0 ? strbuf_add_char(out, '\n') : r;
}

/* How many calls there were that have no record of their own. */
static int put_summary(struct strbuf *out, const json_t *record)
{
    int r = strbuf_addf(
        out, "%lld calls since ",
        (long long)json_integer_value(json_object_get(record, "calls")));

    if (r == 0)
        r = strbuf_add_visible(out, str_head(str_at(record, "since"), 23));
    if (r == 0)
        r = strbuf_add(out, S(" are not shown:"));
    if (r == 0)
        r = put_members(out, json_object_get(record, "verdicts"));
    if (r == 0)
        r = put_members(out, json_object_get(record, "operations"));
    return r == 0 ? strbuf_add_char(out, '\n') : r;
}

int audit_view_put(struct strbuf *out, const json_t *record)
{
    struct str verdict = str_at(record, "verdict");
    struct str operation = str_at(record, "operation");
    int r = put_padded(out, str_head(str_at(record, "time"), 23), 23);

    if (r == 0)
        r = put_padded(out, str_at(record, "namespace"), 8);
    if (r == 0 && is_summary(record))
        return put_summary(out, record);
    if (r == 0)
        r = put_padded(out, verdict.len ? verdict : S("-"), 10);
    if (r == 0)
        r = put_padded(out, operation.len ? operation : S("-"), 20);
    if (r == 0)
        r = put_outcome(out, record);
    if (r == 0)
        r = put_path(out, str_at(record, "path"));
    if (r == 0)
        r = put_members(out, json_object_get(record, "query"));
    if (r == 0)
        r = put_members(out, json_object_get(record, "request"));
    if (r == 0)
        r = put_members(out, json_object_get(record, "job"));
    return r == 0 ? put_reason(out, record) : r;
}
