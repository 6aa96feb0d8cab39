#include "proxy/ssh/ssh_host_key.h"

#include <errno.h>
#include <unistd.h>

#include "policy/config/url.h"
#include "policy/ssh_config/ssh_config.h"
#include "proxy/base/base64.h"
#include "proxy/ssh/key_file.h"
#include "proxy/ssh/known_hosts.h"
#include "proxy/ssh/ssh_wire.h"

#define SHA256_LEN    32
#define FINGERPRINT   64
#define LIMIT_METHODS 1024

static struct known_host host_of(const struct upstream_config *config)
{
    if (config->host_key_alias)
        return (struct known_host){str_from(config->host_key_alias),
                                   URL_SSH_PORT};
    return (struct known_host){str_from(config->host), config->port};
}

/* The name of the host in messages and known_hosts. */
static const char *known_as(const struct upstream_config *config)
{
    return config->host_key_alias ? config->host_key_alias : config->host;
}

/* The type of a key is first in its wire format. */
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

/* File NUMBER. One that may be missing, and is, is empty. */
static int read_known_hosts(const struct upstream_config *config, size_t number,
                            struct key_file *file, struct strbuf *why)
{
    const char *path = config->known_hosts.items[number];

    if (config->known_hosts_may_miss && access(path, F_OK) < 0 &&
        errno == ENOENT)
        return 0;
    if (key_file_read(path, LIMIT_KNOWN_HOSTS, KEY_FILE_PUBLIC, file, why))
        return SSH_HOST_KEY_E_REFUSED;
    return 0;
}

/* Name the types of keys that the files know, as methods. */
static int add_known(const struct upstream_config *config, struct strbuf *list,
                     struct strbuf *why)
{
    for (size_t i = 0; i < config->known_hosts.count; i++) {
        AUTO(key_file_fini) struct key_file file = {0};
        struct known_hosts_types types = {0};

        if (read_known_hosts(config, i, &file, why))
            return SSH_HOST_KEY_E_REFUSED;
        known_hosts_types(str_of(file.data, file.len), host_of(config), &types);
        for (size_t t = 0; t < types.count; t++)
            add_methods(list, types.names[t]);
    }
    return 0;
}

int ssh_host_key_prefer(LIBSSH2_SESSION *session,
                        const struct upstream_config *config,
                        struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf list = STRBUF(LIMIT_METHODS);
    AUTO(strbuf_fini) struct strbuf wanted = STRBUF(8 * LIMIT_METHODS);
    /* the known types first; the rest too, so that a server with none of them
     * still gets as far as showing what it has, and the refusal can name it */
    static const struct str others[] = {
        STR("ssh-ed25519"),
        STR("ecdsa-sha2-nistp256"),
        STR("ecdsa-sha2-nistp384"),
        STR("ecdsa-sha2-nistp521"),
        STR("ssh-rsa"),
    };
    const char *asked = config->host_key_algorithms;

    if (!config->host_key && config->known_hosts.count == 0)
        return refuse_unpinned(config, why);
    if (!config->host_key && add_known(config, &list, why))
        return SSH_HOST_KEY_E_REFUSED;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        add_methods(&list, others[i]);
    if (asked)
        ssh_config_algorithms(str_from(asked), strbuf_str(&list), &wanted);
    /* names that libssh2 does not know are dropped from the list by it */
    if (libssh2_session_method_pref(session, LIBSSH2_METHOD_HOSTKEY,
                                    strbuf_cstr(asked ? &wanted : &list)) &&
        asked) {
        strbuf_addf(
            why,
            "HostKeyAlgorithms \"%.200s\" of ssh_config names none that "
            "libssh2 %s has; add one of %.*s",
            asked, libssh2_version(0), STR_FMT(strbuf_str(&list)));
        return SSH_HOST_KEY_E_REFUSED;
    }
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
                "the server's key was changed or somebody is in between: "
                "verify on the host with ssh-keygen -lf before changing "
                "host_key",
                config->host, STR_FMT(seen), STR_FMT(pin));
    return SSH_HOST_KEY_E_REFUSED;
}

/* Which of two findings counts, of two files? */
static unsigned rank(int finding)
{
    static const unsigned ranks[] = {
        [KNOWN_HOSTS_E_UNKNOWN] = 0, [KNOWN_HOSTS_E_AUTHORITY] = 1,
        [KNOWN_HOSTS_E_CHANGED] = 2, [0] = 3,
        [KNOWN_HOSTS_E_REVOKED] = 4,
    };

    return ranks[finding];
}

static int check_files(const struct upstream_config *config, struct str key,
                       struct str seen, struct strbuf *why)
{
    const char *path = config->known_hosts.items[0];
    const char *host = known_as(config);
    struct str type = type_of(key);
    unsigned line = 0;
    int r = KNOWN_HOSTS_E_UNKNOWN;

    for (size_t i = 0; i < config->known_hosts.count; i++) {
        AUTO(key_file_fini) struct key_file file = {0};
        unsigned at = 0;
        int found;

        if (read_known_hosts(config, i, &file, why))
            return SSH_HOST_KEY_E_REFUSED;
        found = known_hosts_check(str_of(file.data, file.len), host_of(config),
                                  key, &at);
        if (rank(found) <= rank(r))
            continue;
        r = found;
        line = at;
        path = config->known_hosts.items[i];
    }
    if (r == 0)
        return 0;
    if (r == KNOWN_HOSTS_E_REVOKED)
        strbuf_addf(why, "the %.*s host key %.*s of %s is revoked by %s:%u",
                    STR_FMT(type), STR_FMT(seen), host, path, line);
    else if (r == KNOWN_HOSTS_E_CHANGED)
        strbuf_addf(why,
                    "the %.*s host key of %s is %.*s, but %s:%u has another "
                    "key; either the server's key was changed or somebody "
                    "is in between: verify on the host with ssh-keygen "
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
                    path, host, host_of(config).port, STR_FMT(type),
                    STR_FMT(seen), host_of(config).port, host);
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
    if (config->known_hosts.count)
        return check_files(config, str_of(key, len), strbuf_str(&seen), why);
    return refuse_unpinned(config, why);
}
