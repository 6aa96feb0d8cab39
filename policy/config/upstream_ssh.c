#include "policy/config/upstream_ssh.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "policy/config/upstream_proxy.h"
#include "policy/config/url.h"

#define SYSTEM_FILE  "/etc/ssh/ssh_config"
#define SHORTEST_MS  1000U
#define LONGEST_MS   3600000U
#define LIMIT_PATH_1 4096

/* What stays the same for the engine's host and all jump hosts. */
struct making {
    const struct policy_source *source;
    const struct upstream_said *said;
    struct policy *policy;
    struct ssh_config_machine machine;
    struct ssh_config_file files[2];
    size_t file_count;
    unsigned hops; /* so far */
    struct strbuf *why;
};

/* One host of the way, as the policy or another host's ProxyJump names it. */
struct step {
    struct str host;
    struct str user; /* or empty */
    unsigned port;   /* or 0 */
    const char *jump;
    const struct jump_policy *keys; /* or NULL */
};

static int invalid(struct making *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int invalid(struct making *m, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    strbuf_addv(m->why, format, args);
    va_end(args);
    return URL_E_INVALID;
}

static void find_files(struct making *m)
{
    const struct policy_source *source = m->source;
    const struct environment *environment = source->environment;
    const char *file = m->policy->upstream_keys.ssh_config;
    bool none = source->text.ptr == NULL;

    if (source->machine)
        m->machine = *source->machine;
    else
        m->machine = (struct ssh_config_machine){
            .environment = environment,
            .user = environment_get(environment, "USER"),
            .home = environment_get(environment, "HOME"),
            .host = environment->host_name,
        };
    if (!m->machine.home)
        m->machine.home = "/root";
    if (!file) {
        m->machine.user = environment_get(environment, "USER");
        return;
    }
    /* without a policy: the user's own, and the system's */
    m->files[m->file_count++] = (struct ssh_config_file){
        .path = file, .user = true, .required = !none, .careful = none};
    if (none)
        m->files[m->file_count++] =
            (struct ssh_config_file){.path = SYSTEM_FILE};
}

static bool is_none(const char *word)
{
    return str_eq_nocase(str_from(word), S("none"));
}

static int add_identity(struct making *m, struct upstream_config *config,
                        const char *path)
{
    if (is_none(path))
        return 0;
    if (*path != '/')
        return invalid(m,
                       "IdentityFile \"%s\" is no absolute path; write one "
                       "that begins with \"/\" or \"~/\"",
                       path);
    config->identities[config->identity_count++] = xstrdup(path);
    return 0;
}

/* Those that ssh tries when it is told none, as far as they are of use. */
static void add_usual_identities(struct making *m,
                                 struct upstream_config *config)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_PATH_1);

        strbuf_addf(&path, "%s/.ssh/%s", m->machine.home, names[i]);
        config->identities[config->identity_count++] =
            xstr_dup(strbuf_str(&path));
    }
}

static int set_identities(struct making *m, const struct step *step,
                          const struct ssh_config *file,
                          struct upstream_config *config)
{
    const struct strings *own = &m->policy->upstream_keys.identities;
    int r = 0;

    if (step->keys)
        own = step->keys->identities.count || !m->file_count
                  ? &step->keys->identities
                  : NULL;
    else if (m->hops && m->file_count)
        own = NULL; /* a jump host of the file has its own, or the usual */
    if (own && own->count == 0 && step->keys && !m->file_count)
        own = &m->policy->upstream_keys.identities;
    for (size_t i = 0; own && i < own->count; i++)
        config->identities[config->identity_count++] = xstrdup(own->items[i]);
    if ((own && own->count) || !m->file_count)
        return 0;
    for (size_t i = 0; r == 0 && i < file->identities.count; i++)
        r = add_identity(m, config, file->identities.items[i]);
    if (file->identities.count == 0)
        add_usual_identities(m, config);
    return r;
}

static int add_known(struct making *m, struct upstream_config *config,
                     const struct strings *files, const char *const *usual)
{
    for (size_t i = 0; files->count == 0 && usual[i]; i++) {
        AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_PATH_1);

        if (*usual[i] != '/')
            strbuf_addf(&path, "%s/", m->machine.home);
        strbuf_add(&path, str_from(usual[i]));
        strings_add(&config->known_hosts, strbuf_str(&path));
    }
    for (size_t i = 0; i < files->count; i++) {
        if (is_none(files->items[i]))
            continue;
        if (*files->items[i] != '/')
            return invalid(m,
                           "UserKnownHostsFile and GlobalKnownHostsFile: "
                           "\"%s\" is no absolute path; write one that "
                           "begins with \"/\" or \"~/\"",
                           files->items[i]);
        strings_add(&config->known_hosts, str_from(files->items[i]));
    }
    return 0;
}

static int set_trust(struct making *m, const struct step *step,
                     const struct ssh_config *file,
                     struct upstream_config *config)
{
    static const char *const users[] = {".ssh/known_hosts", ".ssh/known_hosts2",
                                        NULL};
    static const char *const systems[] = {"/etc/ssh/ssh_known_hosts",
                                          "/etc/ssh/ssh_known_hosts2", NULL};
    const struct upstream_policy *keys = &m->policy->upstream_keys;
    const char *known = step->keys ? step->keys->known_hosts : NULL;
    const char *pin = step->keys ? step->keys->host_key : NULL;
    int r;

    if (!m->hops)
        pin = keys->host_key;
    if (!known && !pin)
        known = keys->known_hosts;
    if (pin)
        config->host_key = xstrdup(pin);
    if (known)
        strings_add(&config->known_hosts, str_from(known));
    if (known || pin || !m->file_count)
        return 0;
    config->known_hosts_may_miss = true;
    r = add_known(m, config, &file->user_known_hosts, users);
    return r ? r : add_known(m, config, &file->global_known_hosts, systems);
}

/* "none", "SSH_AUTH_SOCK", "$NAME" or a path. */
static void set_agent(struct making *m, const struct ssh_config *file,
                      struct upstream_config *config)
{
    const char *agent = file->identity_agent;

    config->agent = m->policy->upstream_keys.agent;
    if (!agent || !config->agent || strcmp(agent, "SSH_AUTH_SOCK") == 0)
        return;
    if (is_none(agent)) {
        config->agent = m->said->agent;
        return;
    }
    if (*agent == '$')
        agent = environment_get(m->source->environment, agent + 1);
    if (agent && *agent)
        config->agent_socket = xstrdup(agent);
    else
        config->agent = false; /* as ssh has it, without the variable */
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static unsigned milliseconds(long long seconds, unsigned least)
{
    long long ms = seconds * 1000;

    if (ms < (long long)least)
        return least;
    return ms > (long long)LONGEST_MS ? LONGEST_MS : (unsigned)ms;
}

static void set_times(struct making *m, const struct ssh_config *file,
                      struct upstream_config *config)
{
    const struct upstream_policy *keys = &m->policy->upstream_keys;
    long long count = file->alive_count < 0 ? 3 : file->alive_count;

    config->connect_timeout_ms = keys->connect_timeout;
    config->dead_after_ms = keys->dead_after;
    if (!m->said->connect_timeout && file->connect_timeout > 0)
        config->connect_timeout_ms =
            milliseconds(file->connect_timeout, SHORTEST_MS);
    if (!m->said->dead_after && file->alive_interval > 0)
        config->dead_after_ms = milliseconds(
            file->alive_interval * (count ? count : 1), SHORTEST_MS);
}

static int set_address(struct making *m, const struct ssh_config *file,
                       struct upstream_config *config)
{
    unsigned char address[sizeof(struct in6_addr)];
    const char *from = file->bind_address;

    if (file->family == SSH_CONFIG_INET)
        config->ip_version = 4;
    else if (file->family == SSH_CONFIG_INET6)
        config->ip_version = 6;
    if (from && inet_pton(AF_INET, from, address) != 1 &&
        inet_pton(AF_INET6, from, address) != 1)
        return invalid(m,
                       "BindAddress \"%s\" is no address; write one of this "
                       "machine's in numbers",
                       from);
    config->bind_address = copy(from);
    return 0;
}

static void move(struct strings *to, struct strings *from)
{
    for (size_t i = 0; i < from->count; i++)
        strings_add(to, str_from(from->items[i]));
}

/* What the file says and the policy has no key for. */
static int set_rest(struct making *m, const struct step *step,
                    struct ssh_config *file, struct upstream_config *config)
{
    const struct upstream_policy *keys = &m->policy->upstream_keys;
    const char *phrase = step->keys && step->keys->passphrase_file
                             ? step->keys->passphrase_file
                             : keys->passphrase_file;

    config->passphrase_file = copy(phrase);
    config->identities_only = file->identities_only == 1;
    config->host_key_alias = copy(file->host_key_alias);
    config->host_key_algorithms = copy(file->host_key_algorithms);
    config->ciphers = copy(file->ciphers);
    config->macs = copy(file->macs);
    config->kex_algorithms = copy(file->kex_algorithms);
    config->channel = keys->channel;
    config->wait_ms = keys->wait;
    config->spare_channels = keys->spare_channels;
    config->links = keys->links;
    set_agent(m, file, config);
    set_times(m, file, config);
    move(&config->ssh_files, &file->files);
    move(&config->not_followed, &file->not_followed);
    return set_address(m, file, config);
}

/* Ask the files; without any, all is unsaid. */
static int ask_files(struct making *m, const struct step *step,
                     struct ssh_config *file)
{
    char *host = xstr_dup(step->host);
    char *user = step->user.len ? xstr_dup(step->user) : NULL;
    const struct ssh_config_query query = {
        .host = host,
        .user = user,
        .port = step->port,
        .jump = step->jump,
        .proxied = m->policy->upstream_keys.proxy.url != NULL,
        .machine = &m->machine,
        .files = m->files,
        .file_count = m->file_count,
    };
    int r = ssh_config_resolve(&query, file, m->why);

    free(host);
    free(user);
    return r ? URL_E_INVALID : 0;
}

static int make_jumps(struct making *m, const struct ssh_config *file,
                      struct upstream_config *config);

/* Fill CONFIG, whose kind is set, for STEP. */
static int make(struct making *m, const struct step *step,
                struct upstream_config *config)
{
    struct ssh_config file = {0};
    const char *user;
    int r = ask_files(m, step, &file);

    if (r)
        return r;
    user = file.user ? file.user : m->machine.user;
    config->kind = UPSTREAM_SSH;
    config->host = xstrdup(file.host_name);
    config->port = file.port > 0 ? (unsigned)file.port : URL_SSH_PORT;
    config->user = copy(user);
    r = user && *user ? 0
                      : invalid(m, "names no user, and $USER is not set; write "
                                   "ssh://USER@HOST");
    if (r == 0)
        r = set_identities(m, step, &file, config);
    if (r == 0)
        r = set_trust(m, step, &file, config);
    if (r == 0)
        r = set_rest(m, step, &file, config);
    if (r == 0)
        r = make_jumps(m, &file, config);
    ssh_config_fini(&file);
    return r;
}

/* The jump host of CONFIG is STEP. */
static int make_jump(struct making *m, const struct step *step,
                     struct upstream_config *config)
{
    AUTO(strbuf_fini) struct strbuf url = STRBUF(LIMIT_PATH_1);
    struct upstream_config *jump;
    int r;

    if (++m->hops > LIMIT_JUMPS)
        return invalid(m,
                       "there are more than %d jump hosts on the way; is "
                       "one reached through itself?",
                       LIMIT_JUMPS);
    jump = xcalloc(1, sizeof(*jump));
    config->jump = jump;
    r = make(m, step, jump);
    if (r)
        return r;
    jump->forward_host = xstrdup(config->host);
    jump->forward_port = config->port;
    jump->channel = SSH_CHANNEL_FORWARD;
    jump->spare_channels = 0; /* each would be a connection to the next */
    jump->links = 1;
    strbuf_addf(&url, "ssh://%s@%s:%u", jump->user, jump->host, jump->port);
    jump->url = xstr_dup(strbuf_str(&url));
    return 0;
}

/* Those of ProxyJump: the last is before CONFIG, and reached through the
 * others; a first one by itself has what the files say about it. */
static int make_jumps(struct making *m, const struct ssh_config *file,
                      struct upstream_config *config)
{
    AUTO(strbuf_fini) struct strbuf before = STRBUF(LIMIT_PATH_1);
    const struct ssh_config_hop *last;

    if (file->hop_count == 0)
        return 0;
    last = &file->hops[file->hop_count - 1];
    for (size_t i = 0; i + 1 < file->hop_count; i++) {
        const struct ssh_config_hop *hop = &file->hops[i];
        bool six = strchr(hop->host, ':') != NULL;

        strbuf_addf(&before, "%s%s%s%s%s%s", i ? "," : "",
                    hop->user ? hop->user : "", hop->user ? "@" : "",
                    six ? "[" : "", hop->host, six ? "]" : "");
        if (hop->port)
            strbuf_addf(&before, ":%u", hop->port);
    }
    return make_jump(m,
                     &(struct step){
                         .host = str_from(last->host),
                         .user = str_from(last->user),
                         .port = last->port,
                         .jump = before.len ? strbuf_cstr(&before) : NULL,
                     },
                     config);
}

static struct step step_of(const struct url *url)
{
    return (struct step){
        .host = url->host,
        .user = url->user,
        .port = url->port_given ? url->port : 0,
    };
}

/* upstream.jump: from the engine's host back to the first. */
static int make_policy_jumps(struct making *m, struct upstream_config *config)
{
    const struct objects *jumps = &m->policy->upstream_keys.jump;
    const struct jump_policy *items = jumps->items;

    for (size_t i = jumps->count; i-- > 0; config = config->jump) {
        struct url url;
        struct step step;
        int r = url_parse(str_from(items[i].url), &url, m->why);

        if (r)
            return r;
        step = step_of(&url);
        step.jump = "none"; /* the list says it all */
        step.keys = &items[i];
        r = make_jump(m, &step, config);
        if (r)
            return r;
    }
    return 0;
}

void upstream_ssh_show(struct policy *policy)
{
    struct upstream_policy *keys = &policy->upstream_keys;
    const struct upstream_config *config = &policy->upstream;

    if (keys->identities.count == 0)
        for (size_t i = 0; i < config->identity_count; i++)
            strings_add(&keys->identities, str_from(config->identities[i]));
    keys->agent = config->agent;
    keys->connect_timeout = config->connect_timeout_ms;
    keys->dead_after = config->dead_after_ms;
}

/* One clock for all hosts of the way. */
static void share_times(struct upstream_config *config)
{
    for (struct upstream_config *jump = config->jump; jump; jump = jump->jump)
        jump->connect_timeout_ms = config->connect_timeout_ms;
}

static int make_proxy(struct making *m, struct upstream_config *config)
{
    while (config->jump)
        config = config->jump;
    return upstream_proxy_make(&m->policy->upstream_keys,
                               m->source->environment, config, m->why);
}

int upstream_ssh_make(const struct policy_source *source,
                      const struct upstream_said *said, struct policy *policy,
                      const char *text, struct upstream_config *config,
                      struct strbuf *why)
{
    struct making m = {
        .source = source, .said = said, .policy = policy, .why = why};
    struct url url;
    struct step step;
    int r = url_parse(str_from(text), &url, why);

    if (r)
        return r;
    find_files(&m);
    step = step_of(&url);
    if (policy->upstream_keys.jump.count)
        step.jump = "none";
    r = make(&m, &step, config);
    if (r == 0)
        r = make_policy_jumps(&m, config);
    if (r)
        return r;
    r = make_proxy(&m, config);
    if (r)
        return r;
    config->url = xstrdup(text);
    config->path = xstr_dup(url.path);
    share_times(config);
    return 0;
}
