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
