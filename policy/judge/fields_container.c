#include "policy/judge/check.h"

/* What POST /containers/create takes besides HostConfig, and what /commit,
 * /containers/{}/update, /exec and checkpoints take. */

#define LONGEST (LIMIT_DAYS * 86400 * INT64_C(1000000000)) /* ns */

// clang-format off
static const struct field health_fields[] = {
    {"Test",          FIELD_STRINGS},
    {"Interval",      FIELD_INT, .min = INT64_MIN, .max = LONGEST},
    {"Timeout",       FIELD_INT, .max = LONGEST},
    {"StartPeriod",   FIELD_INT, .max = LONGEST},
    {"StartInterval", FIELD_INT, .min = INT64_MIN, .max = LONGEST},
    {"Retries",       FIELD_INT, .max = LIMIT_RETRIES},
};
static const struct record health_record = {
    RECORD("HealthConfig", health_fields),
    .check = check_health,
};

/* map[string]struct{}: only the keys say something. */
static const struct record nothing_record = {.name = "struct{}"};

#define CONFIG_FIELDS                                                                       \
    {"Hostname",        FIELD_STRING},                                                      \
    {"Domainname",      FIELD_STRING},                                                      \
    {"User",            FIELD_STRING,     GOVERNED(check_user, container.root)},            \
    {"AttachStdin",     FIELD_BOOL},                                                        \
    {"AttachStdout",    FIELD_BOOL},                                                        \
    {"AttachStderr",    FIELD_BOOL},                                                        \
    {"ExposedPorts",    FIELD_STRUCT_MAP, .of = &nothing_record},                           \
    {"Tty",             FIELD_BOOL},                                                        \
    {"OpenStdin",       FIELD_BOOL},                                                        \
    {"StdinOnce",       FIELD_BOOL},                                                        \
    {"Env",             FIELD_STRINGS},                                                     \
    {"Cmd",             FIELD_COMMAND},                                                     \
    {"Healthcheck",     FIELD_STRUCT,     .of = &health_record},                            \
    {"ArgsEscaped",     FIELD_BOOL},                                                        \
    {"Volumes",         FIELD_STRUCT_MAP, .of = &nothing_record, .check = check_inner_paths}, \
    {"WorkingDir",      FIELD_STRING,     .check = check_working_dir},                      \
    {"Entrypoint",      FIELD_COMMAND},                                                     \
    {"NetworkDisabled", FIELD_BOOL},                                                        \
    {"MacAddress",      FIELD_STRING,     GOVERNED(check_config_mac, network.mac_addresses)},                     \
    {"OnBuild",         FIELD_STRINGS,    GOVERNED(check_on_build, labels.reserved)},       \
    {"Labels",          FIELD_STRING_MAP, GOVERNED(check_labels, labels.reserved)},         \
    {"StopSignal",      FIELD_STRING},                                                      \
    {"StopTimeout",     FIELD_INT,        GOVERNED(check_stop_timeout, container.limits.stop_timeout)}, \
    {"Shell",           FIELD_COMMAND}

static const struct field networking_fields[] = {
    {"EndpointsConfig", FIELD_STRUCT_MAP, .of = &endpoint_record, GOVERNED(check_endpoints, container.host_namespaces)},
};
static const struct record networking_record = {RECORD("NetworkingConfig", networking_fields)};

static const struct field container_create_fields[] = {
    CONFIG_FIELDS,
    {"Image",            FIELD_STRING, GOVERNED(check_image, images.registries)},
    {"HostConfig",       FIELD_STRUCT, .of = &host_config_record},
    {"NetworkingConfig", FIELD_STRUCT, .of = &networking_record},
    /* dockerode repeats its options here, docker-java its own members */
    {"name",             FIELD_IGNORED},
    {"platform",         FIELD_IGNORED},
    {"authConfig",       FIELD_IGNORED},
};
const struct record container_create_record = {
    RECORD("ContainerCreateRequest", container_create_fields),
    .check = check_container_create,
    .misplaced = &host_config_record, .belongs = "HostConfig",
};

static const struct field container_config_fields[] = {
    CONFIG_FIELDS,
    {"Image",      FIELD_STRING},
    /* dockerode and docker-java repeat the query here */
    {"container",  FIELD_IGNORED},
    {"containerId", FIELD_IGNORED},
    {"repo",       FIELD_IGNORED},
    {"repository", FIELD_IGNORED},
    {"tag",        FIELD_IGNORED},
    {"comment",    FIELD_IGNORED},
    {"message",    FIELD_IGNORED},
    {"author",     FIELD_IGNORED},
    {"pause",      FIELD_IGNORED},
    {"changes",    FIELD_IGNORED},
};
const struct record container_config_record = {
    RECORD("ContainerConfig", container_config_fields),
    .check = check_commit,
};

static const struct field update_restart_fields[] = {
    {"Name",              FIELD_STRING, LISTED(container.restart)},
    {"MaximumRetryCount", FIELD_INT, .min = -1, .max = LIMIT_RETRIES},
};
static const struct record update_restart_record = {RECORD("RestartPolicy", update_restart_fields)};

#define FIXED NEVER("an engine sets it only when a container is created")

static const struct field container_update_fields[] = {
    {"Memory",               FIELD_INT,    RULE(container.limits.memory, uint64_t)},
    {"MemorySwap",           FIELD_INT,    RULE(container.limits.memory_swap, uint64_t)},
    {"MemoryReservation",    FIELD_INT},
    {"NanoCpus",             FIELD_INT,    RULE(container.limits.cpus, double)},
    {"CpuPeriod",            FIELD_INT,    RULE(container.limits.cpus, double)},
    {"CpuQuota",             FIELD_INT,    RULE(container.limits.cpus, double)},
    {"CpuShares",            FIELD_INT,    RULE(container.limits.cpu_shares, unsigned)},
    {"PidsLimit",            FIELD_INT,    RULE(container.limits.pids, unsigned)},
    {"CpuRealtimePeriod",    FIELD_INT,    FLAG(container.realtime)},
    {"CpuRealtimeRuntime",   FIELD_INT,    FLAG(container.realtime)},
    {"CpusetCpus",           FIELD_STRING, FLAG(container.cpuset)},
    {"CpusetMems",           FIELD_STRING, FLAG(container.cpuset)},
    {"BlkioWeight",          FIELD_INT, 0, 65535, FLAG(container.blkio)},
    /* read as of API 1.55; older engines ignore them */
    {"BlkioWeightDevice",    FIELD_STRUCTS, .of = &weight_device_record, FLAG(container.blkio)},
    {"BlkioDeviceReadBps",   FIELD_STRUCTS, .of = &throttle_device_record, FLAG(container.blkio)},
    {"BlkioDeviceWriteBps",  FIELD_STRUCTS, .of = &throttle_device_record, FLAG(container.blkio)},
    {"BlkioDeviceReadIOps",  FIELD_STRUCTS, .of = &throttle_device_record, FLAG(container.blkio)},
    {"BlkioDeviceWriteIOps", FIELD_STRUCTS, .of = &throttle_device_record, FLAG(container.blkio)},
    {"KernelMemory",         FIELD_INT},
    {"RestartPolicy",        FIELD_STRUCT, .of = &update_restart_record},
    {"CgroupParent",         FIELD_ANY,    FIXED},
    {"Devices",              FIELD_ANY,    FIXED},
    {"DeviceCgroupRules",    FIELD_ANY,    FIXED},
    {"DeviceRequests",       FIELD_ANY,    FIXED},
    {"Ulimits",              FIELD_ANY,    FIXED},
    {"OomKillDisable",       FIELD_ANY,    FIXED},
    {"MemorySwappiness",     FIELD_ANY,    FIXED},
    {"KernelMemoryTCP",      FIELD_ANY,    FIXED},
    {"CpuCount",             FIELD_ANY,    FIXED},
    {"CpuPercent",           FIELD_ANY,    FIXED},
    {"IOMaximumIOps",        FIELD_ANY,    FIXED},
    {"IOMaximumBandwidth",   FIELD_ANY,    FIXED},
    {"Init",                 FIELD_IGNORED}, /* docker-java's idea */
};
const struct record container_update_record = {
    RECORD("ContainerUpdateRequest", container_update_fields),
    .check = check_container_update,
};

static const struct field exec_create_fields[] = {
    {"User",         FIELD_STRING, GOVERNED(check_user, exec.root)},
    {"Privileged",   FIELD_BOOL,   FLAG(exec.privileged)},
    {"Tty",          FIELD_BOOL},
    {"ConsoleSize",  FIELD_INTS},
    {"AttachStdin",  FIELD_BOOL},
    {"AttachStdout", FIELD_BOOL},
    {"AttachStderr", FIELD_BOOL},
    {"Detach",       FIELD_BOOL},
    {"DetachKeys",   FIELD_STRING},
    {"Env",          FIELD_STRINGS},
    {"WorkingDir",   FIELD_STRING, .check = check_working_dir},
    {"Cmd",          FIELD_COMMAND},
    /* docker-py, docker-java and dockerode */
    {"Container",    FIELD_IGNORED},
    {"containerId",  FIELD_IGNORED},
    {"hijack",       FIELD_IGNORED},
    {"stdin",        FIELD_IGNORED},
};
const struct record exec_create_record = {RECORD("ExecCreateRequest", exec_create_fields)};

static const struct field exec_start_fields[] = {
    {"Detach",       FIELD_BOOL},
    {"Tty",          FIELD_BOOL},
    {"ConsoleSize",  FIELD_INTS},
    /* dockerode */
    {"hijack",       FIELD_IGNORED},
    {"stdin",        FIELD_IGNORED},
    /* old Go clients send all of the exec again, which no engine looks at */
    {"User",         FIELD_IGNORED},
    {"Privileged",   FIELD_IGNORED},
    {"AttachStdin",  FIELD_IGNORED},
    {"AttachStdout", FIELD_IGNORED},
    {"AttachStderr", FIELD_IGNORED},
    {"DetachKeys",   FIELD_IGNORED},
    {"Env",          FIELD_IGNORED},
    {"WorkingDir",   FIELD_IGNORED},
    {"Cmd",          FIELD_IGNORED},
};
const struct record exec_start_record = {RECORD("ExecStartRequest", exec_start_fields)};

static const struct field checkpoint_create_fields[] = {
    {"CheckpointID",  FIELD_STRING, .check = check_object_name},
    {"CheckpointDir", FIELD_STRING, NEVER("it is a path on the host")},
    {"Exit",          FIELD_BOOL},
};
const struct record checkpoint_create_record = {RECORD("CheckpointCreateRequest", checkpoint_create_fields)};
// clang-format on
