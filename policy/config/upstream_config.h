#pragma once

/*
 * Where the engine is and how to prove who we are and who it is: the
 * "upstream" part of a policy, read and checked, with the environment filled
 * in. Plain values; proxy/ssh/ssh_link.c and proxy/upstream/socket_upstream.c
 * act on them.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"
#include "policy/base/strings.h"

enum upstream_kind {
    UPSTREAM_UNIX, /* unix:///path */
    UPSTREAM_TCP,  /* tcp://host:port, tcp+srv://name */
    UPSTREAM_SSH,  /* ssh://[user@]host[:port][/path/of/docker.sock], or
                      ssh+srv://[user@]name[/path/of/docker.sock] */
};

enum ssh_channel_mode {
    SSH_CHANNEL_AUTO,      /* streamlocal, dial-stdio where that is forbidden */
    SSH_CHANNEL_FORWARD,   /* direct-streamlocal@openssh.com only */
    SSH_CHANNEL_DIAL_STDIO /* "docker system dial-stdio" over exec only */
};

enum proxy_kind {
    PROXY_NONE,
    PROXY_HTTP,   /* CONNECT: RFC 9110, 9.3.6 */
    PROXY_SOCKS5, /* RFC 1928 */
};

struct proxy_config {
    enum proxy_kind kind;
    char *host;
    unsigned port;
    char *credentials; /* a file with USER:PASSWORD, or NULL */
};

struct upstream_config {
    enum upstream_kind kind;
    char *url;              /* as it was given, for messages */
    char *user;             /* ssh; never NULL there */
    char *host;             /* ssh, tcp: a name or address, without brackets */
    unsigned port;          /* ssh, tcp */
    bool srv;               /* HOST is the name of SRV records: nothing goes
                               there, but to their targets (upstream_target.h) */
    const char *srv_name;   /* of a target: that name; else NULL */
    char *path;             /* unix, ssh: the engine's socket */
    struct strings engines; /* the IDs that it may have; none: any */

    char *identities[LIMIT_IDENTITIES]; /* private key files, tried in order */
    size_t identity_count;
    char *passphrase_file;      /* for encrypted identities, or NULL */
    bool agent;                 /* ask $SSH_AUTH_SOCK after the files */
    char *agent_socket;         /* instead of $SSH_AUTH_SOCK, or NULL */
    bool identities_only;       /* of the agent, those that the files name */
    struct strings known_hosts; /* OpenSSH known_hosts files */
    bool known_hosts_may_miss;  /* not all of these need to be there */
    char *host_key_alias;       /* how these files name the host, or NULL */
    char *host_key;             /* pinned "SHA256:<base64>", or NULL */
    /* as ssh_config has them ("+x", "^x", "-x"), or NULL */
    char *host_key_algorithms, *ciphers, *macs, *kex_algorithms;
    unsigned ip_version; /* 4, 6, or 0 for both */
    char *bind_address;  /* to connect from, or NULL */
    enum ssh_channel_mode channel;

    /* What the first host of the way is reached through. */
    struct proxy_config proxy;
    /* The jump host before this one, with its own in front of it; or NULL. */
    struct upstream_config *jump;
    /* Of a jump host: where it is to connect to; else NULL. */
    char *forward_host;
    unsigned forward_port;

    struct strings ssh_files;    /* of ssh_config, that were read */
    struct strings not_followed; /* what of them is of no use, in sentences */

    unsigned connect_timeout_ms; /* TCP connect, key exchange and login */
    unsigned dead_after_ms;      /* silence of a probe that ends the link */
    unsigned wait_ms;            /* requests wait so long for a reconnect */
    unsigned spare_channels;     /* opened ahead of demand at most */
    unsigned links;              /* ssh: connections to the host; 0 is 1 */
};

/*
 * Append a name of the engine that CONFIG leads to, which is the same for all
 * configurations that lead there, as far as they tell: neither user nor keys
 * nor time limits are part of it, a host's name is written in small letters,
 * this machine's is always "localhost", and /var/run is /run. 0 or -ENOBUFS.
 */
int upstream_config_engine(const struct upstream_config *config,
                           struct strbuf *out);

/* Do A and B lead to the same engine in the same way? */
bool upstream_config_eq(const struct upstream_config *a,
                        const struct upstream_config *b);

/* Free what CONFIG points to. */
void upstream_config_fini(struct upstream_config *config);
