#include "policy/config/upstream_config.h"

#include <stdlib.h>

void upstream_config_fini(struct upstream_config *config)
{
    free(config->url);
    free(config->user);
    free(config->host);
    free(config->path);
    strings_fini(&config->engines);
    for (size_t i = 0; i < config->identity_count; i++)
        free(config->identities[i]);
    free(config->passphrase_file);
    free(config->agent_socket);
    strings_fini(&config->known_hosts);
    free(config->host_key_alias);
    free(config->host_key);
    free(config->host_key_algorithms);
    free(config->ciphers);
    free(config->macs);
    free(config->kex_algorithms);
    free(config->bind_address);
    free(config->proxy.host);
    free(config->proxy.credentials);
    free(config->forward_host);
    strings_fini(&config->ssh_files);
    strings_fini(&config->not_followed);
    if (config->jump)
        upstream_config_fini(config->jump);
    free(config->jump);
}

static bool is_this_machine(struct str host)
{
    static const struct str names[] = {STR("localhost"), STR("ip6-localhost"),
                                       STR("::1")};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (str_eq_nocase(host, names[i]))
            return true;
    }
    return str_has_prefix(host, S("127."));
}

static int put_host(struct strbuf *out, struct str host)
{
    int r = 0;

    if (str_has_suffix(host, S(".")))
        host.len--; /* the root of all names */
    if (is_this_machine(host))
        return strbuf_add(out, S("localhost"));
    for (size_t i = 0; r == 0 && i < host.len; i++) {
        char c = host.ptr[i];

        r = strbuf_add_char(out, (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c));
    }
    return r;
}

int upstream_config_engine(const struct upstream_config *config,
                           struct strbuf *out)
{
    static const struct str var = STR("/var");
    static const char *const kinds[] = {
        [UPSTREAM_UNIX] = "unix:",
        [UPSTREAM_TCP] = "tcp:",
        [UPSTREAM_SSH] = "ssh:",
    };
    struct str path = str_from(config->path);
    int r = strbuf_addf(out, "%s%s", config->srv ? "srv+" : "",
                        kinds[config->kind]);

    if (r == 0 && config->kind != UPSTREAM_UNIX)
        r = put_host(out, str_from(config->host));
    if (r == 0 && config->kind != UPSTREAM_UNIX)
        r = strbuf_addf(out, ":%u", config->port);
    if (str_has_prefix(path, S("/var/run/")))
        path = str_from_index(path, var.len);
    return r == 0 && config->kind != UPSTREAM_TCP ? strbuf_add(out, path) : r;
}

static bool text_eq(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool strings_eq(const struct strings *a, const struct strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static bool proxy_eq(const struct proxy_config *a, const struct proxy_config *b)
{
    return a->kind == b->kind && text_eq(a->host, b->host) &&
           a->port == b->port && text_eq(a->credentials, b->credentials);
}

/* What a login is like beside its keys and its time limits. */
static bool ssh_eq(const struct upstream_config *a,
                   const struct upstream_config *b)
{
    return text_eq(a->agent_socket, b->agent_socket) &&
           a->identities_only == b->identities_only &&
           strings_eq(&a->known_hosts, &b->known_hosts) &&
           a->known_hosts_may_miss == b->known_hosts_may_miss &&
           text_eq(a->host_key_alias, b->host_key_alias) &&
           text_eq(a->host_key_algorithms, b->host_key_algorithms) &&
           text_eq(a->ciphers, b->ciphers) && text_eq(a->macs, b->macs) &&
           text_eq(a->kex_algorithms, b->kex_algorithms) &&
           a->ip_version == b->ip_version &&
           text_eq(a->bind_address, b->bind_address) &&
           proxy_eq(&a->proxy, &b->proxy) &&
           text_eq(a->forward_host, b->forward_host) &&
           a->forward_port == b->forward_port;
}

bool upstream_config_eq(const struct upstream_config *a,
                        const struct upstream_config *b)
{
    if (!a || !b)
        return a == b;
    if (!ssh_eq(a, b) || !upstream_config_eq(a->jump, b->jump))
        return false;
    if (a->identity_count != b->identity_count)
        return false;
    for (size_t i = 0; i < a->identity_count; i++) {
        if (!text_eq(a->identities[i], b->identities[i]))
            return false;
    }
    return a->kind == b->kind && a->srv == b->srv &&
           text_eq(a->srv_name, b->srv_name) && text_eq(a->user, b->user) &&
           text_eq(a->host, b->host) && a->port == b->port &&
           text_eq(a->path, b->path) && strings_eq(&a->engines, &b->engines) &&
           text_eq(a->passphrase_file, b->passphrase_file) &&
           a->agent == b->agent && text_eq(a->host_key, b->host_key) &&
           a->channel == b->channel &&
           a->connect_timeout_ms == b->connect_timeout_ms &&
           a->dead_after_ms == b->dead_after_ms && a->wait_ms == b->wait_ms &&
           a->spare_channels == b->spare_channels && a->links == b->links;
}
