#include "proxy/ssh/ssh_host_key.h"

#include "proxy/base/base64.h"
#include "proxy/ssh/key_file.h"
#include "proxy/ssh/known_hosts.h"
#include "proxy/ssh/ssh_wire.h"

#define SHA256_LEN    32
#define FINGERPRINT   64
#define LIMIT_METHODS 1024

static struct known_host host_of(const struct upstream_config *config)
{
    return (struct known_host){str_from(config->host), config->port};
}

/* The type of a key stands first in its wire format. */
static struct str type_of(struct str key)
{
    struct str type = S("unreadable");

    ssh_wire_string(&key, &type);
    return type;
}

/* Name TYPE as the host key algorithms that go with it, best first. */
static void add_methods(struct strbuf *list, struct str type)
{
    const char *comma = list->len ? "," : "";

#if LIBSSH2_VERSION_NUM >= 0x010b00
    if (str_eq(type, S("ssh-rsa"))) {
        strbuf_addf(list, "%srsa-sha2-512,rsa-sha2-256", comma);
        return;
    }
#endif
    strbuf_addf(list, "%s%.*s", comma, STR_FMT(type));
}

static int refuse_unpinned(const struct upstream_config *config,
                           struct strbuf *why)
{
    strbuf_addf(why,
                "nothing says which host key %s has, so it is not trusted; "
                "configure known_hosts (made with ssh-keyscan and verified "
                "with the host's administrator) or host_key",
                config->host);
    return SSH_HOST_KEY_E_REFUSED;
}

static int read_known_hosts(const struct upstream_config *config,
                            struct key_file *file, struct strbuf *why)
{
    if (key_file_read(config->known_hosts, LIMIT_KNOWN_HOSTS, KEY_FILE_PUBLIC,
                      file, why))
        return SSH_HOST_KEY_E_REFUSED;
    return 0;
}

int ssh_host_key_prefer(LIBSSH2_SESSION *session,
                        const struct upstream_config *config,
                        struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf list = STRBUF(LIMIT_METHODS);
    AUTO(key_file_fini) struct key_file file = {0};
    /* the known types first; the rest too, so that a server with none of them
     * still gets as far as showing what it has, and the refusal can name it */
    static const struct str others[] = {
        STR("ssh-ed25519"),
        STR("ecdsa-sha2-nistp256"),
        STR("ecdsa-sha2-nistp384"),
        STR("ecdsa-sha2-nistp521"),
        STR("ssh-rsa"),
    };
    struct known_hosts_types types = {0};
    int r;

    if (!config->host_key && !config->known_hosts)
        return refuse_unpinned(config, why);
    if (!config->host_key) {
        r = read_known_hosts(config, &file, why);
        if (r)
            return r;
        known_hosts_types(str_of(file.data, file.len), host_of(config), &types);
    }
    for (size_t i = 0; i < types.count; i++)
        add_methods(&list, types.names[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        add_methods(&list, others[i]);
    /* names that libssh2 does not know are dropped from the list by it */
    libssh2_session_method_pref(session, LIBSSH2_METHOD_HOSTKEY,
                                strbuf_cstr(&list));
    return 0;
}

static int check_pin(const struct upstream_config *config, struct str seen,
                     struct strbuf *why)
{
    struct str pin = str_from(config->host_key);

    while (str_has_suffix(pin, S("=")))
        pin.len--;
    if (str_eq(pin, seen))
        return 0;
    strbuf_addf(why,
                "the host key of %s is %.*s, but host_key pins %.*s; either "
                "the server's key was changed or somebody stands in between: "
                "verify on the host with ssh-keygen -lf before changing "
                "host_key",
                config->host, STR_FMT(seen), STR_FMT(pin));
    return SSH_HOST_KEY_E_REFUSED;
}

static int check_file(const struct upstream_config *config, struct str key,
                      struct str seen, struct strbuf *why)
{
    AUTO(key_file_fini) struct key_file file = {0};
    const char *path = config->known_hosts, *host = config->host;
    struct str type = type_of(key);
    unsigned line = 0;
    int r = read_known_hosts(config, &file, why);

    if (r)
        return r;
    r = known_hosts_check(str_of(file.data, file.len), host_of(config), key,
                          &line);
    if (r == 0)
        return 0;
    if (r == KNOWN_HOSTS_E_REVOKED)
        strbuf_addf(why, "the %.*s host key %.*s of %s is revoked by %s:%u",
                    STR_FMT(type), STR_FMT(seen), host, path, line);
    else if (r == KNOWN_HOSTS_E_CHANGED)
        strbuf_addf(why,
                    "the %.*s host key of %s is %.*s, but %s:%u has another "
                    "key; either the server's key was changed or somebody "
                    "stands in between: verify on the host with ssh-keygen "
                    "-lf before changing that line",
                    STR_FMT(type), host, STR_FMT(seen), path, line);
    else if (r == KNOWN_HOSTS_E_AUTHORITY)
        strbuf_addf(why,
                    "%s:%u trusts %s by a certificate authority, which is not "
                    "supported; add a line with its %.*s key %.*s",
                    path, line, host, STR_FMT(type), STR_FMT(seen));
    else
        strbuf_addf(why,
                    "%s has no line for %s port %u, whose %.*s host key is "
                    "%.*s; get one with ssh-keyscan -p %u %s, and verify its "
                    "fingerprint on the host with ssh-keygen -lf",
                    path, host, config->port, STR_FMT(type), STR_FMT(seen),
                    config->port, host);
    return SSH_HOST_KEY_E_REFUSED;
}

int ssh_host_key_check(LIBSSH2_SESSION *session,
                       const struct upstream_config *config, struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf seen = STRBUF(FINGERPRINT);
    const char *hash, *key;
    size_t len = 0;
    int type = 0;

    key = libssh2_session_hostkey(session, &len, &type);
    hash = libssh2_hostkey_hash(session, LIBSSH2_HOSTKEY_HASH_SHA256);
    if (!key || !hash) {
        strbuf_addf(why, "the server at %s showed no host key", config->host);
        return SSH_HOST_KEY_E_REFUSED;
    }
    strbuf_add(&seen, S("SHA256:"));
    base64_encode(str_of(hash, SHA256_LEN), &seen);
    while (str_has_suffix(strbuf_str(&seen), S("=")))
        seen.len--;
    if (config->host_key)
        return check_pin(config, strbuf_str(&seen), why);
    if (config->known_hosts)
        return check_file(config, str_of(key, len), strbuf_str(&seen), why);
    return refuse_unpinned(config, why);
}
