#include "policy/build/build_private.h"

/* LLBBridge: what a build's own client asks of the engine while it runs. */

static bool judge_solve(struct build_call *call, struct pb_message *solve)
{
    struct str frontend = pb_text(solve, GATEWAY_FRONTEND);
    const struct pb_message *definition = pb_child(solve, GATEWAY_DEFINITION);

    if (pb_number(solve, GATEWAY_FINAL) ||
        pb_text(solve, GATEWAY_EXPORTER_ATTR).len)
        return build_forbid(call, "request.unsupported", "Final",
                            "a solve that ends the build by itself, without "
                            "Return, is not supported here");
    return build_judge_frontend(call, frontend) &&
           build_judge_attrs(call, solve, GATEWAY_OPTIONS, frontend) &&
           build_judge_caches(call, solve, GATEWAY_CACHE_IMPORTS,
                              "CacheImports", false) &&
           (!definition ||
            build_judge_definition(call, definition, "Definition")) &&
           build_judge_definitions(call, solve, GATEWAY_INPUTS,
                                   "FrontendInputs") &&
           build_judge_policies(call, solve, GATEWAY_POLICIES,
                                "SourcePolicies");
}

/* ---- Return ---- */

enum {
    RETURN_RESULT = 1,
    RESULT_METADATA = 10,
    RESULT_REF = 3,
    RESULT_REFS = 4,
    REF_DEFINITION = 2,
};

/* Metadata that an exporter reads as names or digests of images; the config of
 * an image is the runner's own to write. */
static bool is_metadata_of_ours(struct str key)
{
    struct str config = S("containerimage.config");

    if (str_eq(key, S("image.name")))
        return true;
    if (!str_has_prefix(key, S("containerimage.")))
        return false;
    return !(str_eq(key, config) ||
             str_has_prefix(key, S("containerimage.config/")) ||
             str_eq(key, S("containerimage.base.config")) ||
             str_has_prefix(key, S("containerimage.base.config/")) ||
             str_has_prefix(key, S("containerimage.inlinecache")) ||
             str_has_prefix(key, S("containerimage.buildinfo")));
}

static bool judge_ref(struct build_call *call, const struct pb_message *ref)
{
    const struct pb_message *definition = pb_child(ref, REF_DEFINITION);

    return !definition ||
           build_judge_definition(call, definition, "result.ref.def");
}

static bool judge_return(struct build_call *call,
                         const struct pb_message *message)
{
    const struct pb_message *result = pb_child(message, RETURN_RESULT);
    const struct pb_message *refs = pb_child(result, RESULT_REFS);

    for (const struct pb_value *value = pb_find(result, RESULT_METADATA); value;
         value = pb_next(value))
        if (is_metadata_of_ours(pb_text(value->message, 1)))
            return build_forbid(
                call, "request.names", "result.metadata",
                "the key \"%.*s\" of a result would name "
                "images past the judgement",
                STR_FMT(str_head(pb_text(value->message, 1), 60)));
    for (const struct pb_value *value = pb_find(refs, 1); value;
         value = pb_next(value))
        if (!judge_ref(call, pb_child(value->message, 2)))
            return false;
    return judge_ref(call, pb_child(result, RESULT_REF));
}

/* ---- looking up ---- */

enum {
    CONFIG_REF = 1,
    CONFIG_SESSION = 6,
    CONFIG_POLICIES = 8,
    META_SOURCE = 1,
    META_POLICIES = 8,
};

static bool judge_resolve_config(struct build_call *call,
                                 struct pb_message *message)
{
    struct str session = pb_text(message, CONFIG_SESSION);
    struct build_id id;

    if (session.len) {
        if (!build_id_in(call, "SessionID", session, &id))
            return false;
        pb_set_text(&call->tree, message, CONFIG_SESSION,
                    pb_keep(&call->tree, build_id_str(&id)));
    }
    return build_judge_image(call, pb_text(message, CONFIG_REF), "Ref") &&
           build_judge_policies(call, message, CONFIG_POLICIES,
                                "SourcePolicies");
}

static bool judge_resolve_source(struct build_call *call,
                                 const struct pb_message *message)
{
    const struct pb_message *source = pb_child(message, META_SOURCE);

    return (!source || build_judge_source(call, source, "Source")) &&
           build_judge_policies(call, message, META_POLICIES, "SourcePolicies");
}

/* ---- containers to look around in ---- */

enum {
    CONTAINER_ID = 1,
    CONTAINER_MOUNTS = 2,
    CONTAINER_NETWORK = 3,
    EXEC_INIT = 2,
    INIT_META = 2,
    INIT_SECURITY = 5,
};

static bool judge_interactive(struct build_call *call)
{
    return call->view->rules->build.interactive ||
           build_refuse(call, 403, "build.interactive", "",
                        "containers to debug a build in are not allowed here; "
                        "to allow them, set build.interactive to true in the "
                        "policy");
}

/* It becomes a path in the engine (CVE-2026-33747). */
static bool judge_container_id(struct build_call *call, struct str id)
{
    bool good = id.len > 0 && id.len <= 64;

    for (size_t i = 0; good && i < id.len; i++)
        good = (id.ptr[i] >= 'a' && id.ptr[i] <= 'z') ||
               (id.ptr[i] >= 'A' && id.ptr[i] <= 'Z') ||
               (id.ptr[i] >= '0' && id.ptr[i] <= '9');
    return good || build_refuse(call, 400, "request.identifier", "ContainerID",
                                "\"%.*s\" is no identifier of a container: "
                                "letters and digits, 64 at most",
                                STR_FMT(str_head(id, 60)));
}

static bool judge_new_container(struct build_call *call,
                                const struct pb_message *message)
{
    return judge_interactive(call) &&
           judge_container_id(call, pb_text(message, CONTAINER_ID)) &&
           build_judge_modes(call, pb_number(message, CONTAINER_NETWORK),
                             SECURITY_SANDBOX, "Network") &&
           build_judge_mounts(call, message, CONTAINER_MOUNTS, "Mounts");
}

static bool judge_exec(struct build_call *call,
                       const struct pb_message *message)
{
    const struct pb_message *init = pb_child(message, EXEC_INIT);

    if (!judge_interactive(call))
        return false;
    return !init ||
           (judge_container_id(call, pb_text(init, CONTAINER_ID)) &&
            build_judge_modes(call, NET_UNSET, pb_number(init, INIT_SECURITY),
                              "Init.Security") &&
            build_judge_meta(call, pb_child(init, INIT_META), "Init.Meta"));
}

bool build_judge_bridge(struct build_call *call, struct pb_message *message)
{
    switch ((int)call->method->id) {
    case RPC_BRIDGE_SOLVE:
        return judge_solve(call, message);
    case RPC_BRIDGE_RETURN:
        return judge_return(call, message);
    case RPC_BRIDGE_RESOLVE_CONFIG:
        return judge_resolve_config(call, message);
    case RPC_BRIDGE_RESOLVE_SOURCE:
        return judge_resolve_source(call, message);
    case RPC_BRIDGE_NEW_CONTAINER:
        return judge_new_container(call, message);
    case RPC_BRIDGE_CONTAINER:
        return judge_interactive(call) &&
               judge_container_id(call, pb_text(message, CONTAINER_ID));
    case RPC_BRIDGE_EXEC:
        return judge_exec(call, message);
    default:
        return true; /* refs of results are the build's own */
    }
}
