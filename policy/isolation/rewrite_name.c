#include "policy/isolation/rewrite_private.h"

/*
 * The name of a container: the one that its client gives or that is invented,
 * and another later on, which the aliases on its networks have to follow.
 */

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

struct str container_new_name(struct rewrite *rw)
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
