#pragma once

/*
 * What a policy says about the contents of requests, section by section. Each
 * member is the key of the same name in the policy document ("container",
 * "privileged"); rules_*.c hold the rows that read them, say what they are when
 * nobody gives them, and explain them. What nobody gives is safe: it lets
 * ordinary clients work and gives nothing of the host away.
 */

#include "policy/config/settings.h"

/* What stands for docker.sock when it is left out. */
#define MOUNT_NOTHING "nothing"
#define MOUNT_BERTH   "berth"

enum mount_mode { MOUNT_READ_ONLY, MOUNT_READ_WRITE };

/* How what the runner has at a path gets to where the engine is. */
enum mount_way {
    MOUNT_BY_HOST,      /* the engine's host has it */
    MOUNT_BY_CONTAINER, /* it is in a mount of the runner's own container, which
                           runs on that engine, too */
    MOUNT_BY_COPY,      /* this machine has it, and a volume on the engine is
                           kept in step with it */
};

/* A place that containers may bind, and what the runner calls it. */
struct mount_rule {
    char *source;  /* as the runner says it */
    unsigned by;   /* enum mount_way */
    char *host;    /* as the engine's host knows it; NULL: the same */
    unsigned mode; /* enum mount_mode */
    bool create;   /* what is missing may be made by the engine */
};

/* What a container may take at most; what is not limited is the highest value
 * of its type. */
struct limit_rules {
    uint64_t memory, memory_swap, shm, tmpfs; /* bytes */
    double cpus;
    unsigned cpu_shares;
    unsigned pids;
    unsigned count;                /* containers of one namespace at a time */
    unsigned execs;                /* of one container at a time */
    uint64_t log_size, log_buffer; /* bytes */
    unsigned log_files;
    unsigned stop_timeout;    /* milliseconds */
    unsigned health_interval; /* the least; milliseconds */
    uint64_t copy_bytes;      /* of one mount rule that is by copy */
    unsigned copy_files;
};

/* What a container gets that asks for nothing: the limit unless said here. */
struct default_rules {
    uint64_t memory;
    double cpus;
    unsigned pids;
    uint64_t log_size; /* 0: what the engine does by itself */
};

struct container_rules {
    bool privileged;
    bool root;
    struct strings host_namespaces;
    struct strings capabilities, drop_capabilities;
    struct strings devices, device_requests, device_cgroup_rules;
    struct strings security_options;
    bool unmasked_paths;
    struct strings runtimes;
    char *cgroup_parent;
    struct strings sysctls, annotations, groups, ulimits;
    bool oom_protected;
    bool cpuset, blkio, realtime;
    struct objects mounts; /* struct mount_rule */
    char *runner;          /* the runner's own container, or NULL */
    char *engine_socket; /* a path, one of the words above, or NULL to refuse it
                          */
    struct strings propagation;
    struct strings tmpfs_options, storage_options;
    struct strings extra_hosts, dns;
    struct strings log_drivers, log_options;
    struct strings restart;
    bool checkpoints;
    struct limit_rules limits;
    struct default_rules defaults;
};

struct exec_rules {
    bool privileged;
    bool root;
};

/* Where a port that a container publishes answers. */
enum port_place {
    PORTS_RUNNER,  /* on the runner's localhost; berth carries connections */
    PORTS_HOST,    /* on the engine's host, as the engine does by itself */
    PORTS_NOWHERE, /* none may be published */
};

struct port_rules {
    unsigned publish; /* enum port_place */
    struct strings addresses;
    char *bind;
    struct strings listen;
    unsigned lowest, highest;
};

struct network_rules {
    struct strings drivers, options, endpoint_options;
    struct strings subnets;
    bool attachable, ingress, config_only, ipv6;
    bool static_addresses, mac_addresses;
};

struct volume_rules {
    struct strings drivers, options;
};

struct image_rules {
    struct strings registries, push, tags, shared;
    bool digests_only;
    bool all_tags;
    bool import_urls;
};

enum build_provenance { PROVENANCE_KEEP, PROVENANCE_DROP };

struct build_rules {
    bool buildkit;
    bool host_network, insecure, llb, interactive;
    struct strings devices, frontends;
    struct strings remotes, outputs, arguments;
    char *cache; /* the group whose results are shared; or NULL */
    struct strings caches, cache_hosts;
    unsigned provenance; /* enum build_provenance */
};

struct label_rules {
    struct strings reserved;
};

enum unknown_fields { UNKNOWN_REFUSE, UNKNOWN_DROP };

struct request_rules {
    unsigned unknown_fields; /* enum unknown_fields */
};

struct rules {
    struct container_rules container;
    struct exec_rules exec;
    struct port_rules ports;
    struct network_rules network;
    struct volume_rules volume;
    struct image_rules images;
    struct build_rules build;
    struct label_rules labels;
    struct request_rules request;
};

/* The sections together, for a policy that has nothing else. */
extern const struct shape rules_shape;

extern const struct shape container_rules_shape;
extern const struct shape exec_rules_shape;
extern const struct shape port_rules_shape;
extern const struct shape network_rules_shape;
extern const struct shape volume_rules_shape;
extern const struct shape image_rules_shape;
extern const struct shape build_rules_shape;
extern const struct shape label_rules_shape;
extern const struct shape request_rules_shape;

/* docker.sock cannot lead back to this berth: where it is to, the mount is left
 * out. */
void rules_leave_socket_out(struct rules *rules);
