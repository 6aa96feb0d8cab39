#include "policy/docker/older_client.h"

#include <string.h>

#include "policy/base/json_str.h"
#include "policy/base/json_write.h"

/* API 1.MINOR, as far as something changed there. */
enum {
    CREATES_WITH_PLATFORM = 41, /* and "filter" of images is gone */
    PRUNES_ANONYMOUS = 42,
    NO_NONE = 43,
    NO_VIRTUAL_SIZE = 44,
    READ_ONLY_BELOW = 44,
    NO_CONTAINER_CONFIG = 45, /* and no IDs among aliases */
    NO_OLD_FIELDS = 52,
};

static json_t *text_new(struct str text)
{
    return json_stringn(text.ptr, text.len);
}

/* Did something that is so from VERSION on change between the two? */
static bool changes(unsigned version, unsigned client, unsigned engine)
{
    return client < version && version <= engine;
}

unsigned engine_oldest_minor(const json_t *version)
{
    struct str text = str_at(version, "MinAPIVersion");
    uint64_t minor;

    if (!str_has_prefix(text, S("1.")) ||
        str_to_u64(str_from_index(text, 2), &minor) ||
        minor < API_MINOR_OLDEST || minor > 1000)
        return API_MINOR_OLDEST;
    return (unsigned)minor;
}

/* ---- what was overlooked before a version ---- */

static const struct new_parameter {
    enum operation operation;
    struct str key;
    unsigned since;
} new_parameters[] = {
    {OP_CONTAINER_WAIT,    STR("condition"),   30                   },
    {OP_IMAGE_BUILD,       STR("platform"),    32                   },
    {OP_IMAGE_CREATE,      STR("platform"),    32                   },
    {OP_CONTAINER_CREATE,  STR("platform"),    CREATES_WITH_PLATFORM},
    {OP_CONTAINER_STATS,   STR("one-shot"),    41                   },
    {OP_CONTAINER_STOP,    STR("signal"),      42                   },
    {OP_CONTAINER_RESTART, STR("signal"),      42                   },
    {OP_IMAGE_LIST,        STR("shared-size"), 42                   },
    {OP_SYSTEM_DISK_USAGE, STR("type"),        42                   },
    {OP_IMAGE_PUSH,        STR("platform"),    46                   },
    {OP_IMAGE_LIST,        STR("manifests"),   47                   },
    {OP_IMAGE_INSPECT,     STR("manifests"),   48                   },
    {OP_IMAGE_HISTORY,     STR("platform"),    48                   },
    {OP_IMAGE_LOAD,        STR("platform"),    48                   },
    {OP_IMAGE_GET,         STR("platform"),    48                   },
    {OP_IMAGE_GET_ALL,     STR("platform"),    48                   },
    {OP_IMAGE_INSPECT,     STR("platform"),    49                   },
    {OP_IMAGE_DELETE,      STR("platforms"),   50                   },
};

/* "[]" and "{}" stand for every element and every member. */
static const struct new_member {
    enum operation operation;
    const char *path[5];
    unsigned since;
} new_members[] = {
    {OP_CONTAINER_CREATE,
     {"HostConfig", "Mounts", "[]", "BindOptions", "NonRecursive"},
     40                                                                   },
    {OP_CONTAINER_CREATE,
     {"HostConfig", "Mounts", "[]", "BindOptions", "CreateMountpoint"},
     42                                                                   },
    {OP_CONTAINER_CREATE, {"HostConfig", "ConsoleSize"},                42},
    {OP_CONTAINER_CREATE, {"HostConfig", "Annotations"},                43},
    {OP_CONTAINER_CREATE, {"Healthcheck", "StartInterval"},             44},
    {OP_CONTAINER_CREATE,
     {"NetworkingConfig", "EndpointsConfig", "{}", "MacAddress"},
     44                                                                   },
    {OP_CONTAINER_CREATE,
     {"NetworkingConfig", "EndpointsConfig", "{}", "GwPriority"},
     48                                                                   },
    {OP_CONTAINER_EXEC,   {"ConsoleSize"},                              42},
    {OP_EXEC_START,       {"ConsoleSize"},                              42},
    {OP_CONTAINER_UPDATE, {"PidsLimit"},                                40},
    {OP_CONTAINER_UPDATE, {"BlkioWeightDevice"},                        55},
    {OP_CONTAINER_UPDATE, {"BlkioDeviceReadBps"},                       55},
    {OP_CONTAINER_UPDATE, {"BlkioDeviceWriteBps"},                      55},
    {OP_CONTAINER_UPDATE, {"BlkioDeviceReadIOps"},                      55},
    {OP_CONTAINER_UPDATE, {"BlkioDeviceWriteIOps"},                     55},
    {OP_NETWORK_CREATE,   {"EnableIPv4"},                               48},
    {OP_NETWORK_CONNECT,  {"EndpointConfig", "MacAddress"},             54},
};

static void forget_member(json_t *at, const char *const *path, size_t depth)
{
    const char *key;
    json_t *child;
    size_t i;

    if (depth == 1) {
        json_object_del(at, path[0]);
        return;
    }
    if (strcmp(path[0], "[]") == 0) {
        json_array_foreach(at, i, child)
            forget_member(child, path + 1, depth - 1);
    } else if (strcmp(path[0], "{}") == 0) {
        json_object_foreach(at, key, child)
            forget_member(child, path + 1, depth - 1);
    } else {
        forget_member(json_object_get(at, path[0]), path + 1, depth - 1);
    }
}

static void forget_what_is_new(enum operation operation, unsigned client,
                               unsigned engine, struct target *target,
                               json_t *body)
{
    for (size_t i = 0; i < sizeof(new_parameters) / sizeof(*new_parameters);
         i++) {
        const struct new_parameter *row = &new_parameters[i];

        if (row->operation == operation && changes(row->since, client, engine))
            target_drop(target, row->key);
    }
    for (size_t i = 0; i < sizeof(new_members) / sizeof(*new_members); i++) {
        const struct new_member *row = &new_members[i];
        size_t depth = 0;

        while (depth < 5 && row->path[depth])
            depth++;
        if (row->operation == operation && changes(row->since, client, engine))
            forget_member(body, row->path, depth);
    }
}

/* ---- what was taken for granted ---- */

/* Options of another type of mount than theirs said nothing, and are an error
 * now. */
static void drop_strange_options(json_t *host)
{
    json_t *mount;
    size_t i;

    json_array_foreach(json_object_get(host, "Mounts"), i, mount)
    {
        struct str type = str_at(mount, "Type");

        if (!str_eq(type, S("volume")))
            json_object_del(mount, "VolumeOptions");
        if (!str_eq(type, S("tmpfs")))
            json_object_del(mount, "TmpfsOptions");
    }
}

/* A container's address was its own, and is one network's now. Engines see to
 * that as long as they know the version before (to 1.51). */
static void move_mac_address(json_t *body)
{
    json_t *mac = json_object_get(body, "MacAddress");
    json_t *host = json_object_get(body, "HostConfig");
    json_t *networking = json_object_get(body, "NetworkingConfig");
    json_t *endpoints = json_object_get(networking, "EndpointsConfig");
    struct str mode = str_at(host, "NetworkMode");
    void *first = json_object_iter(endpoints);
    json_t *endpoint;

    if (json_string_length(mac) == 0)
        return;
    if (!networking || json_is_null(networking)) {
        networking = json_object();
        json_object_set_new(body, "NetworkingConfig", networking);
    }
    if (!json_is_object(endpoints)) {
        endpoints = json_object();
        json_object_set_new(networking, "EndpointsConfig", endpoints);
        first = NULL;
    }
    if (!first) {
        if (mode.len == 0)
            mode = S("default");
        json_object_setn_new(endpoints, mode.ptr, mode.len, json_object());
        first = json_object_iter(endpoints);
    }
    endpoint = json_object_iter_value(first);
    if (json_is_null(endpoint)) {
        json_object_iter_set_new(endpoints, first, json_object());
        endpoint = json_object_iter_value(first);
    }
    json_object_set(endpoint, "MacAddress", mac);
    json_object_del(body, "MacAddress");
}

static void create_as_before(unsigned client, unsigned engine, json_t *body)
{
    json_t *host = json_object_get(body, "HostConfig");

    if (changes(40, client, engine) && json_is_object(host) &&
        json_string_length(json_object_get(host, "IpcMode")) == 0)
        json_object_set_new(host, "IpcMode", json_string("shareable"));
    if (changes(42, client, engine))
        drop_strange_options(host);
    if (changes(44, client, engine) && engine >= NO_OLD_FIELDS)
        move_mac_address(body);
}

unsigned older_client_read_only(const json_t *body, unsigned engine)
{
    const json_t *mount,
        *mounts =
            json_object_get(json_object_get(body, "HostConfig"), "Mounts");
    size_t i;

    if (engine && engine < READ_ONLY_BELOW)
        return 0;
    json_array_foreach(mounts, i, mount)
    {
        if (str_eq(str_at(mount, "Type"), S("bind")) &&
            str_has_prefix(str_at(mount, "Source"), S("/")) && /* no socket */
            json_is_true(json_object_get(mount, "ReadOnly")))
            return READ_ONLY_BELOW;
    }
    return 0;
}

/* Add VALUE to the filter KEY of the query, in the shape that is there: an
 * object of lists, or of objects. */
static int add_filter(struct target *target, const char *key, struct str value)
{
    const struct str *given = target_get(target, S("filters"));
    json_auto_t *filters =
        given ? json_loadb(given->ptr, given->len, JSON_REJECT_DUPLICATES, NULL)
              : json_object();
    bool objects =
        json_is_object(json_object_iter_value(json_object_iter(filters)));
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_HEAD);
    struct str copy;
    json_t *values;
    int r;

    if (!json_is_object(filters) || json_object_get(filters, key))
        return 0; /* the engine says what is wrong, or it was said */
    if (objects) {
        values = json_object();
        json_object_setn_new(values, value.ptr, value.len, json_true());
    } else {
        values = json_pack("[o]", text_new(value));
    }
    json_object_set_new(filters, key, values);
    r = json_write(&text, filters);
    if (r == 0)
        r = target_copy(target, strbuf_str(&text), &copy);
    return r ? r : target_set(target, S("filters"), copy);
}

static int list_images_as_before(struct target *target)
{
    const struct str *pattern = target_get(target, S("filter"));
    int r = 0;

    if (pattern && pattern->len)
        r = add_filter(target, "reference", *pattern);
    target_drop(target, S("filter"));
    return r;
}

/* Streams could not be chosen: it was all of them. */
static int attach_to_all(struct target *target)
{
    int r = target_set(target, S("stdin"), S("1"));

    if (r == 0)
        r = target_set(target, S("stdout"), S("1"));
    return r ? r : target_set(target, S("stderr"), S("1"));
}

int older_client_request(enum operation operation, unsigned client,
                         unsigned engine, struct target *target, json_t *body)
{
    target->minor = engine;
    forget_what_is_new(operation, client, engine, target, body);
    if (operation == OP_CONTAINER_CREATE)
        create_as_before(client, engine, body);
    if (operation == OP_VOLUME_PRUNE &&
        changes(PRUNES_ANONYMOUS, client, engine))
        return add_filter(target, "all", S("true"));
    if (operation == OP_IMAGE_LIST && changes(41, client, engine))
        return list_images_as_before(target);
    if (operation == OP_CONTAINER_ATTACH_WEBSOCKET &&
        changes(42, client, engine))
        return attach_to_all(target);
    return 0;
}

/* ---- replies ---- */

static void put_if_missing(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key))
        json_decref(value);
    else
        json_object_set_new(object, key, value);
}

static void put_virtual_size(json_t *image)
{
    json_t *size = json_object_get(image, "Size");

    if (size)
        put_if_missing(image, "VirtualSize", json_incref(size));
}

static void list_image(unsigned client, unsigned engine, json_t *image)
{
    if (changes(NO_NONE, client, engine) &&
        json_array_size(json_object_get(image, "RepoTags")) == 0 &&
        json_array_size(json_object_get(image, "RepoDigests")) == 0) {
        json_object_set_new(image, "RepoTags",
                            json_pack("[s]", "<none>:<none>"));
        json_object_set_new(image, "RepoDigests",
                            json_pack("[s]", "<none>@<none>"));
    }
    if (changes(NO_VIRTUAL_SIZE, client, engine))
        put_virtual_size(image);
}

static void list_images(unsigned client, unsigned engine, json_t *images)
{
    json_t *image;
    size_t i;

    json_array_foreach(images, i, image) list_image(client, engine, image);
}

static void disk_usage(unsigned client, unsigned engine, json_t *usage)
{
    json_t *image;
    size_t i;

    json_array_foreach(json_object_get(usage, "Images"), i, image)
    {
        if (changes(NO_VIRTUAL_SIZE, client, engine))
            put_virtual_size(image);
    }
}

static void inspect_image(unsigned client, unsigned engine, json_t *image)
{
    static const char *const texts[] = {"Parent", "Comment", "DockerVersion",
                                        "Author"};

    if (changes(NO_VIRTUAL_SIZE, client, engine)) {
        put_virtual_size(image);
        put_if_missing(image, "Created", json_string("0001-01-01T00:00:00Z"));
    }
    if (changes(NO_CONTAINER_CONFIG, client, engine)) {
        put_if_missing(image, "Container", json_string(""));
        put_if_missing(image, "ContainerConfig", json_object());
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts) &&
                       changes(NO_OLD_FIELDS, client, engine);
         i++)
        put_if_missing(image, texts[i], json_string(""));
}

/* On networks that have a name server, the short ID was an alias. */
static void put_short_ids(json_t *networks, struct str id)
{
    const char *key;
    json_t *endpoint;

    json_object_foreach(networks, key, endpoint)
    {
        json_t *aliases = json_object_get(endpoint, "Aliases"), *known;
        size_t i;

        if (strcmp(key, "bridge") == 0 || strcmp(key, "host") == 0 ||
            strcmp(key, "none") == 0)
            continue;
        if (!json_is_array(aliases)) {
            aliases = json_array();
            json_object_set_new(endpoint, "Aliases", aliases);
        }
        json_array_foreach(aliases, i, known)
        {
            if (strncmp(json_string_value(known) ? json_string_value(known)
                                                 : "",
                        id.ptr, 12) == 0)
                break;
        }
        if (i == json_array_size(aliases))
            json_array_append_new(aliases, text_new(str_head(id, 12)));
    }
}

/* The address on the bridge stood at the top, too. */
static void put_address(json_t *settings)
{
    static const char *const texts[] = {"EndpointID",  "Gateway",
                                        "IPAddress",   "GlobalIPv6Address",
                                        "IPv6Gateway", "MacAddress"};
    static const char *const numbers[] = {"IPPrefixLen", "GlobalIPv6PrefixLen"};
    const json_t *bridge =
        json_object_get(json_object_get(settings, "Networks"), "bridge");

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        json_t *value = json_object_get(bridge, texts[i]);

        put_if_missing(settings, texts[i],
                       value ? json_incref(value) : json_string(""));
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        json_t *value = json_object_get(bridge, numbers[i]);

        put_if_missing(settings, numbers[i],
                       value ? json_incref(value) : json_integer(0));
    }
    put_if_missing(settings, "Bridge", json_string(""));
    put_if_missing(settings, "HairpinMode", json_false());
    put_if_missing(settings, "LinkLocalIPv6Address", json_string(""));
    put_if_missing(settings, "LinkLocalIPv6PrefixLen", json_integer(0));
    put_if_missing(settings, "SecondaryIPAddresses", json_null());
    put_if_missing(settings, "SecondaryIPv6Addresses", json_null());
}

static void inspect_container(unsigned client, unsigned engine,
                              json_t *container)
{
    json_t *settings = json_object_get(container, "NetworkSettings");
    struct str id = str_at(container, "Id");

    if (changes(NO_CONTAINER_CONFIG, client, engine) && id.len > 12)
        put_short_ids(json_object_get(settings, "Networks"), id);
    if (changes(NO_OLD_FIELDS, client, engine) && json_is_object(settings))
        put_address(settings);
}

/* Events said twice what they were about. */
static void event(unsigned client, unsigned engine, json_t *event)
{
    const json_t *actor = json_object_get(event, "Actor");
    json_t *from =
        json_object_get(json_object_get(actor, "Attributes"), "image");

    if (!changes(NO_OLD_FIELDS, client, engine) ||
        (!str_eq(str_at(event, "Type"), S("container")) &&
         !str_eq(str_at(event, "Type"), S("image"))))
        return;
    if (json_object_get(event, "Action"))
        put_if_missing(event, "status",
                       json_incref(json_object_get(event, "Action")));
    if (json_object_get(actor, "ID"))
        put_if_missing(event, "id", json_incref(json_object_get(actor, "ID")));
    if (from)
        put_if_missing(event, "from", json_incref(from));
}

static const struct old_reply {
    enum operation operation;
    unsigned since; /* the first version that says it otherwise */
    unsigned until; /* and the last */
    void (*put)(unsigned client, unsigned engine, json_t *reply);
} old_replies[] = {
    {OP_IMAGE_LIST,        NO_NONE,             NO_VIRTUAL_SIZE, list_images  },
    {OP_IMAGE_INSPECT,     NO_VIRTUAL_SIZE,     NO_OLD_FIELDS,   inspect_image},
    {OP_SYSTEM_DISK_USAGE, NO_VIRTUAL_SIZE,     NO_VIRTUAL_SIZE, disk_usage   },
    {OP_CONTAINER_INSPECT, NO_CONTAINER_CONFIG, NO_OLD_FIELDS,
     inspect_container                                                        },
    {OP_SYSTEM_EVENTS,     NO_OLD_FIELDS,       NO_OLD_FIELDS,   event        },
};

static const struct old_reply *old_reply_find(enum operation operation,
                                              unsigned client, unsigned engine)
{
    for (size_t i = 0; i < sizeof(old_replies) / sizeof(*old_replies); i++) {
        const struct old_reply *row = &old_replies[i];

        if (row->operation == operation && client < row->until &&
            row->since <= engine)
            return row;
    }
    return NULL;
}

bool older_client_wants_reply(enum operation operation, unsigned client,
                              unsigned engine)
{
    return old_reply_find(operation, client, engine) != NULL;
}

void older_client_reply(enum operation operation, unsigned client,
                        unsigned engine, json_t *reply)
{
    const struct old_reply *row = old_reply_find(operation, client, engine);

    if (row)
        row->put(client, engine, reply);
}
