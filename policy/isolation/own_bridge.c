#include "policy/isolation/rewrite_private.h"

bool is_own_bridge(const struct rewrite *rw, struct str name)
{
    return namespace_has(rw->context.ns, name) &&
           str_eq(namespace_strip(rw->context.ns, name), S(BRIDGE_NAME));
}

bool networks_have_own_bridge(const struct rewrite *rw, const json_t *list)
{
    const json_t *network;
    size_t i;

    json_array_foreach(list, i, network)
    {
        if (is_own_bridge(rw, str_of_json(json_object_get(network, "Name"))))
            return true;
    }
    return false;
}

/* The engine's bridge as it is set up, its MTU and all, so that ours is alike;
 * but for what there is only once. NULL: missing. */
static json_t *bridge_options(struct rewrite *rw)
{
    const struct lookup *ask = rewrite_get(rw, S("/networks/bridge"));
    json_t *options;

    if (!ask)
        return NULL;
    options = json_deep_copy(json_object_get(ask->reply, "Options"));
    if (!json_is_object(options)) {
        json_decref(options);
        return json_object();
    }
    json_object_del(options, "com.docker.network.bridge.default_bridge");
    json_object_del(options, "com.docker.network.bridge.name");
    return options;
}

static bool is_bridge_of_own(const struct rewrite *rw, const json_t *network,
                             struct str name)
{
    return str_eq(str_of_json(json_object_get(network, "Name")), name) &&
           labels_are_own(rw, json_object_get(network, "Labels"));
}

static const char *made_at(const json_t *network)
{
    const char *text = json_string_value(json_object_get(network, "Created"));

    return text ? text : "";
}

/*
 * Old engines make as many networks NAME as clients ask for at once, and then
 * know none of them by it: all but the first one go.
 */
static void drop_twins(struct rewrite *rw, struct str name)
{
    const struct lookup *ask = rewrite_get(
        rw, rewrite_path_to_own(rw, "/networks?filters=", "name", name));
    const json_t *network, *first = NULL;
    size_t i;

    if (!ask)
        return;
    json_array_foreach(ask->reply, i, network)
    {
        if (is_bridge_of_own(rw, network, name) &&
            (!first || strcmp(made_at(network), made_at(first)) < 0))
            first = network;
    }
    json_array_foreach(ask->reply, i, network)
    {
        struct str id = str_of_json(json_object_get(network, "Id"));

        if (network != first && is_bridge_of_own(rw, network, name))
            rewrite_do(rw, METHOD_DELETE,
                       rewrite_path_to(rw, "/networks/", id, ""), NULL, NULL);
    }
}

/* An engine's default network is there for who looks; one that has no container
 * of the namespace yet need not be made for that. */
static struct str bridge_to_show(struct rewrite *rw, struct str name)
{
    const struct lookup *ask =
        rewrite_get(rw, rewrite_path_to(rw, "/networks/", name, ""));

    if (!ask)
        return S("");
    rw->shows_engine_bridge = ask->status == 404;
    return rw->shows_engine_bridge ? S(BRIDGE_NAME) : name;
}

void own_bridge_show_gateway(const struct rewrite *rw, json_t *network)
{
    json_t *ipam = json_object_get(network, "IPAM"), *config;
    size_t i;

    if (!rw->context.gateway.len)
        return;
    json_array_foreach(json_object_get(ipam, "Config"), i, config)
    {
        struct str subnet = str_at(config, "Subnet");

        if (subnet.len && str_find(subnet, ':') < 0)
            json_object_set_new(config, "Gateway",
                                json_of_str(rw->context.gateway));
    }
}

static void bridge_failed(struct rewrite *rw, const struct lookup *ask)
{
    struct str why = str_of_json(json_object_get(ask->reply, "message"));

    if (memmem(why.ptr ? why.ptr : "", why.len, "address pool", 12))
        rewrite_refuse(rw, 500,
                       "this runner's default network cannot be made, because "
                       "the engine has no address pool left for one more "
                       "network; have networks removed that nobody needs, or "
                       "default-address-pools made larger on the engine");
    else
        rewrite_fail(rw, ask, "make this runner's default network");
}

struct str own_bridge(struct rewrite *rw)
{
    struct str name = rewrite_prefix(rw, S(BRIDGE_NAME));
    const struct lookup *ask;
    json_t *options;

    if (operation_access(rw->match->route->operation) == ACCESS_READ)
        return bridge_to_show(rw, name);
    /* a name tells nothing of what is there now: somebody may have removed it
     */
    ask = rewrite_get(rw, rewrite_path_to(rw, "/networks/", name, ""));
    if (!ask)
        return S("");
    if (ask->status == 404) {
        options = bridge_options(rw);
        if (!options)
            return S("");
        ask =
            rewrite_do(rw, METHOD_POST, S("/networks/create"),
                       json_pack("{s:s%, s:b, s:s, s:o, s:{s:s%, s:s}}", "Name",
                                 name.ptr, name.len, "CheckDuplicate", 1,
                                 "Driver", "bridge", "Options", options,
                                 "Labels", LABEL_NAMESPACE, rw->context.ns.ptr,
                                 rw->context.ns.len, LABEL_ADDED, BRIDGE_NAME),
                       NULL);
        if (!ask)
            return name;
        /* 409: another exchange of the same runner was faster */
        if (!rewrite_is_done(ask) && ask->status != 409)
            bridge_failed(rw, ask);
    } else if (ask->status != 200) {
        drop_twins(rw, name);
    } else if (!labels_are_own(rw, json_object_get(ask->reply, "Labels"))) {
        rewrite_refuse(rw, 500,
                       "a network called %.*s exists on the engine without "
                       "the label %s; the operator has to remove it",
                       STR_FMT(name), LABEL_NAMESPACE);
        return S("");
    }
    return name;
}
