#include "policy/build/build_private.h"
#include "policy/judge/build_sources.h"

/* Control.Solve: a build begins. */

/* What an old client, or one that speaks to old engines too, says in older
 * fields, said in the new ones: then there is one place to judge. */
static void fold_exporter(struct build_call *call, struct pb_message *solve)
{
    struct str type = pb_text(solve, SOLVE_OLD_EXPORTER);
    struct pb_message *exporter;

    if (type.len && !pb_find(solve, SOLVE_EXPORTERS)) {
        exporter = pb_add_message(&call->tree, solve, SOLVE_EXPORTERS);
        pb_set_text(&call->tree, exporter, ENTRY_TYPE, type);
        for (const struct pb_value *value =
                 pb_find(solve, SOLVE_OLD_EXPORTER_ATTRS);
             value; value = pb_next(value))
            pb_map_set(&call->tree, exporter, ENTRY_ATTRS,
                       pb_text(value->message, 1), pb_text(value->message, 2));
    }
    pb_remove(solve, SOLVE_OLD_EXPORTER);
    pb_remove(solve, SOLVE_OLD_EXPORTER_ATTRS);
}

/* For engines that do not know the new field (before 26): the first exporter,
 * as clients write it. */
static void unfold_exporter(struct build_call *call, struct pb_message *solve)
{
    const struct pb_message *exporter = pb_child(solve, SOLVE_EXPORTERS);

    if (!exporter)
        return;
    pb_set_text(&call->tree, solve, SOLVE_OLD_EXPORTER,
                pb_text(exporter, ENTRY_TYPE));
    for (const struct pb_value *value = pb_find(exporter, ENTRY_ATTRS); value;
         value = pb_next(value))
        pb_map_set(&call->tree, solve, SOLVE_OLD_EXPORTER_ATTRS,
                   pb_text(value->message, 1), pb_text(value->message, 2));
}

static struct pb_message *add_cache(struct build_call *call,
                                    struct pb_message *cache, unsigned number,
                                    struct str ref)
{
    struct pb_message *entry = pb_add_message(&call->tree, cache, number);

    pb_set_text(&call->tree, entry, ENTRY_TYPE, S("registry"));
    pb_map_set(&call->tree, entry, ENTRY_ATTRS, S("ref"), ref);
    return entry;
}

static void fold_cache(struct build_call *call, struct pb_message *cache)
{
    struct str ref = pb_text(cache, CACHE_OLD_EXPORT);

    for (const struct pb_value *value = pb_find(cache, CACHE_OLD_IMPORTS);
         value; value = pb_next(value))
        add_cache(call, cache, CACHE_IMPORTS, value->bytes);
    if (ref.len) {
        struct pb_message *entry = add_cache(call, cache, CACHE_EXPORTS, ref);

        for (const struct pb_value *value =
                 pb_find(cache, CACHE_OLD_EXPORT_ATTRS);
             value; value = pb_next(value))
            if (!str_eq(pb_text(value->message, 1), S("ref")))
                pb_map_set(&call->tree, entry, ENTRY_ATTRS,
                           pb_text(value->message, 1),
                           pb_text(value->message, 2));
    }
    pb_remove(cache, CACHE_OLD_EXPORT);
    pb_remove(cache, CACHE_OLD_IMPORTS);
    pb_remove(cache, CACHE_OLD_EXPORT_ATTRS);
}

static bool judge_caches(struct build_call *call, struct pb_message *solve)
{
    struct pb_message *cache = pb_child(solve, SOLVE_CACHE);

    if (!cache)
        return true;
    fold_cache(call, cache);
    return build_judge_caches(call, cache, CACHE_EXPORTS, "Cache.Exports",
                              true) &&
           build_judge_caches(call, cache, CACHE_IMPORTS, "Cache.Imports",
                              false);
}

/* "device", "device=vendor.com/gpu" */
static bool judge_device(struct build_call *call, struct str entitlement)
{
    struct str word, name;

    str_cut(entitlement, '=', &word, &name);
    str_cut(name, ',', &name, &word);
    return strings_match(&call->view->rules->build.devices,
                         name.len ? name : S("*")) ||
           build_refuse(call, 403, "build.devices", "Entitlements",
                        "the build may not use the device \"%.*s\" here; to "
                        "allow it, add it to build.devices in the policy",
                        STR_FMT(str_head(name, 100)));
}

static bool judge_entitlement(struct build_call *call, struct str word)
{
    const struct build_rules *rules = &call->view->rules->build;

    build_note(call, "entitlements", word);
    if (str_eq(word, S("network.host")))
        return rules->host_network ||
               build_refuse(call, 403, "build.host_network", "Entitlements",
                            "builds may not use the network of the host here; "
                            "to allow it, set build.host_network to true in "
                            "the policy");
    if (str_eq(word, S("security.insecure")))
        return rules->insecure ||
               build_refuse(call, 403, "build.insecure", "Entitlements",
                            "builds may not run privileged steps here; to "
                            "allow it, set build.insecure to true in the "
                            "policy");
    if (str_eq(word, S("device")) || str_has_prefix(word, S("device=")))
        return judge_device(call, word);
    return build_forbid(call, "request.unknown_fields", "Entitlements",
                        "the entitlement \"%.*s\" is not known to this berth",
                        STR_FMT(str_head(word, 100)));
}

static bool judge_entitlements(struct build_call *call,
                               const struct pb_message *solve)
{
    for (const struct pb_value *value = pb_find(solve, SOLVE_ENTITLEMENTS);
         value; value = pb_next(value))
        if (!judge_entitlement(call, value->bytes))
            return false;
    return true;
}

static bool judge_session(struct build_call *call, struct pb_message *solve)
{
    struct str session = pb_text(solve, SOLVE_SESSION);

    if (pb_text(solve, SOLVE_POLICY_SESSION).len)
        return build_forbid(call, "request.unsupported", "SourcePolicySession",
                            "policies that a session answers are not supported "
                            "here, for its answers change what was judged; "
                            "give the rules as a file "
                            "(EXPERIMENTAL_BUILDKIT_SOURCE_POLICY)");
    if (pb_number(solve, SOLVE_SESSION_EXPORTER)) {
        /* the session would add exporters after this judgement */
        pb_set_number(&call->tree, solve, SOLVE_SESSION_EXPORTER, 0);
        build_note_change(call, "EnableSessionExporter");
    }
    if (session.len == 0)
        return true;
    if (!build_id_in(call, "Session", session, &call->session))
        return false;
    pb_set_text(&call->tree, solve, SOLVE_SESSION,
                build_id_str(&call->session));
    return true;
}

static bool pulls_always(const struct pb_message *solve)
{
    return str_eq(pb_map_text(solve, SOLVE_ATTRS, S("image-resolve-mode")),
                  S("pull"));
}

/* Is the policy on sources to say more than whose the images are? */
static bool has_rules(const struct build_view *view)
{
    return !view->reports && (build_sources_are_judged(view->rules) ||
                              build_frontends_are_judged(view->rules));
}

static bool add_policy(struct build_call *call, struct pb_message *solve)
{
    struct pb_message *policy = pb_child(solve, SOLVE_POLICY);

    /* BuildKit 0.10 and older drop a policy without a word */
    if (!build_engine_is(call->view, 24, 0) && has_rules(call->view))
        return build_refuse(call, 403, "build.engine", "SourcePolicy",
                            "BuildKit before Docker Engine 24 cannot be kept "
                            "to images.registries, build.remotes and "
                            "build.frontends; use the classic builder "
                            "(DOCKER_BUILDKIT=0), or have the operator update "
                            "the engine");
    if (policy && !build_judge_policy(call, policy, "SourcePolicy"))
        return false;
    if (!policy)
        policy = pb_add_message(&call->tree, solve, SOLVE_POLICY);
    pb_set_number(&call->tree, policy, POLICY_VERSION, 1);
    /* with --pull a registry is asked, as Docker does; under the real name */
    build_add_rules(call, policy, !pulls_always(solve));
    return true;
}

static bool judge_ref(struct build_call *call, struct pb_message *solve)
{
    struct str ref = pb_text(solve, SOLVE_REF);

    if (!build_id_in(call, "Ref", ref, &call->ref))
        return false;
    build_note_one(call, "ref", ref);
    pb_set_text(&call->tree, solve, SOLVE_REF, build_id_str(&call->ref));
    return true;
}

bool build_judge_solve(struct build_call *call, struct pb_message *solve)
{
    struct str frontend = pb_text(solve, SOLVE_FRONTEND);

    fold_exporter(call, solve);
    if (!judge_ref(call, solve) || !judge_session(call, solve) ||
        !build_judge_frontend(call, frontend) ||
        !build_judge_attrs(call, solve, SOLVE_ATTRS, frontend) ||
        !judge_entitlements(call, solve) || !judge_caches(call, solve) ||
        !build_judge_exporters(call, solve))
        return false;
    if (pb_find(solve, SOLVE_DEFINITION) &&
        !build_judge_definition(call, pb_child(solve, SOLVE_DEFINITION),
                                "Definition"))
        return false;
    if (!build_judge_definitions(call, solve, SOLVE_INPUTS, "FrontendInputs"))
        return false;
    unfold_exporter(call, solve);
    return add_policy(call, solve);
}
