#include "policy/ssh_config/ssh_config.h"

#include <ctype.h>
#include <stdlib.h>

#include "policy/ssh_config/ssh_config_private.h"

static bool is_host(struct str host)
{
    if (host.len == 0 || host.len > LIMIT_HOST || *host.ptr == '-')
        return false;
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];

        if (c <= ' ' || c >= 0x7f || c == '/' || c == '@' || c == '%')
            return false;
    }
    return true;
}

/* What HostName makes of the host, after the first pass. */
static int settle_host(struct ssh_run *run)
{
    AUTO(strbuf_fini) struct strbuf host = STRBUF(LIMIT_SSH_CONFIG_LINE);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_SSH_CONFIG_LINE);
    const char *word = run->hostname ? run->hostname : run->query->host;
    const struct ssh_tokens tokens = {.host = run->query->host};
    int r = run->hostname ? ssh_expand(run->query, &tokens, word,
                                       SSH_EXPAND_PERCENT, &host, &why)
                          : strbuf_add(&host, str_from(word));

    if (r == 0 && !is_host(strbuf_str(&host))) {
        strbuf_add(&why, S("is no name of a host and no address"));
        r = SSH_CONFIG_E_REFUSED;
    }
    if (r)
        return ssh_run_refuse_at(run, NULL, "%s: HostName \"%.64s\" %.*s",
                                 run->query->files[0].path, word,
                                 STR_FMT(strbuf_str(&why)));
    for (size_t i = 0; i < host.len; i++)
        host.ptr[i] = (char)tolower((unsigned char)host.ptr[i]);
    free(run->config->host_name);
    run->config->host_name = xstr_dup(strbuf_str(&host));
    return 0;
}

static int expand_one(struct ssh_run *run, const struct ssh_tokens *tokens,
                      const char *option, const char *word, unsigned what,
                      struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_SSH_CONFIG_LINE);

    if (ssh_expand(run->query, tokens, word, what, out, &why) == 0)
        return 0;
    return ssh_run_refuse_at(run, NULL, "%s: %s \"%.64s\" %.*s",
                             run->query->files[0].path, option, word,
                             STR_FMT(strbuf_str(&why)));
}

static bool is_none(const char *word)
{
    return str_eq_nocase(str_from(word), S("none"));
}

static int expand_list(struct ssh_run *run, const struct ssh_tokens *tokens,
                       const char *option, const struct strings *words,
                       unsigned what, struct strings *out)
{
    struct strings list = {0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < words->count; i++) {
        AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_SSH_CONFIG_LINE);

        r = expand_one(run, tokens, option, words->items[i],
                       is_none(words->items[i]) ? 0 : what, &path);
        if (r == 0)
            strings_add(&list, strbuf_str(&path));
    }
    if (r) {
        strings_fini(&list);
        return r;
    }
    strings_fini(out);
    *out = list;
    return 0;
}

static int expand_user(struct ssh_run *run)
{
    AUTO(strbuf_fini) struct strbuf user = STRBUF(LIMIT_SSH_CONFIG_LINE);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_SSH_CONFIG_LINE);
    struct ssh_config *config = run->config;
    struct ssh_known_tokens known;
    int r;

    if (!config->user || run->query->user)
        return 0;
    r = ssh_tokens_init(run, &known, &why);
    known.tokens.remote_user = NULL;
    if (r == 0)
        r = expand_one(run, &known.tokens, "User", config->user,
                       SSH_EXPAND_PERCENT | SSH_EXPAND_DOLLAR, &user);
    ssh_tokens_fini(&known);
    if (r)
        return r;
    free(config->user);
    config->user = xstr_dup(strbuf_str(&user));
    return 0;
}

static int expand_all(struct ssh_run *run)
{
    AUTO(strbuf_fini) struct strbuf agent = STRBUF(LIMIT_SSH_CONFIG_LINE);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_SSH_CONFIG_LINE);
    struct ssh_config *config = run->config;
    struct ssh_known_tokens known;
    int r = ssh_tokens_init(run, &known, &why);
    const struct ssh_tokens *tokens = &known.tokens;

    if (r == 0)
        r = expand_list(run, tokens, "IdentityFile", &config->identity_words,
                        SSH_EXPAND_ALL, &config->identities);
    if (r == 0)
        r = expand_list(run, tokens, "CertificateFile",
                        &config->certificate_words, SSH_EXPAND_ALL,
                        &config->certificates);
    if (r == 0)
        r = expand_list(run, tokens, "UserKnownHostsFile",
                        &config->user_known_hosts, SSH_EXPAND_ALL,
                        &config->user_known_hosts);
    if (r == 0)
        r = expand_list(run, tokens, "GlobalKnownHostsFile",
                        &config->global_known_hosts, SSH_EXPAND_TILDE,
                        &config->global_known_hosts);
    if (r == 0 && config->identity_agent) {
        r = expand_one(run, tokens, "IdentityAgent", config->identity_agent,
                       SSH_EXPAND_ALL, &agent);
        if (r == 0) {
            free(config->identity_agent);
            config->identity_agent = xstr_dup(strbuf_str(&agent));
        }
    }
    ssh_tokens_fini(&known);
    return r;
}

/* What berth will not do, now that all is known. */
static int refuse_what_runs(struct ssh_run *run)
{
    const struct ssh_origin *origins = run->origins;

    if (run->canonicalize)
        return ssh_run_refuse_at(
            run, &origins[SSH_O_CANONICALIZE],
            "CanonicalizeHostname is not supported; write the whole name into "
            "HostName");
    if (run->command && !is_none(run->command) && !run->query->proxied)
        return ssh_run_refuse_at(
            run, &origins[SSH_O_PROXY_COMMAND],
            "ProxyCommand would run a program, which berth never does; write "
            "ProxyJump, or upstream.jump, for a jump host, and upstream.proxy "
            "for a proxy");
    if (run->known_hosts_command && !is_none(run->known_hosts_command))
        return ssh_run_refuse_at(
            run, &origins[SSH_O_KNOWN_HOSTS_COMMAND],
            "KnownHostsCommand would run a program, which berth never does; "
            "write what it prints into a UserKnownHostsFile");
    if (run->revoked_keys)
        return ssh_run_refuse_at(
            run, &origins[SSH_O_REVOKED_HOST_KEYS],
            "RevokedHostKeys is not supported; write \"@revoked * KEY\" into a "
            "UserKnownHostsFile");
    return 0;
}

static int settle_jump(struct ssh_run *run)
{
    struct ssh_config *config = run->config;
    const struct ssh_config_hop *last;
    int port = config->port > 0 ? config->port : SSH_DEFAULT_PORT;
    const char *user = config->user ? config->user : run->query->machine->user,
               *as;

    if (!run->jump || is_none(run->jump))
        return 0;
    if (ssh_hops_read(str_from(run->jump), &config->hops, &config->hop_count))
        return ssh_run_refuse_at(run, &run->origins[SSH_O_PROXY_JUMP],
                                 "ProxyJump cannot be read");
    last = &config->hops[config->hop_count - 1];
    as = last->user ? last->user : user;
    if (strcmp(last->host, config->host_name) == 0 &&
        port == (int)(last->port ? last->port : SSH_DEFAULT_PORT) && user &&
        as && strcmp(user, as) == 0)
        return ssh_run_refuse_at(
            run, &run->origins[SSH_O_PROXY_JUMP],
            "ProxyJump: %s would be reached through itself; write \"ProxyJump "
            "none\" into a Host block for it, before this one",
            last->host);
    return 0;
}

static int resolve(struct ssh_run *run)
{
    int r = ssh_run_pass(run);

    if (r == 0)
        r = settle_host(run);
    if (r == 0)
        r = refuse_what_runs(run);
    if (r == 0 && run->wants_final) {
        free(run->hostname);
        run->hostname = xstrdup(run->config->host_name);
        run->host = run->config->host_name;
        run->final = true;
        r = ssh_run_pass(run);
        if (r == 0)
            r = refuse_what_runs(run);
    }
    if (r)
        return r;
    if (!run->final) {
        free(run->hostname);
        run->hostname = xstrdup(run->config->host_name);
        run->final = true; /* from here on it is what %h means */
    }
    r = expand_user(run);
    if (r == 0)
        r = expand_all(run);
    return r ? r : settle_jump(run);
}

int ssh_config_resolve(const struct ssh_config_query *query,
                       struct ssh_config *out, struct strbuf *why)
{
    struct ssh_config config = {
        .user = query->user ? xstrdup(query->user) : NULL,
        .port = query->port ? (int)query->port : -1,
        .identities_only = -1,
        .connect_timeout = -1,
        .alive_interval = -1,
        .alive_count = -1,
        .family = -1,
        .tcp_keep_alive = -1,
        .strict = -1,
        .rekey_bytes = -1,
        .rekey_seconds = -1,
    };
    struct ssh_run run = {
        .query = query,
        .config = &config,
        .why = why,
        .host = query->host,
        .jump = query->jump ? xstrdup(query->jump) : NULL,
        .command = query->jump ? xstrdup("none") : NULL,
    };
    int r = resolve(&run);

    free(run.hostname);
    free(run.command);
    free(run.jump);
    free(run.known_hosts_command);
    free(run.ignore_unknown);
    strings_fini(&run.said);
    if (r)
        ssh_config_fini(&config);
    else
        *out = config; /* handed over */
    return r;
}

void ssh_config_fini(struct ssh_config *config)
{
    free(config->host_name);
    free(config->user);
    strings_fini(&config->identities);
    strings_fini(&config->certificates);
    strings_fini(&config->identity_words);
    strings_fini(&config->certificate_words);
    free(config->identity_agent);
    strings_fini(&config->user_known_hosts);
    strings_fini(&config->global_known_hosts);
    free(config->host_key_alias);
    free(config->host_key_algorithms);
    free(config->ciphers);
    free(config->macs);
    free(config->kex_algorithms);
    free(config->bind_address);
    ssh_hops_free(config->hops, config->hop_count);
    strings_fini(&config->not_followed);
    strings_fini(&config->files);
    *config = (struct ssh_config){0};
}
