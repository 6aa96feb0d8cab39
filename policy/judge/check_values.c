#include "policy/base/pattern.h"
#include "policy/docker/namespace.h"
#include "policy/judge/check.h"

bool each_text(struct judge *judge, const struct field *field,
               const struct place *place, json_t *value, text_function *each)
{
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_string(value))
        return each(judge, field, place, json_text(value));
    json_array_foreach(value, i, item)
    {
        struct place at = place_element(place, value, i);

        if (!each(judge, field, &at, json_text(item)))
            return false;
    }
    json_object_foreach(value, key, item)
    {
        struct place at = place_key(place, value, key);

        if (!each(judge, field, &at, json_text(item)))
            return false;
    }
    return true;
}

bool check_given(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *value)
{
    const bool *allowed = field_rule(judge, field);

    (void)value;
    return *allowed || judge_lack(judge, field->rule, S("true"), place,
                                  "%s is not allowed here; to allow it, set "
                                  "%s to true in the policy",
                                  field->name, field->rule);
}

bool check_flag(struct judge *judge, const struct field *field,
                const struct place *place, json_t *value)
{
    return json_is_empty(value) || check_given(judge, field, place, value);
}

bool check_never(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *value)
{
    return json_is_empty(value) ||
           judge_refuse(judge, 403, field->rule, place,
                        "%s is never passed on: %s; leave it out", field->name,
                        field->note);
}

bool check_choice(struct judge *judge, const struct field *field,
                  const struct place *place, json_t *value)
{
    struct str text = json_text(value), rest = str_from(field->note), word;

    if (text.len == 0)
        return true;
    while (rest.len) {
        str_cut(rest, ' ', &word, &rest);
        if (str_eq(text, word))
            return true;
    }
    return judge_refuse(judge, 403, field->rule, place,
                        "%s may only be \"%s\" or left out", field->name,
                        field->note);
}

static bool refuse_unlisted(struct judge *judge, const struct field *field,
                            const struct place *place, struct str text)
{
    return judge_lack(judge, field->rule, text, place,
                      "\"%.*s\" is not allowed here; to allow it, add it to "
                      "%s in the policy",
                      STR_FMT(str_head(text, 200)), field->rule);
}

static bool check_listed_text(struct judge *judge, const struct field *field,
                              const struct place *place, struct str text)
{
    return strings_match(field_rule(judge, field), text) ||
           refuse_unlisted(judge, field, place, text);
}

/* What a policy would need for LINE, "KEY=value": with any value, except where
 * that gives too much away, and none is a secret. */
static struct str word_for(struct str key, struct str line,
                           struct strbuf *buffer)
{
    if (str_eq(key, S("type")) || str_eq(key, S("device")) ||
        str_has_prefix(key, S("com.docker.network.")))
        return line;
    strbuf_addf(buffer, "%.*s=*", STR_FMT(key));
    return strbuf_str(buffer);
}

/* A map is judged by its "key=value" lines; a refusal names the key only, as
 * the value may be a secret. */
static bool check_listed_map(struct judge *judge, const struct field *field,
                             const struct place *place, json_t *map)
{
    const struct strings *list = field_rule(judge, field);
    const char *key;
    json_t *value;

    json_object_foreach(map, key, value)
    {
        AUTO(strbuf_fini) struct strbuf any = STRBUF(LIMIT_JSON_BODY);
        AUTO(strbuf_fini) struct strbuf line = STRBUF(LIMIT_JSON_BODY);
        struct place at = place_key(place, map, key);

        if (strbuf_add(&line, str_from(key)) != 0 ||
            strbuf_add_char(&line, '=') != 0 ||
            strbuf_add(&line, json_text(value)) != 0)
            return judge_refuse(judge, 413, field->rule, &at, "too long");
        if (!strings_match(list, strbuf_str(&line)) &&
            !judge_lack(judge, field->rule,
                        word_for(str_from(key), strbuf_str(&line), &any), &at,
                        "\"%s\" with this value is not allowed here; "
                        "to allow it, add \"%s=...\" to %s in the "
                        "policy",
                        key, key, field->rule))
            return false;
    }
    return true;
}

bool check_listed(struct judge *judge, const struct field *field,
                  const struct place *place, json_t *value)
{
    if (json_is_object(value))
        return check_listed_map(judge, field, place, value);
    if (json_is_empty(value))
        return true; /* the engine's own choice */
    return each_text(judge, field, place, value, check_listed_text);
}

bool check_keys(struct judge *judge, const struct field *field,
                const struct place *place, json_t *map)
{
    const char *key;
    json_t *value;

    json_object_foreach(map, key, value)
    {
        struct place at = place_key(place, map, key);

        /* the kernel takes "/" for "." in a sysctl, so a pattern's "*" could
         * reach further than it reads */
        if (strchr(key, '/') || strstr(key, ".."))
            return judge_refuse(judge, 403, field->rule, &at,
                                "\"%s\" is no plain name; write it with single "
                                "dots",
                                key);
        if (!strings_match(field_rule(judge, field), str_from(key)) &&
            !refuse_unlisted(judge, field, &at, str_from(key)))
            return false;
    }
    return true;
}

bool label_is_free(struct judge *judge, const struct place *place,
                   struct str key)
{
    if (label_is_ours(key))
        return judge_forbid(judge, "labels.reserved", place,
                            "the label \"%.*s\" is berth's own; use another "
                            "name",
                            STR_FMT(str_head(key, 100)));
    return !strings_match(&judge->rules->labels.reserved, key) ||
           judge_refuse(judge, 403, "labels.reserved", place,
                        "the label \"%.*s\" is reserved; use another name",
                        STR_FMT(str_head(key, 100)));
}

bool check_labels(struct judge *judge, const struct field *field,
                  const struct place *place, json_t *map)
{
    const char *key;
    json_t *value;
    size_t size = 0;

    (void)field;
    json_object_foreach(map, key, value)
    {
        struct place at = place_key(place, map, key);

        if (!label_is_free(judge, &at, str_from(key)))
            return false;
        size += strlen(key) + json_string_length(value);
    }
    return size <= LIMIT_LABELS ||
           judge_refuse(judge, 400, "request.body", place,
                        "these labels have more than %zu KiB together; keep "
                        "what is long in a file or a volume",
                        LIMIT_LABELS / KIB);
}
