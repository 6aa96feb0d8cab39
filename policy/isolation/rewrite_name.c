#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/docker/older_client.h"

/*
 * The creation of a container: what the table of references cannot say.
 */

/* KEY of OBJECT, an object, made if it is not there. */
static json_t *object_at(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_object(value)) {
        value = json_object();
        json_object_set_new(object, key, value);
    }
    return value;
}

static json_t *list_at(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_array(value)) {
        value = json_array();
        json_object_set_new(object, key, value);
    }
    return value;
}

/* One slash in front of a name is none of it. */
static struct str without_slash(struct str name)
{
    return name.len > 1 && name.ptr[0] == '/' ? str_from_index(name, 1) : name;
}

/* Refuse a NAME that no container can have, in the engine's words: INTRO, and
 * the name as it is SHOWN there. */
static bool is_good_name(struct rewrite *rw, struct str name, const char *intro,
                         struct str shown)
{
    struct verdict why;

    if (name_check(REF_CONTAINER, rw->context.ns, name, &why) == 0)
        return true;
    if (name_is_too_long(rw->context.ns, name))
        rewrite_refuse(rw, why.status, "%s", why.reason);
    else
        rewrite_refuse(rw, why.status,
                       "%s%.*s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                       intro, STR_FMT(shown));
    return false;
}

/* The name that the runner gives, or one that is invented; or nothing. */
static struct str plain_name(struct rewrite *rw)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_NAME);
    struct str name = rewrite_query(rw, S("name"));

    if (name.len == 0) {
        name_invent(&out, rw->context.random);
        return rewrite_keep(rw, strbuf_str(&out));
    }
    if (!is_good_name(rw, without_slash(name), "Invalid container name (",
                      name))
        return S("");
    return without_slash(name);
}

/* ---- anonymous volumes ---- */

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
static void label_anonymous_volumes(struct rewrite *rw, json_t *host,
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

/* ---- networks ---- */

static bool is_user_network(const struct rewrite *rw, struct str mode)
{
    return mode.len && !str_eq(mode, S("host")) && !str_eq(mode, S("none")) &&
           !str_has_prefix(mode, S("container:")) && !is_own_bridge(rw, mode);
}

static struct str network_plain_name(const struct rewrite *rw,
                                     struct str network)
{
    return namespace_has(rw->context.ns, network)
               ? namespace_strip(rw->context.ns, network)
               : S("");
}

/* Since API 1.44 the network of the mode is joined beside all others. */
static bool joins_mode_too(const struct rewrite *rw)
{
    unsigned minor =
        rw->target->versioned ? rw->target->minor : rw->context.engine_minor;

    return minor >= 44 || rw->least_minor >= 44;
}

/* Links on the engine's bridge are looked up when they are made; on ours, the
 * engine would do so only when the container starts. */
static void check_links(struct rewrite *rw, const json_t *links)
{
    const json_t *link;
    size_t i;

    json_array_foreach(links, i, link)
    {
        const struct lookup *ask;
        struct str ref, alias, name;

        str_cut(str_of_json(link), ':', &ref, &alias);
        name = namespace_strip(rw->context.ns, ref);
        ask = container_inspected(rw, ref);
        if (ask && ask->status == 404)
            rewrite_refuse(rw, 400,
                           "could not get container for %.*s: No such "
                           "container: %.*s",
                           STR_FMT(name), STR_FMT(name));
    }
}

/*
 * On the engine's own bridge, links go into a hosts file; on ours, as on any
 * network, they are the endpoint's.
 */
static void move_links(struct rewrite *rw, json_t *host, json_t *endpoints,
                       struct str mode)
{
    json_t *links = json_object_get(host, "Links");

    if (!is_own_bridge(rw, mode) || json_array_size(links) == 0)
        return;
    check_links(rw, links);
    json_object_set(object_at(endpoints, mode.ptr), "Links", links);
    json_object_del(host, "Links");
}

static void add_aliases(struct rewrite *rw, json_t *host, struct str name)
{
    struct str mode = str_at(host, "NetworkMode");
    json_t *networking = object_at(rw->draft, "NetworkingConfig");
    json_t *endpoints = object_at(networking, "EndpointsConfig");
    json_t *endpoint;
    const char *key;
    void *next;

    if (is_user_network(rw, mode) &&
        (json_object_size(endpoints) == 0 || joins_mode_too(rw)))
        object_at(endpoints, mode.ptr);
    json_object_foreach_safe(endpoints, next, key, endpoint)
    {
        if (!is_user_network(rw, str_from(key)))
            continue;
        aliases_add(json_is_object(endpoint) ? endpoint
                                             : object_at(endpoints, key),
                    name, network_plain_name(rw, str_from(key)));
    }
    move_links(rw, host, endpoints, mode);
    if (json_object_size(endpoints) == 0)
        json_object_del(networking, "EndpointsConfig");
    if (json_object_size(networking) == 0)
        json_object_del(rw->draft, "NetworkingConfig");
}

/*
 * What a container says of its health, the judge has held to the policy; what
 * it leaves out, an engine takes from the image, which may come from anywhere.
 */
static void hold_health(struct rewrite *rw, const json_t *image)
{
    static const char *const keys[] = {"Interval", "StartInterval"};
    const json_t *theirs =
        json_object_get(json_object_get(image, "Config"), "Healthcheck");
    const json_t *ours = json_object_get(rw->draft, "Healthcheck");
    json_int_t least = (json_int_t)rw->context.health_interval * 1000000;

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        json_int_t asked = json_integer_value(json_object_get(ours, keys[i]));
        json_int_t given = json_integer_value(json_object_get(theirs, keys[i]));

        if (asked == 0 && given != 0 && given < least)
            json_object_set_new(object_at(rw->draft, "Healthcheck"), keys[i],
                                json_integer(least));
    }
}

/* A container has the labels of its image, of a Dockerfile's or a container's
 * making: those that are berth's to set say nothing about this one. */
static void disown_labels(struct rewrite *rw, const json_t *image)
{
    json_t *of_image =
        json_object_get(json_object_get(image, "Config"), "Labels");
    json_t *labels = object_at(rw->draft, "Labels"), *value;
    const char *key;

    json_object_foreach(of_image, key, value)
    {
        if (label_is_ours(str_from(key)) && !json_object_get(labels, key))
            json_object_set_new(labels, key, json_string(""));
    }
}

/* What is going to say that it is newer than its client, says no more by that:
 * what the client's version has no words for is taken away. */
static void stay_as_old(struct rewrite *rw)
{
    unsigned minor = rw->target->minor;

    if (!rw->target->versioned || minor >= rw->least_minor)
        return;
    older_client_request(OP_CONTAINER_CREATE, minor, rw->least_minor,
                         rw->target, rw->draft); /* adds nothing to a query */
    rw->target->minor = minor;                   /* until it is sent */
}

void rewrite_container_create(struct rewrite *rw)
{
    struct str name, given, typed;
    const json_t *image;
    bool is_default;
    json_t *host;

    if (!json_is_object(rw->draft)) {
        rewrite_refuse(rw, 400, "a container is created from an object");
        return;
    }
    name = plain_name(rw);
    rewrite_set_query(rw, S("name"), rewrite_prefix(rw, name));
    host = object_at(rw->draft, "HostConfig");
    given = str_at(host, "NetworkMode");
    is_default = given.len == 0 || str_eq(given, S("default"));
    if (is_default)
        json_object_set_new(host, "NetworkMode", json_string("default"));
    typed = rewrite_keep(rw, str_at(rw->draft, "Image"));
    image = typed.len ? image_look_up(rw, typed).inspected : NULL;
    rewrite_body(rw);
    if (rewrite_is_refused(rw))
        return;
    mounts_create(rw, host, image);
    stay_as_old(rw);
    label_anonymous_volumes(rw, host, image);
    hold_health(rw, image);
    rw->port_name = name;
    ports_create(rw, host, image);
    socket_create(rw, host, image);
    if (rewrite_is_refused(rw))
        return;
    if (typed.len)
        json_object_set_new(object_at(rw->draft, "Labels"), LABEL_IMAGE,
                            json_of_str(typed));
    if (is_default)
        json_object_set_new(object_at(rw->draft, "Labels"), LABEL_NETWORK,
                            json_string("default"));
    disown_labels(rw, image);
    if (!rw->missing) /* else names of networks may still be missing */
        add_aliases(rw, host, name);
    if (!rw->missing && !image)
        json_array_clear(rw->wanted); /* it will fail: prepare nothing */
}

/* ---- a new name ---- */

/* The endpoint of an inspect, as it has to be connected again under NAME. */
static json_t *endpoint_again(const struct rewrite *rw, const json_t *endpoint,
                              struct str id, struct str old, struct str name,
                              struct str network)
{
    static const char *const kept[] = {"IPAMConfig", "Links", "Aliases",
                                       "DriverOpts"};
    json_t *again = json_object(), *aliases;

    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        json_t *value = json_object_get(endpoint, kept[i]);

        if (value && !json_is_null(value))
            json_object_set_new(again, kept[i], json_deep_copy(value));
    }
    aliases = json_object_get(again, "Aliases");
    /* old engines add the ID to them by themselves */
    for (size_t i = json_array_size(aliases); i-- > 0;) {
        if (str_eq(str_of_json(json_array_get(aliases, i)), str_head(id, 12)))
            json_array_remove(aliases, i);
    }
    (void)rw;
    aliases_remove(again, old, network);
    aliases_add(again, name, network);
    return again;
}

static void plan_connection(struct rewrite *rw, struct str container,
                            struct str network, json_t *endpoint)
{
    static const char *const verbs[] = {"disconnect", "connect"};

    for (size_t i = 0; i < 2; i++) {
        AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);

        strbuf_add(&target, S("/networks/"));
        target_put_segment(&target, network);
        strbuf_addf(&target, "/%s", verbs[i]);
        json_array_append_new(
            rw->renamed,
            json_pack("{s:s%, s:{s:s%, s:O*}}", "target", target.ptr,
                      target.len, "body", "Container", container.ptr,
                      container.len, "EndpointConfig", i ? endpoint : NULL));
    }
    json_decref(endpoint);
}

void after_container_rename(struct rewrite *rw)
{
    json_t *step;
    size_t i;

    json_array_foreach(rw->renamed, i, step)
    {
        rewrite_do_in_order(rw, METHOD_POST,
                            str_of_json(json_object_get(step, "target")),
                            json_incref(json_object_get(step, "body")), NULL);
    }
}

/*
 * The engine's DNS follows a rename, but to names that nobody asks for; the
 * aliases have to be set anew, which an engine does for a new endpoint only.
 */
static void plan_rename(struct rewrite *rw, struct str ref, struct str name)
{
    const struct lookup *ask;
    struct str id, old;
    const char *key;
    json_t *endpoint, *networks;

    if (ref.len == 0)
        return;
    ask = container_inspected(rw, ref);
    if (!ask || ask->status != 200)
        return;
    id = str_at(ask->reply, "Id");
    old = str_at(ask->reply, "Name");
    if (old.len)
        old = namespace_strip(rw->context.ns, str_from_index(old, 1));
    networks = json_object_get(json_object_get(ask->reply, "NetworkSettings"),
                               "Networks");
    rw->renamed = json_array();
    json_object_foreach(networks, key, endpoint)
    {
        struct str network = str_from(key);

        if (!is_user_network(rw, network))
            continue;
        plan_connection(rw, id, network,
                        endpoint_again(rw, endpoint, id, old, name,
                                       network_plain_name(rw, network)));
    }
}

void rewrite_container_rename(struct rewrite *rw)
{
    struct str ref = resolve_container(rw, rw->match->params[0].value);
    struct str name = rewrite_query(rw, S("name"));

    rewrite_set_param(rw, 0, ref);
    name = without_slash(name);
    if (name.len == 0)
        return; /* the engine has words for that */
    if (!is_good_name(rw, name,
                      "Error when allocating new name: "
                      "Invalid container name (/",
                      name))
        return;
    rewrite_set_query(rw, S("name"), rewrite_prefix(rw, name));
    plan_rename(rw, ref, name);
}
