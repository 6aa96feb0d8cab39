#include <ctype.h>

#include "policy/base/pattern.h"
#include "policy/judge/check.h"

/*
 * Memory as a file system: HostConfig.Tmpfs, a map from paths to the kernel's
 * mount options, and Mounts of type tmpfs. It counts as memory of the container
 * as soon as it is written to.
 */

/* "64m" as the kernel reads it. False for what cannot be held to a limit: a
 * percentage of the host's memory, or nonsense. */
static bool parse_size(struct str text, uint64_t *bytes)
{
    static const char units[] = "kmgtpe";
    unsigned shift = 0;
    const char *unit;

    if (text.len) {
        unit = strchr(units, tolower((unsigned char)text.ptr[text.len - 1]));
        if (unit && *unit) {
            shift = 10 * (unsigned)(unit - units + 1);
            text.len--;
        }
    }
    if (str_to_u64(text, bytes) != 0 || *bytes > UINT64_MAX >> shift)
        return false;
    *bytes <<= shift;
    return true;
}

static bool size_is_good(struct judge *judge, const struct place *place,
                         uint64_t bytes)
{
    uint64_t limit = judge->rules->container.limits.tmpfs;

    return (bytes && bytes <= limit) || limit == UINT64_MAX ||
           judge_refuse(judge, 403, "container.limits.tmpfs", place,
                        "a tmpfs may have %llu bytes here; ask for a size of "
                        "so much at most",
                        (unsigned long long)limit);
}

static bool option_is_good(struct judge *judge, const struct place *place,
                           struct str name)
{
    return strings_match(&judge->rules->container.tmpfs_options, name) ||
           judge_lack(judge, "container.tmpfs_options", name, place,
                      "the mount option \"%.*s\" is not allowed here; to "
                      "allow it, add it to container.tmpfs_options in the "
                      "policy",
                      STR_FMT(str_head(name, 40)));
}

/* The largest page that a host of an engine may have. */
enum { PAGE_BYTES_SHIFT = 16 };

/* Another way to say the size, in pages; the last one counts. */
static bool blocks_are_good(struct judge *judge, const struct place *place,
                            struct str value)
{
    uint64_t limit = judge->rules->container.limits.tmpfs, blocks;

    return limit == UINT64_MAX ||
           (parse_size(value, &blocks) && blocks &&
            blocks <= limit >> PAGE_BYTES_SHIFT) ||
           judge_refuse(judge, 403, "container.limits.tmpfs", place,
                        "nr_blocks counts pages of up to 64 KiB, and a tmpfs "
                        "may have %llu bytes here; ask for a size instead",
                        (unsigned long long)limit);
}

/* "rw,noexec,size=64m"; *SIZED: is there a size? */
static bool options_are_good(struct judge *judge, const struct place *place,
                             struct str options, bool *sized)
{
    struct str word, name, value;
    uint64_t bytes = 0;

    *sized = false;
    while (options.len) {
        str_cut(options, ',', &word, &options);
        if (word.len == 0)
            continue;
        str_cut(word, '=', &name, &value);
        if (!option_is_good(judge, place, name))
            return false;
        if (str_eq(name, S("nr_blocks")) &&
            !blocks_are_good(judge, place, value))
            return false;
        if (!str_eq(name, S("size")))
            continue;
        *sized = true;
        if (!parse_size(value, &bytes))
            bytes = 0;
        if (!size_is_good(judge, place, bytes))
            return false;
    }
    return true;
}

bool check_tmpfs(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *map)
{
    uint64_t limit = judge->rules->container.limits.tmpfs;
    const char *path;
    json_t *value;

    json_object_foreach(map, path, value)
    {
        AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_JSON_BODY);
        struct place at = place_key(place, map, path);
        struct str options = json_text(value);
        bool sized;

        if (!inner_path_is_good(judge, field->rule, &at, str_from(path)) ||
            !options_are_good(judge, &at, options, &sized))
            return false;
        if (sized || limit == UINT64_MAX)
            continue;
        if (strbuf_add(&text, options) != 0 ||
            strbuf_addf(&text, "%ssize=%llu", options.len ? "," : "",
                        (unsigned long long)limit) != 0)
            return judge_refuse(judge, 413, field->rule, &at, "too long");
        place_set(&at, json_stringn(text.ptr, text.len));
        judge_note(judge, CHANGE_INJECTED, &at);
    }
    return true;
}

/* [["noexec"], ["size", "64m"]] */
bool check_tmpfs_options(struct judge *judge, const struct field *field,
                         const struct place *place, json_t *lists)
{
    json_t *option;
    size_t i;

    (void)field;
    json_array_foreach(lists, i, option)
    {
        struct place at = place_element(place, lists, i);
        struct str name = json_text(json_array_get(option, 0));

        if (str_eq(name, S("size")) || str_find(name, ',') >= 0 ||
            str_find(name, '=') >= 0 ||
            str_find(json_text(json_array_get(option, 1)), ',') >= 0)
            return judge_refuse(judge, 403, "container.tmpfs_options", &at,
                                "one option has one name; the size goes into "
                                "SizeBytes");
        if (!option_is_good(judge, &at, name))
            return false;
        if (str_eq(name, S("nr_blocks")) &&
            !blocks_are_good(judge, &at, json_text(json_array_get(option, 1))))
            return false;
    }
    return true;
}

bool judge_tmpfs_mount(struct judge *judge, const struct place *place,
                       json_t *mount)
{
    uint64_t limit = judge->rules->container.limits.tmpfs;
    json_t *options = json_object_get(mount, "TmpfsOptions");
    struct place options_at = place_field(place, mount, "TmpfsOptions");
    struct place at = place_field(&options_at, options, "SizeBytes");
    json_int_t bytes = member_integer(options, "SizeBytes");

    if (bytes)
        return size_is_good(judge, &at, (uint64_t)bytes);
    if (limit == UINT64_MAX)
        return true;
    if (!options) {
        options = json_object();
        json_object_set_new(mount, "TmpfsOptions", options);
    }
    json_object_set_new(options, "SizeBytes", json_integer((json_int_t)limit));
    judge_note(judge, CHANGE_INJECTED, &at);
    return true;
}
