#include "policy/config/upstream_config.h"

#include <stdlib.h>

void upstream_config_fini(struct upstream_config *config)
{
    free(config->url);
    free(config->user);
    free(config->host);
    free(config->path);
    for (size_t i = 0; i < config->identity_count; i++)
        free(config->identities[i]);
    free(config->passphrase_file);
    free(config->known_hosts);
    free(config->host_key);
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
    int r = strbuf_add(out, str_from(kinds[config->kind]));

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

bool upstream_config_eq(const struct upstream_config *a,
                        const struct upstream_config *b)
{
    if (a->identity_count != b->identity_count)
        return false;
    for (size_t i = 0; i < a->identity_count; i++) {
        if (!text_eq(a->identities[i], b->identities[i]))
            return false;
    }
    return a->kind == b->kind && text_eq(a->user, b->user) &&
           text_eq(a->host, b->host) && a->port == b->port &&
           text_eq(a->path, b->path) &&
           text_eq(a->passphrase_file, b->passphrase_file) &&
           a->agent == b->agent && text_eq(a->known_hosts, b->known_hosts) &&
           text_eq(a->host_key, b->host_key) && a->channel == b->channel &&
           a->connect_timeout_ms == b->connect_timeout_ms &&
           a->dead_after_ms == b->dead_after_ms && a->wait_ms == b->wait_ms &&
           a->spare_channels == b->spare_channels;
}
