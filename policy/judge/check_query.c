#include <stdio.h>
#include <stdlib.h>

#include "policy/base/json_strict.h"
#include "policy/base/pattern.h"
#include "policy/docker/image_ref.h"
#include "policy/judge/query_field.h"

/* What target_flag says, of one value. */
static bool is_true(struct str value)
{
    static const struct str words[] = {
        STR(""), STR("0"), STR("no"), STR("false"), STR("none"),
    };

    value = str_trim(value);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq_nocase(value, words[i]))
            return false;
    }
    return true;
}

static const void *rule_of(const struct judge *judge,
                           const struct query_field *field)
{
    return (const char *)judge->rules + field->at;
}

bool query_never(struct judge *judge, const struct query_field *field,
                 const struct place *place, struct str value)
{
    return value.len == 0 ||
           judge_refuse(judge, 403, "request.never", place,
                        "%s is never passed on: %s; leave it out", field->key,
                        field->note);
}

bool query_never_true(struct judge *judge, const struct query_field *field,
                      const struct place *place, struct str value)
{
    return !is_true(value) || query_never(judge, field, place, value);
}

bool query_set(struct judge *judge, const struct query_field *field,
               const struct place *place, struct str value)
{
    const bool *allowed = rule_of(judge, field);

    return value.len == 0 || *allowed ||
           judge_lack(judge, field->rule, S("true"), place,
                      "%s is not allowed here; to allow it, set %s to true "
                      "in the policy",
                      field->key, field->rule);
}

/* How many ports "80", "80-90" or "80-90/tcp" names. */
static size_t count_ports(struct str text)
{
    struct str ports, protocol, from, to;
    uint64_t low = 0, high = 0;

    str_cut(text, '/', &ports, &protocol);
    if (!str_cut(ports, '-', &from, &to) || str_to_u64(from, &low) ||
        str_to_u64(to, &high) || high < low || high > UINT16_MAX)
        return 1; /* or none, which the engine says */
    return (size_t)(high - low + 1);
}

static size_t count_ranges(json_t *values)
{
    const char *key;
    json_t *value;
    size_t i, sum = 0;

    json_array_foreach(values, i, value)
    {
        sum += count_ports(json_text(value));
    }
    json_object_foreach(values, key, value)
    {
        sum += count_ports(str_from(key));
    }
    return sum;
}

/* An engine writes down every single port of the ranges in these filters. What
 * is no JSON, it refuses by itself. */
bool query_ports(struct judge *judge, const struct query_field *field,
                 const struct place *place, struct str value)
{
    json_auto_t *filters = NULL;
    struct verdict why;
    size_t count;

    (void)field;
    if (value.len == 0 ||
        json_strict_parse(value, place->key, &filters, &why) != 0)
        return true;
    count = count_ranges(json_object_get(filters, "publish")) +
            count_ranges(json_object_get(filters, "expose"));
    return count <= LIMIT_PORTS ||
           judge_refuse(judge, 400, "request.query", place,
                        "these filters name %zu ports, all of which the engine "
                        "would write down; name %d at most",
                        count, LIMIT_PORTS);
}

/* It is a part of a path in the engine. */
bool query_checkpoint(struct judge *judge, const struct query_field *field,
                      const struct place *place, struct str value)
{
    if (value.len && !object_name_is_good(value))
        return judge_forbid(judge, field->rule, place,
                            "\"%.*s\" is no name of a checkpoint; it has "
                            "letters, digits, \"_\", \".\" and \"-\" only",
                            STR_FMT(str_head(value, 100)));
    return query_set(judge, field, place, value);
}

bool query_listed(struct judge *judge, const struct query_field *field,
                  const struct place *place, struct str value)
{
    return value.len == 0 || strings_match(rule_of(judge, field), value) ||
           judge_lack(judge, field->rule, value, place,
                      "\"%.*s\" is not allowed here; to allow it, add it to "
                      "%s in the policy",
                      STR_FMT(str_head(value, 150)), field->rule);
}

bool query_choice(struct judge *judge, const struct query_field *field,
                  const struct place *place, struct str value)
{
    return value.len == 0 || str_eq(value, str_from(field->note)) ||
           judge_refuse(judge, 403, "request.query", place,
                        "%s may only be \"%s\" or left out", field->key,
                        field->note);
}

bool query_network(struct judge *judge, const struct query_field *field,
                   const struct place *place, struct str value)
{
    const bool *host = rule_of(judge, field);

    if (!str_eq(value, S("host")))
        return namespace_mode_is_good(judge, place, S("network"), value);
    return *host || judge_lack(judge, field->rule, S("true"), place,
                               "builds may not use the network of the host "
                               "here; to allow it, set %s to true in the "
                               "policy",
                               field->rule);
}

bool query_cgroup(struct judge *judge, const struct query_field *field,
                  const struct place *place, struct str value)
{
    const char *const *ours = rule_of(judge, field);

    if (*ours && value.len == 0)
        return true; /* check_build_limits fills it in */
    return value.len == 0 || str_eq(value, str_from(*ours)) ||
           judge_refuse(judge, 403, field->rule, place,
                        "the cgroup \"%.*s\" would take the build out of its "
                        "limits; leave it out",
                        STR_FMT(str_head(value, 100)));
}

bool query_remote(struct judge *judge, const struct query_field *field,
                  const struct place *place, struct str value)
{
    return value.len == 0 || str_eq(value, S("client-session")) ||
           strings_match(rule_of(judge, field), value) ||
           judge_refuse(judge, 403, field->rule, place,
                        "the engine may not fetch the context of a build from "
                        "there; send the context itself, or have the policy "
                        "add the URL to %s",
                        field->rule);
}

bool query_version(struct judge *judge, const struct query_field *field,
                   const struct place *place, struct str value)
{
    const bool *buildkit = rule_of(judge, field);

    if (value.len == 0 || str_eq(value, S("1")))
        return true;
    if (!str_eq(value, S("2")))
        return judge_refuse(judge, 400, field->rule, place,
                            "a builder is of version 1 or 2");
    return *buildkit || judge_lack(judge, field->rule, S("true"), place,
                                   "BuildKit is not allowed here; build with "
                                   "DOCKER_BUILDKIT=0, or have the policy "
                                   "set %s to true",
                                   field->rule);
}

bool query_relative(struct judge *judge, const struct query_field *field,
                    const struct place *place, struct str value)
{
    struct str rest = value, part;
    bool good = true;

    while (good && rest.len) {
        str_cut(rest, '/', &part, &rest);
        good = !str_eq(part, S(".."));
    }
    return good || judge_refuse(judge, 403, "request.query", place,
                                "%s has to stay within the context; write it "
                                "without \"..\"",
                                field->key);
}

bool query_word(struct judge *judge, const struct query_field *field,
                const struct place *place, struct str value)
{
    return value.len == 0 || object_name_is_good(value) ||
           judge_refuse(judge, 400, "request.query", place,
                        "%s has letters, digits, \"_\", \".\" and \"-\" only",
                        field->key);
}

bool query_search(struct judge *judge, const struct query_field *field,
                  const struct place *place, struct str value)
{
    struct str host, rest;

    (void)field;
    if (!str_cut(value, '/', &host, &rest) || !image_host_is_registry(host))
        host = S("docker.io");
    return judge_registry(judge, place, host, false);
}

bool query_new_name(struct judge *judge, const struct query_field *field,
                    const struct place *place, struct str value)
{
    (void)field;
    return judge_new_name(judge, place, value, true);
}

bool query_build_name(struct judge *judge, const struct query_field *field,
                      const struct place *place, struct str value)
{
    (void)field;
    return judge_new_name(judge, place, value, false);
}

bool query_changes(struct judge *judge, const struct query_field *field,
                   const struct place *place, struct str value)
{
    (void)field;
    return judge_changes(judge, place, value);
}

bool query_json(struct judge *judge, const struct query_field *field,
                const struct place *place, struct str value)
{
    json_auto_t *tree = NULL;
    char *text;
    bool good;

    if (value.len == 0)
        return true;
    if (json_strict_parse(value, place->key, &tree, &judge->out->verdict) != 0)
        return false;
    if (json_is_null(tree)) /* empty is as good as not there */
        return query_put(judge, str_from(field->key), S(""));
    if (!judge_field(judge, field->json, place, tree))
        return false;
    text = json_dumps(tree, JSON_COMPACT);
    good = query_put(judge, str_from(field->key), str_from(text));
    free(text);
    return good;
}

/* One of "outputs": what becomes of a build besides an image. */
bool check_output(struct judge *judge, const struct field *field,
                  const struct place *place, json_t *output)
{
    struct place at = place_field(place, output, "Type");
    struct str type = member_text(output, "Type");

    return strings_match(field_rule(judge, field), type) ||
           judge_lack(judge, field->rule, type, &at,
                      "builds may not put out \"%.*s\" here; tag the image "
                      "with -t and push it afterwards, or have the policy "
                      "add it to %s",
                      STR_FMT(str_head(type, 40)), field->rule);
}
