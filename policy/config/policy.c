#include "policy/config/policy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "policy/base/subnet.h"
#include "policy/config/exposure.h"
#include "policy/config/url.h"
#include "policy/docker/operation_word.h"

struct policy *policy_ref(struct policy *policy)
{
    policy->refs++;
    return policy;
}

void policy_unref(struct policy *policy)
{
    if (policy == NULL)
        return;
    assert(policy->refs > 0);
    if (--policy->refs > 0)
        return;
    settings_fini(&policy_shape, policy);
    upstream_config_fini(&policy->upstream);
    for (size_t i = 0; i < policy->other_count; i++)
        upstream_config_fini(&policy->others[i]);
    free(policy->others);
    free(policy->namespace);
    free(policy);
}

bool policy_is_placed(const struct policy *policy)
{
    return policy->other_count > 0 || policy->upstream.srv;
}

bool policy_is_drained(const struct policy *policy,
                       const struct upstream_config *config)
{
    const struct strings *drain = &policy->upstream_keys.drain;

    for (size_t i = 0; i < drain->count; i++) {
        if (!strcmp(drain->items[i], config->url))
            return true;
    }
    return false;
}

static size_t find_engine(const struct policy *policy,
                          const struct upstream_config *config)
{
    AUTO(strbuf_fini) struct strbuf wanted = STRBUF(8 * KIB);
    size_t at = 0;

    upstream_config_engine(config, &wanted);
    for (; at < policy_host_count(policy); at++) {
        AUTO(strbuf_fini) struct strbuf name = STRBUF(8 * KIB);

        upstream_config_engine(policy_host(policy, at), &name);
        if (str_eq(strbuf_str(&name), strbuf_str(&wanted)))
            break;
    }
    return at;
}

size_t policy_find_host(const struct policy *policy,
                        const struct upstream_config *config)
{
    size_t at = find_engine(policy, config);
    struct upstream_config records = {
        .kind = config->kind,
        .srv = true,
        .path = config->path,
    };

    if (at < policy_host_count(policy) || !config->srv_name)
        return at;
    records.host = xstrdup(config->srv_name);
    at = find_engine(policy, &records);
    free(records.host);
    return at;
}

/* The entry of WORDS that names OPERATION, or NULL. */
static const char *find_word(const struct strings *words,
                             enum operation operation)
{
    for (size_t i = 0; i < words->count; i++)
        if (operation_word_names(str_from(words->items[i]), operation))
            return words->items[i];
    return NULL;
}

static bool is_always_allowed(enum operation operation)
{
    return operation == OP_SYSTEM_PING || operation == OP_SYSTEM_PING_HEAD ||
           operation == OP_SYSTEM_VERSION;
}

static void deny_unsaid(enum operation operation, struct verdict *verdict)
{
    const char *name = operation_name(operation);

    if (operation_is_opaque(operation))
        verdict_deny(verdict, 403, "operations.allow", "",
                     "%s is not allowed by the policy (operations.allow); to "
                     "allow it, add \"%s\" to operations.allow",
                     name, name);
    else
        verdict_deny(
            verdict, 403, "operations.allow", "",
            "%s is not allowed by the policy (operations.allow); to allow "
            "it, add \"%s\" or \"%s:%s\" to operations.allow",
            name, name, operation_group_name(operation_group(operation)),
            operation_access_name(operation_access(operation)));
}

/* BuildKit's tunnels are judged call by call: who may build may open them. */
static bool is_judged_tunnel_of_builds(const struct policy *policy,
                                       enum operation operation)
{
    return operation_is_opaque(operation) &&
           find_word(&policy->operations.deny, OP_IMAGE_BUILD) == NULL &&
           find_word(&policy->operations.allow, OP_IMAGE_BUILD) != NULL;
}

void policy_operation(const struct policy *policy, enum operation operation,
                      struct verdict *verdict)
{
    const char *word;

    if (operation == OP_NONE) {
        verdict_deny(verdict, 403, "operations.allow", "",
                     "the request names no operation that berth knows");
        return;
    }
    if (is_always_allowed(operation)) {
        verdict_allow(verdict, "operations.always");
        return;
    }
    word = find_word(&policy->operations.deny, operation);
    if (word != NULL)
        verdict_deny(verdict, 403, "operations.deny", "",
                     "%s is denied by the policy (operations.deny); to allow "
                     "it, remove \"%s\" from operations.deny",
                     operation_name(operation), word);
    else if (find_word(&policy->operations.allow, operation) != NULL ||
             is_judged_tunnel_of_builds(policy, operation))
        verdict_allow(verdict, "operations.allow");
    else
        deny_unsaid(operation, verdict);
    if (verdict->kind == VERDICT_DENY && operation_swarm_refusal(operation)) {
        verdict->status = 503;
        snprintf(verdict->reason, sizeof(verdict->reason), "%s",
                 operation_swarm_refusal(operation));
    }
    /* "docker inspect WORD" asks for each kind of object in turn, plugins
     * last, and goes on only behind a 404: where plugins may not be looked
     * at, there is none */
    if (verdict->kind == VERDICT_DENY && operation == OP_PLUGIN_INSPECT)
        verdict->status = 404;
}

int policy_put_effective(const struct policy *policy, struct strbuf *out)
{
    json_auto_t *json = settings_to_json(&policy_shape, policy);
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    int r = strbuf_addf(out, "%s\n", text);

    free(text);
    return r;
}

static int warn_of_host(const struct policy *policy, size_t at,
                        struct strbuf *out)
{
    const struct upstream_config *host = policy_host(policy, at);
    int r = 0;

    if (host->kind == UPSTREAM_TCP && !upstream_is_local(host))
        r = strbuf_addf(out,
                        "upstream.url: %s goes to another machine in the "
                        "clear, and whoever reaches that port owns the "
                        "engine; write an ssh:// URL\n",
                        host->url);
    return r;
}

int policy_put_warnings(const struct policy *policy, struct strbuf *out)
{
    int r = 0;

    if (policy->mode == POLICY_REPORT_ONLY)
        r = strbuf_addf(out,
                        "mode: report-only lets pass what the rules about "
                        "contents refuse: a runner can take the host; use it "
                        "for runners that you trust\n");
    for (size_t i = 0; r == 0 && i < policy_host_count(policy); i++)
        r = warn_of_host(policy, i, out);
    if (r == 0 && policy->isolation == POLICY_NO_ISOLATION)
        r = strbuf_addf(out, "isolation: none lets the runner see and change "
                             "what all others have on the engine; and of "
                             "namespace.limits, images, ports, memory, cpus "
                             "and pids do not hold\n");
    if (r == 0 && policy->leftovers.action == LEFTOVERS_REMOVE &&
        policy->isolation == POLICY_NAMESPACE && policy->leftovers.lease &&
        policy->leftovers.lease / 4 < policy->upstream.wait_ms)
        r = strbuf_addf(out,
                        "leftovers.lease: %u s is less than four times "
                        "upstream.wait: a link that is away for a while costs "
                        "the runner all that it has on the engine\n",
                        policy->leftovers.lease / 1000);
    if (r == 0)
        r = exposure_put(&policy->rules, out);
    return r;
}

void policy_serve_one(struct policy *policy)
{
    rules_leave_socket_out(&policy->rules);
    if (policy->rules.ports.publish == PORTS_RUNNER)
        policy->rules.ports.publish = PORTS_HOST;
    policy->port_address[0] = '\0';
}

struct str policy_gateway(const struct policy *policy, bool in_container)
{
    const struct strings *listen = &policy->rules.ports.listen;
    struct subnet address, loopback = {0};

    subnet_parse(S("127.0.0.0/8"), &loopback);
    for (size_t i = 0; policy->port_address[0] && i < listen->count; i++) {
        struct str text = str_from(listen->items[i]);
        bool any = str_eq(text, S("0.0.0.0"));

        if (!subnet_parse(text, &address) || str_find(text, ':') >= 0)
            continue;
        if (!in_container)
            return any ? S("127.0.0.1") : text;
        if (!any && !subnet_is_within(&address, &loopback))
            return text;
    }
    return S("");
}
