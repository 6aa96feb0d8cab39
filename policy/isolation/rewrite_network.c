#include "policy/isolation/rewrite_private.h"

#include <stdio.h>

void rewrite_network_create(struct rewrite *rw)
{
    bool old = rw->context.engine_minor && rw->context.engine_minor < 44;

    if (str_of_json(json_object_get(rw->draft, "Name")).len == 0)
        rewrite_refuse(rw, old ? 500 : 400, "invalid name: ");
    rewrite_body(rw);
}

void rewrite_volume_create(struct rewrite *rw)
{
    rewrite_body(rw);
}

void rewrite_network_inspect(struct rewrite *rw)
{
    rewrite_set_param(rw, 0, resolve_network(rw, rw->match->params[0].value));
}

void rewrite_network_delete(struct rewrite *rw)
{
    struct str ref = rw->match->params[0].value, name;

    if (!str_eq(ref, S(BRIDGE_NAME)))
        ref = resolve_network(rw, ref);
    name = namespace_strip(rw->context.ns, ref);
    /* not "default": there is no network of that name to delete */
    if (!str_eq(name, S("default")) && network_is_predefined(name))
        rewrite_refuse(rw, 403,
                       "%.*s is a pre-defined network and cannot be removed",
                       STR_FMT(name));
    rewrite_set_param(rw, 0, ref);
}

/* Connect and disconnect. */
void rewrite_network_connect(struct rewrite *rw)
{
    bool connects = rw->match->route->operation == OP_NETWORK_CONNECT;
    struct str network = resolve_network(rw, rw->match->params[0].value);
    struct str container = str_of_json(json_object_get(rw->draft, "Container"));
    struct str name = S("");
    json_t *endpoint;

    if (str_eq(network, S("host")))
        rewrite_refuse(rw, 400,
                       "container cannot be disconnected from host network or "
                       "connected to host network");
    rewrite_set_param(rw, 0, network);
    if (connects) /* kept: the body is about to change */
        name = rewrite_keep(rw, container_plain_name(rw, container));
    rewrite_body(rw);
    if (!connects || name.len == 0 || is_own_bridge(rw, network) ||
        str_eq(network, S("none")))
        return;
    endpoint = json_object_get(rw->draft, "EndpointConfig");
    if (!json_is_object(endpoint)) {
        endpoint = json_object();
        json_object_set_new(rw->draft, "EndpointConfig", endpoint);
    }
    aliases_add(endpoint, name,
                namespace_has(rw->context.ns, network)
                    ? namespace_strip(rw->context.ns, network)
                    : S(""));
}

/* ---- DNS names ---- */

static json_t *scoped(struct str name, struct str network)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

    strbuf_addf(&out, "%.*s.%.*s", STR_FMT(name), STR_FMT(network));
    return json_of_str(strbuf_str(&out));
}

/*
 * The engine's DNS knows a container as "<namespace>.db" and
 * "<namespace>.db.<namespace>.net"; its neighbours ask for "db", "db.net", and
 * each alias also as "alias.net". So those become aliases, behind the
 * client's own.
 */
void aliases_add(json_t *endpoint, struct str name, struct str network)
{
    json_t *aliases = json_object_get(endpoint, "Aliases");
    size_t count = json_array_size(aliases);

    if (!json_is_array(aliases)) {
        aliases = json_array();
        json_object_set_new(endpoint, "Aliases", aliases);
    }
    json_array_append_new(aliases, json_of_str(name));
    if (network.len == 0)
        return;
    json_array_append_new(aliases, scoped(name, network));
    for (size_t i = 0; i < count; i++) {
        struct str alias = str_of_json(json_array_get(aliases, i));

        if (alias.len)
            json_array_append_new(aliases, scoped(alias, network));
    }
}

/* Where TEXT is last in LIST before END; END: nowhere. */
static size_t last_of(const json_t *list, struct str text, size_t end)
{
    for (size_t i = end; i-- > 0;) {
        if (str_eq(str_of_json(json_array_get(list, i)), text))
            return i;
    }
    return end;
}

/* "NAME.NETWORK", of a NAME that is in LIST or is the container's own? */
static bool is_scoped(const json_t *list, struct str alias, struct str name,
                      struct str network)
{
    size_t count = json_array_size(list);
    struct str head;

    if (alias.len < network.len + 2 || !str_has_suffix(alias, network) ||
        alias.ptr[alias.len - network.len - 1] != '.')
        return false;
    head = str_head(alias, alias.len - network.len - 1);
    return str_eq(head, name) || last_of(list, head, count) < count;
}

static void remove_scoped(json_t *list, struct str name, struct str network)
{
    if (network.len == 0)
        return;
    for (size_t i = json_array_size(list); i-- > 0;) {
        if (is_scoped(list, str_of_json(json_array_get(list, i)), name,
                      network))
            json_array_remove(list, i);
    }
}

static void null_if_empty(json_t *endpoint, const char *key)
{
    if (json_is_array(json_object_get(endpoint, key)) &&
        json_array_size(json_object_get(endpoint, key)) == 0)
        json_object_set_new(endpoint, key, json_null());
}

void aliases_remove(json_t *endpoint, struct str name, struct str network)
{
    json_t *aliases = json_object_get(endpoint, "Aliases");
    json_t *names = json_object_get(endpoint, "DNSNames");
    size_t at = last_of(aliases, name, json_array_size(aliases));

    remove_scoped(aliases, name, network);
    at = last_of(aliases, name, json_array_size(aliases));
    if (at < json_array_size(aliases))
        json_array_remove(aliases, at);
    null_if_empty(endpoint, "Aliases");

    /* the engine lists each once; the first is the container's name */
    remove_scoped(names, name, network);
    at = last_of(names, name, json_array_size(names));
    if (at > 0 && at < json_array_size(names))
        json_array_remove(names, at);
}
