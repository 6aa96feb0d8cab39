#pragma once

/*
 * The policy document: who a listener's runner is, where its engine is, and
 * what it may do there. One JSON file, read whole, checked whole, and never
 * changed afterwards; a reload makes a new one, so that an exchange is judged
 * by the policy it began with. docs/policy.md explains every key.
 */

#include "policy/base/verdict.h"
#include "policy/config/rules.h"
#include "policy/config/upstream_config.h"
#include "policy/docker/operation.h"
#include "policy/ssh_config/ssh_config.h"

enum policy_mode {
    POLICY_ENFORCE,
    POLICY_REPORT_ONLY, /* a refusal is recorded, and the request goes on */
};

enum policy_isolation {
    POLICY_NAMESPACE,    /* the runner sees, names and touches its own only */
    POLICY_NO_ISOLATION, /* all of the engine, under the engine's names */
};

/* What the namespace may have of the engine, all in all; what is not limited is
 * the highest value of its type. */
struct namespace_limits {
    unsigned containers, networks, volumes;
    unsigned images; /* names of images: tags, digests, anchors */
    /* of containers that run, by a label of theirs: not without isolation */
    unsigned ports;  /* published */
    uint64_t memory; /* bytes */
    double cpus;
    unsigned pids;
    unsigned builds, pulls; /* at a time */
    unsigned requests;      /* a second */
    unsigned wait;          /* milliseconds, for its turn */
};

enum leftovers_action { LEFTOVERS_KEEP, LEFTOVERS_REMOVE };

/* What becomes of what a namespace leaves on the engine. */
struct leftovers_policy {
    unsigned action; /* enum leftovers_action, when berth stops */
    unsigned after;  /* milliseconds: of that age "berth clean" takes it */
    unsigned lease;  /* milliseconds: removed by others, when berth is away */
};

struct listen_policy {
    char *path;       /* of the Unix socket */
    unsigned mode;    /* of the same, 0660 */
    char *group;      /* its group, a name or a number; or NULL */
    unsigned clients; /* connections at a time */
};

struct operations_policy {
    struct strings allow, deny;
};

struct audit_policy {
    char *to;           /* a path, "stdout", "syslog", or NULL for no audit */
    bool required;      /* no record, no change */
    bool chain;         /* each line carries the hash of the one before */
    struct strings job; /* "label:NAME", "env:NAME": what tells whose job a
                           call is, see job.h */
};

struct metrics_policy {
    char *listen; /* a socket's path, or a loopback address; or NULL */
    unsigned mode;
    char *group; /* of the socket, as in listen_policy */
};

struct refusals_policy {
    char *contact; /* who may help, in words for the runner; or NULL */
};

struct timeouts_policy { /* milliseconds */
    unsigned head;       /* until a request's head is complete */
    unsigned body;       /* between two parts of a request's body */
    unsigned idle;       /* a connection between two requests */
    unsigned drain;      /* after SIGTERM, until open exchanges are cut */
};

struct jump_policy {
    char *url; /* ssh://[user@]host[:port] */
    struct strings identities;
    char *passphrase_file;
    char *known_hosts;
    char *host_key;
};

struct proxy_policy {
    char *url;         /* http://host:port or socks5://host:port, or NULL */
    char *credentials; /* a file with USER:PASSWORD, or NULL */
    bool environment;  /* else what $ALL_PROXY says */
};

enum missing_host { MISSING_WAIT, MISSING_SKIP };

struct upstream_policy {
    struct strings urls;    /* of the engines' hosts, one at least */
    struct strings engines; /* their IDs; none: whatever they are */
    struct strings drain;   /* those of URLS that are given nothing new */
    enum missing_host missing;
    char *ssh_config;    /* OpenSSH's, for what the others do not say */
    struct objects jump; /* struct jump_policy */
    struct proxy_policy proxy;
    bool plain_tcp; /* may leave this machine without ssh */
    struct strings identities;
    bool generate_identity; /* make the first of them if it is missing */
    char *passphrase_file;
    bool agent;
    char *known_hosts;
    char *host_key;
    enum ssh_channel_mode channel;
    unsigned connect_timeout, dead_after, wait; /* milliseconds */
    unsigned spare_channels;
    unsigned links;
};

enum { POLICY_ADDRESS = 64 }; /* an IP address in text */

struct policy {
    unsigned refs;

    char *schema; /* for editors; nobody else looks */
    unsigned version;
    char *preset;    /* or NULL */
    char *runner;    /* its name, as written */
    char *namespace; /* made of it, see runner_name.h */
    struct namespace_limits limits;
    struct leftovers_policy leftovers;
    enum policy_mode mode;
    enum policy_isolation isolation;
    struct listen_policy listen;
    struct upstream_policy upstream_keys; /* as given; see UPSTREAM */
    struct operations_policy operations;
    struct rules rules; /* the sections about what is in a request */
    /* Where the engine publishes what goes to the runner's localhost; empty:
     * nothing goes there. */
    char port_address[POLICY_ADDRESS];
    struct refusals_policy refusals;
    struct audit_policy audit;
    struct metrics_policy metrics;
    struct timeouts_policy timeouts;

    /* made of upstream_keys: the host, or the first; and the others */
    struct upstream_config upstream;
    struct upstream_config *others;
    size_t other_count;
};

static inline size_t policy_host_count(const struct policy *policy)
{
    return 1 + policy->other_count;
}

/* Number AT of its hosts. */
static inline const struct upstream_config *
policy_host(const struct policy *policy, size_t at)
{
    return at == 0 ? &policy->upstream : &policy->others[at - 1];
}

/* Does the namespace live on one of several hosts, which has to be found out?
 * Number AT may stand for all that SRV records tell. */
bool policy_is_placed(const struct policy *policy);

/* Is CONFIG, one of its hosts or a target of SRV records, to be given nothing
 * new? */
bool policy_is_drained(const struct policy *policy,
                       const struct upstream_config *config);

/* The number of the host that leads to the same engine as CONFIG, as far as
 * configurations tell, or has it as a target of SRV records; or
 * policy_host_count. */
size_t policy_find_host(const struct policy *policy,
                        const struct upstream_config *config);

/* All keys there are; the members of struct policy that they go to. */
extern const struct shape policy_shape;

/* A value that goes before the file's, from the command line. */
struct policy_override {
    const char *key;   /* "upstream.url" */
    const char *value; /* taken as it is, without ${} */
};

struct policy_source {
    const char *name; /* of the file, for messages */
    struct str text;  /* what is in it; with a NULL pointer, the policy for no
                         file at all: the preset compose-tests, the namespace
                         after the host, $BERTH_UPSTREAM or $DOCKER_HOST or the
                         local engine as upstream */
    const struct environment *environment;
    /* for ssh_config; NULL where there are no files */
    const struct ssh_config_machine *machine;
    const struct policy_override *overrides;
    size_t override_count;
};

enum { POLICY_E_INVALID = 1 };

/*
 * Read a policy. Returns 0 and fills *OUT with one reference; or
 * POLICY_E_INVALID with all that is wrong in WHY, a line each
 * ("FILE:LINE:COLUMN: container.memory: "4x" is no size; write a number with
 * k, m, g or t, like "4g"").
 */
int policy_load(const struct policy_source *source, struct policy **out,
                struct strbuf *why);

/* It serves one client and ends with it: ports go to the engine's host, and
 * docker.sock leads nowhere, whatever it says. Before anybody uses it. */
void policy_serve_one(struct policy *policy);

/*
 * What clients find as the gateway of the network "bridge", since those that
 * are in a container take it for the host on which published ports answer
 * (Testcontainers): the first IPv4 address of ports.listen; for a client
 * IN_CONTAINER on the engine's host, the first that other machines may reach,
 * too. Empty: the engine's own. Lives as long as POLICY.
 */
struct str policy_gateway(const struct policy *policy, bool in_container);

struct policy *policy_ref(struct policy *policy);
void policy_unref(struct policy *policy); /* NULL is fine */

/*
 * May the runner call OPERATION at all? Fills *VERDICT: a refusal by the rule
 * operations.allow or operations.deny says what to write to allow it.
 */
void policy_operation(const struct policy *policy, enum operation operation,
                      struct verdict *verdict);

/*
 * The policy as it is in effect, as JSON: defaults, preset and environment
 * filled in. Loading it gives the same policy. 0 or -ENOBUFS.
 */
int policy_put_effective(const struct policy *policy, struct strbuf *out);

/* What an operator should know before running this policy, a line each.
 * 0 or -ENOBUFS. */
int policy_put_warnings(const struct policy *policy, struct strbuf *out);
