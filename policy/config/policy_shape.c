#include "policy/config/policy.h"

#include "policy/config/presets.h"
#include "policy/config/setting_checks.h"
#include "policy/config/url.h"
#include "policy/docker/operation_word.h"

static const char *const modes[] = {"enforce", "report-only", NULL};
static const char *const isolations[] = {"namespace", "none", NULL};
static const char *const leftovers_actions[] = {"keep", "remove", NULL};
static const char *const channels[] = {"auto", "forward", "dial-stdio", NULL};
static const char *const missing_words[] = {"wait", "skip", NULL};

#define PIB ((double)((uint64_t)1 << 50)) /* more than there is */

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

/* Would anybody on the way to URL be able to read, change or take over? */
static bool way_is_safe(const struct upstream_policy *upstream, const char *url,
                        const char **key, struct strbuf *why)
{
    struct upstream_config config = {0};
    bool unpinned, plain, jumps, proxied;

    if (url_to_config(str_from(url), "anybody", &config, why) != 0)
        return false;
    unpinned = config.kind == UPSTREAM_SSH && upstream->known_hosts == NULL &&
               upstream->host_key == NULL && upstream->ssh_config == NULL;
    jumps = upstream->jump.count > 0 && config.kind != UPSTREAM_SSH;
    proxied = (upstream->proxy.url || upstream->proxy.environment) &&
              config.kind != UPSTREAM_SSH;
    plain = config.kind == UPSTREAM_TCP && !upstream->plain_tcp &&
            !upstream_is_local(&config);
    upstream_config_fini(&config);
    *key = "url";
    if (unpinned)
        strbuf_addf(why, "needs to know the host's key over ssh, or any "
                         "machine could pose as the engine's; add "
                         "\"known_hosts\" or \"host_key\"");
    if (plain)
        strbuf_addf(why, "goes to another machine in the clear, and whoever "
                         "reaches that port owns the engine; write an ssh:// "
                         "URL, or add \"plain_tcp\": true");
    if (jumps || proxied) {
        *key = jumps ? "jump" : "proxy";
        strbuf_addf(why, "goes with an ssh:// URL only; remove it, or write "
                         "one");
    }
    return !unpinned && !plain && !jumps && !proxied;
}

/* Is WORD, number AT of the hosts, like the ones before it? */
static bool host_is_sound(const struct upstream_policy *upstream, size_t at,
                          struct strbuf *why)
{
    struct url url, first;

    if (url_parse(str_from(upstream->urls.items[at]), &url, why) != 0 ||
        url_parse(str_from(upstream->urls.items[0]), &first, why) != 0)
        return false;
    if (url.kind != first.kind) {
        strbuf_addf(why,
                    "has URLs of two kinds, %s and %s; write all of them "
                    "with the same scheme",
                    upstream->urls.items[0], upstream->urls.items[at]);
        return false;
    }
    for (size_t i = 0; i < at; i++) {
        if (strcmp(upstream->urls.items[i], upstream->urls.items[at]) != 0)
            continue;
        strbuf_addf(why, "names %s twice; remove one", upstream->urls.items[i]);
        return false;
    }
    return true;
}

static bool names(const struct strings *list, const char *url)
{
    for (size_t i = 0; i < list->count; i++) {
        if (url_may_lead_to(str_from(list->items[i]), str_from(url)))
            return true;
    }
    return false;
}

static bool upstream_is_sound(const void *object, const char **key,
                              struct strbuf *why)
{
    const struct upstream_policy *upstream = object;

    *key = "url";
    if (upstream->urls.count == 0) {
        strbuf_addf(why, "names no engine; write its URL");
        return false;
    }
    for (size_t i = 0; i < upstream->urls.count; i++) {
        if (!way_is_safe(upstream, upstream->urls.items[i], key, why) ||
            !host_is_sound(upstream, i, why))
            return false;
    }
    for (size_t i = 0; i < upstream->drain.count; i++) {
        *key = "drain";
        if (names(&upstream->urls, upstream->drain.items[i]))
            continue;
        strbuf_addf(why,
                    "names %s, which upstream.url does not have; write it "
                    "as it is there",
                    upstream->drain.items[i]);
        return false;
    }
    return true;
}

/* Is it a URL of ssh, without a socket? */
static bool check_jump_url(struct str text, struct strbuf *why)
{
    struct url url;

    if (url_parse(text, &url, why) != 0)
        return false;
    if (url.port && str_eq(url.path, S(URL_ENGINE_PATH))) /* of ssh alone */
        return true;
    strbuf_addf(why, "is no jump host; write ssh://[USER@]HOST[:PORT]");
    return false;
}

// clang-format off
static const struct setting share_rows[] = {
    {"containers", INTEGER_AT(struct namespace_limits, containers), "null",
     .max = 1000000, .help = "containers at a time, those that have ended "
     "too; null: no limit"},
    {"networks", INTEGER_AT(struct namespace_limits, networks), "null",
     .max = 1000000, .help = "networks, besides the one that stands for "
     "\"bridge\""},
    {"volumes", INTEGER_AT(struct namespace_limits, volumes), "null",
     .max = 1000000, .help = "volumes, those without a name too"},
    {"images", INTEGER_AT(struct namespace_limits, images), "null",
     .max = 1000000, .help = "images, by name: each tag counts, and each "
     "image that has none"},
    {"ports", INTEGER_AT(struct namespace_limits, ports), "null",
     .max = 1000000, .help = "ports that running containers publish"},
    {"memory", SIZE_AT(struct namespace_limits, memory), "null",
     .min = 6 * MIB, .max = PIB,
     .help = "memory of all running containers together; each then needs a "
     "limit, its own or container.defaults.memory"},
    {"cpus", NUMBER_AT(struct namespace_limits, cpus), "null", .min = 0.01,
     .max = 4096, .help = "the same for CPUs"},
    {"pids", INTEGER_AT(struct namespace_limits, pids), "null", .min = 1,
     .max = 4194304, .help = "the same for processes"},
    {"builds", INTEGER_AT(struct namespace_limits, builds), "null", .min = 1,
     .max = 10000, .help = "builds at a time; further ones wait"},
    {"pulls", INTEGER_AT(struct namespace_limits, pulls), "null", .min = 1,
     .max = 10000, .help = "pulls at a time; further ones wait"},
    {"requests", INTEGER_AT(struct namespace_limits, requests), "null",
     .min = 1, .max = 1000000, .help = "requests a second, and as many at "
     "once after a quiet second"},
    {"wait", DURATION_AT(struct namespace_limits, wait), "\"10m\"",
     .min = 100, .max = 24 * HOUR,
     .help = "how long a request waits for its turn"},
};
static const struct shape share_shape =
    SHAPE(struct namespace_limits, share_rows);

/* Its members are the policy's own. */
static const struct setting namespace_rows[] = {
    {"name", STRING_AT(struct policy, runner), NULL,
     .check = check_runner_name, .pattern = PATTERN_RUNNER_NAME,
     .help = "the runner's own name, that everything it makes is kept under"},
    {"limits", OBJECT_AT(struct policy, limits), .of = &share_shape,
     .help = "what it may have of the engine, all in all"},
};
static const struct shape namespace_shape = {
    .rows = namespace_rows,
    .count = sizeof(namespace_rows) / sizeof(namespace_rows[0]),
    .size = sizeof(struct policy),
    .lone = "name",
};

static const struct setting leftovers_rows[] = {
    {"action", ENUM_AT(struct leftovers_policy, action), "\"keep\"",
     .words = leftovers_actions,
     .help = "what berth does with them when it stops: remove takes away all "
             "that the namespace has; keep only the network that stands for "
             "\"bridge\", when no container is left"},
    {"after", DURATION_AT(struct leftovers_policy, after), "\"6h\"",
     .max = 30.0 * 24 * HOUR,
     .help = "how old the newest of them has to be before \"berth clean\" "
             "takes a namespace that it was not told by name and that has no "
             "lease"},
    {"lease", DURATION_AT(struct leftovers_policy, lease), "\"15m\"",
     .max = 30.0 * 24 * HOUR,
     .help = "with the action remove: berth is away for so long before others "
             "on the engine remove all; 0s: they do not; else 10s at least"},
};
static const struct shape leftovers_shape = {
    .rows = leftovers_rows,
    .count = sizeof(leftovers_rows) / sizeof(leftovers_rows[0]),
    .size = sizeof(struct leftovers_policy),
    .check = check_lease,
    .lone = "action",
};

static const struct setting listen_rows[] = {
    {"path", STRING_AT(struct listen_policy, path),
     "\"/run/berth/docker.sock\"", .check = check_socket_path,
     .pattern = PATTERN_SOCKET_PATH,
     .help = "the Unix socket that the runner talks to"},
    {"mode", FILE_MODE_AT(struct listen_policy, mode), "\"0660\"",
     .help = "the permissions of the socket, in octal"},
    {"group", WORD_OR_NUMBER_AT(struct listen_policy, group), "null",
     .check = check_group, .pattern = PATTERN_GROUP,
     .help = "the group of the socket, by name or number"},
    {"clients", INTEGER_AT(struct listen_policy, clients), "256",
     .min = 1, .max = LIMIT_CHANNELS,
     .help = "connections at a time; further ones are refused"},
};
static const struct shape listen_shape =
    SHAPE(struct listen_policy, listen_rows);

static const struct setting jump_rows[] = {
    {"url", STRING_AT(struct jump_policy, url), NULL, .check = check_jump_url,
     .pattern = PATTERN_JUMP_URL,
     .help = "the jump host, as ssh://[user@]host[:port]"},
    {"identity", STRINGS_OR_ONE_AT(struct jump_policy, identities), "[]",
     .max = LIMIT_IDENTITIES, .check = check_absolute_path,
     .pattern = PATTERN_ABSOLUTE_PATH,
     .help = "private key files for it; none: what ssh_config says, or else "
             "those of upstream.identity"},
    {"passphrase_file", STRING_AT(struct jump_policy, passphrase_file), "null",
     .check = check_absolute_path, .pattern = PATTERN_ABSOLUTE_PATH,
     .help = "holds their passphrase; null: that of upstream.passphrase_file"},
    {"known_hosts", STRING_AT(struct jump_policy, known_hosts), "null",
     .check = check_absolute_path, .pattern = PATTERN_ABSOLUTE_PATH,
     .help = "OpenSSH's list of host keys; null: upstream.known_hosts, or what "
             "ssh_config says"},
    {"host_key", STRING_AT(struct jump_policy, host_key), "null",
     .check = check_host_key, .pattern = PATTERN_HOST_KEY,
     .help = "the one host key that is trusted, as \"SHA256:...\""},
};
static const struct shape jump_shape = {
    .rows = jump_rows,
    .count = sizeof(jump_rows) / sizeof(jump_rows[0]),
    .size = sizeof(struct jump_policy),
    .lone = "url",
};

static const struct setting proxy_rows[] = {
    {"url", STRING_AT(struct proxy_policy, url), "null",
     .check = check_proxy_url, .pattern = PATTERN_PROXY_URL,
     .help = "http://host:port for one that knows CONNECT, or "
             "socks5://host:port; it looks up the name of the host behind it"},
    {"credentials", STRING_AT(struct proxy_policy, credentials), "null",
     .check = check_absolute_path, .pattern = PATTERN_ABSOLUTE_PATH,
     .help = "a file with USER:PASSWORD in its first line, which others may "
             "not read"},
    {"environment", BOOL_AT(struct proxy_policy, environment), "false",
     .help = "without a url: take the one in $ALL_PROXY, unless $NO_PROXY has "
             "the host"},
};
static const struct shape proxy_shape = {
    .rows = proxy_rows,
    .count = sizeof(proxy_rows) / sizeof(proxy_rows[0]),
    .size = sizeof(struct proxy_policy),
    .lone = "url",
};

static const struct setting upstream_rows[] = {
    {"url", STRINGS_OR_ONE_AT(struct upstream_policy, urls), NULL,
     .max = LIMIT_HOSTS,
     .help = "the engine, as ssh://[user@]host[:port][/path/of/docker.sock], "
             "unix:///path or tcp://host:port; or a list, of which the namespace "
             "lives on one; ssh+srv://[user@]name is all that SRV records tell",
     .check = check_upstream_url, .pattern = PATTERN_UPSTREAM_URL},
    {"engine", STRINGS_OR_ONE_AT(struct upstream_policy, engines), "null",
     .max = LIMIT_HOSTS, .check = check_engine_id,
     .pattern = PATTERN_ENGINE_ID,
     .help = "the ID of the engine (docker info --format {{.ID}}), or those of "
             "all; no others are used; null: the one that answers first"},
    {"drain", STRINGS_AT(struct upstream_policy, drain), "[]",
     .max = LIMIT_HOSTS,
     .help = "those of several hosts that are given nothing new, by URL: a "
             "namespace that has something there stays until it has not"},
    {"missing", ENUM_AT(struct upstream_policy, missing), "\"wait\"",
     .words = missing_words,
     .help = "of several hosts, one that does not answer may have what is the "
             "namespace's: wait for it, or skip it, for namespaces whose names "
             "are never used again"},
    {"ssh_config", STRING_AT(struct upstream_policy, ssh_config), "null",
     .check = check_absolute_path, .pattern = PATTERN_ABSOLUTE_PATH,
     .help = "a file of OpenSSH's client configuration, which says what the "
             "other keys do not: ssh://ALIAS then means what \"ssh ALIAS\" "
             "does"},
    {"jump", OBJECTS_AT(struct upstream_policy, jump), "[]",
     .max = LIMIT_JUMPS, .of = &jump_shape,
     .help = "jump hosts on the way, from the first to the last: URLs, or "
             "objects"},
    {"proxy", OBJECT_AT(struct upstream_policy, proxy), .of = &proxy_shape,
     .help = "a proxy before the first host of the way: its URL, or an object"},
    {"plain_tcp", BOOL_AT(struct upstream_policy, plain_tcp), "false",
     .help = "a tcp:// URL may name another machine, though anyone on the way "
             "can read and change what is sent"},
    {"identity", STRINGS_OR_ONE_AT(struct upstream_policy, identities), "[]",
     .max = LIMIT_IDENTITIES, .check = check_absolute_path,
     .pattern = PATTERN_ABSOLUTE_PATH,
     .help = "private key files for ssh, tried in this order"},
    {"generate_identity",
     BOOL_AT(struct upstream_policy, generate_identity), "false",
     .help = "make the first of these, an ed25519 key, if there is none, and "
             "log what to install on the Docker host"},
    {"passphrase_file", STRING_AT(struct upstream_policy, passphrase_file),
     "null", .check = check_absolute_path, .pattern = PATTERN_ABSOLUTE_PATH,
     .help = "holds the passphrase of encrypted private keys"},
    {"agent", BOOL_AT(struct upstream_policy, agent), "true",
     .help = "ask the ssh agent at $SSH_AUTH_SOCK after the files"},
    {"known_hosts", STRING_AT(struct upstream_policy, known_hosts), "null",
     .check = check_absolute_path, .pattern = PATTERN_ABSOLUTE_PATH,
     .help = "OpenSSH's list of host keys that are trusted"},
    {"host_key", STRING_AT(struct upstream_policy, host_key), "null",
     .check = check_host_key, .pattern = PATTERN_HOST_KEY,
     .help = "the one host key that is trusted, as \"SHA256:...\""},
    {"channel", ENUM_AT(struct upstream_policy, channel), "\"auto\"",
     .words = channels,
     .help = "how to reach the socket over ssh: by forwarding, by \"docker "
             "system dial-stdio\", or whichever works"},
    {"connect_timeout", DURATION_AT(struct upstream_policy, connect_timeout),
     "\"10s\"", .min = 100, .max = HOUR,
     .help = "for connecting, key exchange and login together"},
    {"dead_after", DURATION_AT(struct upstream_policy, dead_after), "\"30s\"",
     .min = SECOND, .max = HOUR,
     .help = "a link that does not answer for so long is made anew"},
    {"wait", DURATION_AT(struct upstream_policy, wait), "\"30s\"",
     .max = HOUR,
     .help = "how long requests wait for the link to come back"},
    {"spare_channels", INTEGER_AT(struct upstream_policy, spare_channels),
     "32", .max = 256,
     .help = "ssh channels opened ahead of demand, at most; of each link"},
    {"links", INTEGER_AT(struct upstream_policy, links), "1", .min = 1,
     .max = LIMIT_LINKS,
     .help = "ssh connections to the host, over which streams are spread; more "
             "than one where one cannot carry all, as on a long way"},
};
static const struct shape upstream_shape = {
    .rows = upstream_rows,
    .count = sizeof(upstream_rows) / sizeof(upstream_rows[0]),
    .size = sizeof(struct upstream_policy),
    .check = upstream_is_sound,
};

static const struct setting operations_rows[] = {
    {"allow", STRINGS_AT(struct operations_policy, allow), "[]",
     .check = operation_word_check_allow,
     .word_at = operation_word_at_allow,
     .help = "operations (\"ContainerCreate\"), groups (\"container\") and "
             "groups with an access class (\"container:read\") the runner may "
             "use; nothing said means no"},
    {"deny", STRINGS_AT(struct operations_policy, deny), "[]",
     .check = operation_word_check, .word_at = operation_word_at,
     .help = "the same, for what is not allowed after all; overrides allow"},
};
static const struct shape operations_shape =
    SHAPE(struct operations_policy, operations_rows);

static const struct setting refusals_rows[] = {
    {"contact", STRING_AT(struct refusals_policy, contact), "null",
     .check = check_contact, .pattern = PATTERN_CONTACT,
     .help = "what a refusal says at its end, for users who need more than the "
             "policy allows, like \"ask in #ci\""},
};
static const struct shape refusals_shape =
    SHAPE(struct refusals_policy, refusals_rows);

static bool audit_is_possible(const void *object, const char **key,
                              struct strbuf *why)
{
    const struct audit_policy *audit = object;

    if (audit->job.count > LIMIT_JOB_WORDS) {
        *key = "job";
        strbuf_addf(why, "has %zu names; write %d at most", audit->job.count,
                    LIMIT_JOB_WORDS);
        return false;
    }
    if (!audit->chain || (audit->to && *audit->to == '/'))
        return true;
    *key = "to";
    strbuf_addf(why, "is no file, and audit.chain is for one, whose last line "
                     "berth reads when it starts; write the path of one");
    return false;
}

static const struct setting audit_rows[] = {
    {"to", STRING_AT(struct audit_policy, to), "\"stdout\"",
     .check = check_audit_target, .pattern = PATTERN_AUDIT,
     .help = "where the record of every call goes: a file, \"stdout\" or "
             "\"syslog\""},
    {"required", BOOL_AT(struct audit_policy, required), "false",
     .help = "refuse a change whose record cannot be written"},
    {"chain", BOOL_AT(struct audit_policy, chain), "false",
     .help = "number the lines of the file, and have each carry the hash of "
             "the one before, for \"berth audit --verify\""},
    {"job", STRINGS_AT(struct audit_policy, job), "[]",
     .check = check_job_word, .pattern = PATTERN_JOB,
     .help = "labels (\"label:NAME\") and environment variables "
             "(\"env:NAME\") in which the runner tells its job: their values, "
             "when something is made, are on record"},
};
static const struct shape audit_shape = {
    .rows = audit_rows,
    .count = sizeof(audit_rows) / sizeof(audit_rows[0]),
    .size = sizeof(struct audit_policy),
    .check = audit_is_possible,
};

static const struct setting metrics_rows[] = {
    {"listen", STRING_AT(struct metrics_policy, listen), "null",
     .check = check_local_listen, .pattern = PATTERN_LOCAL_LISTEN,
     .help = "where Prometheus and \"berth status\" ask: a Unix socket, or a "
             "loopback address like \"127.0.0.1:9323\""},
    {"mode", FILE_MODE_AT(struct metrics_policy, mode), "\"0660\"",
     .help = "the permissions of that socket, in octal"},
    {"group", WORD_OR_NUMBER_AT(struct metrics_policy, group), "null",
     .check = check_group, .pattern = PATTERN_GROUP,
     .help = "the group of that socket, by name or number"},
};
static const struct shape metrics_shape =
    SHAPE(struct metrics_policy, metrics_rows);

static const struct setting timeouts_rows[] = {
    {"head", DURATION_AT(struct timeouts_policy, head), "\"30s\"",
     .min = 100, .max = HOUR,
     .help = "for the head of a request to be complete"},
    {"body", DURATION_AT(struct timeouts_policy, body), "\"10m\"",
     .min = 100, .max = 24 * HOUR,
     .help = "between two parts of a request's body"},
    {"idle", DURATION_AT(struct timeouts_policy, idle), "\"10m\"",
     .min = SECOND, .max = 24 * HOUR,
     .help = "of a connection between two requests; streams have none"},
    {"drain", DURATION_AT(struct timeouts_policy, drain), "\"10s\"",
     .max = HOUR,
     .help = "after SIGTERM, until calls that are still open are cut"},
};
static const struct shape timeouts_shape =
    SHAPE(struct timeouts_policy, timeouts_rows);

static const struct setting policy_rows[] = {
    {"$schema", STRING_AT(struct policy, schema), "null",
     .help = "for editors: where berth-policy.schema.json is"},
    {"version", INTEGER_AT(struct policy, version), NULL, .min = 1, .max = 1,
     .help = "the version of this format: 1"},
    {"preset", STRING_AT(struct policy, preset), "null",
     .check = preset_check, .word_at = preset_word_at,
     .help = "a policy that comes with berth, to which this one adds; its own "
             "keys override the preset's"},
    {"namespace", SETTING_OBJECT, 0, .of = &namespace_shape,
     .help = "whose everything is that is made here: a name, or an object with "
             "its name and limits"},
    {"leftovers", OBJECT_AT(struct policy, leftovers), .of = &leftovers_shape,
     .help = "what the runner leaves on the engine: a word for action, or an "
             "object"},
    {"mode", ENUM_AT(struct policy, mode), "\"enforce\"", .words = modes,
     .help = "report-only records what would be refused, and lets it pass"},
    {"isolation", ENUM_AT(struct policy, isolation), "\"namespace\"",
     .words = isolations,
     .help = "none shows all of the engine, under the engine's own names"},
    {"listen", OBJECT_AT(struct policy, listen), .of = &listen_shape,
     .help = "where the runner connects"},
    {"upstream", OBJECT_AT(struct policy, upstream_keys),
     .of = &upstream_shape, .help = "where the engine is, and how to get in"},
    {"operations", OBJECT_AT(struct policy, operations),
     .of = &operations_shape, .help = "what may be called at all"},
    {"container", OBJECT_AT(struct policy, rules.container),
     .of = &container_rules_shape, .help = "what a container may be"},
    {"exec", OBJECT_AT(struct policy, rules.exec),
     .of = &exec_rules_shape, .help = "what may be run in one"},
    {"ports", OBJECT_AT(struct policy, rules.ports),
     .of = &port_rules_shape, .help = "ports that containers publish"},
    {"network", OBJECT_AT(struct policy, rules.network),
     .of = &network_rules_shape, .help = "what a network may be"},
    {"volume", OBJECT_AT(struct policy, rules.volume),
     .of = &volume_rules_shape, .help = "what a volume may be"},
    {"images", OBJECT_AT(struct policy, rules.images),
     .of = &image_rules_shape, .help = "which images may be used"},
    {"build", OBJECT_AT(struct policy, rules.build),
     .of = &build_rules_shape, .help = "what a build may do"},
    {"labels", OBJECT_AT(struct policy, rules.labels),
     .of = &label_rules_shape, .help = "labels that are not the runner's to set"},
    {"request", OBJECT_AT(struct policy, rules.request),
     .of = &request_rules_shape, .help = "how requests are read"},
    {"refusals", OBJECT_AT(struct policy, refusals), .of = &refusals_shape,
     .help = "what the runner is told of what it may not"},
    {"audit", OBJECT_AT(struct policy, audit), .of = &audit_shape,
     .help = "the record of every call"},
    {"metrics", OBJECT_AT(struct policy, metrics), .of = &metrics_shape,
     .help = "metrics and health, for operators"},
    {"timeouts", OBJECT_AT(struct policy, timeouts), .of = &timeouts_shape,
     .help = "how long berth waits for the runner"},
};
// clang-format on

const struct shape policy_shape = SHAPE(struct policy, policy_rows);
