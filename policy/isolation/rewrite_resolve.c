#include "policy/isolation/rewrite_private.h"

/* ---- containers ---- */

static struct str without_slash(struct str ref)
{
    return ref.len && ref.ptr[0] == '/' ? str_from_index(ref, 1) : ref;
}

/* The namespace's containers, or as many of them as have the full ID REF. */
static const json_t *own_containers(struct rewrite *rw, struct str ref)
{
    static const char path[] = "/containers/json?all=1&filters=";
    const struct lookup *ask = rewrite_get(
        rw, rewrite_path_to_own(rw, path, is_full_id(ref) ? "id" : NULL, ref));

    return ask ? ask->reply : NULL;
}

const json_t *own_container_list(struct rewrite *rw)
{
    return own_containers(rw, S(""));
}

static bool has_name(const json_t *container, struct str engine_name)
{
    const json_t *name;
    size_t i;

    json_array_foreach(json_object_get(container, "Names"), i, name)
    {
        if (str_eq(without_slash(str_of_json(name)), engine_name))
            return true;
    }
    return false;
}

struct found {
    const json_t *object; /* NULL: none */
    bool by_name;
    size_t count; /* of those whose ID begins so, if there is no better one */
};

/* As an engine does: a full ID, else a name, else the only ID that begins so.
 */
static struct found find_container(struct rewrite *rw, const json_t *list,
                                   struct str ref)
{
    struct str name = rewrite_prefix(rw, ref);
    struct found found = {0};
    const json_t *container;
    size_t i;

    json_array_foreach(list, i, container)
    {
        struct str id = str_of_json(json_object_get(container, "Id"));

        if (!container_is_own(rw, container))
            continue;
        own_ids_note(rw, REF_CONTAINER, id);
        if (str_eq(id, ref))
            return (struct found){container, false, 1};
        if (has_name(container, name)) {
            found = (struct found){container, true, 1};
        } else if (str_has_prefix(id, ref) && !found.by_name) {
            found.object = container;
            found.count++;
        }
    }
    return found;
}

struct str resolve_container(struct rewrite *rw, struct str ref)
{
    const json_t *list;
    struct found found;

    ref = without_slash(ref);
    if (!is_hex_word(ref))
        return rewrite_prefix(rw, ref);
    if (is_full_id(ref) && own_ids_known(rw, REF_CONTAINER, ref))
        return ref;
    list = rewrite_may_look_up(rw) ? own_containers(rw, ref) : NULL;
    if (!list)
        return S("");
    found = find_container(rw, list, ref);
    if (found.count > 1) {
        bool old = rw->context.engine_minor && rw->context.engine_minor < 44;

        rewrite_refuse(rw, old ? 500 : 400,
                       "%cultiple IDs found with provided prefix: %.*s",
                       old ? 'M' : 'm', STR_FMT(ref));
        return S("");
    }
    if (!found.object || found.by_name)
        return rewrite_prefix(rw, ref); /* not there, or by that name */
    return rewrite_keep(rw, str_of_json(json_object_get(found.object, "Id")));
}

struct str container_plain_name(struct rewrite *rw, struct str ref)
{
    const json_t *list, *name;
    struct found found;
    size_t i;

    ref = without_slash(ref);
    if (!is_hex_word(ref) && str_find(ref, '/') < 0)
        return ref;
    list = own_containers(rw, ref);
    found = list ? find_container(rw, list, ref) : (struct found){0};
    json_array_foreach(json_object_get(found.object, "Names"), i, name)
    {
        struct str plain = without_slash(str_of_json(name));

        if (str_find(plain, '/') < 0)
            return rewrite_keep(rw, namespace_strip(rw->context.ns, plain));
    }
    return S("");
}

const struct lookup *container_inspected(struct rewrite *rw, struct str ref)
{
    return rewrite_get(rw, rewrite_path_to(rw, "/containers/", ref, "/json"));
}

const struct lookup *rewrite_mounts_of(struct rewrite *rw, const json_t *source)
{
    struct str ref, mode;

    str_cut(str_of_json(source), ':', &ref, &mode);
    return ref.len ? container_inspected(rw, ref) : NULL;
}

struct str resolve_exec(struct rewrite *rw, struct str id)
{
    const struct lookup *ask;
    struct str container;
    const json_t *list;

    if (own_ids_known(rw, REF_EXEC, id))
        return id;
    if (!is_full_id(id))
        return rewrite_prefix(rw, id);
    ask = rewrite_get(rw, rewrite_path_to(rw, "/exec/", id, "/json"));
    if (!ask)
        return S("");
    container = str_of_json(json_object_get(ask->reply, "ContainerID"));
    if (ask->status != 200 || !is_full_id(container)) {
        /* asked for in vain, so that it takes as long as for another's */
        own_containers(rw, id);
        return rewrite_prefix(rw, id);
    }
    if (!own_ids_known(rw, REF_CONTAINER, container)) {
        list = own_containers(rw, container);
        if (!list)
            return S("");
        if (!find_container(rw, list, container).object)
            return rewrite_prefix(rw, id);
    }
    own_ids_note(rw, REF_EXEC, id);
    return id;
}

/* ---- networks ---- */

/* "host" and "none" are everybody's: they hold nothing. */
static bool is_shared_network(const json_t *network)
{
    struct str name = str_of_json(json_object_get(network, "Name"));

    return str_eq(name, S("host")) || str_eq(name, S("none"));
}

static bool is_engine_bridge(const json_t *network)
{
    return str_eq(str_of_json(json_object_get(network, "Name")),
                  S(BRIDGE_NAME));
}

static bool network_is_own(const struct rewrite *rw, const json_t *network)
{
    return namespace_has(rw->context.ns,
                         str_of_json(json_object_get(network, "Name"))) &&
           labels_are_own(rw, json_object_get(network, "Labels"));
}

static struct found find_network(struct rewrite *rw, const json_t *list,
                                 struct str ref)
{
    struct str name = rewrite_prefix(rw, ref);
    bool has_bridge = networks_have_own_bridge(rw, list);
    struct found found = {0};
    const json_t *network;
    size_t i;

    json_array_foreach(list, i, network)
    {
        struct str id = str_of_json(json_object_get(network, "Id"));

        if (!network_is_own(rw, network) && !is_shared_network(network) &&
            (has_bridge || !is_engine_bridge(network)))
            continue;
        if (str_eq(id, ref))
            return (struct found){network, false, 1};
        if (str_eq(str_of_json(json_object_get(network, "Name")), name)) {
            found = (struct found){network, true, 1};
        } else if (str_has_prefix(id, ref) && !found.by_name) {
            found.object = network;
            found.count++;
        }
    }
    return found;
}

static struct str find_network_id(struct rewrite *rw, struct str ref)
{
    const struct lookup *ask =
        rewrite_may_look_up(rw) ? rewrite_get(rw, S("/networks")) : NULL;
    struct found found;

    if (!ask)
        return S("");
    found = find_network(rw, ask->reply, ref);
    if (found.count > 1) {
        rewrite_refuse(rw, 400,
                       "%zu matches found based on ID prefix: network %.*s is "
                       "ambiguous",
                       found.count, STR_FMT(ref));
        return S("");
    }
    if (!found.object || found.by_name)
        return rewrite_prefix(rw, ref);
    if (is_engine_bridge(found.object)) /* shown before there was ours */
        return own_bridge(rw);
    /* berth has to see when these are meant, by whatever name */
    if (is_shared_network(found.object) ||
        is_own_bridge(rw, str_of_json(json_object_get(found.object, "Name"))))
        return rewrite_keep(rw,
                            str_of_json(json_object_get(found.object, "Name")));
    ref = str_of_json(json_object_get(found.object, "Id"));
    own_ids_note(rw, REF_NETWORK, ref);
    return rewrite_keep(rw, ref);
}

struct str resolve_network(struct rewrite *rw, struct str ref)
{
    if (str_eq(ref, S(BRIDGE_NAME)))
        return own_bridge(rw);
    if (str_eq(ref, S("host")) || str_eq(ref, S("none")))
        return ref;
    if (!is_hex_word(ref))
        return rewrite_prefix(rw, ref);
    if (is_full_id(ref) && own_ids_known(rw, REF_NETWORK, ref))
        return ref;
    return find_network_id(rw, ref);
}

struct str resolve_mode(struct rewrite *rw, enum ref_kind kind, struct str mode)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    struct str container = S("container:");

    if (str_has_prefix(mode, container)) {
        strbuf_add(&out, container);
        strbuf_add(&out,
                   resolve_container(rw, str_from_index(mode, container.len)));
        return rewrite_keep(rw, strbuf_str(&out));
    }
    if (kind != REF_NETWORK)
        return mode;
    if (mode.len == 0 || str_eq(mode, S("default")))
        return own_bridge(rw);
    return resolve_network(rw, mode);
}

/* ---- volumes ---- */

struct str resolve_volume(struct rewrite *rw, struct str name)
{
    const struct lookup *ask;
    const json_t *volume;
    size_t i;

    if (!is_full_id(name))
        return rewrite_prefix(rw, name);
    /* an engine gives such names to volumes without one */
    if (own_ids_known(rw, REF_VOLUME, name))
        return name;
    ask = rewrite_get(
        rw, rewrite_path_to_own(rw, "/volumes?filters=", "name", name));
    if (!ask)
        return S("");
    json_array_foreach(json_object_get(ask->reply, "Volumes"), i, volume)
    {
        if (str_eq(str_of_json(json_object_get(volume, "Name")), name) &&
            labels_are_own(rw, json_object_get(volume, "Labels"))) {
            own_ids_note(rw, REF_VOLUME, name);
            return name;
        }
    }
    return rewrite_prefix(rw, name);
}

struct str resolve(struct rewrite *rw, enum ref_kind kind, struct str ref)
{
    switch (kind) {
    case REF_CONTAINER:
        return resolve_container(rw, ref);
    case REF_EXEC:
        return resolve_exec(rw, ref);
    case REF_NETWORK:
        return resolve_network(rw, ref);
    case REF_VOLUME:
        return resolve_volume(rw, ref);
    case REF_IMAGE:
        return resolve_image(rw, ref);
    case REF_NONE:
    case REF_CHECKPOINT:
    case REF_PLUGIN:
    case REF_SERVICE:
    case REF_NODE:
    case REF_TASK:
    case REF_SECRET:
    case REF_CONFIG:
    case REF_PROFILE:
        break;
    }
    rewrite_refuse(rw, 403, "there is no %s in a namespace",
                   ref_kind_name(kind));
    return S("");
}
