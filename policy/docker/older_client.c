#include "policy/docker/older_client.h"

#include <string.h>

#include "policy/base/json_str.h"
#include "policy/base/json_write.h"
#include "policy/docker/older_client_private.h"

/* What a client wrote is put into the words of a newer version. */

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
        values = json_pack("[o]", json_of_str(value));
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
