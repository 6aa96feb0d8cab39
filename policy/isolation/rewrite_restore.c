#include "policy/isolation/rewrite_private.h"

/*
 * What berth added or put in another's place looks to its runner as it would
 * on an engine of its own. Names still have their namespace when this runs.
 */

/* The name that the container was given, without its namespace. */
static struct str plain_name(const struct rewrite *rw, const json_t *container)
{
    struct str name = str_at(container, "Name");
    const json_t *other;
    size_t i;

    json_array_foreach(json_object_get(container, "Names"), i, other)
    {
        struct str text = str_from_index(str_of_json(other), 1);

        if (str_find(text, '/') < 0) /* else it is a link's */
            return namespace_strip(rw->context.ns, text);
    }
    return namespace_strip(rw->context.ns, str_from_index(name, 1));
}

/* ---- networks ---- */

/* On the engine's bridge nobody has DNS names. */
static void forget_names(json_t *endpoint)
{
    json_object_set_new(endpoint, "Aliases", json_null());
    if (json_object_get(endpoint, "DNSNames"))
        json_object_set_new(endpoint, "DNSNames", json_null());
}

/* An inspect repeats the address on the bridge at its top. */
static void repeat_address(json_t *settings, const json_t *endpoint)
{
    static const char *const keys[] = {
        "EndpointID", "Gateway",     "GlobalIPv6Address", "GlobalIPv6PrefixLen",
        "IPAddress",  "IPPrefixLen", "IPv6Gateway",       "MacAddress"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        json_t *value = json_object_get(endpoint, keys[i]);

        if (value && json_object_get(settings, keys[i]))
            json_object_set(settings, keys[i], value);
    }
}

/* Links on the bridge are the container's: "/db:/web/alias". */
static void move_links_back(const struct rewrite *rw, json_t *host,
                            json_t *endpoint, struct str name)
{
    json_t *links = json_object_get(endpoint, "Links"), *moved;
    const json_t *link;
    size_t i;

    if (json_array_size(links) == 0)
        return;
    moved = json_array();
    json_array_foreach(links, i, link)
    {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
        struct str ref, alias;

        str_cut(str_of_json(link), ':', &ref, &alias);
        ref = namespace_strip(rw->context.ns, ref);
        strbuf_addf(&out, "/%.*s:/%.*s/%.*s", STR_FMT(ref), STR_FMT(name),
                    STR_FMT(alias));
        json_array_append_new(moved, json_of_str(strbuf_str(&out)));
    }
    json_object_set_new(host, "Links", moved);
    json_object_set_new(endpoint, "Links", json_null());
}

static void strip_names(const struct rewrite *rw, json_t *names)
{
    json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        json_array_set_new(
            names, i,
            json_of_str(namespace_strip(rw->context.ns, str_of_json(name))));
    }
}

static void restore_networks(const struct rewrite *rw, json_t *container,
                             bool inspected)
{
    json_t *settings = json_object_get(container, "NetworkSettings");
    json_t *host = json_object_get(container, "HostConfig"), *endpoint;
    struct str name = plain_name(rw, container);
    const char *key;

    json_object_foreach(json_object_get(settings, "Networks"), key, endpoint)
    {
        struct str network = str_from(key);

        if (is_own_bridge(rw, network)) {
            forget_names(endpoint);
            if (inspected) {
                repeat_address(settings, endpoint);
                move_links_back(rw, host, endpoint, name);
            }
            continue;
        }
        aliases_remove(endpoint, name,
                       namespace_has(rw->context.ns, network)
                           ? namespace_strip(rw->context.ns, network)
                           : S(""));
        strip_names(rw, json_object_get(endpoint, "DNSNames"));
    }
}

static void restore_mode(const struct rewrite *rw, json_t *host,
                         const json_t *labels)
{
    bool old = rw->context.engine_minor && rw->context.engine_minor < 44;

    if (!is_own_bridge(rw, str_at(host, "NetworkMode")))
        return;
    /* new engines say "bridge" for both */
    json_object_set_new(host, "NetworkMode",
                        json_string(old && str_at(labels, LABEL_NETWORK).len
                                        ? "default"
                                        : BRIDGE_NAME));
}

/* ---- mounts ---- */

static void drop_if_empty(json_t *object, const char *key)
{
    if (json_object_size(json_object_get(object, key)) == 0)
        json_object_del(object, key);
}

static bool has_line(struct str text, struct str wanted)
{
    struct str line;

    while (str_cut(text, '\n', &line, &text)) {
        if (str_eq(line, wanted))
            return true;
    }
    return false;
}

/* An engine that makes an anonymous volume by itself notes neither mode nor,
 * in a list, where it is. */
static void restore_anonymous(json_t *container, const json_t *labels,
                              bool inspected)
{
    struct str volumes = str_at(labels, LABEL_VOLUMES);
    json_t *mount;
    size_t i;

    json_array_foreach(json_object_get(container, "Mounts"), i, mount)
    {
        if (!has_line(volumes, str_at(mount, "Destination")))
            continue;
        json_object_set_new(mount, "Mode", json_string(""));
        if (!inspected)
            json_object_set_new(mount, "Source", json_string(""));
    }
}

/* Volumes that berth mounted so that they have a label go; those that were
 * binds become binds again. */
static void restore_mounts(const struct rewrite *rw, json_t *host)
{
    json_t *mounts = json_object_get(host, "Mounts");

    for (size_t i = 0; i < json_array_size(mounts);) {
        json_t *mount = json_array_get(mounts, i);
        json_t *options = json_object_get(mount, "VolumeOptions");
        json_t *labels = json_object_get(options, "Labels");
        struct str why = str_at(labels, LABEL_ADDED);
        json_t *binds = json_object_get(host, "Binds");
        json_t *image = image_name_restored(rw, str_at(mount, "Source"));

        if (image)
            json_object_set_new(mount, "Source", image);
        if (str_eq(why, S("labels"))) {
            json_object_del(options, "Labels"); /* there were none */
            labels = NULL;
            drop_if_empty(mount, "VolumeOptions");
        } else if (why.len) {
            if (str_eq(why, S("bind")) && json_is_array(binds))
                json_array_append(binds, json_object_get(mount, "Target"));
            json_array_remove(mounts, i);
            continue;
        }
        if (labels) {
            labels_hide(labels);
            drop_if_empty(options, "Labels");
            drop_if_empty(mount, "VolumeOptions");
        }
        i++;
    }
    if (json_is_array(mounts) && json_array_size(mounts) == 0)
        json_object_del(host, "Mounts");
}

/* A create sends an image's ID; what its client wrote is in a label. */
static void restore_image(json_t *container, const json_t *labels,
                          bool inspected)
{
    json_t *image = json_object_get(labels, LABEL_IMAGE);
    json_t *at = inspected ? json_object_get(container, "Config") : container;

    if (json_is_string(image) && json_object_get(at, "Image"))
        json_object_set(at, "Image", image);
    /* the engine notes the name that it found the ID by, anybody's */
    image_descriptor_restore(
        json_object_get(container, "ImageManifestDescriptor"),
        str_of_json(image));
}

void container_restore(struct rewrite *rw, json_t *container, bool inspected)
{
    json_t *host = json_object_get(container, "HostConfig");
    const json_t *labels =
        inspected
            ? json_object_get(json_object_get(container, "Config"), "Labels")
            : json_object_get(container, "Labels");

    restore_networks(rw, container, inspected);
    restore_mode(rw, host, labels);
    restore_anonymous(container, labels, inspected);
    restore_image(container, labels, inspected);
    ports_restore(rw, container, labels, inspected);
    socket_restore(container, labels, inspected); /* by its source */
    mounts_restore(container, labels, inspected);
    if (inspected)
        restore_mounts(rw, host);
}

/* ---- the system ---- */

static void set_count(json_t *info, const char *key, size_t count)
{
    if (json_object_get(info, key))
        json_object_set_new(info, key, json_integer((json_int_t)count));
}

/* The containers of LIST in STATE; those in no other when it is NULL. */
static size_t count_state(const struct rewrite *rw, const json_t *list,
                          const char *state)
{
    const json_t *container;
    size_t i, count = 0;

    json_array_foreach(list, i, container)
    {
        struct str is = str_at(container, "State");

        if (!container_is_own(rw, container))
            continue;
        if (state ? str_eq(is, str_from(state))
                  : !str_eq(is, S("running")) && !str_eq(is, S("paused")))
            count++;
    }
    return count;
}

void info_restore(struct rewrite *rw, json_t *info)
{
    const json_t *list = own_container_list(rw), *image;
    const struct lookup *ask = rewrite_asked(rw, S("/images/json?all=1"));
    size_t running = count_state(rw, list, "running");
    size_t paused = count_state(rw, list, "paused");
    size_t stopped = count_state(rw, list, NULL);
    size_t i, images = 0;

    image_list_begin(rw, ask ? ask->reply : NULL);
    json_array_foreach(ask ? ask->reply : NULL, i, image)
    {
        json_auto_t *copy = json_deep_copy(image);

        images += image_restore(rw, copy, true);
    }
    set_count(info, "Containers", running + paused + stopped);
    set_count(info, "ContainersRunning", running);
    set_count(info, "ContainersPaused", paused);
    set_count(info, "ContainersStopped", stopped);
    set_count(info, "Images", images);
    /* there is no swarm in a namespace */
    if (json_object_get(info, "Swarm"))
        json_object_set_new(
            info, "Swarm",
            json_pack("{s:s, s:s, s:s, s:b, s:s, s:n}", "NodeID", "",
                      "NodeAddr", "", "LocalNodeState", "inactive",
                      "ControlAvailable", 0, "Error", "", "RemoteManagers"));
}

static json_int_t integer_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* How many of the containers run on each image. */
static void count_users(json_t *images, const json_t *containers)
{
    json_t *image, *container;
    size_t i, n;

    json_array_foreach(images, i, image)
    {
        json_int_t count = 0;

        json_array_foreach(containers, n, container)
        {
            if (str_eq(str_at(container, "ImageID"), str_at(image, "Id")))
                count++;
        }
        json_object_set_new(image, "Containers", json_integer(count));
    }
}

/* About what the layers of these images take: what they share counts once. */
static json_int_t layers_size(const json_t *images)
{
    json_int_t own = 0, shared = 0;
    const json_t *image;
    size_t i;

    json_array_foreach(images, i, image)
    {
        json_int_t part = integer_at(image, "SharedSize");

        part = part > 0 ? part : 0;
        own += integer_at(image, "Size") - part;
        if (part > shared)
            shared = part;
    }
    return own + shared;
}

/* The totals of one of the newer reports, from the things that are in it. */
static void recount(json_t *usage, const char *kind, const char *size)
{
    json_t *report = json_object_get(usage, kind), *items;
    json_int_t total = 0;
    const json_t *item;
    size_t i;

    if (!json_is_object(report))
        return;
    items = json_object_get(report, "Items");
    json_array_foreach(items, i, item)
    {
        json_int_t part =
            integer_at(json_is_object(json_object_get(item, "UsageData"))
                           ? json_object_get(item, "UsageData")
                           : item,
                       size);

        total += part > 0 ? part : 0;
    }
    json_object_set_new(report, "TotalCount",
                        json_integer((json_int_t)json_array_size(items)));
    json_object_set_new(report, "TotalSize", json_integer(total));
    json_object_del(report, "ActiveCount");
    json_object_del(report, "Reclaimable");
}

static void empty(json_t *object, const char *key)
{
    if (json_is_array(json_object_get(object, key)))
        json_object_set_new(object, key, json_array());
}

void disk_usage_restore(json_t *usage)
{
    json_t *images = json_object_get(usage, "Images");

    if (json_object_get(usage, "Containers") && images)
        count_users(images, json_object_get(usage, "Containers"));
    if (json_object_get(usage, "LayersSize"))
        json_object_set_new(usage, "LayersSize",
                            json_integer(layers_size(images)));
    /* all runners share the cache of builds */
    empty(usage, "BuildCache");
    if (json_object_get(usage, "BuilderSize"))
        json_object_set_new(usage, "BuilderSize", json_integer(0));
    empty(json_object_get(usage, "BuildCacheUsage"), "Items");
    recount(usage, "ContainerUsage", "SizeRw");
    recount(usage, "ImageUsage", "Size");
    recount(usage, "VolumeUsage", "Size");
    recount(usage, "BuildCacheUsage", "Size");
}
