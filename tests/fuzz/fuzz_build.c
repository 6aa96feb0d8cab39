/*
 * The input is a byte that chooses a method of gRPC, and a message of the
 * runner's. Property: what is sent on has no name outside of the namespace and
 * nothing that the defaults do not allow. The same bytes are then taken as the
 * engine's reply, and as the details of an error.
 */

#include <assert.h>
#include <stdlib.h>

#include "policy/base/limits.h"
#include "policy/build/build.h"
#include "policy/build/pb.h"
#include "policy/build/schema.h"
#include "tests/fuzz/fuzz.h"

static struct rules *rules_of(void)
{
    static struct rules rules;
    static bool read;
    json_auto_t *none = NULL;

    if (!read) {
        struct environment environment = {0};
        struct problems problems = {0};
        struct layer layer = {.name = "fuzz"};

        none = json_object();
        layer.root = none;
        settings_read(&rules_shape, &rules, &layer, 1, &environment, &problems);
        assert(problems.count == 0);
        read = true;
    }
    return &rules;
}

static struct pb_message *read_again(struct pb_tree *tree,
                                     const struct rpc_method *method,
                                     const struct strbuf *out)
{
    struct pb_message *message;
    struct pb_fault fault;
    int r = pb_parse(tree, method->asked, strbuf_str(out), PB_STRICT, &message,
                     &fault);

    assert(r == 0);
    return message;
}

static void is_scoped(struct str id)
{
    assert(str_has_prefix(id, S("r1.")));
    assert(str_find(str_from_index(id, 3), '.') < 0 && str_find(id, '/') < 0);
}

static void names_are_ours(struct str names)
{
    struct str name;
    bool more = names.len > 0;

    while (more) {
        more = str_cut(names, ',', &name, &names);
        assert(str_has_prefix(name, S("r1.berth.invalid/")) ||
               str_has_prefix(name, S("r1.anchor.berth.invalid/new:")));
    }
}

static void exporters_are_ours(const struct pb_message *solve)
{
    for (const struct pb_value *value = pb_find(solve, SOLVE_EXPORTERS); value;
         value = pb_next(value)) {
        struct str type = pb_text(value->message, ENTRY_TYPE);
        bool stores =
            pb_map_find(value->message, ENTRY_ATTRS, S("store")) == NULL;

        if ((str_eq(type, S("moby")) || str_eq(type, S("image"))) && stores)
            names_are_ours(pb_map_text(value->message, ENTRY_ATTRS, S("name")));
    }
}

static void options_are_harmless(const struct pb_message *message,
                                 unsigned number)
{
    static const struct str never[] = {STR("cgroup-parent"), STR("cpusetcpus")};

    assert(!str_eq(pb_map_text(message, number, S("force-network-mode")),
                   S("host")));
    for (size_t i = 0; i < 2; i++)
        assert(pb_map_text(message, number, never[i]).len == 0);
    for (const struct pb_value *value = pb_find(message, number); value;
         value = pb_next(value)) {
        struct str key = pb_text(value->message, 1);

        assert(!str_has_prefix(key, S("label:berth.")));
        if (str_has_prefix(key, S("local-sessionid:")))
            is_scoped(pb_text(value->message, 2));
    }
}

static void our_rules_are_last(const struct pb_message *solve)
{
    const struct pb_message *policy = pb_child(solve, SOLVE_POLICY);
    const struct pb_value *last = NULL;

    for (const struct pb_value *value = pb_find(policy, POLICY_RULES); value;
         value = pb_next(value))
        last = value;
    assert(last && pb_number(last->message, RULE_ACTION) == POLICY_DENY);
    assert(str_has_prefix(
        pb_text(pb_child(last->message, RULE_SELECTOR), SELECTOR_IDENTIFIER),
        S("^docker-image://r1\\.berth\\.invalid/")));
}

static void solve_is_harmless(const struct pb_message *solve)
{
    is_scoped(pb_text(solve, SOLVE_REF));
    if (pb_text(solve, SOLVE_SESSION).len)
        is_scoped(pb_text(solve, SOLVE_SESSION));
    assert(pb_find(solve, SOLVE_ENTITLEMENTS) == NULL);
    assert(pb_number(solve, SOLVE_SESSION_EXPORTER) == 0);
    assert(pb_text(solve, SOLVE_POLICY_SESSION).len == 0);
    exporters_are_ours(solve);
    options_are_harmless(solve, SOLVE_ATTRS);
    our_rules_are_last(solve);
}

static void is_harmless(const struct rpc_method *method,
                        const struct strbuf *out)
{
    struct pb_tree tree = {0};
    struct pb_message *message = read_again(&tree, method, out);

    if (method->id == RPC_SOLVE)
        solve_is_harmless(message);
    if (method->id == RPC_BRIDGE_SOLVE)
        options_are_harmless(message, GATEWAY_OPTIONS);
    if (method->id == RPC_STATUS || method->id == RPC_UPDATE_HISTORY)
        is_scoped(pb_text(message, 1));
    pb_tree_fini(&tree);
}

static void judge(const struct rpc_method *method, struct str text)
{
    struct build_view view = {
        .ns = S("r1"),
        .rules = rules_of(),
        .engine = S("28.5.2"),
        .containerd_store = true,
        .memory = build_memory_new(),
    };
    struct build_call *call = build_call_new(&view, method, 1);
    struct strbuf out = STRBUF(4 * MIB), id = STRBUF(KIB);
    struct verdict why;

    if (method->scoped)
        build_metadata(call, BUILD_REQUEST, S("buildkit-controlapi-buildid"),
                       S("b1"), &id, &why);
    if (build_message(call, BUILD_REQUEST, text, &out, &why) == 0) {
        if (method->side == RPC_CONTROL && method->asked &&
            !build_is_answered(call))
            is_harmless(method, &out);
    } else {
        assert(why.kind == VERDICT_DENY && why.reason[0]);
    }
    strbuf_clear(&out);
    build_message(call, BUILD_REPLY, text, &out, &why);
    strbuf_clear(&out);
    build_error_details(call, text, &out);
    build_call_free(call);
    build_memory_free(view.memory);
    strbuf_fini(&out);
    strbuf_fini(&id);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const struct rpc_method *method;

    if (len == 0 || len > 64 * KIB)
        return 0;
    method = &rpc_methods[bytes[0] % rpc_method_count];
    judge(method, str_of((const char *)bytes + 1, len - 1));
    return 0;
}
