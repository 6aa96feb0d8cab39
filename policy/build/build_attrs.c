#include <stdio.h>

#include "policy/build/build_private.h"
#include "policy/docker/namespace.h"

/*
 * The options of a build: FrontendAttrs of Control.Solve and FrontendOpt of
 * LLBBridge.Solve are the same map, read by different parts of the engine, so
 * both are judged alike. What has no row is not known, and refused.
 */

struct option {
    struct build_call *call;
    struct pb_message *map; /* the message that the entries are in */
    unsigned number;
    struct pb_message *entry;
    struct str key, name, value; /* NAME: of the key, behind the row's prefix */
    char field[96];
};

/* True, after perhaps changing the entry; or refused. */
typedef bool option_function(struct option *option);

struct option_row {
    struct str key;
    bool is_prefix;
    option_function *judge;
};

static void set_value(struct option *option, struct str value)
{
    struct pb_tree *tree = &option->call->tree;

    pb_set_text(tree, option->entry, 2, pb_keep(tree, value));
    build_note_change(option->call, option->field);
}

static void drop(struct option *option)
{
    pb_map_remove(option->map, option->number, option->key);
    build_note_change(option->call, option->field);
}

static bool any(struct option *option)
{
    (void)option;
    return true;
}

/* ---- where files and images come from ---- */

/* What the engine takes for a git repository although it has no scheme: a host
 * known for them, or a path that ends in ".git" (BuildKit's gitutil). */
static bool is_git(struct str value)
{
    struct str plain, fragment;

    str_cut(value, '#', &plain, &fragment);
    return str_has_prefix(value, S("git://")) ||
           str_has_prefix(value, S("ssh://")) ||
           str_has_prefix(value, S("git@")) ||
           str_has_prefix(value, S("github.com/")) ||
           str_has_suffix(plain, S(".git"));
}

/* "github.com/acme/app.git" is fetched by https. */
static bool judge_git(struct option *option, struct str value)
{
    AUTO(strbuf_fini) struct strbuf url = STRBUF(LIMIT_BUILD_TEXT + KIB);

    if (memmem(value.ptr, value.len, "://", 3) == NULL &&
        !str_has_prefix(value, S("git@")))
        strbuf_add(&url, S("https://"));
    strbuf_add(&url, value);
    return build_judge_url(option->call, strbuf_str(&url), option->field);
}

static bool judge_context(struct option *option)
{
    struct str value = option->value, scheme, rest;
    bool has_scheme = str_cut(value, ':', &scheme, &rest);

    if (has_scheme && str_eq(scheme, S("docker-image"))) {
        if (str_has_prefix(rest, S("//")))
            rest = str_from_index(rest, 2);
        return build_judge_image(option->call, rest, option->field);
    }
    if (str_has_prefix(value, S("http://")) ||
        str_has_prefix(value, S("https://")))
        return build_judge_url(option->call, value, option->field);
    if (is_git(value))
        return judge_git(option, value);
    /* "local:context", "input:base", "oci-layout://...": the session's own; a
     * word without a scheme is looked up among them */
    return true;
}

static bool judge_frontend_source(struct option *option)
{
    struct str words = str_trim(option->value), image, rest;

    str_cut(words, ' ', &image, &rest);
    return image.len == 0 ||
           build_judge_frontend_image(option->call, image, option->field);
}

static bool judge_cache_list(struct option *option)
{
    return build_judge_cache_list(option->call, option->entry, option->field);
}

static bool judge_cache_json(struct option *option)
{
    return build_judge_cache_json(option->call, option->entry, option->field);
}

/* ---- names that an engine keeps ---- */

static bool scope_session(struct option *option)
{
    struct build_id id;

    if (!build_id_in(option->call, option->field, option->value, &id))
        return false;
    set_value(option, build_id_str(&id));
    return true;
}

static bool scope_shared_key(struct option *option)
{
    struct str ns = option->call->view->ns;
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_BUILD_TEXT);

    if (ns.len == 0 || option->value.len == 0)
        return true;
    if (strbuf_addf(&text, "%.*s.%.*s", STR_FMT(ns), STR_FMT(option->value)))
        return build_refuse(option->call, 413, "request.size", option->field,
                            "the value is longer than %zu bytes",
                            LIMIT_BUILD_TEXT);
    set_value(option, strbuf_str(&text));
    return true;
}

/* ---- what reaches for the host ---- */

static bool judge_network(struct option *option)
{
    const struct build_rules *rules = &option->call->view->rules->build;
    struct str mode = option->value;

    if (str_eq(mode, S("host")))
        return rules->host_network ||
               build_refuse(option->call, 403, "build.host_network",
                            option->field,
                            "builds may not use the network of the host here; "
                            "to allow it, set build.host_network to true in "
                            "the policy");
    return mode.len == 0 || str_eq(mode, S("default")) ||
           str_eq(mode, S("none")) || str_eq(mode, S("sandbox")) ||
           build_refuse(option->call, 400, "build.host_network", option->field,
                        "a build has the network \"default\", \"none\" or "
                        "\"host\", not \"%.*s\"",
                        STR_FMT(str_head(mode, 60)));
}

static bool judge_cgroup(struct option *option)
{
    const char *ours = option->call->view->rules->container.cgroup_parent;

    return option->value.len == 0 || str_eq(option->value, str_from(ours)) ||
           build_refuse(option->call, 403, "container.cgroup_parent",
                        option->field,
                        "the cgroup \"%.*s\" would take the build out of its "
                        "limits; leave it out",
                        STR_FMT(str_head(option->value, 100)));
}

static bool judge_hosts(struct option *option)
{
    const struct strings *allowed =
        &option->call->view->rules->container.extra_hosts;
    struct str list = option->value, entry;
    bool more = true;

    while (more) {
        more = str_cut(list, ',', &entry, &list);
        for (size_t i = 0; i < entry.len; i++)
            if (entry.ptr[i] == '"' || entry.ptr[i] == '\n')
                return build_forbid(option->call, "container.extra_hosts",
                                    option->field,
                                    "quotes and line ends are not understood "
                                    "in a list of hosts");
        if (entry.len == 0)
            continue;
        AUTO(strbuf_fini) struct strbuf word = STRBUF(LIMIT_BUILD_TEXT);

        strbuf_add(&word, entry); /* "name=address"; the policy writes ":" */
        for (size_t i = 0; i < word.len; i++)
            if (word.ptr[i] == '=') {
                word.ptr[i] = ':';
                break;
            }
        if (!strings_match(allowed, strbuf_str(&word)) &&
            !build_refuse(option->call, 403, "container.extra_hosts",
                          option->field,
                          "the host \"%.*s\" is not allowed here; to allow it, "
                          "add it to container.extra_hosts in the policy",
                          STR_FMT(str_head(strbuf_str(&word), 100))))
            return false;
    }
    return true;
}

/* "nofile=1024:2048,nproc=100" */
static bool judge_ulimit(struct option *option)
{
    const struct strings *allowed =
        &option->call->view->rules->container.ulimits;
    struct str list = option->value, entry, name, amounts, soft, hard;
    bool more = list.len > 0;

    while (more) {
        uint64_t most = 0, n = 0;
        bool known = false;

        more = str_cut(list, ',', &entry, &list);
        str_cut(entry, '=', &name, &amounts);
        if (!str_cut(amounts, ':', &soft, &hard))
            hard = soft;
        for (size_t i = 0; i < allowed->count && !known; i++) {
            struct str word, value;

            str_cut(str_from(allowed->items[i]), '=', &word, &value);
            known = str_eq(word, name);
            if (known && str_to_u64(value, &most) != 0)
                most = UINT64_MAX; /* "-1" */
        }
        known = known && (most == UINT64_MAX ||
                          (str_to_u64(soft, &n) == 0 && n <= most &&
                           str_to_u64(hard, &n) == 0 && n <= most));
        if (!known &&
            !build_refuse(option->call, 403, "container.ulimits", option->field,
                          "this limit for \"%.*s\" is not allowed here; to "
                          "allow it, add \"%.*s=%.*s\" to container.ulimits in "
                          "the policy",
                          STR_FMT(str_head(name, 40)),
                          STR_FMT(str_head(name, 40)),
                          STR_FMT(str_head(hard, 20))))
            return false;
    }
    return true;
}

/* ---- labels, arguments, attestations ---- */

static bool judge_label(struct option *option)
{
    const struct strings *reserved =
        &option->call->view->rules->labels.reserved;

    if (label_is_ours(option->name))
        return build_forbid(option->call, "labels", option->field,
                            "labels \"" LABEL_PREFIX "*\" are berth's own");
    return !strings_match(reserved, option->name) ||
           build_refuse(option->call, 403, "labels.reserved", option->field,
                        "the label \"%.*s\" is reserved here "
                        "(labels.reserved in the policy)",
                        STR_FMT(str_head(option->name, 80)));
}

/* "generator=IMAGE,..." of an SBOM, a CSV line */
static bool judge_generator(struct option *option)
{
    struct str list = option->value, entry, key, value;
    bool more = true;

    if (str_find(list, '"') >= 0)
        return build_forbid(option->call, "images.registries", option->field,
                            "quotes are not understood in an attestation");
    while (more) {
        more = str_cut(list, ',', &entry, &list);
        str_cut(entry, '=', &key, &value);
        if (str_eq(key, S("generator")) && value.len &&
            !build_judge_image(option->call, value, option->field))
            return false;
    }
    return true;
}

static bool judge_attestation(struct option *option)
{
    const struct build_rules *rules = &option->call->view->rules->build;

    if (str_eq_nocase(option->name, S("sbom")))
        return judge_generator(option);
    if (!str_eq_nocase(option->name, S("provenance")))
        return build_refuse(option->call, 400, "request.unknown_fields",
                            option->field, "there is no such attestation");
    if (rules->provenance == PROVENANCE_DROP)
        drop(option);
    return true;
}

static bool judge_argument(struct option *option)
{
    const struct strings *allowed = &option->call->view->rules->build.arguments;
    struct str name = option->name, attestation = S("BUILDKIT_ATTEST_");

    if (str_has_prefix(name, attestation)) {
        option->name = str_from_index(name, attestation.len);
        return judge_attestation(option);
    }
    if (str_eq(name, S("BUILDKIT_SYNTAX")))
        return judge_frontend_source(option);
    if (str_eq(name, S("BUILDKIT_SANDBOX_HOSTNAME"))) {
        drop(option); /* the host name is what keeps caches apart */
        return true;
    }
    if (str_eq(name, S("BUILDKIT_CACHE_MOUNT_NS")))
        return true; /* scope_caches puts ours in front */
    return strings_match(allowed, name) ||
           build_refuse(option->call, 403, "build.arguments", option->field,
                        "the build argument \"%.*s\" is not allowed here; to "
                        "allow it, add it to build.arguments in the policy",
                        STR_FMT(str_head(name, 80)));
}

static bool drop_hostname(struct option *option)
{
    drop(option);
    return true;
}

static const struct option_row rows[] = {
    {STR("filename"),            false, any                  },
    {STR("target"),              false, any                  },
    {STR("platform"),            false, any                  },
    {STR("multi-platform"),      false, any                  },
    {STR("no-cache"),            false, any                  },
    {STR("image-resolve-mode"),  false, any                  },
    {STR("requestid"),           false, any                  },
    {STR("contextkey"),          false, any                  },
    {STR("dockerfilekey"),       false, any                  },
    {STR("contextsubdir"),       false, any                  },
    {STR("frontend.caps"),       false, any                  },
    {STR("vcs:"),                true,  any                  },
    {STR("input-metadata:"),     true,  any                  },
    {STR("input:"),              true,  judge_context        },
    {STR("context"),             false, judge_context        },
    {STR("context:"),            true,  judge_context        },
    {STR("dockerfile"),          false, judge_context        },
    {STR("source"),              false, judge_frontend_source},
    {STR("cmdline"),             false, judge_frontend_source},
    {STR("cache-from"),          false, judge_cache_list     },
    {STR("cache-imports"),       false, judge_cache_json     },
    {STR("local-sessionid:"),    true,  scope_session        },
    {STR("sharedkey:localdir:"), true,  scope_shared_key     },
    {STR("force-network-mode"),  false, judge_network        },
    {STR("cgroup-parent"),       false, judge_cgroup         },
    {STR("add-hosts"),           false, judge_hosts          },
    {STR("ulimit"),              false, judge_ulimit         },
    {STR("shm-size"),            false, any                  },
    {STR("memory"),              false, any                  },
    {STR("memswap"),             false, any                  },
    {STR("cpushares"),           false, any                  },
    {STR("cpuperiod"),           false, any                  },
    {STR("cpuquota"),            false, any                  },
    {STR("cpusetcpus"),          false, any                  },
    {STR("cpusetmems"),          false, any                  },
    {STR("hostname"),            false, drop_hostname        },
    {STR("label:"),              true,  judge_label          },
    {STR("build-arg:"),          true,  judge_argument       },
    {STR("attest:"),             true,  judge_attestation    },
};

static const struct option_row *find_row(struct str key)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].is_prefix ? str_has_prefix(key, rows[i].key)
                              : str_eq(key, rows[i].key))
            return &rows[i];
    return NULL;
}

static bool judge_option(struct option *option)
{
    const struct option_row *row = find_row(option->key);
    const struct request_rules *request = &option->call->view->rules->request;

    if (option->value.len > LIMIT_BUILD_TEXT)
        return build_refuse(option->call, 413, "request.size", option->field,
                            "the value is longer than %zu bytes",
                            LIMIT_BUILD_TEXT);
    if (row) {
        option->name = str_from_index(option->key, row->key.len);
        return row->judge(option);
    }
    if (request->unknown_fields == UNKNOWN_DROP) {
        drop(option);
        return true;
    }
    return build_forbid(option->call, "request.unknown_fields", option->field,
                        "the option is not known to this berth; update berth, "
                        "or have the policy set request.unknown_fields to "
                        "\"drop\"");
}

/* What one build leaves behind for the next of the same group only. */
static void scope_caches(struct build_call *call, struct pb_message *map,
                         unsigned number)
{
    struct str key = S("build-arg:BUILDKIT_CACHE_MOUNT_NS");
    struct str theirs = pb_map_text(map, number, key);
    AUTO(strbuf_fini) struct strbuf space = STRBUF(LIMIT_BUILD_TEXT + KIB);
    AUTO(strbuf_fini) struct strbuf salt = STRBUF(KIB);

    build_cache_space(call->view, &space);
    build_salt(call->view, &salt);
    if (salt.len == 0)
        return;
    if (theirs.len)
        strbuf_addf(&space, "/%.*s", STR_FMT(theirs));
    pb_map_set(&call->tree, map, number, key,
               pb_keep(&call->tree, strbuf_str(&space)));
    pb_map_set(&call->tree, map, number, S("hostname"),
               pb_keep(&call->tree, strbuf_str(&salt)));
}

static void add_cgroup(struct build_call *call, struct pb_message *map,
                       unsigned number)
{
    const char *ours = call->view->rules->container.cgroup_parent;

    if (ours)
        pb_map_set(&call->tree, map, number, S("cgroup-parent"),
                   str_from(ours));
}

bool build_judge_attrs(struct build_call *call, struct pb_message *message,
                       unsigned number, struct str frontend)
{
    struct option option = {.call = call, .map = message, .number = number};
    const struct pb_value *value, *next;

    for (value = pb_find(message, number); value; value = next) {
        next = pb_next(value);
        option.entry = value->message;
        option.key = pb_text(option.entry, 1);
        option.value = pb_text(option.entry, 2);
        snprintf(option.field, sizeof(option.field), "%s[%.*s]",
                 value->field->name, STR_FMT(str_head(option.key, 60)));
        if (!judge_option(&option))
            return false;
    }
    if (!build_judge_amounts(call, message, number, frontend.len > 0))
        return false;
    if (frontend.len) {
        scope_caches(call, message, number);
        add_cgroup(call, message, number);
    }
    return true;
}

bool build_judge_frontend(struct build_call *call, struct str frontend)
{
    if (frontend.len)
        build_note_one(call, "frontend", frontend);
    return frontend.len == 0 || str_eq(frontend, S("dockerfile.v0")) ||
           str_eq(frontend, S("gateway.v0")) ||
           build_forbid(call, "build.frontends", "Frontend",
                        "the frontend \"%.*s\" is not known to this berth",
                        STR_FMT(str_head(frontend, 60)));
}
