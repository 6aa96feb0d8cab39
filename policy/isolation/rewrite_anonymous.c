#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

/*
 * The anonymous volumes of a container that is made, its client's and its
 * image's: each becomes a mount with the namespace's label in it.
 */

/* PATH without "//", "." and "..", and without a slash at its end. */
static char *clean_path(const char *path)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    struct str rest = str_from(path), part;

    while (rest.len) {
        str_cut(rest, '/', &part, &rest);
        if (part.len == 0 || str_eq(part, S(".")))
            continue;
        if (str_eq(part, S(".."))) {
            while (out.len && out.ptr[--out.len] != '/')
                continue;
            continue;
        }
        strbuf_add_char(&out, '/');
        strbuf_add(&out, part);
    }
    if (out.len == 0)
        strbuf_add_char(&out, '/');
    return xstrdup(strbuf_cstr(&out));
}

/* Note in TAKEN, an object, that something is mounted at PATH. */
static void take(json_t *taken, const char *path)
{
    char *clean = path ? clean_path(path) : NULL;

    if (clean)
        json_object_set_new(taken, clean, json_true());
    free(clean);
}

static void take_keys(json_t *taken, json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        take(taken, key);
    }
}

static void take_fields(json_t *taken, const json_t *list, const char *key)
{
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
    {
        take(taken, json_string_value(json_object_get(value, key)));
    }
}

static void take_binds(json_t *taken, const json_t *binds)
{
    const json_t *bind;
    size_t i;

    json_array_foreach(binds, i, bind)
    {
        struct str source, target, rest;
        char *path;

        if (!str_cut(str_of_json(bind), ':', &source, &rest))
            continue; /* an anonymous one */
        str_cut(rest, ':', &target, &rest);
        path = xstr_dup(target);
        take(taken, path);
        free(path);
    }
}

/* What the containers that mounts are taken from have. */
static void take_volumes_from(struct rewrite *rw, json_t *taken,
                              const json_t *sources)
{
    const json_t *source;
    size_t i;

    json_array_foreach(sources, i, source)
    {
        const struct lookup *ask = rewrite_mounts_of(rw, source);

        if (ask && ask->status == 200)
            take_fields(taken, json_object_get(ask->reply, "Mounts"),
                        "Destination");
    }
}

/* An anonymous volume at PATH, with our label and a note WHY it is here. What
 * is no mount of the client's is remembered in LINES: lists show that. */
static void add_volume(struct rewrite *rw, json_t *host, json_t *taken,
                       const char *path, const char *why, struct strbuf *lines)
{
    char *clean = clean_path(path);
    struct str driver = str_at(host, "VolumeDriver");
    json_t *options;

    if (path[0] == '/' && !json_object_get(taken, clean)) {
        json_object_set_new(taken, clean, json_true());
        if (strcmp(why, "volume") == 0)
            strbuf_addf(lines, "%s\n", clean);
        options =
            json_pack("{s:{s:s%, s:s}}", "Labels", LABEL_NAMESPACE,
                      rw->context.ns.ptr, rw->context.ns.len, LABEL_ADDED, why);
        /* what newer engines put on one by themselves, and prune by */
        if (strcmp(why, "volume") == 0 && rw->context.engine_minor >= 42)
            json_object_set_new(json_object_get(options, "Labels"),
                                "com.docker.volume.anonymous", json_string(""));
        if (driver.len)
            json_object_set_new(
                options, "DriverConfig",
                json_pack("{s:s%}", "Name", driver.ptr, driver.len));
        json_array_append_new(list_at(host, "Mounts"),
                              json_pack("{s:s, s:s, s:o}", "Type", "volume",
                                        "Target", path, "VolumeOptions",
                                        options));
    }
    free(clean);
}

/*
 * A volume without a name gets one of the engine's and no label, unless it
 * is a mount with labels in it; so that is what it becomes, whether the
 * client asked for it or the image does.
 */
void anonymous_volumes_create(struct rewrite *rw, json_t *host,
                              const json_t *image)
{
    json_t *binds = json_object_get(host, "Binds"), *named = json_array();
    AUTO(strbuf_fini) struct strbuf lines = STRBUF(LIMIT_REPLY);
    json_auto_t *taken = json_object();
    const char *path;
    json_t *value;
    size_t i;

    take_binds(taken, binds);
    take_fields(taken, json_object_get(host, "Mounts"), "Target");
    take_keys(taken, json_object_get(host, "Tmpfs"));
    json_array_foreach(binds, i, value)
    {
        struct str bind = str_of_json(value);

        if (bind.len == 0 || str_find(bind, ':') >= 0)
            json_array_append(named, value);
        else
            add_volume(rw, host, taken, bind.ptr, "bind", &lines);
    }
    if (json_is_array(binds))
        json_object_set(host, "Binds", named);
    json_decref(named);
    take_volumes_from(rw, taken, json_object_get(host, "VolumesFrom"));
    json_object_foreach(json_object_get(rw->draft, "Volumes"), path, value)
    {
        add_volume(rw, host, taken, path, "volume", &lines);
    }
    json_object_foreach(
        json_object_get(json_object_get(image, "Config"), "Volumes"), path,
        value)
    {
        add_volume(rw, host, taken, path, "volume", &lines);
    }
    if (lines.len)
        json_object_set_new(object_at(rw->draft, "Labels"), LABEL_VOLUMES,
                            json_of_str(strbuf_str(&lines)));
}
