#pragma once

/*
 * What ssh would do with a host by its configuration files (ssh_config(5)):
 * Host with patterns and negation, Match, Include, the first value of an
 * option wins, tokens and environment are expanded where OpenSSH expands them.
 * Files and their names come from callbacks; nothing here touches a disk.
 *
 * What cannot be read for sure is refused with file and line. So is what
 * would have to run a program, or would make ssh trust fewer keys than
 * berth did. Options that are known to ssh and that berth has no use for are
 * collected, for the operator to see.
 */

#include "policy/base/environment.h"
#include "policy/base/limits.h"
#include "policy/base/str.h"
#include "policy/base/strings.h"

/* The files of a machine. */
struct ssh_config_reader {
    /* The whole of PATH into OUT: 0, -ENOENT when there is none, -ENOBUFS when
     * it is longer than OUT may be, -EPERM when CAREFUL and others may write
     * to it, or another negative errno. */
    int (*read)(void *arg, const char *path, bool careful, struct strbuf *out);
    /* The paths that fit PATTERN, an absolute one, as glob(3) sorts them, into
     * OUT, which becomes the caller's: 0 or a negative errno. */
    int (*glob)(void *arg, const char *pattern, struct strings *out);
    void *arg;
};

struct ssh_config_file {
    const char *path;
    bool user;     /* relative Includes are below ~/.ssh; else /etc/ssh */
    bool required; /* else it may be missing */
    bool careful;  /* nobody but root and this user may write to it */
};

/* Where and as whom ssh would run. */
struct ssh_config_machine {
    const struct ssh_config_reader *reader; /* NULL: there are no files */
    const struct environment *environment;
    const char *user; /* or NULL when that is unknown */
    const char *home; /* or NULL */
    const char *host; /* this machine's name, or NULL */
    unsigned uid;
};

struct ssh_config_query {
    const char *host; /* as it would be given to ssh */
    const char *user; /* "ssh -l", or NULL */
    unsigned port;    /* "ssh -p", or 0 */
    const char *jump; /* "ssh -J", or NULL */
    bool proxied;     /* ProxyCommand does not count: there is a proxy */
    const struct ssh_config_machine *machine;
    const struct ssh_config_file *files;
    size_t file_count;
};

enum ssh_config_family {
    SSH_CONFIG_ANY,
    SSH_CONFIG_INET,
    SSH_CONFIG_INET6,
};

/* Whom StrictHostKeyChecking would let pass; berth asks nobody, and takes no
 * key that is not known. */
enum ssh_config_strict {
    SSH_CONFIG_STRICT_NO,
    SSH_CONFIG_STRICT_YES,
    SSH_CONFIG_STRICT_ASK,
    SSH_CONFIG_STRICT_NEW,
};

/* One entry of ProxyJump. */
struct ssh_config_hop {
    char *host;
    char *user;    /* or NULL */
    unsigned port; /* or 0 */
};

/* -1 and NULL: no file says. */
struct ssh_config {
    char *host_name; /* where to connect to; never NULL */
    char *user;
    int port;
    struct strings identities;                        /* expanded */
    struct strings certificates;                      /* expanded */
    struct strings identity_words, certificate_words; /* as written */
    int identities_only;
    char *identity_agent; /* a path, "none", "SSH_AUTH_SOCK" or "$NAME" */
    struct strings user_known_hosts; /* expanded; or one "none" */
    struct strings global_known_hosts;
    char *host_key_alias;
    char *host_key_algorithms, *ciphers, *macs, *kex_algorithms;
    int connect_timeout; /* seconds */
    int alive_interval;  /* seconds, or 0 */
    int alive_count;
    int family; /* enum ssh_config_family */
    char *bind_address;
    int tcp_keep_alive;
    int strict; /* enum ssh_config_strict */
    long long rekey_bytes;
    int rekey_seconds;
    struct ssh_config_hop *hops; /* in the order that they are gone through */
    size_t hop_count;
    struct strings not_followed; /* "FILE:LINE: Compression is not followed" */
    struct strings files;        /* that were read, or looked for */
};

enum { SSH_CONFIG_E_REFUSED = 1 };

/*
 * Find out what the files say about QUERY's host. Returns 0 and fills *OUT; or
 * SSH_CONFIG_E_REFUSED with a sentence in WHY that begins with file and line.
 */
int ssh_config_resolve(const struct ssh_config_query *query,
                       struct ssh_config *out, struct strbuf *why);

void ssh_config_fini(struct ssh_config *config);

/*
 * The algorithms of LIST, as an option of ssh_config names them ("+", "-" and
 * "^" change DEFAULTS), appended to OUT, comma by comma. 0 or -ENOBUFS.
 */
int ssh_config_algorithms(struct str list, struct str defaults,
                          struct strbuf *out);
