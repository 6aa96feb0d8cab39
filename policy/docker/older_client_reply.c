#include "policy/docker/older_client.h"

#include <string.h>

#include "policy/base/json_str.h"
#include "policy/docker/older_client_private.h"

/* What a newer version says no more, or otherwise, is put back into replies. */

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
            json_array_append_new(aliases, json_of_str(str_head(id, 12)));
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
