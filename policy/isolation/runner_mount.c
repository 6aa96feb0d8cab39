#include "policy/isolation/runner_mount.h"

#include "policy/base/json_str.h"
#include "policy/base/limits.h"
#include "policy/config/host_path.h"
#include "policy/docker/bind_spec.h"
#include "policy/docker/namespace.h"

enum { ID_MIN = 12 }; /* digits, as a container's host name has them */

static bool is_type(const json_t *mount, const char *type)
{
    return str_eq(str_at(mount, "Type"), str_from(type));
}

/* Where PATH goes on behind DIRECTORY, without a slash in front. */
static struct str rest_of(struct str path, struct str directory)
{
    struct str rest =
        str_eq(directory, S("/")) ? path : str_from_index(path, directory.len);

    return str_has_prefix(rest, S("/")) ? str_from_index(rest, 1) : rest;
}

static bool is_below(struct str path, struct str directory)
{
    return path_is_within(path, directory) && path.len > directory.len;
}

/* The mount that holds PATH; NULL where there is none, or a tmpfs is in front
 * of it, of which *TMPFS says where. */
static const json_t *find_mount(const json_t *inspected, struct str path,
                                struct str *destination, bool *tmpfs)
{
    const json_t *mounts = json_object_get(inspected, "Mounts");
    json_t *memory =
        json_object_get(json_object_get(inspected, "HostConfig"), "Tmpfs");
    const json_t *mount, *best = NULL;
    const char *key;
    json_t *value;
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        struct str at = path_trim(str_at(mount, "Destination"));

        if (at.len > destination->len && path_is_within(path, at)) {
            best = mount;
            *destination = at;
        }
    }
    json_object_foreach(memory, key, value)
    {
        struct str at = path_trim(str_from(key));

        if (at.len > destination->len && path_is_within(path, at)) {
            *tmpfs = true;
            *destination = at;
        }
    }
    return *tmpfs ? NULL : best;
}

/* Does MOUNT keep anything from who has the path in the runner's container that
 * it is below, of which HANDED on the host is given? */
static bool is_guard(const json_t *mount, struct str handed)
{
    return !json_is_true(json_object_get(mount, "RW")) ||
           !(is_type(mount, "bind") || is_type(mount, "volume")) ||
           (handed.len &&
            path_is_within(path_trim(str_at(mount, "Source")), handed));
}

/* Is MOUNT, at AT below PATH, what is there without it? */
static bool is_same(const json_t *mount, struct str at, struct str path,
                    struct str handed)
{
    struct str source = path_trim(str_at(mount, "Source"));

    return json_is_true(json_object_get(mount, "RW")) && handed.len &&
           is_below(source, handed) &&
           str_eq(rest_of(source, handed), rest_of(at, path));
}

/* What is mounted further down than PATH, which is HANDED out as a path of the
 * host. */
static void find_hidden(const json_t *inspected, struct str path,
                        struct str handed, struct runner_mount *out)
{
    const json_t *host = json_object_get(inspected, "HostConfig");
    const json_t *mount;
    const char *key;
    json_t *value;
    size_t i;

    json_array_foreach(json_object_get(inspected, "Mounts"), i, mount)
    {
        struct str at = path_trim(str_at(mount, "Destination"));

        if (!is_below(at, path) || is_same(mount, at, path, handed) ||
            out->guarded)
            continue;
        out->guarded = is_guard(mount, handed);
        if (out->guarded || out->hidden.len == 0)
            out->hidden = at;
    }
    json_object_foreach(json_object_get(host, "Tmpfs"), key, value)
    {
        if (is_below(path_trim(str_from(key)), path) && !out->guarded) {
            out->guarded = true;
            out->hidden = path_trim(str_from(key));
        }
    }
}

/* The same, where MOUNT holds PATH, which goes on with REST; PART of its volume
 * is mounted. */
static void look_below(const json_t *inspected, const json_t *mount,
                       struct str path, struct str part, struct str rest,
                       struct runner_mount *out)
{
    AUTO(strbuf_fini) struct strbuf handed = STRBUF(4 * LIMIT_PATH);
    struct str source = path_trim(str_at(mount, "Source"));

    part = path_trim(part);
    strbuf_add(&handed, str_eq(source, S("/")) && rest.len ? S("") : source);
    if (part.len)
        strbuf_addf(&handed, "/%.*s", STR_FMT(part));
    if (rest.len)
        strbuf_addf(&handed, "/%.*s", STR_FMT(rest));
    find_hidden(inspected, path, strbuf_str(&handed), out);
}

/* Is TARGET where the runner's own creation mounts something? What else it has
 * comes from its image, or from other containers. */
static bool is_listed(const json_t *host, struct str target)
{
    const json_t *value;
    size_t i;

    json_array_foreach(json_object_get(host, "Mounts"), i, value)
    {
        if (str_eq(path_trim(str_at(value, "Target")), target))
            return true;
    }
    json_array_foreach(json_object_get(host, "Binds"), i, value)
    {
        struct str text =
            str_of(json_string_value(value), json_string_length(value));
        struct bind_spec spec;

        if (!bind_spec_parse(text, &spec) &&
            str_eq(path_trim(spec.target), target))
            return true;
    }
    return false;
}

/* What of its volume the mount at DESTINATION is: only the HostConfig says,
 * under the target as it was written, and of other containers' volumes it says
 * nothing. False: that may be another. */
static bool find_subpath(const json_t *inspected, struct str destination,
                         struct str *subpath)
{
    const json_t *host = json_object_get(inspected, "HostConfig"), *mount;
    size_t i;

    *subpath = S("");
    if (json_array_size(json_object_get(host, "VolumesFrom")) &&
        !is_listed(host, destination))
        return false;
    json_array_foreach(json_object_get(host, "Mounts"), i, mount)
    {
        struct str target = path_trim(str_at(mount, "Target"));
        struct str part =
            str_at(json_object_get(mount, "VolumeOptions"), "Subpath");

        if (part.len && path_fault(target))
            return false;
        if (str_eq(target, destination))
            *subpath = part;
    }
    return true;
}

/* The widest mount that the runner may write to and that has the path SOURCE of
 * the host in it. */
static const json_t *find_wider(const json_t *inspected, struct str source)
{
    const json_t *mount, *widest = NULL;
    size_t i, len = source.len;

    json_array_foreach(json_object_get(inspected, "Mounts"), i, mount)
    {
        struct str at = path_trim(str_at(mount, "Source"));

        if (at.len == 0 || at.len >= len || !path_is_within(source, at) ||
            !json_is_true(json_object_get(mount, "RW")) ||
            !(is_type(mount, "bind") || is_type(mount, "volume")))
            continue;
        widest = mount;
        len = at.len;
    }
    return widest;
}

static void add_subpath(struct runner_mount *out, struct str part)
{
    part = path_trim(part);
    if (part.len && out->subpath.len)
        strbuf_add_char(&out->subpath, '/');
    strbuf_add(&out->subpath, part);
}

static void take_volume(const json_t *mount, struct runner_mount *out)
{
    out->source = str_at(mount, "Name");
    if (out->source.len)
        out->kind = RUNNER_MOUNT_VOLUME;
}

static void take_bind(const json_t *inspected, const json_t *mount,
                      struct str rest, struct runner_mount *out)
{
    struct str source = path_trim(str_at(mount, "Source"));
    const json_t *wider = find_wider(inspected, source);

    if (path_fault(source))
        return;
    if (wider) {
        struct str base = path_trim(str_at(wider, "Source"));

        if (is_type(wider, "volume")) {
            take_volume(wider, out);
        } else {
            out->kind = RUNNER_MOUNT_BELOW;
            out->source = base;
        }
        add_subpath(out, rest_of(source, base));
        add_subpath(out, rest);
        return;
    }
    out->kind = rest.len ? RUNNER_MOUNT_BELOW : RUNNER_MOUNT_PATH;
    out->source = source;
    add_subpath(out, rest);
}

void runner_mount_find(const json_t *inspected, struct str path,
                       struct runner_mount *out)
{
    bool tmpfs = false;
    struct str rest, part = S("");
    const json_t *mount;
    bool known;

    *out = (struct runner_mount){.subpath = STRBUF(2 * LIMIT_PATH)};
    mount = find_mount(inspected, path, &out->destination, &tmpfs);
    if (!mount && !tmpfs)
        return;
    out->kind = RUNNER_MOUNT_OTHER;
    if (!mount)
        return;
    rest = rest_of(path, out->destination);
    out->read_only = !json_is_true(json_object_get(mount, "RW"));
    known = is_type(mount, "volume") &&
            find_subpath(inspected, out->destination, &part);
    look_below(inspected, mount, path, part, rest, out);
    if (known) {
        take_volume(mount, out);
        add_subpath(out, part);
        add_subpath(out, rest);
    } else if (is_type(mount, "bind")) {
        take_bind(inspected, mount, rest, out);
    }
}

void runner_mount_fini(struct runner_mount *mount)
{
    strbuf_fini(&mount->subpath);
}

bool runner_is_named(const json_t *inspected, struct str ref)
{
    struct str name = str_at(inspected, "Name");

    if (str_has_prefix(name, S("/")) && str_eq(str_from_index(name, 1), ref))
        return true;
    return is_hex_word(ref) && ref.len >= ID_MIN &&
           str_has_prefix(str_at(inspected, "Id"), ref);
}

bool runner_is_foreign(const json_t *inspected)
{
    const json_t *labels =
        json_object_get(json_object_get(inspected, "Config"), "Labels");

    return !json_object_get(labels, LABEL_NAMESPACE);
}
