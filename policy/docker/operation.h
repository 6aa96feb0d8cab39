#pragma once

/*
 * Every operation of Docker's API, by Docker's own operation ids: what a policy
 * allows, what the audit records. "Mutates" means that the engine or something
 * on it is not the same afterwards, or that a stream into it is open.
 */

#include "policy/base/str.h"

#define OPERATION_GROUPS(X)                                                    \
    X(GROUP_SYSTEM, "system")                                                  \
    X(GROUP_DEBUG, "debug") /* the daemon's own innards */                     \
    X(GROUP_SESSION, "session")                                                \
    X(GROUP_BUILD, "build")                                                    \
    X(GROUP_CONTAINER, "container")                                            \
    X(GROUP_EXEC, "exec")                                                      \
    X(GROUP_CHECKPOINT, "checkpoint")                                          \
    X(GROUP_IMAGE, "image")                                                    \
    X(GROUP_DISTRIBUTION, "distribution")                                      \
    X(GROUP_NETWORK, "network")                                                \
    X(GROUP_VOLUME, "volume")                                                  \
    X(GROUP_SWARM, "swarm")                                                    \
    X(GROUP_SERVICE, "service")                                                \
    X(GROUP_NODE, "node")                                                      \
    X(GROUP_TASK, "task")                                                      \
    X(GROUP_SECRET, "secret")                                                  \
    X(GROUP_CONFIG, "config")                                                  \
    X(GROUP_PLUGIN, "plugin")

#define OPERATION_ACCESSES(X)                                                  \
    X(ACCESS_READ, "read")                                                     \
    X(ACCESS_WRITE, "write")                                                   \
    X(ACCESS_STREAM, "stream")   /* a long or large flow, in or out */         \
    X(ACCESS_UPGRADE, "upgrade") /* the connection stops speaking HTTP */

/* X(id, Docker's operation id, group, access, mutates) */
// clang-format off
#define OPERATIONS(X) \
    X(OP_SYSTEM_OPTIONS,               "SystemOptions",             GROUP_SYSTEM,        ACCESS_READ,    false) \
    X(OP_SYSTEM_PING,                  "SystemPing",                GROUP_SYSTEM,        ACCESS_READ,    false) \
    X(OP_SYSTEM_PING_HEAD,             "SystemPingHead",            GROUP_SYSTEM,        ACCESS_READ,    false) \
    X(OP_SYSTEM_INFO,                  "SystemInfo",                GROUP_SYSTEM,        ACCESS_READ,    false) \
    X(OP_SYSTEM_VERSION,               "SystemVersion",             GROUP_SYSTEM,        ACCESS_READ,    false) \
    X(OP_SYSTEM_EVENTS,                "SystemEvents",              GROUP_SYSTEM,        ACCESS_STREAM,  false) \
    X(OP_SYSTEM_DISK_USAGE,            "SystemDiskUsage",           GROUP_SYSTEM,        ACCESS_READ,    false) \
    X(OP_SYSTEM_AUTH,                  "SystemAuth",                GROUP_SYSTEM,        ACCESS_WRITE,   true) \
    X(OP_DEBUG_VARS,                   "DebugVars",                 GROUP_DEBUG,         ACCESS_READ,    false) \
    X(OP_DEBUG_PPROF_INDEX,            "DebugPprofIndex",           GROUP_DEBUG,         ACCESS_READ,    false) \
    X(OP_DEBUG_PPROF_CMDLINE,          "DebugPprofCmdline",         GROUP_DEBUG,         ACCESS_READ,    false) \
    X(OP_DEBUG_PPROF_PROFILE,          "DebugPprofProfile",         GROUP_DEBUG,         ACCESS_STREAM,  false) \
    X(OP_DEBUG_PPROF_SYMBOL,           "DebugPprofSymbol",          GROUP_DEBUG,         ACCESS_READ,    false) \
    X(OP_DEBUG_PPROF_TRACE,            "DebugPprofTrace",           GROUP_DEBUG,         ACCESS_STREAM,  false) \
    X(OP_DEBUG_PPROF_NAMED,            "DebugPprofNamed",           GROUP_DEBUG,         ACCESS_READ,    false) \
    X(OP_SESSION,                      "Session",                   GROUP_SESSION,       ACCESS_UPGRADE, true) \
    X(OP_GRPC,                         "Grpc",                      GROUP_SESSION,       ACCESS_UPGRADE, true) \
    X(OP_IMAGE_BUILD,                  "ImageBuild",                GROUP_BUILD,         ACCESS_STREAM,  true) \
    X(OP_BUILD_CANCEL,                 "BuildCancel",               GROUP_BUILD,         ACCESS_WRITE,   true) \
    X(OP_BUILD_PRUNE,                  "BuildPrune",                GROUP_BUILD,         ACCESS_WRITE,   true) \
    X(OP_CONTAINER_ARCHIVE_INFO,       "ContainerArchiveInfo",      GROUP_CONTAINER,     ACCESS_READ,    false) \
    X(OP_CONTAINER_ARCHIVE,            "ContainerArchive",          GROUP_CONTAINER,     ACCESS_STREAM,  false) \
    X(OP_PUT_CONTAINER_ARCHIVE,        "PutContainerArchive",       GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_LIST,               "ContainerList",             GROUP_CONTAINER,     ACCESS_READ,    false) \
    X(OP_CONTAINER_EXPORT,             "ContainerExport",           GROUP_CONTAINER,     ACCESS_STREAM,  false) \
    X(OP_CONTAINER_CHANGES,            "ContainerChanges",          GROUP_CONTAINER,     ACCESS_READ,    false) \
    X(OP_CONTAINER_INSPECT,            "ContainerInspect",          GROUP_CONTAINER,     ACCESS_READ,    false) \
    X(OP_CONTAINER_TOP,                "ContainerTop",              GROUP_CONTAINER,     ACCESS_READ,    false) \
    X(OP_CONTAINER_LOGS,               "ContainerLogs",             GROUP_CONTAINER,     ACCESS_STREAM,  false) \
    X(OP_CONTAINER_STATS,              "ContainerStats",            GROUP_CONTAINER,     ACCESS_STREAM,  false) \
    X(OP_CONTAINER_ATTACH_WEBSOCKET,   "ContainerAttachWebsocket",  GROUP_CONTAINER,     ACCESS_UPGRADE, true) \
    X(OP_CONTAINER_ATTACH,             "ContainerAttach",           GROUP_CONTAINER,     ACCESS_UPGRADE, true) \
    X(OP_CONTAINER_CREATE,             "ContainerCreate",           GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_KILL,               "ContainerKill",             GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_PAUSE,              "ContainerPause",            GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_UNPAUSE,            "ContainerUnpause",          GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_RESTART,            "ContainerRestart",          GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_START,              "ContainerStart",            GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_STOP,               "ContainerStop",             GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_WAIT,               "ContainerWait",             GROUP_CONTAINER,     ACCESS_STREAM,  false) \
    X(OP_CONTAINER_RESIZE,             "ContainerResize",           GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_RENAME,             "ContainerRename",           GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_UPDATE,             "ContainerUpdate",           GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_PRUNE,              "ContainerPrune",            GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_DELETE,             "ContainerDelete",           GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_COPY,               "ContainerCopy",             GROUP_CONTAINER,     ACCESS_WRITE,   true) \
    X(OP_CONTAINER_EXEC,               "ContainerExec",             GROUP_EXEC,          ACCESS_WRITE,   true) \
    X(OP_EXEC_INSPECT,                 "ExecInspect",               GROUP_EXEC,          ACCESS_READ,    false) \
    X(OP_EXEC_START,                   "ExecStart",                 GROUP_EXEC,          ACCESS_UPGRADE, true) \
    X(OP_EXEC_RESIZE,                  "ExecResize",                GROUP_EXEC,          ACCESS_WRITE,   true) \
    X(OP_IMAGE_COMMIT,                 "ImageCommit",               GROUP_IMAGE,         ACCESS_WRITE,   true) \
    X(OP_IMAGE_LIST,                   "ImageList",                 GROUP_IMAGE,         ACCESS_READ,    false) \
    X(OP_IMAGE_SEARCH,                 "ImageSearch",               GROUP_IMAGE,         ACCESS_READ,    false) \
    X(OP_IMAGE_GET_ALL,                "ImageGetAll",               GROUP_IMAGE,         ACCESS_STREAM,  false) \
    X(OP_IMAGE_GET,                    "ImageGet",                  GROUP_IMAGE,         ACCESS_STREAM,  false) \
    X(OP_IMAGE_HISTORY,                "ImageHistory",              GROUP_IMAGE,         ACCESS_READ,    false) \
    X(OP_IMAGE_INSPECT,                "ImageInspect",              GROUP_IMAGE,         ACCESS_READ,    false) \
    X(OP_IMAGE_ATTESTATIONS,           "ImageAttestations",         GROUP_IMAGE,         ACCESS_READ,    false) \
    X(OP_IMAGE_LOAD,                   "ImageLoad",                 GROUP_IMAGE,         ACCESS_STREAM,  true) \
    X(OP_IMAGE_CREATE,                 "ImageCreate",               GROUP_IMAGE,         ACCESS_STREAM,  true) \
    X(OP_IMAGE_PUSH,                   "ImagePush",                 GROUP_IMAGE,         ACCESS_STREAM,  true) \
    X(OP_IMAGE_TAG,                    "ImageTag",                  GROUP_IMAGE,         ACCESS_WRITE,   true) \
    X(OP_IMAGE_PRUNE,                  "ImagePrune",                GROUP_IMAGE,         ACCESS_WRITE,   true) \
    X(OP_IMAGE_DELETE,                 "ImageDelete",               GROUP_IMAGE,         ACCESS_WRITE,   true) \
    X(OP_CHECKPOINT_LIST,              "CheckpointList",            GROUP_CHECKPOINT,    ACCESS_READ,    false) \
    X(OP_CHECKPOINT_CREATE,            "CheckpointCreate",          GROUP_CHECKPOINT,    ACCESS_WRITE,   true) \
    X(OP_CHECKPOINT_DELETE,            "CheckpointDelete",          GROUP_CHECKPOINT,    ACCESS_WRITE,   true) \
    X(OP_DISTRIBUTION_INSPECT,         "DistributionInspect",       GROUP_DISTRIBUTION,  ACCESS_READ,    false) \
    X(OP_NETWORK_LIST,                 "NetworkList",               GROUP_NETWORK,       ACCESS_READ,    false) \
    X(OP_NETWORK_INSPECT,              "NetworkInspect",            GROUP_NETWORK,       ACCESS_READ,    false) \
    X(OP_NETWORK_CREATE,               "NetworkCreate",             GROUP_NETWORK,       ACCESS_WRITE,   true) \
    X(OP_NETWORK_CONNECT,              "NetworkConnect",            GROUP_NETWORK,       ACCESS_WRITE,   true) \
    X(OP_NETWORK_DISCONNECT,           "NetworkDisconnect",         GROUP_NETWORK,       ACCESS_WRITE,   true) \
    X(OP_NETWORK_PRUNE,                "NetworkPrune",              GROUP_NETWORK,       ACCESS_WRITE,   true) \
    X(OP_NETWORK_DELETE,               "NetworkDelete",             GROUP_NETWORK,       ACCESS_WRITE,   true) \
    X(OP_VOLUME_LIST,                  "VolumeList",                GROUP_VOLUME,        ACCESS_READ,    false) \
    X(OP_VOLUME_INSPECT,               "VolumeInspect",             GROUP_VOLUME,        ACCESS_READ,    false) \
    X(OP_VOLUME_CREATE,                "VolumeCreate",              GROUP_VOLUME,        ACCESS_WRITE,   true) \
    X(OP_VOLUME_UPDATE,                "VolumeUpdate",              GROUP_VOLUME,        ACCESS_WRITE,   true) \
    X(OP_VOLUME_PRUNE,                 "VolumePrune",               GROUP_VOLUME,        ACCESS_WRITE,   true) \
    X(OP_VOLUME_DELETE,                "VolumeDelete",              GROUP_VOLUME,        ACCESS_WRITE,   true) \
    X(OP_SWARM_INIT,                   "SwarmInit",                 GROUP_SWARM,         ACCESS_WRITE,   true) \
    X(OP_SWARM_JOIN,                   "SwarmJoin",                 GROUP_SWARM,         ACCESS_WRITE,   true) \
    X(OP_SWARM_LEAVE,                  "SwarmLeave",                GROUP_SWARM,         ACCESS_WRITE,   true) \
    X(OP_SWARM_INSPECT,                "SwarmInspect",              GROUP_SWARM,         ACCESS_READ,    false) \
    X(OP_SWARM_UNLOCK_KEY,             "SwarmUnlockKey",            GROUP_SWARM,         ACCESS_READ,    false) \
    X(OP_SWARM_UPDATE,                 "SwarmUpdate",               GROUP_SWARM,         ACCESS_WRITE,   true) \
    X(OP_SWARM_UNLOCK,                 "SwarmUnlock",               GROUP_SWARM,         ACCESS_WRITE,   true) \
    X(OP_SERVICE_LIST,                 "ServiceList",               GROUP_SERVICE,       ACCESS_READ,    false) \
    X(OP_SERVICE_INSPECT,              "ServiceInspect",            GROUP_SERVICE,       ACCESS_READ,    false) \
    X(OP_SERVICE_CREATE,               "ServiceCreate",             GROUP_SERVICE,       ACCESS_WRITE,   true) \
    X(OP_SERVICE_UPDATE,               "ServiceUpdate",             GROUP_SERVICE,       ACCESS_WRITE,   true) \
    X(OP_SERVICE_DELETE,               "ServiceDelete",             GROUP_SERVICE,       ACCESS_WRITE,   true) \
    X(OP_SERVICE_LOGS,                 "ServiceLogs",               GROUP_SERVICE,       ACCESS_STREAM,  false) \
    X(OP_NODE_LIST,                    "NodeList",                  GROUP_NODE,          ACCESS_READ,    false) \
    X(OP_NODE_INSPECT,                 "NodeInspect",               GROUP_NODE,          ACCESS_READ,    false) \
    X(OP_NODE_DELETE,                  "NodeDelete",                GROUP_NODE,          ACCESS_WRITE,   true) \
    X(OP_NODE_UPDATE,                  "NodeUpdate",                GROUP_NODE,          ACCESS_WRITE,   true) \
    X(OP_TASK_LIST,                    "TaskList",                  GROUP_TASK,          ACCESS_READ,    false) \
    X(OP_TASK_INSPECT,                 "TaskInspect",               GROUP_TASK,          ACCESS_READ,    false) \
    X(OP_TASK_LOGS,                    "TaskLogs",                  GROUP_TASK,          ACCESS_STREAM,  false) \
    X(OP_SECRET_LIST,                  "SecretList",                GROUP_SECRET,        ACCESS_READ,    false) \
    X(OP_SECRET_CREATE,                "SecretCreate",              GROUP_SECRET,        ACCESS_WRITE,   true) \
    X(OP_SECRET_DELETE,                "SecretDelete",              GROUP_SECRET,        ACCESS_WRITE,   true) \
    X(OP_SECRET_INSPECT,               "SecretInspect",             GROUP_SECRET,        ACCESS_READ,    false) \
    X(OP_SECRET_UPDATE,                "SecretUpdate",              GROUP_SECRET,        ACCESS_WRITE,   true) \
    X(OP_CONFIG_LIST,                  "ConfigList",                GROUP_CONFIG,        ACCESS_READ,    false) \
    X(OP_CONFIG_CREATE,                "ConfigCreate",              GROUP_CONFIG,        ACCESS_WRITE,   true) \
    X(OP_CONFIG_DELETE,                "ConfigDelete",              GROUP_CONFIG,        ACCESS_WRITE,   true) \
    X(OP_CONFIG_INSPECT,               "ConfigInspect",             GROUP_CONFIG,        ACCESS_READ,    false) \
    X(OP_CONFIG_UPDATE,                "ConfigUpdate",              GROUP_CONFIG,        ACCESS_WRITE,   true) \
    X(OP_PLUGIN_LIST,                  "PluginList",                GROUP_PLUGIN,        ACCESS_READ,    false) \
    X(OP_PLUGIN_INSPECT,               "PluginInspect",             GROUP_PLUGIN,        ACCESS_READ,    false) \
    X(OP_PLUGIN_PRIVILEGES,            "PluginPrivileges",          GROUP_PLUGIN,        ACCESS_READ,    false) \
    X(OP_PLUGIN_DELETE,                "PluginDelete",              GROUP_PLUGIN,        ACCESS_WRITE,   true) \
    X(OP_PLUGIN_ENABLE,                "PluginEnable",              GROUP_PLUGIN,        ACCESS_WRITE,   true) \
    X(OP_PLUGIN_DISABLE,               "PluginDisable",             GROUP_PLUGIN,        ACCESS_WRITE,   true) \
    X(OP_PLUGIN_PULL,                  "PluginPull",                GROUP_PLUGIN,        ACCESS_STREAM,  true) \
    X(OP_PLUGIN_PUSH,                  "PluginPush",                GROUP_PLUGIN,        ACCESS_STREAM,  true) \
    X(OP_PLUGIN_UPGRADE,               "PluginUpgrade",             GROUP_PLUGIN,        ACCESS_STREAM,  true) \
    X(OP_PLUGIN_SET,                   "PluginSet",                 GROUP_PLUGIN,        ACCESS_WRITE,   true) \
    X(OP_PLUGIN_CREATE,                "PluginCreate",              GROUP_PLUGIN,        ACCESS_WRITE,   true)
// clang-format on

enum operation_group {
#define X(id, name) id,
    OPERATION_GROUPS(X)
#undef X
        GROUP_COUNT
};

enum operation_access {
#define X(id, name) id,
    OPERATION_ACCESSES(X)
#undef X
        ACCESS_COUNT
};

enum operation {
    OP_NONE = 0,
#define X(id, name, group, access, mutates) id,
    OPERATIONS(X)
#undef X
        OP_COUNT
};

/* Facts of an operation; OP_NONE is called "none" and has no others. */
/*
 * What an engine that is in no swarm answers OPERATION with, and 503; NULL
 * where it would carry it out. For tools that look for a swarm and go on
 * without.
 */
const char *operation_swarm_refusal(enum operation operation);

const char *operation_name(enum operation operation);
enum operation_group operation_group(enum operation operation);
enum operation_access operation_access(enum operation operation);
bool operation_mutates(enum operation operation);

/* The operation of exactly that name, or OP_NONE. */
enum operation operation_find(struct str name);

const char *operation_group_name(enum operation_group group);
const char *operation_access_name(enum operation_access access);

/* The group or access class of exactly that name, or its _COUNT. */
enum operation_group operation_group_find(struct str name);
enum operation_access operation_access_find(struct str name);
