#include "policy/config/host_path.h"
#include "policy/judge/check.h"

/* A path in a container: where something is mounted, or where it starts. */
bool inner_path_is_good(struct judge *judge, const char *rule,
                        const struct place *place, struct str path)
{
    const char *fault = path_fault(path);

    if (fault)
        return judge_refuse(judge, 400, rule, place,
                            "the path \"%.*s\" %s; write an absolute path "
                            "without detours",
                            STR_FMT(str_head(path, 200)), fault);
    return !str_eq(path, S("/")) ||
           judge_refuse(judge, 400, rule, place,
                        "nothing can be mounted over the root of a container");
}

bool check_inner_path(struct judge *judge, const struct field *field,
                      const struct place *place, json_t *value)
{
    (void)field;
    return inner_path_is_good(judge, "request.body", place, json_text(value));
}

bool check_inner_paths(struct judge *judge, const struct field *field,
                       const struct place *place, json_t *map)
{
    const char *key;
    json_t *value;

    (void)field;
    json_object_foreach(map, key, value)
    {
        struct place at = place_key(place, map, key);

        if (!inner_path_is_good(judge, "request.body", &at, str_from(key)))
            return false;
    }
    return true;
}

bool check_working_dir(struct judge *judge, const struct field *field,
                       const struct place *place, json_t *value)
{
    struct str path = path_trim(json_text(value));
    const char *fault = path.len ? path_fault(path) : NULL;

    (void)field;
    if (fault && path.ptr[0] != '/' && !str_has_prefix(path, S("..")))
        fault = NULL; /* relative to the root of the container */
    if (fault)
        return judge_refuse(judge, 400, "request.body", place,
                            "the working directory %s; write an absolute path "
                            "without detours",
                            fault);
    /* an open directory of the runtime's, out on the host (CVE-2024-21626) */
    return !path_is_within(path, S("/proc")) ||
           judge_refuse(judge, 403, "request.body", place,
                        "/proc is no place to work in");
}

bool check_subpath(struct judge *judge, const struct field *field,
                   const struct place *place, json_t *value)
{
    struct str path = json_text(value), rest = path, part;
    bool good = path.len == 0 || path.ptr[0] != '/';

    (void)field;
    while (good && rest.len) {
        str_cut(rest, '/', &part, &rest);
        good = part.len && !str_eq(part, S(".")) && !str_eq(part, S(".."));
    }
    return good || judge_refuse(judge, 403, "request.body", place,
                                "a subpath is relative and has no \"//\", "
                                "\".\" or \"..\" in it");
}

bool object_name_is_good(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c >= '0' && c <= '9');

        if (!word && (i == 0 || (c != '_' && c != '.' && c != '-')))
            return false;
    }
    return name.len > 0 && name.len <= 255;
}

bool check_object_name(struct judge *judge, const struct field *field,
                       const struct place *place, json_t *value)
{
    (void)field;
    return json_is_empty(value) || object_name_is_good(json_text(value)) ||
           judge_refuse(judge, 400, "request.body", place,
                        "a name has letters, digits, \"_\", \".\" and \"-\" "
                        "only, and starts with a letter or digit");
}
