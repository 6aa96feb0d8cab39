#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/base/glob.h"
#include "policy/base/json_strict.h"
#include "policy/isolation/name_pattern.h"

/* ["a", "b"] is another way to write {"a": true, "b": true}. */
static json_t *values_of(json_t *given)
{
    json_t *values, *value;
    size_t i;

    if (json_is_object(given))
        return json_incref(given);
    if (!json_is_array(given))
        return NULL;
    values = json_object();
    json_array_foreach(given, i, value)
    {
        if (!json_is_string(value)) {
            json_decref(values);
            return NULL;
        }
        json_object_set_new(values, json_string_value(value), json_true());
    }
    return values;
}

static bool is_malformed(json_t *values)
{
    const char *key;
    json_t *value;

    json_object_foreach(values, key, value)
    {
        if (!json_is_boolean(value))
            return true;
    }
    return false;
}

/* Nobody filters by what nobody sees. */
static void refuse_our_labels(struct rewrite *rw, const char *key,
                              json_t *values)
{
    const char *text;
    json_t *value;

    if (strncmp(key, "label", 5) != 0)
        return;
    json_object_foreach(values, text, value)
    {
        struct str name, rest;

        str_cut(str_from(text), '=', &name, &rest);
        if (label_is_ours(name))
            rewrite_refuse(rw, 403,
                           "labels that begin with \"%s\" are berth's own; "
                           "filter by another than %s",
                           LABEL_PREFIX, text);
    }
}

json_t *filters_read(struct rewrite *rw)
{
    struct str text = rewrite_query(rw, S("filters"));
    json_t *given = NULL, *filters = json_object(), *value;
    struct verdict why;
    const char *key;

    if (text.len && json_strict_parse(text, "query filters", &given, &why)) {
        json_decref(filters);
        rewrite_refuse(rw, 400, "invalid filter");
        return NULL;
    }
    json_object_foreach(given, key, value)
    {
        json_t *values = values_of(value);

        if (!values || is_malformed(values)) {
            rewrite_refuse(rw, 400, "invalid filter");
            json_decref(values);
            continue;
        }
        refuse_our_labels(rw, key, values);
        json_object_set_new(filters, key, values);
    }
    if (given && !json_is_object(given) && !json_is_null(given))
        rewrite_refuse(rw, 400, "invalid filter");
    json_decref(given);
    if (rewrite_is_refused(rw)) {
        json_decref(filters);
        return NULL;
    }
    return filters;
}

void filters_write(struct rewrite *rw, json_t *filters)
{
    char *text;

    if (json_object_size(filters)) {
        text = json_dumps(filters, JSON_COMPACT);
        rewrite_set_query(rw, S("filters"), rewrite_keep(rw, str_from(text)));
        free(text);
    } else {
        rewrite_drop_query(rw, S("filters"));
    }
    json_decref(filters);
}

void filters_claim(struct rewrite *rw, json_t *filters)
{
    AUTO(strbuf_fini) struct strbuf label = STRBUF(1024);
    json_t *labels = json_object_get(filters, "label");

    if (!labels) {
        labels = json_object();
        json_object_set_new(filters, "label", labels);
    }
    strbuf_addf(&label, "%s=%.*s", LABEL_NAMESPACE, STR_FMT(rw->context.ns));
    json_object_set_new(labels, strbuf_cstr(&label), json_true());
}

static void compile(struct rewrite *rw, struct local_filter *filter)
{
    size_t count = json_object_size(filter->values), n = 0;
    const char *text;
    json_t *value;

    if (count > LIMIT_PATTERNS) {
        rewrite_refuse(rw, 400, "berth takes at most %d values of one filter",
                       LIMIT_PATTERNS);
        return;
    }
    if (rw->context.match_steps && *rw->context.match_steps <= 0) {
        rewrite_refuse(rw, 503,
                       "filters by name and ID have taken all the time that "
                       "this listener's may take in a second; try again in a "
                       "moment, with simpler patterns, or filter by label");
        return;
    }
    filter->patterns = xcalloc(count + 1, sizeof(struct name_pattern *));
    json_object_foreach(filter->values, text, value)
    {
        filter->patterns[n++] = name_pattern_new(str_from(text), &rw->steps);
    }
}

void filters_keep(struct rewrite *rw, json_t *filters, const char *key,
                  enum filter_field field)
{
    json_t *values = json_object_get(filters, key);
    struct local_filter *filter;

    if (json_object_size(values) == 0)
        return; /* an empty one lets everything through */
    rw->filters =
        realloc(rw->filters, (rw->filter_count + 1) * sizeof(*rw->filters));
    if (!rw->filters)
        abort();
    filter = &rw->filters[rw->filter_count++];
    *filter =
        (struct local_filter){.field = field, .values = json_incref(values)};
    if (field == FILTER_NAME || field == FILTER_ID)
        compile(rw, filter);
    json_object_del(filters, key);
}

void filters_forget(struct rewrite *rw)
{
    for (size_t i = 0; i < rw->filter_count; i++) {
        struct local_filter *filter = &rw->filters[i];

        for (size_t n = 0; filter->patterns && filter->patterns[n]; n++)
            name_pattern_free(filter->patterns[n]);
        free(filter->patterns);
        json_decref(filter->values);
    }
    free(rw->filters);
    rw->filters = NULL;
    rw->filter_count = 0;
}

void filters_map(struct rewrite *rw, json_t *filters, const char *key,
                 void (*function)(struct rewrite *rw, struct str value,
                                  json_t *values))
{
    json_t *old = json_object_get(filters, key), *values, *value;
    const char *text;

    if (!old)
        return;
    values = json_object();
    json_object_foreach(old, text, value)
    {
        function(rw, str_from(text), values);
    }
    json_object_set_new(filters, key, values);
}

static bool value_fits(enum filter_field field, struct str value,
                       struct str text)
{
    if (field == FILTER_REFERENCE)
        return glob_matches(value, text);
    if (field == FILTER_PREFIX || field == FILTER_ACTOR)
        return str_has_prefix(text, value);
    return str_eq(text, value);
}

static bool matches(const struct local_filter *filter, struct str text)
{
    const char *value;
    json_t *yes;

    for (size_t n = 0; filter->patterns && filter->patterns[n]; n++) {
        if (name_pattern_matches(filter->patterns[n], text))
            return true;
    }
    if (filter->patterns)
        return false;
    json_object_foreach(filter->values, value, yes)
    {
        if (value_fits(filter->field, str_from(value), text))
            return true;
    }
    return false;
}

bool filters_match(const struct rewrite *rw, enum filter_field field,
                   const struct str *texts, size_t count)
{
    for (size_t i = 0; i < rw->filter_count; i++) {
        bool any = false;

        if (rw->filters[i].field != field)
            continue;
        for (size_t n = 0; n < count && !any; n++)
            any = matches(&rw->filters[i], texts[n]);
        if (!any)
            return false;
    }
    return true;
}
