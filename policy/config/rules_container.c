#include <ctype.h>

#include "policy/base/limits.h"
#include "policy/config/host_path.h"
#include "policy/config/rules.h"

#define PIB  ((double)((uint64_t)1 << 50)) /* more than there is */
#define GIB  (1024 * MIB)
#define HOUR 3600000 /* milliseconds */
#define DAY  (24 * HOUR)

static const char *const mount_modes[] = {"ro", "rw", NULL};
static const char *const mount_ways[] = {"host", "container", "copy", NULL};

static bool check_host_namespace(struct str text, struct strbuf *why)
{
    static const struct str names[] = {
        STR("network"), STR("pid"),  STR("ipc"),
        STR("uts"),     STR("user"), STR("cgroup"),
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq(text, names[i]))
            return true;
    }
    strbuf_addf(why, "is no kind of namespace; write network, pid, ipc, uts, "
                     "user or cgroup");
    return false;
}

static bool check_capability(struct str text, struct strbuf *why)
{
    bool good = text.len > 0 && text.len < 32;

    for (size_t i = 0; good && i < text.len; i++)
        good = isalnum((unsigned char)text.ptr[i]) || text.ptr[i] == '_';
    if (!good)
        strbuf_addf(why, "is no capability; write one like \"SYS_PTRACE\"");
    return good;
}

static bool check_device_entry(struct str text, struct strbuf *why)
{
    struct str path, permissions;
    bool good = true;

    str_cut(text, ':', &path, &permissions);
    for (size_t i = 0; i < permissions.len; i++)
        good = good && str_find(S("rwm"), permissions.ptr[i]) >= 0;
    if (!good || path_fault(path)) {
        strbuf_addf(why, "is no device; write one like \"/dev/kvm\" or "
                         "\"/dev/fuse:rw\"");
        return false;
    }
    return true;
}

static bool check_ulimit_entry(struct str text, struct strbuf *why)
{
    struct str name, value;
    uint64_t n;

    if (str_cut(text, '=', &name, &value) && name.len &&
        (str_eq(value, S("-1")) || str_to_u64(value, &n) == 0))
        return true;
    strbuf_addf(why, "is no limit; write one like \"nofile=65536\", with -1 "
                     "for none");
    return false;
}

static bool check_mount_path(struct str text, struct strbuf *why)
{
    const char *fault = path_fault(text);

    /* a colon could not be said in Binds */
    if (!fault && str_find(text, ':') >= 0)
        fault = "has a colon in it";
    if (fault)
        strbuf_addf(why, "%s; write an absolute path without detours", fault);
    return !fault;
}

static bool check_runner(struct str text, struct strbuf *why)
{
    bool good = text.len > 0 && isalnum((unsigned char)text.ptr[0]);

    for (size_t i = 0; good && i < text.len; i++)
        good = isalnum((unsigned char)text.ptr[i]) ||
               str_find(S("_.-"), text.ptr[i]) >= 0;
    if (!good)
        strbuf_addf(why, "is no name of a container; write that of the "
                         "runner's, or its ID");
    return good;
}

static bool check_mount(const void *object, const char **key,
                        struct strbuf *why)
{
    const struct mount_rule *rule = object;

    if (rule->by == MOUNT_BY_COPY && strcmp(rule->source, "/") == 0) {
        *key = "source";
        strbuf_addf(why, "is all of this machine, and \"by\" is \"copy\"; "
                         "write the directory that the runner works in");
        return false;
    }
    if (rule->by == MOUNT_BY_HOST || (!rule->host && !rule->create))
        return true;
    *key = rule->host ? "host" : "create";
    strbuf_addf(why,
                "goes with \"by\": \"host\" only; leave it out, or leave "
                "out \"by\": \"%s\"",
                mount_ways[rule->by]);
    return false;
}

static bool check_container(const void *object, const char **key,
                            struct strbuf *why)
{
    const struct container_rules *rules = object;
    const struct mount_rule *mounts = rules->mounts.items;

    for (size_t i = 0; !rules->runner && i < rules->mounts.count; i++) {
        if (mounts[i].by != MOUNT_BY_CONTAINER)
            continue;
        *key = "runner";
        strbuf_addf(why,
                    "names no container, and container.mounts[%zu] is "
                    "\"by\": \"container\"; write the name of the "
                    "runner's own, or its ID",
                    i);
        return false;
    }
    return true;
}

static bool check_limits(const void *object, const char **key,
                         struct strbuf *why)
{
    const struct limit_rules *limits = object;

    if (limits->memory == UINT64_MAX || limits->memory_swap >= limits->memory)
        return true;
    *key = "memory_swap";
    strbuf_addf(why, "is memory and swap together; write no less than memory");
    return false;
}

// clang-format off
static bool check_engine_socket(struct str text, struct strbuf *why)
{
    if (str_eq(text, S(MOUNT_NOTHING)) || str_eq(text, S(MOUNT_BERTH)) ||
        (!path_fault(text) && str_find(text, ':') < 0))
        return true;
    strbuf_addf(why, "is no path of a socket; write an absolute one without "
                     "detours and colons, \"" MOUNT_BERTH
                     "\", or \"" MOUNT_NOTHING "\"");
    return false;
}

static const struct setting mount_rows[] = {
    {"source", STRING_AT(struct mount_rule, source), NULL,
     .check = check_mount_path, .pattern = "^/[^:]*$",
     .help = "the path as the runner says it; what is below it is meant too"},
    {"by", ENUM_AT(struct mount_rule, by), "\"host\"", .words = mount_ways,
     .help = "where the path is for the engine: host, on the engine's host; container, in a mount of the runner's own "
             "container (container.runner), whatever that mount is: a volume or a path of the host; copy, nowhere: a "
             "volume of berth's is kept in step with what this machine has there (docs/near.md)"},
    {"host", STRING_AT(struct mount_rule, host), "null",
     .check = check_mount_path, .pattern = "^/[^:]*$",
     .help = "the same path on the engine's host; none: it is the same there"},
    {"mode", ENUM_AT(struct mount_rule, mode), "\"ro\"", .words = mount_modes,
     .help = "ro for reading only, rw for both"},
    {"create", BOOL_AT(struct mount_rule, create), "false",
     .help = "with rw: the engine makes directories on the host that are missing, as root; otherwise such a mount fails"},
};
static const struct shape mount_shape = {
    mount_rows, sizeof(mount_rows) / sizeof(mount_rows[0]),
    sizeof(struct mount_rule), check_mount,
};

static const struct setting limit_rows[] = {
    {"memory", SIZE_AT(struct limit_rules, memory), "null", .min = 6 * MIB, .max = PIB,
     .help = "the most memory a container may have; one that sets none gets "
             "it; null: no limit"},
    {"memory_swap", SIZE_AT(struct limit_rules, memory_swap), "null", .min = 6 * MIB, .max = PIB,
     .help = "the same for memory and swap together; null: as much as memory"},
    {"shm", SIZE_AT(struct limit_rules, shm), "null", .min = 4 * KIB, .max = PIB,
     .help = "the largest /dev/shm; null: no limit but the container's memory"},
    {"tmpfs", SIZE_AT(struct limit_rules, tmpfs), "null", .min = 4 * KIB, .max = PIB,
     .help = "the largest tmpfs; null: no limit but the container's memory"},
    {"cpus", NUMBER_AT(struct limit_rules, cpus), "null", .min = 0.01, .max = 4096,
     .help = "the most CPUs a container may use, 1.5 for one and a half; one "
             "that sets none gets it; null: no limit"},
    {"cpu_shares", INTEGER_AT(struct limit_rules, cpu_shares), "null", .min = 2, .max = 262144,
     .help = "the highest weight of a container among others, 1024 being usual; "
             "null: no limit"},
    {"pids", INTEGER_AT(struct limit_rules, pids), "null", .min = 1, .max = 4194304,
     .help = "the most processes and threads of a container; one that sets "
             "none gets it; null: no limit"},
    {"count", INTEGER_AT(struct limit_rules, count), "null", .max = 1000000,
     .help = "an older name of namespace.limits.containers; the lower one "
             "holds"},
    {"execs", INTEGER_AT(struct limit_rules, execs), "null", .min = 1, .max = 1000000,
     .help = "the most execs of one container at a time, made or running; "
             "null: no limit"},
    {"log_size", SIZE_AT(struct limit_rules, log_size), "\"10g\"", .min = MIB, .max = PIB,
     .help = "the most that the files of a container's log may have together (max-size times max-file)"},
    {"log_files", INTEGER_AT(struct limit_rules, log_files), "100", .min = 1, .max = 10000,
     .help = "the most files of a log (max-file), all of which the engine renames when one is full"},
    {"log_buffer", SIZE_AT(struct limit_rules, log_buffer), "\"16m\"", .min = 4 * KIB, .max = GIB,
     .help = "the most of the engine's own memory for lines of a log that are not written yet (max-buffer-size)"},
    {"stop_timeout", DURATION_AT(struct limit_rules, stop_timeout), "\"10m\"", .min = 1000, .max = DAY,
     .help = "how long a container may take to stop, which the engine waits for when it is to end itself"},
    {"health_interval", DURATION_AT(struct limit_rules, health_interval), "\"100ms\"", .min = 1, .max = HOUR,
     .help = "the shortest time between two health checks, each of which is a process that the engine starts"},
    {"copy_bytes", SIZE_AT(struct limit_rules, copy_bytes), "\"10g\"", .min = MIB, .max = (double)LIMIT_FILES_BYTES,
     .help = "the most that the files may have together that containers mount below one of container.mounts that is \"by\": \"copy\""},
    {"copy_files", INTEGER_AT(struct limit_rules, copy_files), "200000", .min = 1, .max = LIMIT_FILES_ENTRIES,
     .help = "the most files, directories and links of these"},
};
static const struct shape limit_shape = {
    limit_rows, sizeof(limit_rows) / sizeof(limit_rows[0]),
    sizeof(struct limit_rules), check_limits,
};

static const struct setting default_rows[] = {
    {"memory", SIZE_AT(struct default_rules, memory), "null", .min = 6 * MIB, .max = PIB,
     .help = "what a container gets that asks for no memory; null: the limit"},
    {"cpus", NUMBER_AT(struct default_rules, cpus), "null", .min = 0.01, .max = 4096,
     .help = "the same for CPUs"},
    {"pids", INTEGER_AT(struct default_rules, pids), "null", .min = 1, .max = 4194304,
     .help = "the same for processes"},
    {"log_size", SIZE_AT(struct default_rules, log_size), "\"200m\"", .max = PIB,
     .help = "the most that the log of a container may have that sets no size, where its driver is json-file, which has no limit of its own; 0b: no limit"},
};
static const struct shape default_shape = SHAPE(struct default_rules, default_rows);

static const struct setting container_rows[] = {
    {"privileged", BOOL_AT(struct container_rules, privileged), "false",
     .help = "containers that own the host (--privileged)"},
    {"root", BOOL_AT(struct container_rules, root), "true",
     .help = "containers whose user is root in there; false: the user has to be given as a number other than 0, and "
             "setuid programs do not make it root (no-new-privileges); it does not hold exec (exec.root) and the "
             "steps of builds"},
    {"host_namespaces", STRINGS_AT(struct container_rules, host_namespaces), "[]",
     .check = check_host_namespace, .pattern = "^(network|pid|ipc|uts|user|cgroup)$",
     .help = "namespaces of the host that containers may join: network, pid, "
             "ipc, uts, user, cgroup"},
    {"capabilities", STRINGS_AT(struct container_rules, capabilities),
     "[\"AUDIT_WRITE\", \"CHOWN\", \"DAC_OVERRIDE\", \"FOWNER\", \"FSETID\", \"KILL\", \"MKNOD\", "
     "\"NET_BIND_SERVICE\", \"NET_RAW\", \"SETFCAP\", \"SETGID\", \"SETPCAP\", \"SETUID\", \"SYS_CHROOT\"]",
     .check = check_capability, .pattern = "^[A-Za-z0-9_]+$",
     .help = "capabilities that may be added; by default the ones that every "
             "container has anyway"},
    {"drop_capabilities", STRINGS_AT(struct container_rules, drop_capabilities), "[]",
     .check = check_capability, .pattern = "^[A-Za-z0-9_]+$",
     .help = "capabilities that are taken from every container"},
    {"devices", STRINGS_AT(struct container_rules, devices), "[]",
     .check = check_device_entry, .pattern = "^/[^:]*(:[rwm]+)?$",
     .help = "devices of the host that containers may use, like \"/dev/kvm\" or "
             "\"/dev/fuse:rw\""},
    {"device_requests", STRINGS_AT(struct container_rules, device_requests), "[]",
     .help = "drivers whose devices containers may ask for, like \"gpu\" (what "
             "--gpus asks for), \"nvidia\" or \"cdi=vendor.com/class=*\""},
    {"device_cgroup_rules", STRINGS_AT(struct container_rules, device_cgroup_rules), "[]",
     .help = "rules like \"c 13:* rwm\" that may be added for devices"},
    {"security_options", STRINGS_AT(struct container_rules, security_options),
     "[\"no-new-privileges\", \"no-new-privileges=true\", \"no-new-privileges:true\", "
     "\"seccomp=builtin\", \"apparmor=docker-default\"]",
     .help = "what may be given as --security-opt; \"*\" stands for anything"},
    {"unmasked_paths", BOOL_AT(struct container_rules, unmasked_paths), "false",
     .help = "containers that choose what of /proc and /sys is hidden from them"},
    {"runtimes", STRINGS_AT(struct container_rules, runtimes), "[]",
     .help = "runtimes besides the engine's default"},
    {"cgroup_parent", STRING_AT(struct container_rules, cgroup_parent), "null",
     .help = "the cgroup all containers and builds are put under"},
    {"sysctls", STRINGS_AT(struct container_rules, sysctls),
     "[\"net.core.somaxconn\", \"net.ipv4.ip_local_port_range\", \"net.ipv4.ip_unprivileged_port_start\", "
     "\"net.ipv4.tcp_keepalive_*\", \"net.ipv4.tcp_syncookies\", \"net.ipv6.conf.*.disable_ipv6\"]",
     .help = "kernel settings of its own that a container may set"},
    {"annotations", STRINGS_AT(struct container_rules, annotations), "[]",
     .help = "annotations that may be given to the runtime"},
    {"groups", STRINGS_AT(struct container_rules, groups), "[]",
     .help = "groups that may be added (--group-add), by number or name"},
    {"ulimits", STRINGS_AT(struct container_rules, ulimits),
     "[\"core=0\", \"memlock=-1\", \"nofile=1048576\", \"nproc=65536\"]",
     .check = check_ulimit_entry, .pattern = "^[a-z]+=(-1|[0-9]+)$",
     .help = "how far each ulimit may be raised, -1 for unlimited"},
    {"oom_protected", BOOL_AT(struct container_rules, oom_protected), "false",
     .help = "containers that the kernel spares when memory runs out"},
    {"cpuset", BOOL_AT(struct container_rules, cpuset), "false",
     .help = "containers that choose which CPUs they run on"},
    {"blkio", BOOL_AT(struct container_rules, blkio), "false",
     .help = "containers that choose their share of the disks"},
    {"realtime", BOOL_AT(struct container_rules, realtime), "false",
     .help = "containers with real-time scheduling"},
    {"mounts", OBJECTS_AT(struct container_rules, mounts), "[]", .of = &mount_shape,
     .help = "paths of the host, or of the runner's own container, that containers may mount"},
    {"runner", STRING_AT(struct container_rules, runner), "null",
     .check = check_runner, .pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
     .help = "the runner's own container, where that runs on the same engine: its name, or 12 or more digits of its ID "
             "(its host name, unless it was given one)"},
    {"engine_socket", STRING_AT(struct container_rules, engine_socket), "null",
     .check = check_engine_socket, .pattern = "^(" MOUNT_BERTH "|" MOUNT_NOTHING "|/[^:]*)$",
     .help = "what is mounted where a container asks for docker.sock: \"berth\", a socket that leads back to this berth; the "
             "socket of a berth on the engine's host, by its path there; or \"nothing\", which leaves the mount out; null: it is refused"},
    {"propagation", STRINGS_AT(struct container_rules, propagation),
     "[\"private\", \"rprivate\"]",
     .help = "how mounts may propagate between host and container"},
    {"tmpfs_options", STRINGS_AT(struct container_rules, tmpfs_options),
     "[\"rw\", \"ro\", \"exec\", \"noexec\", \"nosuid\", \"nodev\", \"size\", \"mode\", \"uid\", \"gid\", "
     "\"nr_inodes\", \"nr_blocks\", \"sync\", \"async\", \"dirsync\", \"atime\", \"noatime\", \"diratime\", "
     "\"nodiratime\", \"relatime\", \"norelatime\", \"strictatime\", \"nostrictatime\"]",
     .help = "options of tmpfs mounts"},
    {"storage_options", STRINGS_AT(struct container_rules, storage_options), "[]",
     .help = "options of the storage driver, like \"size=*\""},
    {"extra_hosts", STRINGS_AT(struct container_rules, extra_hosts), "[\"*\"]",
     .help = "lines of /etc/hosts that may be added, like \"*:host-gateway\""},
    {"dns", STRINGS_AT(struct container_rules, dns), "[\"*\"]",
     .help = "name servers that containers may choose"},
    {"log_drivers", STRINGS_AT(struct container_rules, log_drivers),
     "[\"json-file\", \"local\", \"none\"]",
     .help = "where the output of containers may go"},
    {"log_options", STRINGS_AT(struct container_rules, log_options),
     "[\"max-size=*\", \"max-file=*\", \"max-buffer-size=*\", \"mode=*\", \"compress=*\", \"labels=*\", "
     "\"labels-regex=*\", \"env=*\", \"env-regex=*\", \"tag=*\"]",
     .help = "options of these drivers, as \"name=value\""},
    {"restart", STRINGS_AT(struct container_rules, restart),
     "[\"no\", \"on-failure\", \"always\", \"unless-stopped\"]",
     .help = "restart policies that containers may have"},
    {"checkpoints", BOOL_AT(struct container_rules, checkpoints), "false",
     .help = "containers that are started from a checkpoint"},
    {"limits", OBJECT_AT(struct container_rules, limits), .of = &limit_shape,
     .help = "how much of the host one container or build may take"},
    {"defaults", OBJECT_AT(struct container_rules, defaults), .of = &default_shape,
     .help = "what one gets that asks for nothing"},
};
// clang-format on

const struct shape container_rules_shape = {
    container_rows,
    sizeof(container_rows) / sizeof(container_rows[0]),
    sizeof(struct container_rules),
    check_container,
};
