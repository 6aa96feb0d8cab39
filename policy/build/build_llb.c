#include <stdio.h>

#include "policy/build/build_private.h"

/*
 * LLB that a client sends itself (buildctl, bake's targets as contexts). Its
 * operations are known by the digests of their bytes, so they are read
 * strictly, judged, and passed as they are: what is wrong cannot be put right.
 * What the engine's own frontends make never comes by here.
 */

static bool refuse_fault(struct build_call *call, const char *field,
                         const struct pb_fault *fault)
{
    return build_forbid(call, "request.protobuf", field,
                        "an operation is not understood: %s%s%s; if the client "
                        "is newer than this berth, update berth",
                        fault->where, fault->where[0] ? " " : "", fault->what);
}

/* ---- mounts ---- */

static bool judge_cache_mount(struct build_call *call,
                              const struct pb_message *mount, const char *field)
{
    struct str id = pb_text(pb_child(mount, MOUNT_CACHE), 1);
    AUTO(strbuf_fini) struct strbuf space = STRBUF(KIB);

    build_cache_space(call->view, &space);
    if (space.len == 0)
        return true;
    strbuf_add_char(&space, '/');
    return str_has_prefix(id, strbuf_str(&space)) ||
           build_forbid(call, "build.cache", field,
                        "the cache mount \"%.*s\" is not of this runner's "
                        "cache, whose names begin with \"%.*s\"",
                        STR_FMT(str_head(id, 80)), STR_FMT(strbuf_str(&space)));
}

static bool judge_mount(struct build_call *call, const struct pb_message *mount,
                        const char *field)
{
    switch (pb_number(mount, MOUNT_TYPE)) {
    case MOUNT_IS_CACHE:
        return judge_cache_mount(call, mount, field);
    case MOUNT_IS_SECRET:
        build_note(call, "secrets", pb_text(pb_child(mount, MOUNT_SECRET), 1));
        return true;
    case MOUNT_IS_SSH:
        build_note(call, "ssh", pb_text(pb_child(mount, MOUNT_SSH), 1));
        return true;
    default:
        return true;
    }
}

bool build_judge_mounts(struct build_call *call, const struct pb_message *from,
                        unsigned number, const char *field)
{
    for (const struct pb_value *value = pb_find(from, number); value;
         value = pb_next(value))
        if (!judge_mount(call, value->message, field))
            return false;
    return true;
}

/* ---- steps ---- */

bool build_judge_meta(struct build_call *call, const struct pb_message *meta,
                      const char *field)
{
    const char *ours = call->view->rules->container.cgroup_parent;
    struct str cgroup = pb_text(meta, META_CGROUP);

    return cgroup.len == 0 || str_eq(cgroup, str_from(ours)) ||
           build_refuse(call, 403, "container.cgroup_parent", field,
                        "the cgroup \"%.*s\" would take the build out of its "
                        "limits; leave it out",
                        STR_FMT(str_head(cgroup, 100)));
}

bool build_judge_modes(struct build_call *call, uint64_t network,
                       uint64_t security, const char *field)
{
    const struct build_rules *rules = &call->view->rules->build;

    if (network == NET_HOST && !rules->host_network &&
        !build_refuse(call, 403, "build.host_network", field,
                      "builds may not use the network of the host here; to "
                      "allow it, set build.host_network to true in the policy"))
        return false;
    return security == SECURITY_SANDBOX || rules->insecure ||
           build_refuse(call, 403, "build.insecure", field,
                        "builds may not run privileged steps here; to allow "
                        "it, set build.insecure to true in the policy");
}

/*
 * A step's result is kept for every build that asks for the same step, and its
 * host name is what keeps runners apart. One without ours was not made by the
 * engine's own frontend for this runner.
 */
static bool judge_salt(struct build_call *call, const struct pb_message *exec,
                       const char *field)
{
    AUTO(strbuf_fini) struct strbuf salt = STRBUF(KIB);

    build_salt(call->view, &salt);
    return salt.len == 0 || call->view->rules->build.llb ||
           str_eq(pb_text(pb_child(exec, EXEC_META), META_HOSTNAME),
                  strbuf_str(&salt)) ||
           build_refuse(call, 403, "build.llb", field,
                        "steps that a client has written itself, instead of a "
                        "Dockerfile, would share the cache of all runners; to "
                        "allow it, set build.llb to true in the policy");
}

static bool judge_devices(struct build_call *call,
                          const struct pb_message *exec, const char *field)
{
    for (const struct pb_value *value = pb_find(exec, EXEC_DEVICES); value;
         value = pb_next(value)) {
        struct str name = pb_text(value->message, 1);

        if (!strings_match(&call->view->rules->build.devices, name) &&
            !build_refuse(call, 403, "build.devices", field,
                          "the build may not use the device \"%.*s\" here; to "
                          "allow it, add it to build.devices in the policy",
                          STR_FMT(str_head(name, 100))))
            return false;
    }
    return true;
}

static void note_secret_env(struct build_call *call,
                            const struct pb_message *exec)
{
    for (const struct pb_value *value = pb_find(exec, EXEC_SECRETS); value;
         value = pb_next(value))
        build_note(call, "secrets", pb_text(value->message, 1));
}

static bool judge_exec(struct build_call *call, const struct pb_message *exec,
                       const char *field)
{
    note_secret_env(call, exec);
    return build_judge_modes(call, pb_number(exec, EXEC_NETWORK),
                             pb_number(exec, EXEC_SECURITY), field) &&
           build_judge_meta(call, pb_child(exec, EXEC_META), field) &&
           judge_devices(call, exec, field) && judge_salt(call, exec, field) &&
           build_judge_mounts(call, exec, EXEC_MOUNTS, field);
}

static bool judge_op(struct build_call *call, struct str bytes,
                     const char *field)
{
    struct pb_tree tree = {.values = call->tree.values};
    struct pb_message *op;
    struct pb_fault fault;
    bool good = true;

    if (pb_parse(&tree, &schema_op, bytes, PB_STRICT, &op, &fault) != 0)
        good = refuse_fault(call, field, &fault);
    else if (pb_child(op, OP_BUILD))
        good = build_forbid(call, "build.llb", field,
                            "an operation that reads further operations from "
                            "a file cannot be judged");
    else if (pb_child(op, OP_SOURCE))
        good = build_judge_source(call, pb_child(op, OP_SOURCE), field);
    else if (pb_child(op, OP_EXEC))
        good = judge_exec(call, pb_child(op, OP_EXEC), field);
    call->tree.values = tree.values; /* one limit for all of a message */
    pb_tree_fini(&tree);
    return good;
}

/* The sources of a source map's files are definitions too. */
static bool judge_source_map(struct build_call *call,
                             const struct pb_message *map, const char *field)
{
    for (const struct pb_value *value = pb_find(map, SOURCE_INFOS); value;
         value = pb_next(value)) {
        const struct pb_message *below =
            pb_child(value->message, SOURCE_INFO_DEFINITION);

        if (below && !build_judge_definition(call, below, field))
            return false;
    }
    return true;
}

bool build_judge_definition(struct build_call *call,
                            const struct pb_message *definition,
                            const char *field)
{
    size_t index = 0;
    char at[100];

    for (const struct pb_value *value = pb_find(definition, DEFINITION_OPS);
         value; value = pb_next(value)) {
        snprintf(at, sizeof(at), "%.60s.def[%zu]", field, index++);
        if (!judge_op(call, value->bytes, at))
            return false;
    }
    return judge_source_map(call, pb_child(definition, DEFINITION_SOURCE),
                            field);
}

bool build_judge_definitions(struct build_call *call,
                             const struct pb_message *message, unsigned number,
                             const char *field)
{
    for (const struct pb_value *value = pb_find(message, number); value;
         value = pb_next(value)) {
        const struct pb_message *definition = pb_child(value->message, 2);

        if (definition && !build_judge_definition(call, definition, field))
            return false;
    }
    return true;
}
