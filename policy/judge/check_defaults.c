#include <stdlib.h>

#include "policy/base/pattern.h"
#include "policy/judge/check.h"

/*
 * What equals the engine's own default asks for nothing. Clients make a
 * container anew from what an inspect showed (Watchtower, Portainer), and in
 * there is all that the engine filled in by itself.
 */

/* The engine fills it in as it did before: leave it to it. True. */
static bool leave_out(struct judge *judge, const struct place *place)
{
    judge_note(judge, CHANGE_DROPPED, place);
    json_object_del(place->owner, place->key);
    return true;
}

/* ---- what of /proc and /sys is hidden ---- */

/* Every engine's, and what newer ones have besides. */
static const struct str masked[] = {
    STR("/proc/acpi"),        STR("/proc/kcore"),
    STR("/proc/keys"),        STR("/proc/latency_stats"),
    STR("/proc/timer_list"),  STR("/proc/timer_stats"),
    STR("/proc/sched_debug"), STR("/proc/scsi"),
    STR("/sys/firmware"),
};
static const struct str masked_by_some[] = {
    STR("/proc/asound"),
    STR("/proc/interrupts"),
    STR("/sys/devices/virtual/powercap"),
};
static const struct str readonly[] = {
    STR("/proc/bus"),           STR("/proc/fs"),
    STR("/proc/irq"),           STR("/proc/sys"),
    STR("/proc/sysrq-trigger"),
};
static const struct str readonly_by_some[] = {STR("/proc/asound")};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool is_among(const struct str *paths, size_t count, struct str path)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(paths[i], path))
            return true;
    }
    return false;
}

/* One for each CPU there is. */
static bool is_throttle(struct str path)
{
    struct str start = S("/sys/devices/system/cpu/cpu"), number, rest;
    uint64_t n;

    if (!str_has_prefix(path, start))
        return false;
    str_cut(str_from_index(path, start.len), '/', &number, &rest);
    return str_to_u64(number, &n) == 0 && str_eq(rest, S("thermal_throttle"));
}

static bool list_has(const json_t *list, struct str path)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (str_eq(json_text(item), path))
            return true;
    }
    return false;
}

/* All that every engine hides, and nothing that none does. */
static bool is_default_list(const json_t *list, bool masks)
{
    const struct str *all = masks ? masked : readonly;
    const struct str *some = masks ? masked_by_some : readonly_by_some;
    size_t all_count = masks ? COUNT(masked) : COUNT(readonly);
    size_t some_count = masks ? COUNT(masked_by_some) : COUNT(readonly_by_some);
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        struct str path = json_text(item);

        if (!is_among(all, all_count, path) &&
            !is_among(some, some_count, path) && !(masks && is_throttle(path)))
            return false;
    }
    for (i = 0; i < all_count; i++) {
        if (!list_has(list, all[i]))
            return false;
    }
    return true;
}

/* An engine's own list is left to the engine, which may know more by now. */
bool check_hidden_paths(struct judge *judge, const struct field *field,
                        const struct place *place, json_t *value)
{
    const bool *allowed = field_rule(judge, field);

    if (!*allowed && is_default_list(value, !strcmp(field->note, "masked")))
        return leave_out(judge, place);
    return check_given(judge, field, place, value);
}

/* ---- what the engine says of itself ---- */

/* Ask whether VALUE is the engine's own. */
static bool need_default(struct judge *judge, const struct field *field,
                         const struct place *place, const char *key,
                         struct str value)
{
    AUTO(strbuf_fini) struct strbuf subject = STRBUF(LIMIT_NAME);

    strbuf_addf(&subject, "%s=%.*s", key, STR_FMT(value)); /* it fits */
    return judge_need(judge, NEED_ENGINE, strbuf_str(&subject), field->rule,
                      place,
                      "\"%.*s\" is not allowed here, nor is it what this "
                      "engine takes by itself; to allow it, add it to %s in "
                      "the policy",
                      STR_FMT(str_head(value, 100)), field->rule);
}

/* .note: what the engine's own is called in GET /info. */
bool check_listed_or_default(struct judge *judge, const struct field *field,
                             const struct place *place, json_t *value)
{
    struct str text = json_text(value);

    if (text.len == 0 || strings_match(field_rule(judge, field), text) ||
        text.len > LIMIT_NAME / 2)
        return check_listed(judge, field, place, value);
    return need_default(judge, field, place, field->note, text);
}

/* With the old cgroups, the host's are what an engine takes by itself. */
bool check_cgroup_mode(struct judge *judge, const struct field *field,
                       const struct place *place, json_t *value)
{
    if (!str_eq(json_text(value), S("host")) ||
        strings_have(&judge->rules->container.host_namespaces, S("cgroup")))
        return check_namespace_mode(judge, field, place, value);
    return judge_need(judge, NEED_ENGINE, S("CgroupVersion=1"), field->rule,
                      place,
                      "the cgroup namespace of the host is not for containers "
                      "here; to allow it, add \"cgroup\" to "
                      "container.host_namespaces in the policy");
}

bool engine_is_as_asked(const char *subject, const json_t *info)
{
    struct str key, value;
    char *name;
    bool same;

    str_cut(str_from(subject), '=', &key, &value);
    name = xstr_dup(key);
    same = str_eq(member_text(info, name), value);
    free(name);
    return same;
}

/* ---- addresses ---- */

/* An endpoint with an ID has been there: its address is the engine's. */
static bool is_engines_address(const json_t *endpoint)
{
    return member_text(endpoint, "EndpointID").len > 0;
}

bool check_endpoint_mac(struct judge *judge, const struct field *field,
                        const struct place *place, json_t *value)
{
    const bool *allowed = field_rule(judge, field);

    if (!*allowed && json_string_length(value) &&
        is_engines_address(place->owner))
        return leave_out(judge, place);
    return check_flag(judge, field, place, value);
}

/* The same, as API versions before 1.44 show it once more. */
bool check_config_mac(struct judge *judge, const struct field *field,
                      const struct place *place, json_t *value)
{
    json_t *endpoints = json_object_get(
        json_object_get(place->owner, "NetworkingConfig"), "EndpointsConfig");
    const bool *allowed = field_rule(judge, field);
    const char *name;
    json_t *endpoint;

    /* it is looked at before they are judged, so they may be anything */
    json_object_foreach(endpoints, name, endpoint)
    {
        if (!*allowed && json_string_length(value) &&
            is_engines_address(endpoint) &&
            str_eq(member_text(endpoint, "MacAddress"), json_text(value)))
            return leave_out(judge, place);
    }
    return check_flag(judge, field, place, value);
}

/* No engine reads it. */
bool check_left_out(struct judge *judge, const struct field *field,
                    const struct place *place, json_t *value)
{
    (void)field;
    (void)value;
    return leave_out(judge, place);
}

/* ---- the cgroup ---- */

/* Buildx asks for it unasked, where an engine has no systemd for its cgroups;
 * its containers may as well be where all others are. */
#define BUILDX_PARENT "/docker/buildx"

bool check_cgroup_parent(struct judge *judge, const struct field *field,
                         const struct place *place, json_t *value)
{
    struct str wanted = json_text(value);
    struct str ours = str_from(judge->rules->container.cgroup_parent);

    if (wanted.len == 0 || str_eq(wanted, ours))
        return true;
    if (str_eq(wanted, S(BUILDX_PARENT)))
        return leave_out(judge, place);
    return judge_refuse(judge, 403, field->rule, place,
                        "the cgroup \"%.*s\" would take the container out of "
                        "its limits; leave CgroupParent out",
                        STR_FMT(str_head(wanted, 100)));
}
