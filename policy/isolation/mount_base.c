#include "policy/isolation/mount_base.h"

#include "policy/config/host_path.h"

/* /var/run is a link to /run, or nothing that anybody mounts. */
static struct str without_var(struct str path)
{
    return path_is_within(path, S("/var/run")) ? str_from_index(path, 4) : path;
}

struct str mount_base_rest(struct str path, struct str directory)
{
    size_t len = without_var(directory).len;

    path = without_var(path);
    return str_from_index(path, len > 1 && path.len > len ? len + 1 : len);
}

static struct str place_of(const struct mount_rule *rule)
{
    return path_trim(str_from(rule->host ? rule->host : rule->source));
}

static bool holds(const struct mount_rule *rule, struct str path)
{
    return rule->by == MOUNT_BY_HOST &&
           path_is_within(without_var(path), without_var(place_of(rule)));
}

/* What may only be read is not created either. */
static bool creates(const struct mount_rule *rule)
{
    return rule->create && rule->mode == MOUNT_READ_WRITE;
}

struct str mount_base_written(const struct objects *mounts, struct str path)
{
    const struct mount_rule *rules = mounts ? mounts->items : NULL;
    struct str widest = S("");
    size_t longest = 0;

    for (size_t i = 0; mounts && i < mounts->count; i++) {
        size_t rest;

        if (!holds(&rules[i], path) || rules[i].mode != MOUNT_READ_WRITE ||
            creates(&rules[i]))
            continue;
        rest = mount_base_rest(path, place_of(&rules[i])).len;
        if (rest > longest) {
            widest = place_of(&rules[i]);
            longest = rest;
        }
    }
    return widest;
}

struct str mount_base_listed(const struct objects *mounts, struct str path)
{
    const struct mount_rule *rules = mounts ? mounts->items : NULL;
    const struct mount_rule *nearest = NULL;
    size_t shortest = path.len + 1;

    for (size_t i = 0; mounts && i < mounts->count; i++) {
        size_t rest;

        if (!holds(&rules[i], path))
            continue;
        rest = mount_base_rest(path, place_of(&rules[i])).len;
        if (rest < shortest) {
            nearest = &rules[i];
            shortest = rest;
        }
    }
    return nearest && shortest && !creates(nearest) ? place_of(nearest) : S("");
}
