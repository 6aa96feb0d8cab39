#include "policy/isolation/rewrite_private.h"

/*
 * The networks that a container is made in: the aliases by which others find
 * it there, and its links.
 */

bool is_user_network(const struct rewrite *rw, struct str mode)
{
    return mode.len && !str_eq(mode, S("host")) && !str_eq(mode, S("none")) &&
           !str_has_prefix(mode, S("container:")) && !is_own_bridge(rw, mode);
}

struct str network_plain_name(const struct rewrite *rw, struct str network)
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

void endpoints_create(struct rewrite *rw, json_t *host, struct str name)
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
