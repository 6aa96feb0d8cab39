#include "policy/config/policy.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/base/json_locate.h"
#include "policy/config/presets.h"
#include "policy/config/setting_checks.h"
#include "policy/config/upstream_ssh.h"
#include "policy/config/url.h"
#include "policy/docker/namespace.h"
#include "policy/docker/runner_name.h"

enum { MESSAGE_MAX = 1024 };

/* What goes on while one policy is read. */
struct loading {
    const struct policy_source *source;
    struct problems problems;
    struct layer layers[LAYERS_MAX];
    size_t layer_count;
    json_t *roots[LAYERS_MAX]; /* owned */
};

/* The policy for no file at all; the namespace is put in as it is read. */
static const struct str no_file =
    STR("{\n"
        "  \"version\": 1,\n"
        "  \"preset\": \"compose-tests\",\n"
        "  \"upstream\": {\n"
        "    \"url\": "
        "\"${BERTH_UPSTREAM:-${DOCKER_HOST:-unix:///var/run/docker.sock}}\",\n"
        "    \"ssh_config\": \"${HOME:-/root}/.ssh/config\"\n"
        "  }\n"
        "}\n");

static void add_layer(struct loading *loading, const char *name,
                      struct str text, json_t *root)
{
    loading->roots[loading->layer_count] = root;
    loading->layers[loading->layer_count++] =
        (struct layer){.name = name, .text = text, .root = root};
}

static bool is_blank(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (str_find(S(" \t\r\n"), text.ptr[i]) < 0)
            return false;
    return true;
}

/* What to do about an error of jansson's in TEXT. */
static const char *remedy(const json_error_t *error, struct str text)
{
    enum json_error_code code = json_error_code(error);

    if (is_blank(text))
        return "; the file is empty, copy policy.example.json";
    if (str_has_prefix(text, S("\xef\xbb\xbf")))
        return "; save the file without a byte order mark";
    if (code == json_error_duplicate_key)
        return "; a key may be there only once, remove one";
    if (code == json_error_premature_end_of_input)
        return "; something that was opened is never closed";
    if (code == json_error_invalid_utf8)
        return "; save the file as UTF-8";
    if (code == json_error_end_of_input_expected)
        return "; a policy is one object, remove what follows it";
    if (code == json_error_null_character ||
        code == json_error_null_byte_in_key)
        return "; remove it";
    if (code == json_error_numeric_overflow)
        return "; write a smaller number";
    if (code == json_error_stack_overflow)
        return "; write fewer objects inside each other";
    return "; JSON wants double quotes around text, a comma between entries, "
           "none after the last, and no comments";
}

static json_t *parse(struct loading *loading, const char *name, struct str text)
{
    AUTO(strbuf_fini) struct strbuf message = STRBUF(MESSAGE_MAX);
    json_error_t error;
    json_t *root;

    if (text.len > LIMIT_POLICY) {
        strbuf_addf(&message,
                    "the file has %zu bytes; a policy has %zu at most",
                    text.len, (size_t)LIMIT_POLICY);
        problems_add(&loading->problems, name, 0, 0, strbuf_str(&message));
        return NULL;
    }
    root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        size_t at = json_token_start(text, (size_t)error.position);
        struct json_position position = json_position_of(text, at);

        strbuf_addf(&message, "%s%s", error.text, remedy(&error, text));
        problems_add(&loading->problems, name, position.line, position.column,
                     strbuf_str(&message));
    }
    return root;
}

/* Put VALUE at the dotted KEY of ROOT, making the objects on the way. */
static void put_override(json_t *root, const struct policy_override *override)
{
    AUTO(strbuf_fini) struct strbuf escaped = STRBUF(2 * LIMIT_POLICY_TEXT);
    struct str rest = str_from(override->key), head;

    while (str_cut(rest, '.', &head, &rest)) {
        char *key = xstr_dup(head);
        json_t *child = json_object_get(root, key);

        if (child == NULL) {
            child = json_object();
            json_object_set_new(root, key, child);
        }
        root = child;
        free(key);
    }
    char *key = xstr_dup(head);

    environment_escape(str_from(override->value), &escaped);
    json_object_set_new(
        root, key,
        json_stringn(escaped.ptr != NULL ? escaped.ptr : "", escaped.len));
    free(key);
}

static void add_overrides(struct loading *loading)
{
    json_t *root;

    if (loading->source->override_count == 0)
        return;
    root = json_object();
    for (size_t i = 0; i < loading->source->override_count; i++)
        put_override(root, &loading->source->overrides[i]);
    add_layer(loading, "command line", S(""), root);
}

static const char *source_name(const struct policy_source *source)
{
    return source->text.ptr == NULL
               ? "no policy file ($BERTH_UPSTREAM, $DOCKER_HOST)"
               : source->name;
}

/* The file, or what stands in for it. */
static void add_file(struct loading *loading)
{
    const struct policy_source *source = loading->source;
    bool none = source->text.ptr == NULL;
    const char *name = source_name(source);
    struct str text = none ? no_file : source->text;
    json_t *root = parse(loading, name, text);

    if (root == NULL)
        return;
    if (none) {
        const char *host = source->environment->host_name;
        AUTO(strbuf_fini) struct strbuf escaped = STRBUF(LIMIT_POLICY_TEXT);

        environment_escape(str_from(host), &escaped);
        if (*host)
            json_object_set_new(root, "namespace",
                                json_string(strbuf_cstr(&escaped)));
    }
    add_layer(loading, name, text, root);
}

/* The preset that the layers so far name. One that cannot be read is
 * settings_read's to report. */
static void add_preset(struct loading *loading)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_POLICY_TEXT);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(MESSAGE_MAX);
    const json_t *value = NULL;
    const struct preset *preset;

    for (size_t i = 0; i < loading->layer_count && value == NULL; i++)
        value = json_object_get(loading->layers[i].root, "preset");
    if (!json_is_string(value) ||
        environment_fill(loading->source->environment,
                         str_from(json_string_value(value)), &name, &why) != 0)
        return;
    preset = preset_find(strbuf_str(&name));
    if (preset == NULL)
        return;
    json_t *root = parse(loading, preset->name, preset->text);

    json_object_del(root, "version"); /* that of the file counts */
    add_layer(loading, preset->name, preset->text, root);
}

/* KEY of SECTION is wrong, as TEXT says. */
static void blame(struct loading *loading, const char *section, const char *key,
                  struct str text)
{
    const struct json_path object = {.key = section};
    const struct json_path path = {.up = &object, .key = key};
    const struct policy_source *source = loading->source;
    struct json_position position = {0};

    if (source->text.ptr != NULL)
        json_locate(source->text, &path, &position);
    problems_add(&loading->problems, source_name(source), position.line,
                 position.column, text);
}

/* Does any layer say "upstream.KEY"? */
static bool says(const struct loading *loading, const char *key)
{
    for (size_t i = 0; i < loading->layer_count; i++)
        if (json_object_get(
                json_object_get(loading->layers[i].root, "upstream"), key))
            return true;
    return false;
}

/* The keys of "upstream" as the link to TEXT wants them. The URL was checked;
 * what it can still lack is a user, or what the files of ssh say. */
static void make_host(struct loading *loading, struct policy *policy,
                      const char *host, struct upstream_config *config)
{
    const struct upstream_said said = {
        .agent = says(loading, "agent"),
        .connect_timeout = says(loading, "connect_timeout"),
        .dead_after = says(loading, "dead_after"),
    };
    AUTO(strbuf_fini) struct strbuf text = STRBUF(MESSAGE_MAX);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(MESSAGE_MAX);
    struct upstream_policy *keys = &policy->upstream_keys;
    struct url url;
    int r = url_parse(str_from(host), &url, &why);

    if (r == 0 && url.kind == UPSTREAM_SSH) {
        r = upstream_ssh_make(loading->source, &said, policy, host, config,
                              &why);
    } else if (r == 0) {
        r = url_to_config(str_from(host), NULL, config, &why);
        config->agent = keys->agent;
        config->channel = keys->channel;
        config->connect_timeout_ms = keys->connect_timeout;
        config->dead_after_ms = keys->dead_after;
        config->wait_ms = keys->wait;
        config->spare_channels = keys->spare_channels;
    }
    for (size_t i = 0; i < keys->engines.count; i++)
        strings_add(&config->engines, str_from(keys->engines.items[i]));
    if (r == 0)
        return;
    strbuf_addf(&text, "upstream.url: %.*s", STR_FMT(strbuf_str(&why)));
    problems_add(&loading->problems, source_name(loading->source), 0, 0,
                 strbuf_str(&text));
}

/* Two URLs may spell one engine; what else leads there, the engines tell. */
static void check_hosts(struct loading *loading, const struct policy *policy)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(MESSAGE_MAX);

    if (policy_is_placed(policy) && policy->isolation != POLICY_NAMESPACE)
        blame(loading, "upstream", "url",
              S("upstream.url: several hosts need \"isolation\": "
                "\"namespace\", which is what lives on one of them"));
    for (size_t i = 0; i < policy_host_count(policy); i++) {
        size_t first = policy_find_host(policy, policy_host(policy, i));

        if (first == i)
            continue;
        strbuf_addf(&text,
                    "upstream.url: %s and %s are the same engine; "
                    "remove one",
                    policy_host(policy, first)->url,
                    policy_host(policy, i)->url);
        blame(loading, "upstream", "url", strbuf_str(&text));
        return;
    }
}

static void make_upstream(struct loading *loading, struct policy *policy)
{
    const struct strings *urls = &policy->upstream_keys.urls;

    make_host(loading, policy, urls->items[0], &policy->upstream);
    policy->others = xcalloc(urls->count, sizeof(*policy->others));
    for (size_t i = 1; i < urls->count && !loading->problems.count; i++)
        make_host(loading, policy, urls->items[i],
                  &policy->others[policy->other_count++]);
    if (loading->problems.count == 0)
        check_hosts(loading, policy);
    if (loading->problems.count == 0 && policy->upstream.kind == UPSTREAM_SSH)
        upstream_ssh_show(policy);
}

/*
 * Ports go to the runner's localhost where berth can carry connections to the
 * engine's host, and only what is the namespace's: else they go to the host.
 */
static void settle_ports(struct policy *policy)
{
    const struct upstream_config *upstream = &policy->upstream;
    unsigned *publish = &policy->rules.ports.publish;

    if (*publish == PORTS_RUNNER &&
        (policy->isolation != POLICY_NAMESPACE ||
         upstream->kind == UPSTREAM_TCP ||
         (upstream->kind == UPSTREAM_SSH &&
          upstream->channel == SSH_CHANNEL_DIAL_STDIO)))
        *publish = PORTS_HOST;
    if (*publish != PORTS_RUNNER)
        return;
    if (policy->rules.ports.bind)
        snprintf(policy->port_address, sizeof(policy->port_address), "%s",
                 policy->rules.ports.bind);
    else
        namespace_address(str_from(policy->namespace), policy->port_address);
}

/* docker.sock leads back here only where a runner's containers are known from
 * others'; else it is left out. */
static void settle_socket(struct policy *policy)
{
    if (policy->isolation != POLICY_NAMESPACE)
        rules_leave_socket_out(&policy->rules);
}

static void make_namespace(struct policy *policy)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_NAMESPACE + 1);

    runner_name_fold(&name, str_from(policy->runner)); /* it has room */
    policy->namespace = xstrdup(strbuf_cstr(&name));
}

/* What no value shows to be wrong by itself. */
static void check_sockets(struct loading *loading, const struct policy *policy)
{
    if (policy->metrics.listen != NULL &&
        strcmp(policy->metrics.listen, policy->listen.path) == 0)
        blame(loading, "metrics", "listen",
              S("metrics.listen: this is the runner's socket, listen.path; "
                "give metrics one of their own"));
}

static void check_mounts(struct loading *loading, const struct policy *policy)
{
    const struct objects *mounts = &policy->rules.container.mounts;
    const struct mount_rule *rules = mounts->items;
    bool by_host = true;

    for (size_t i = 0; i < mounts->count; i++)
        by_host = by_host && rules[i].by == MOUNT_BY_HOST;
    if (!by_host && policy->isolation != POLICY_NAMESPACE)
        blame(loading, "container", "mounts",
              S("container.mounts: what is not \"by\": \"host\" needs "
                "\"isolation\": \"namespace\""));
}

int policy_load(const struct policy_source *source, struct policy **out,
                struct strbuf *why)
{
    struct loading loading = {.source = source};
    struct policy *policy = xcalloc(1, sizeof(*policy));
    int r = 0;

    policy->refs = 1;
    add_overrides(&loading);
    add_file(&loading);
    if (loading.problems.count == 0) {
        add_preset(&loading);
        settings_read(&policy_shape, policy, loading.layers,
                      loading.layer_count, source->environment,
                      &loading.problems);
    }
    if (loading.problems.count == 0) {
        make_namespace(policy);
        make_upstream(&loading, policy);
    }
    if (loading.problems.count == 0) {
        check_sockets(&loading, policy);
        check_mounts(&loading, policy);
    }
    if (loading.problems.count == 0)
        settle_ports(policy);
    if (loading.problems.count == 0)
        settle_socket(policy);
    if (loading.problems.count > 0) {
        problems_sort(&loading.problems);
        problems_put(&loading.problems, why);
        r = POLICY_E_INVALID;
    } else {
        *out = policy_ref(policy);
    }
    policy_unref(policy);
    for (size_t i = 0; i < loading.layer_count; i++)
        json_decref(loading.roots[i]);
    problems_fini(&loading.problems);
    return r;
}
