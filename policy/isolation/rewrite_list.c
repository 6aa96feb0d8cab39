#include "policy/isolation/rewrite_private.h"

/*
 * Lists and prunes. Our label is ANDed to what the client filters by, so that
 * the engine sends or removes nothing else; filters on names go by the names
 * that the client knows, so berth applies them to the reply.
 */

static void add_value(json_t *values, struct str value)
{
    if (value.len)
        json_object_setn_new(values, value.ptr, value.len, json_true());
}

/* Full IDs and names alone: here, an engine takes no short ones. */
static void map_container(struct rewrite *rw, struct str value, json_t *values)
{
    if (is_full_id(value))
        value = resolve_container(rw, value);
    else if (value.len)
        value = rewrite_prefix(rw, str_from_index(value, value.ptr[0] == '/'));
    add_value(values, value);
}

/* A network's name, or the start of its ID: both are tried. */
static void map_network(struct rewrite *rw, struct str value, json_t *values)
{
    if (is_hex_word(value) || str_eq(value, S("host")) ||
        str_eq(value, S("none")))
        add_value(values, value);
    add_value(values, rewrite_prefix(rw, value));
}

/* A volume's name, or the place where it is mounted. */
static void map_volume(struct rewrite *rw, struct str value, json_t *values)
{
    if (is_full_id(value) || (value.len && value.ptr[0] == '/'))
        add_value(values, value);
    add_value(values, rewrite_prefix(rw, value));
}

static bool all_are_full_ids(json_t *values)
{
    const char *text;
    json_t *value;

    json_object_foreach(values, text, value)
    {
        if (!is_full_id(str_from(text)))
            return false;
    }
    return true;
}

static void resolve_query(struct rewrite *rw, struct str key)
{
    struct str ref = rewrite_query(rw, key);

    if (ref.len)
        rewrite_set_query(rw, key, resolve_container(rw, ref));
}

/* Limit counts what is left by all filters, ours as well. */
static void take_limit(struct rewrite *rw)
{
    struct str limit = rewrite_query(rw, S("limit"));

    if (rw->filter_count == 0 || str_to_u64(limit, &rw->limit) ||
        rw->limit == 0)
        return;
    rw->has_limit = true;
    rewrite_drop_query(rw, S("limit"));
    rewrite_set_query(rw, S("all"), S("1")); /* it implies that */
}

void rewrite_container_list(struct rewrite *rw)
{
    json_t *filters = filters_read(rw);

    if (!filters)
        return;
    filters_claim(rw, filters);
    filters_keep(rw, filters, "name", FILTER_NAME);
    if (!all_are_full_ids(json_object_get(filters, "id")))
        filters_keep(rw, filters, "id", FILTER_PREFIX);
    filters_map(rw, filters, "before", map_container);
    filters_map(rw, filters, "since", map_container);
    filters_map(rw, filters, "network", map_network);
    filters_map(rw, filters, "volume", map_volume);
    filters_map_images(rw, filters, "ancestor");
    if (ports_are_runners(rw))
        filters_keep(rw, filters, "publish", FILTER_PUBLISH);
    resolve_query(rw, S("before"));
    resolve_query(rw, S("since"));
    take_limit(rw);
    filters_write(rw, filters);
}

static void prune(struct rewrite *rw)
{
    json_t *filters = filters_read(rw);

    if (!filters)
        return;
    filters_claim(rw, filters);
    filters_write(rw, filters);
}

/*
 * An engine's prune goes by labels alone. Between two steps of somebody's
 * classic build, a container of an image that has our label in it would go
 * along, and with it that build.
 */
static void keep_off_builds(struct rewrite *rw)
{
    const json_t *list = own_container_list(rw), *container;
    size_t i;

    json_array_foreach(list, i, container)
    {
        if (!container_is_own(rw, container) &&
            labels_are_own(rw, json_object_get(container, "Labels")))
            rewrite_refuse(rw, 409,
                           "a prune operation is already running: a build is "
                           "under way with a container that must not go; try "
                           "again");
    }
}

void rewrite_container_prune(struct rewrite *rw)
{
    prune(rw);
    keep_off_builds(rw);
}

void rewrite_volume_prune(struct rewrite *rw)
{
    prune(rw);
}

/*
 * The runner's own bridge is not to be pruned. Where the client names labels to
 * spare by itself, the engine spares only what has all of them: then it may go,
 * and is made again when it is needed.
 */
void rewrite_network_prune(struct rewrite *rw)
{
    json_t *filters = filters_read(rw);

    if (!filters)
        return;
    filters_claim(rw, filters);
    if (!json_object_get(filters, "label!"))
        json_object_set_new(filters, "label!",
                            json_pack("{s:b}", LABEL_ADDED, 1));
    filters_write(rw, filters);
}

static bool has_value(json_t *filters, const char *key, const char *value)
{
    return json_object_get(json_object_get(filters, key), value) != NULL;
}

/* The engine has words for other types than these. */
static bool types_are_known(json_t *filters)
{
    size_t known = (size_t)has_value(filters, "type", "builtin") +
                   (size_t)has_value(filters, "type", "custom");

    return json_object_size(json_object_get(filters, "type")) == known;
}

/*
 * Networks are few and "host" and "none" carry no label: all are asked for, and
 * berth picks.
 */
void rewrite_network_list(struct rewrite *rw)
{
    json_t *filters = filters_read(rw);

    if (!filters)
        return;
    filters_keep(rw, filters, "name", FILTER_NAME);
    filters_keep(rw, filters, "idOrName", FILTER_NAME);
    filters_keep(rw, filters, "id", FILTER_ID);
    if (types_are_known(filters))
        filters_keep(rw, filters, "type", FILTER_TYPE);
    /* the bridge is never one that could go */
    if (has_value(filters, "dangling", "true") ||
        has_value(filters, "dangling", "1")) {
        json_object_set_new(filters, "custom", json_pack("{s:b}", "custom", 1));
        filters_keep(rw, filters, "custom", FILTER_TYPE);
    }
    filters_write(rw, filters);
}

void rewrite_volume_list(struct rewrite *rw)
{
    json_t *filters = filters_read(rw);

    if (!filters)
        return;
    filters_claim(rw, filters);
    filters_keep(rw, filters, "name", FILTER_NAME);
    filters_write(rw, filters);
}

/* Does the client want events of containers alone? */
static bool is_about_containers(const json_t *filters)
{
    const json_t *types = json_object_get(filters, "type");

    return json_object_size(types) == 1 && json_object_get(types, "container");
}

/*
 * Events of networks and volumes carry no label, so these are sieved as well;
 * what names something is compared with the names that the runner knows. Those
 * of containers do, so that the engine need not send others'.
 */
void rewrite_events(struct rewrite *rw)
{
    json_t *filters = filters_read(rw);

    if (!filters)
        return;
    if (is_about_containers(filters))
        filters_claim(rw, filters);
    filters_keep(rw, filters, "container", FILTER_ACTOR);
    filters_keep(rw, filters, "network", FILTER_ACTOR);
    filters_keep(rw, filters, "volume", FILTER_ACTOR);
    filters_keep(rw, filters, "image", FILTER_IMAGE);
    filters_write(rw, filters);
}

/* What an engine of one's own would count: asked beside it. */
void rewrite_info(struct rewrite *rw)
{
    own_container_list(rw);
    rewrite_get(rw, S("/images/json?all=1"));
}

void rewrite_build_prune(struct rewrite *rw)
{
    /* all runners share the cache */
    rewrite_answer_with(
        rw, 200, json_pack("{s:n, s:i}", "CachesDeleted", "SpaceReclaimed", 0));
}
