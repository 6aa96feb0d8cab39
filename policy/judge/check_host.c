#include <ctype.h>

#include "policy/base/pattern.h"
#include "policy/config/host_path.h"
#include "policy/judge/check.h"

/* What separates a container from the host it runs on. */

/* The kinds of namespaces, with what may be said of them besides "host". */
static const struct {
    struct str name;
    bool by_name;      /* any other word is the name of a network */
    bool of_container; /* another container's may be shared */
    struct str words[4];
} namespaces[] = {
    {STR("network"),                                           .by_name = true, .of_container = true},
    {STR("pid"),                                                        .of_container = true                                                             },
    {STR("ipc"),                                                        .of_container = true,
     .words = {STR("none"), STR("private"), STR("shareable")}},
    {STR("uts")},
    {STR("user")                                                       },
    {STR("cgroup"),                                            .words = {STR("private")}               },
};

static bool is_container_reference(struct str mode)
{
    struct str kind, ref;

    str_cut(mode, ':', &kind, &ref);
    if (str_has_prefix(ref, S("/")))
        ref = str_from_index(ref, 1);
    return str_eq(kind, S("container")) && object_name_is_good(ref);
}

bool namespace_mode_is_good(struct judge *judge, const struct place *place,
                            struct str which, struct str mode)
{
    size_t i = 0;

    while (!str_eq(which, namespaces[i].name))
        i++;
    if (mode.len == 0)
        return true;
    if (str_eq(mode, S("host")))
        return strings_have(&judge->rules->container.host_namespaces, which) ||
               judge_lack(judge, "container.host_namespaces", which, place,
                          "the %.*s namespace of the host is not for "
                          "containers here; to allow it, add \"%.*s\" to "
                          "container.host_namespaces in the policy",
                          STR_FMT(which), STR_FMT(which));
    for (size_t w = 0; w < 4; w++) {
        if (str_eq(mode, namespaces[i].words[w]))
            return true;
    }
    if (namespaces[i].of_container && is_container_reference(mode))
        return true;
    if (namespaces[i].by_name && str_find(mode, ':') < 0)
        return true;
    return judge_forbid(judge, "container.host_namespaces", place,
                        "\"%.*s\" is no %.*s namespace that may be joined; "
                        "leave it out",
                        STR_FMT(str_head(mode, 100)), STR_FMT(which));
}

bool check_namespace_mode(struct judge *judge, const struct field *field,
                          const struct place *place, json_t *value)
{
    return namespace_mode_is_good(judge, place, str_from(field->note),
                                  json_text(value));
}

/* A capability by the name Docker gives it: upper case, without "CAP_". */
static struct str capability_name(struct str text, char to[32])
{
    if (str_eq_nocase(str_head(text, 4), S("CAP_")))
        text = str_from_index(text, 4);
    text = str_head(text, 31);
    for (size_t i = 0; i < text.len; i++)
        to[i] = (char)toupper((unsigned char)text.ptr[i]);
    return str_of(to, text.len);
}

static bool have_capability(const struct strings *list, struct str name)
{
    char text[32];

    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(capability_name(str_from(list->items[i]), text), name))
            return true;
    }
    return false;
}

static bool check_capability(struct judge *judge, const struct field *field,
                             const struct place *place, struct str text)
{
    const struct container_rules *rules = &judge->rules->container;
    char buffer[32];
    struct str name = capability_name(text, buffer);

    /* an engine has upper case for more than ASCII: of U+017F it is "S" */
    if (!str_is_ascii(text))
        return judge_refuse(judge, 400, field->rule, place,
                            "the names of capabilities are plain ASCII");
    if (have_capability(&rules->drop_capabilities, name))
        return judge_refuse(judge, 403, "container.drop_capabilities", place,
                            "%.*s is taken from every container here",
                            STR_FMT(name));
    return have_capability(&rules->capabilities, name) ||
           have_capability(&rules->capabilities, S("ALL")) ||
           judge_lack(judge, field->rule, name, place,
                      "the capability %.*s is not allowed here; to allow it, "
                      "add \"%.*s\" to %s in the policy",
                      STR_FMT(name), STR_FMT(name), field->rule);
}

bool check_capabilities(struct judge *judge, const struct field *field,
                        const struct place *place, json_t *list)
{
    return each_text(judge, field, place, list, check_capability);
}

void drop_capabilities(struct judge *judge, const struct place *place,
                       json_t *host_config)
{
    const struct strings *drop = &judge->rules->container.drop_capabilities;
    struct place at = place_field(place, host_config, "CapDrop");
    json_t *list = json_object_get(host_config, "CapDrop");
    char buffer[32];

    for (size_t i = 0; i < drop->count; i++) {
        struct str name = capability_name(str_from(drop->items[i]), buffer);
        bool dropped = false;
        json_t *item;
        size_t j;

        json_array_foreach(list, j, item)
        {
            char other[32];

            if (str_eq(capability_name(json_text(item), other), name))
                dropped = true;
        }
        if (dropped)
            continue;
        if (!list) {
            list = json_array();
            json_object_set_new(host_config, "CapDrop", list);
        }
        json_array_append_new(list, json_stringn(name.ptr, name.len));
        judge_note(judge, CHANGE_INJECTED, &at);
    }
}

/* Of several, the last one holds. */
static bool ends_privileged(const json_t *options)
{
    bool privileged = true;
    const json_t *item;
    size_t i;

    json_array_foreach(options, i, item)
    {
        struct str text = json_text(item);

        if (!str_has_prefix(text, S("no-new-privileges")))
            continue;
        privileged = !str_eq(text, S("no-new-privileges")) &&
                     !str_eq(text, S("no-new-privileges=true")) &&
                     !str_eq(text, S("no-new-privileges:true"));
    }
    return privileged;
}

void keep_privileges(struct judge *judge, const struct place *place,
                     json_t *host_config)
{
    struct place at = place_field(place, host_config, "SecurityOpt");
    json_t *options = json_object_get(host_config, "SecurityOpt");

    if (!ends_privileged(options))
        return;
    if (!options) {
        options = json_array();
        json_object_set_new(host_config, "SecurityOpt", options);
    }
    json_array_append_new(options, json_string("no-new-privileges"));
    judge_note(judge, CHANGE_INJECTED, &at);
}

static bool are_permissions_within(struct str wanted, struct str allowed)
{
    for (size_t i = 0; i < wanted.len; i++) {
        if (str_find(allowed, wanted.ptr[i]) < 0)
            return false;
    }
    return true;
}

/* "/dev/kvm" or "/dev/kvm:rw" in the policy. */
bool check_device(struct judge *judge, const struct field *field,
                  const struct place *place, json_t *device)
{
    const struct strings *list = field_rule(judge, field);
    struct str path = member_text(device, "PathOnHost");
    struct str inside = member_text(device, "PathInContainer");
    struct str wanted = member_text(device, "CgroupPermissions");
    AUTO(strbuf_fini) struct strbuf word = STRBUF(LIMIT_JSON_BODY);

    for (size_t i = 0; i < list->count; i++) {
        struct str entry, allowed;

        if (!str_cut(str_from(list->items[i]), ':', &entry, &allowed))
            allowed = S("rwm");
        if (str_eq(path, entry) &&
            are_permissions_within(wanted.len ? wanted : S("rwm"), allowed))
            return inside.len == 0 ||
                   inner_path_is_good(judge, field->rule, place, inside);
    }
    strbuf_addf(&word, "%.*s:%.*s", STR_FMT(path),
                STR_FMT(wanted.len ? wanted : S("rwm")));
    return judge_lack(judge, field->rule, strbuf_str(&word), place,
                      "the device \"%.*s\" (%.*s) is not allowed here; to "
                      "allow it, add it to %s in the policy",
                      STR_FMT(str_head(path, 100)),
                      STR_FMT(str_head(wanted.len ? wanted : S("rwm"), 8)),
                      field->rule);
}

static bool device_word_is_listed(const struct strings *list, struct str driver,
                                  struct str id)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(KIB);

    if (strings_have(list, driver))
        return true;
    return id.len &&
           strbuf_addf(&text, "%.*s=%.*s", STR_FMT(driver), STR_FMT(id)) == 0 &&
           strings_match(list, strbuf_str(&text));
}

/* All of IDS (or none are asked for) of what WORD stands for? */
static bool devices_are_listed(const struct strings *list, struct str word,
                               const json_t *ids)
{
    const json_t *id;
    size_t i;

    if (word.len == 0 || (json_array_size(ids) == 0 &&
                          !device_word_is_listed(list, word, S(""))))
        return false;
    json_array_foreach(ids, i, id)
    {
        if (!device_word_is_listed(list, word, json_text(id)))
            return false;
    }
    return true;
}

/* A driver is taken that has all of the capabilities of WORDS, so one that the
 * policy lists is enough. */
static bool alternative_is_listed(const struct strings *list,
                                  const json_t *words, const json_t *ids)
{
    const json_t *word;
    size_t i;

    json_array_foreach(words, i, word)
    {
        if (devices_are_listed(list, json_text(word), ids))
            return true;
    }
    return false;
}

static bool refuse_devices(struct judge *judge, const struct field *field,
                           const struct place *place, struct str word)
{
    return judge_lack(judge, field->rule, word, place,
                      "these devices of \"%.*s\" are not allowed here; to "
                      "allow them, add \"%.*s\" to %s in the policy",
                      STR_FMT(str_head(word, 60)), STR_FMT(str_head(word, 60)),
                      field->rule);
}

/*
 * The policy lists drivers, or for "--gpus" without one the capability, plain
 * or with the devices that may be used: "gpu", "nvidia",
 * "cdi=vendor.com/class=*". Without a driver, an engine takes any that fits one
 * of the alternatives, so each of them is judged.
 */
bool check_device_request(struct judge *judge, const struct field *field,
                          const struct place *place, json_t *request)
{
    const struct strings *list = field_rule(judge, field);
    struct str driver = member_text(request, "Driver");
    json_t *ids = json_object_get(request, "DeviceIDs");
    json_t *alternatives = json_object_get(request, "Capabilities"), *words;
    struct place all_at = place_field(place, request, "Capabilities");
    size_t i;

    if (driver.len)
        return devices_are_listed(list, driver, ids) ||
               refuse_devices(judge, field, place, driver);
    if (json_array_size(alternatives) == 0)
        return refuse_devices(judge, field, place, S(""));
    json_array_foreach(alternatives, i, words)
    {
        struct place at = place_element(&all_at, alternatives, i);

        if (!alternative_is_listed(list, words, ids) &&
            !refuse_devices(judge, field, &at,
                            json_text(json_array_get(words, 0))))
            return false;
    }
    return true;
}

/* The engine looks for the path on the host and says whether it is there. */
bool check_disk(struct judge *judge, const struct field *field,
                const struct place *place, json_t *value)
{
    struct str path = json_text(value);

    return (!path_fault(path) && str_has_prefix(path, S("/dev/"))) ||
           judge_forbid(judge, field->rule, place,
                        "\"%.*s\" is no disk of the host; write one like "
                        "/dev/sda",
                        STR_FMT(str_head(path, 100)));
}

/* "nofile=1048576" in the policy; -1 is "unlimited" on both sides. */
static bool find_ulimit(const struct strings *list, struct str name,
                        uint64_t *max)
{
    for (size_t i = 0; i < list->count; i++) {
        struct str entry, value;

        str_cut(str_from(list->items[i]), '=', &entry, &value);
        if (!str_eq(entry, name))
            continue;
        if (str_to_u64(value, max) != 0)
            *max = UINT64_MAX;
        return true;
    }
    return false;
}

bool check_ulimit(struct judge *judge, const struct field *field,
                  const struct place *place, json_t *ulimit)
{
    struct str name = member_text(ulimit, "Name");
    /* as unsigned, -1 is the highest */
    uint64_t soft = (uint64_t)member_integer(ulimit, "Soft");
    uint64_t hard = (uint64_t)member_integer(ulimit, "Hard");
    uint64_t max = 0;
    AUTO(strbuf_fini) struct strbuf word = STRBUF(LIMIT_JSON_BODY);

    strbuf_addf(&word, "%.*s=%lld", STR_FMT(name), (long long)hard);
    return (find_ulimit(field_rule(judge, field), name, &max) && soft <= max &&
            hard <= max) ||
           judge_lack(judge, field->rule, strbuf_str(&word), place,
                      "this limit for \"%.*s\" is not allowed here; to allow "
                      "it, add \"%.*s=%lld\" to %s in the policy",
                      STR_FMT(str_head(name, 40)), STR_FMT(str_head(name, 40)),
                      (long long)hard, field->rule);
}

bool check_oom_score(struct judge *judge, const struct field *field,
                     const struct place *place, json_t *value)
{
    return json_integer_value(value) >= 0 ||
           check_given(judge, field, place, value);
}

/* Where root is not allowed, only a number proves that it is somebody else:
 * what a name stands for is up to the image. Nobody at all is for the record
 * to judge. */
bool check_user(struct judge *judge, const struct field *field,
                const struct place *place, json_t *value)
{
    const bool *root_is_fine = field_rule(judge, field);
    struct str user, group;
    uint64_t uid = 0;

    str_cut(json_text(value), ':', &user, &group);
    return *root_is_fine || json_is_empty(value) ||
           (str_to_u64(user, &uid) == 0 && uid > 0 && uid < INT32_MAX) ||
           judge_refuse(judge, 403, field->rule, place,
                        "root is not allowed here; give the user as a number "
                        "other than 0");
}
