#include "policy/judge/check.h"

/* HostConfig: what a container wants of the host it runs on. */

#define WINDOWS NEVER("only Windows knows it")

// clang-format off
static const struct field device_fields[] = {
    {"PathOnHost",        FIELD_STRING},
    {"PathInContainer",   FIELD_STRING},
    {"CgroupPermissions", FIELD_STRING},
};
static const struct record device_record = {RECORD("DeviceMapping", device_fields)};

static const struct field device_request_fields[] = {
    {"Driver",       FIELD_STRING},
    {"Count",        FIELD_INT, .min = -1, .max = LIMIT_DEVICES},
    {"DeviceIDs",    FIELD_STRINGS},
    {"Capabilities", FIELD_STRING_LISTS},
    {"Options",      FIELD_STRING_MAP, NEVER("what it does is up to a driver on the host")},
};
static const struct record device_request_record = {RECORD("DeviceRequest", device_request_fields)};

static const struct field weight_device_fields[] = {
    {"Path",   FIELD_STRING, GOVERNED(check_disk, container.blkio)},
    {"Weight", FIELD_INT, 0, 65535},
};
const struct record weight_device_record = {RECORD("WeightDevice", weight_device_fields)};

static const struct field throttle_device_fields[] = {
    {"Path", FIELD_STRING, GOVERNED(check_disk, container.blkio)},
    {"Rate", FIELD_INT, 0, INT64_MAX},
};
const struct record throttle_device_record = {RECORD("ThrottleDevice", throttle_device_fields)};

static const struct field ulimit_fields[] = {
    {"Name", FIELD_STRING},
    {"Soft", FIELD_INT},
    {"Hard", FIELD_INT},
};
static const struct record ulimit_record = {RECORD("Ulimit", ulimit_fields)};

static const struct field log_fields[] = {
    {"Type",   FIELD_STRING,     GOVERNED(check_listed_or_default, container.log_drivers), .note = "LoggingDriver"},
    {"Config", FIELD_STRING_MAP, LISTED(container.log_options)},
};
static const struct record log_record = {
    RECORD("LogConfig", log_fields),
    .check = check_log,
};

static const struct field restart_fields[] = {
    {"Name",              FIELD_STRING, LISTED(container.restart)},
    {"MaximumRetryCount", FIELD_INT, .min = -1, .max = LIMIT_RETRIES},
};
static const struct record restart_record = {RECORD("RestartPolicy", restart_fields)};

static const struct field port_binding_fields[] = {
    {"HostIp",   FIELD_STRING},
    {"HostPort", FIELD_STRING},
};
static const struct record port_binding_record = {RECORD("PortBinding", port_binding_fields)};

static const struct field bind_options_fields[] = {
    {"Propagation",            FIELD_STRING, GOVERNED(check_propagation, container.propagation)},
    {"NonRecursive",           FIELD_BOOL},
    {"CreateMountpoint",       FIELD_BOOL},
    {"ReadOnlyNonRecursive",   FIELD_BOOL},
    {"ReadOnlyForceRecursive", FIELD_BOOL},
};
static const struct record bind_options_record = {RECORD("BindOptions", bind_options_fields)};

static const struct field driver_fields[] = {
    {"Name",    FIELD_STRING,     LISTED(volume.drivers)},
    {"Options", FIELD_STRING_MAP, LISTED(volume.options)},
};
static const struct record driver_record = {RECORD("Driver", driver_fields)};

static const struct field volume_options_fields[] = {
    {"NoCopy",       FIELD_BOOL},
    {"Labels",       FIELD_STRING_MAP, GOVERNED(check_labels, labels.reserved)},
    {"Subpath",      FIELD_STRING,     .check = check_subpath},
    {"DriverConfig", FIELD_STRUCT,     .of = &driver_record},
};
static const struct record volume_options_record = {RECORD("VolumeOptions", volume_options_fields)};

static const struct field image_options_fields[] = {
    {"Subpath", FIELD_STRING, .check = check_subpath},
};
static const struct record image_options_record = {RECORD("ImageOptions", image_options_fields)};

static const struct field tmpfs_options_fields[] = {
    {"SizeBytes", FIELD_INT, 0, INT64_MAX},
    {"Mode",      FIELD_INT, 0, UINT32_MAX},
    {"Options",   FIELD_STRING_LISTS, GOVERNED(check_tmpfs_options, container.tmpfs_options)},
};
static const struct record tmpfs_options_record = {RECORD("TmpfsOptions", tmpfs_options_fields)};

static const struct field mount_fields[] = {
    {"Type",           FIELD_STRING},
    {"Source",         FIELD_STRING},
    {"Target",         FIELD_STRING, .check = check_inner_path},
    {"ReadOnly",       FIELD_BOOL},
    {"Consistency",    FIELD_STRING},
    {"BindOptions",    FIELD_STRUCT, .of = &bind_options_record},
    {"VolumeOptions",  FIELD_STRUCT, .of = &volume_options_record},
    {"ImageOptions",   FIELD_STRUCT, .of = &image_options_record},
    {"TmpfsOptions",   FIELD_STRUCT, .of = &tmpfs_options_record},
    {"ClusterOptions", FIELD_ANY,    NEVER("cluster volumes belong to a swarm")},
};
static const struct record mount_record = {RECORD("Mount", mount_fields)};

static const struct field host_config_fields[] = {
    /* privileges */
    {"Privileged",           FIELD_BOOL,       FLAG(container.privileged)},
    {"CapAdd",               FIELD_STRINGS,    GOVERNED(check_capabilities, container.capabilities)},
    {"CapDrop",              FIELD_STRINGS},
    {"Capabilities",         FIELD_STRINGS,    NEVER("no released engine had it; use CapAdd and CapDrop")},
    {"SecurityOpt",          FIELD_STRINGS,    LISTED(container.security_options)},
    {"MaskedPaths",          FIELD_STRINGS,    .check = check_hidden_paths, RULE(container.unmasked_paths, bool), .note = "masked"},
    {"ReadonlyPaths",        FIELD_STRINGS,    .check = check_hidden_paths, RULE(container.unmasked_paths, bool), .note = "readonly"},
    {"GroupAdd",             FIELD_STRINGS,    LISTED(container.groups)},
    {"Runtime",              FIELD_STRING,     GOVERNED(check_listed_or_default, container.runtimes), .note = "DefaultRuntime"},
    {"Annotations",          FIELD_STRING_MAP, .check = check_keys, RULE(container.annotations, struct strings)},
    {"Sysctls",              FIELD_STRING_MAP, .check = check_keys, RULE(container.sysctls, struct strings)},
    {"Devices",              FIELD_STRUCTS,    .of = &device_record, .each = check_device, RULE(container.devices, struct strings)},
    {"DeviceRequests",       FIELD_STRUCTS,    .of = &device_request_record, .each = check_device_request, RULE(container.device_requests, struct strings)},
    {"DeviceCgroupRules",    FIELD_STRINGS,    LISTED(container.device_cgroup_rules)},
    /* namespaces */
    {"NetworkMode",          FIELD_STRING,     GOVERNED(check_namespace_mode, container.host_namespaces), .note = "network"},
    {"PidMode",              FIELD_STRING,     GOVERNED(check_namespace_mode, container.host_namespaces), .note = "pid"},
    {"IpcMode",              FIELD_STRING,     GOVERNED(check_namespace_mode, container.host_namespaces), .note = "ipc"},
    {"UTSMode",              FIELD_STRING,     GOVERNED(check_namespace_mode, container.host_namespaces), .note = "uts"},
    {"UsernsMode",           FIELD_STRING,     GOVERNED(check_namespace_mode, container.host_namespaces), .note = "user"},
    {"CgroupnsMode",         FIELD_STRING,     GOVERNED(check_cgroup_mode, container.host_namespaces), .note = "cgroup"},
    {"Cgroup",               FIELD_STRING,     NEVER("no engine uses it any more")},
    {"CgroupParent",         FIELD_STRING,     GOVERNED(check_cgroup_parent, container.cgroup_parent)},
    /* files */
    {"Binds",                FIELD_STRINGS,    GOVERNED(check_binds, container.mounts)},
    {"Mounts",               FIELD_STRUCTS,    .of = &mount_record, .each = check_mount, GOVERNED(check_mounts, container.mounts)},
    {"Tmpfs",                FIELD_STRING_MAP, GOVERNED(check_tmpfs, container.tmpfs_options)},
    {"VolumesFrom",          FIELD_STRINGS,    GOVERNED(check_volumes_from, container.mounts)},
    {"VolumeDriver",         FIELD_STRING,     LISTED(volume.drivers)},
    {"StorageOpt",           FIELD_STRING_MAP, LISTED(container.storage_options)},
    {"ReadonlyRootfs",       FIELD_BOOL},
    {"ContainerIDFile",      FIELD_IGNORED}, /* of use to the client only */
    /* network */
    {"PortBindings",         FIELD_STRUCTS_MAP, .of = &port_binding_record, .each = check_port_binding, GOVERNED(check_port_bindings, ports)},
    {"PublishAllPorts",      FIELD_BOOL,       GOVERNED(check_publish_all, ports.publish)},
    {"ExtraHosts",           FIELD_STRINGS,    LISTED(container.extra_hosts)},
    {"Links",                FIELD_STRINGS},
    {"Dns",                  FIELD_STRINGS,    LISTED(container.dns)},
    {"DnsOptions",           FIELD_STRINGS},
    {"DnsSearch",            FIELD_STRINGS},
    /* resources: check_host_config fills them in and holds them to the limits */
    {"Memory",               FIELD_INT,        RULE(container.limits.memory, uint64_t)},
    {"MemorySwap",           FIELD_INT,        RULE(container.limits.memory_swap, uint64_t)},
    {"MemoryReservation",    FIELD_INT},
    {"MemorySwappiness",     FIELD_INT, .min = -1, .max = 100},
    {"KernelMemory",         FIELD_INT},
    {"KernelMemoryTCP",      FIELD_INT},
    {"NanoCpus",             FIELD_INT,        RULE(container.limits.cpus, double)},
    {"CpuPeriod",            FIELD_INT,        RULE(container.limits.cpus, double)},
    {"CpuQuota",             FIELD_INT,        RULE(container.limits.cpus, double)},
    {"CpuShares",            FIELD_INT,        RULE(container.limits.cpu_shares, unsigned)},
    {"PidsLimit",            FIELD_INT,        RULE(container.limits.pids, unsigned)},
    {"ShmSize",              FIELD_INT,        RULE(container.limits.shm, uint64_t)},
    {"CpuRealtimePeriod",    FIELD_INT,        FLAG(container.realtime)},
    {"CpuRealtimeRuntime",   FIELD_INT,        FLAG(container.realtime)},
    {"CpusetCpus",           FIELD_STRING,     FLAG(container.cpuset)},
    {"CpusetMems",           FIELD_STRING,     FLAG(container.cpuset)},
    {"BlkioWeight",          FIELD_INT, 0, 65535, FLAG(container.blkio)},
    {"BlkioWeightDevice",    FIELD_STRUCTS,    .of = &weight_device_record, FLAG(container.blkio)},
    {"BlkioDeviceReadBps",   FIELD_STRUCTS,    .of = &throttle_device_record, FLAG(container.blkio)},
    {"BlkioDeviceWriteBps",  FIELD_STRUCTS,    .of = &throttle_device_record, FLAG(container.blkio)},
    {"BlkioDeviceReadIOps",  FIELD_STRUCTS,    .of = &throttle_device_record, FLAG(container.blkio)},
    {"BlkioDeviceWriteIOps", FIELD_STRUCTS,    .of = &throttle_device_record, FLAG(container.blkio)},
    {"Ulimits",              FIELD_STRUCTS,    .of = &ulimit_record, .each = check_ulimit, RULE(container.ulimits, struct strings)},
    {"OomKillDisable",       FIELD_BOOL,       FLAG(container.oom_protected)},
    {"OomScoreAdj",          FIELD_INT, -1000, 1000, GOVERNED(check_oom_score, container.oom_protected)},
    /* the rest */
    {"LogConfig",            FIELD_STRUCT,     .of = &log_record},
    {"RestartPolicy",        FIELD_STRUCT,     .of = &restart_record},
    {"AutoRemove",           FIELD_BOOL},
    {"Init",                 FIELD_BOOL},
    {"Umask",                FIELD_INT},
    {"ConsoleSize",          FIELD_INTS},
    {"Isolation",            FIELD_STRING,     .check = check_choice, .rule = "request.body", .note = "default"},
    {"CpuCount",             FIELD_INT,        WINDOWS},
    {"CpuPercent",           FIELD_INT,        WINDOWS},
    {"IOMaximumIOps",        FIELD_INT,        WINDOWS},
    {"IOMaximumBandwidth",   FIELD_INT,        WINDOWS},
    {"DiskQuota",            FIELD_INT,        WINDOWS},
};
// clang-format on
const struct record host_config_record = {
    RECORD("HostConfig", host_config_fields),
    .check = check_host_config,
};
