#include "policy/docker/reference.h"

/*
 * The places, as tests/catalogue/references.tsv has them; what a query names,
 * each operation reads by itself.
 */
// clang-format off

/* ---- what clients send ---- */

#define ENDPOINT(at)                                                  \
    {at "NetworkID",    REF_NONE,      FORM_OURS},                    \
    {at "EndpointID",   REF_NONE,      FORM_OURS},                    \
    {at "Links[]",      REF_CONTAINER, FORM_LINK},                    \
    {at "Aliases[]",    REF_NONE,      FORM_ALIASES},                 \
    {at "DNSNames",     REF_NONE,      FORM_OURS}

static const struct reference container_create[] = {
    {"Image",                                     REF_IMAGE,     FORM_REF},
    {"Labels{key}",                               REF_NONE,      FORM_LABELS},
    {"HostConfig.NetworkMode",                    REF_NETWORK,   FORM_MODE},
    {"HostConfig.IpcMode",                        REF_CONTAINER, FORM_MODE},
    {"HostConfig.PidMode",                        REF_CONTAINER, FORM_MODE},
    {"HostConfig.Cgroup",                         REF_CONTAINER, FORM_MODE},
    {"HostConfig.VolumesFrom[]",                  REF_CONTAINER, FORM_FROM},
    {"HostConfig.Links[]",                        REF_CONTAINER, FORM_LINK},
    {"HostConfig.Binds[]",                        REF_VOLUME,    FORM_BIND},
    {"HostConfig.Mounts[].Source",                REF_VOLUME,    FORM_MOUNT},
    {"HostConfig.Mounts[].VolumeOptions.Labels{key}", REF_VOLUME, FORM_LABELS},
    {"NetworkingConfig.EndpointsConfig{key}",     REF_NETWORK,   FORM_KEYS},
    ENDPOINT("NetworkingConfig.EndpointsConfig{}."),
};
static const struct reference network_create[] = {
    {"Name",                                      REF_NETWORK,   FORM_NAME},
    {"ConfigFrom.Network",                        REF_NETWORK,   FORM_REF},
    {"Labels{key}",                               REF_NONE,      FORM_LABELS},
};
static const struct reference network_connect[] = {
    {"Container",                                 REF_CONTAINER, FORM_REF},
    ENDPOINT("EndpointConfig."),
};
static const struct reference network_disconnect[] = {
    {"Container",                                 REF_CONTAINER, FORM_REF},
};
static const struct reference volume_create[] = {
    {"Name",                                      REF_VOLUME,    FORM_NAME},
    {"Labels{key}",                               REF_VOLUME,    FORM_LABELS},
};

/* ---- what the engine answers ---- */

#define NETWORKS                                                                         \
    {"NetworkSettings.Networks{key}",             REF_NETWORK,   FORM_KEYS},             \
    {"NetworkSettings.Networks{}.Links[]",        REF_CONTAINER, FORM_LINK},             \
    {"NetworkSettings.Networks{}.Aliases[]",      REF_NONE,      FORM_ALIASES},          \
    {"NetworkSettings.Networks{}.DNSNames[]",     REF_NONE,      FORM_ALIASES}
#define MOUNTS                                                                           \
    {"Mounts[].Name",                             REF_VOLUME,    FORM_NAME},             \
    {"Mounts[].Source",                           REF_VOLUME,    FORM_PATH}

static const struct reference container_summary[] = {
    {"Id",                                        REF_CONTAINER, FORM_ID},
    {"Names[]",                                   REF_CONTAINER, FORM_NAME},
    {"Image",                                     REF_IMAGE,     FORM_REF},
    {"HostConfig.NetworkMode",                    REF_NETWORK,   FORM_MODE},
    NETWORKS,
    MOUNTS,
    {"Labels{key}",                               REF_NONE,      FORM_LABELS},
};
static const struct reference container_inspect[] = {
    {"Id",                                        REF_CONTAINER, FORM_ID},
    {"Name",                                      REF_CONTAINER, FORM_NAME},
    {"Config.Image",                              REF_IMAGE,     FORM_REF},
    {"State.Error",                               REF_NONE,      FORM_TEXT},
    {"HostConfig.NetworkMode",                    REF_NETWORK,   FORM_MODE},
    {"HostConfig.IpcMode",                        REF_CONTAINER, FORM_MODE},
    {"HostConfig.PidMode",                        REF_CONTAINER, FORM_MODE},
    {"HostConfig.Cgroup",                         REF_CONTAINER, FORM_MODE},
    {"HostConfig.VolumesFrom[]",                  REF_CONTAINER, FORM_FROM},
    {"HostConfig.Links[]",                        REF_CONTAINER, FORM_LINK},
    {"HostConfig.Binds[]",                        REF_VOLUME,    FORM_BIND},
    {"HostConfig.Mounts[].Source",                REF_VOLUME,    FORM_MOUNT},
    {"HostConfig.Mounts[].VolumeOptions.Labels{key}", REF_NONE,  FORM_LABELS},
    NETWORKS,
    MOUNTS,
    {"Config.Labels{key}",                        REF_NONE,      FORM_LABELS},
};
static const struct reference warnings[] = {
    {"Warnings[]",                                REF_NONE,      FORM_TEXT},
};
static const struct reference container_prune[] = {
    {"ContainersDeleted[]",                       REF_CONTAINER, FORM_REF},
};
static const struct reference container_stats[] = {
    {"name",                                      REF_CONTAINER, FORM_NAME},
};
static const struct reference container_wait[] = {
    {"Error.Message",                             REF_NONE,      FORM_TEXT},
};
static const struct reference network[] = {
    {"Id",                                        REF_NETWORK,   FORM_ID},
    {"Name",                                      REF_NETWORK,   FORM_NAME},
    {"ConfigFrom.Network",                        REF_NETWORK,   FORM_NAME},
    {"Containers{key}",                           REF_CONTAINER, FORM_KEYS},
    {"Containers{}.Name",                         REF_CONTAINER, FORM_NAME},
    {"Labels{key}",                               REF_NONE,      FORM_LABELS},
};
static const struct reference network_created[] = {
    {"Warning",                                   REF_NONE,      FORM_TEXT},
};
static const struct reference network_prune[] = {
    {"NetworksDeleted[]",                         REF_NETWORK,   FORM_NAME},
};
static const struct reference volume[] = {
    {"Name",                                      REF_VOLUME,    FORM_NAME},
    {"Mountpoint",                                REF_VOLUME,    FORM_PATH},
    {"Labels{key}",                               REF_NONE,      FORM_LABELS},
};
static const struct reference volume_prune[] = {
    {"VolumesDeleted[]",                          REF_VOLUME,    FORM_NAME},
};
static const struct reference image_summary[] = {
    {"Id",                                        REF_IMAGE,     FORM_ID},
    {"RepoTags[]",                                REF_IMAGE,     FORM_REF},
    {"RepoDigests[]",                             REF_IMAGE,     FORM_REF},
    {"Labels{key}",                               REF_NONE,      FORM_LABELS},
    {"Manifests[].ImageData.Containers[]",        REF_CONTAINER, FORM_ID},
    {"Manifests[].ImageData.Identity.Pull[].Repository", REF_IMAGE, FORM_REF},
    {"Containers",                                REF_NONE,      FORM_HOST},
};
static const struct reference image_inspect[] = {
    {"RepoTags[]",                                REF_IMAGE,     FORM_REF},
    {"RepoDigests[]",                             REF_IMAGE,     FORM_REF},
    {"ContainerConfig.Image",                     REF_IMAGE,     FORM_REF},
    {"ContainerConfig.Labels{key}",               REF_NONE,      FORM_LABELS},
    {"Config.Image",                              REF_IMAGE,     FORM_REF},
    {"Config.Labels{key}",                        REF_NONE,      FORM_LABELS},
    {"Manifests[].ImageData.Containers[]",        REF_CONTAINER, FORM_ID},
    {"Identity.Pull[].Repository",                REF_IMAGE,     FORM_REF},
};
static const struct reference image_history[] = {
    {"Tags[]",                                    REF_IMAGE,     FORM_REF},
};
static const struct reference image_delete[] = {
    {"Untagged",                                  REF_IMAGE,     FORM_REF},
};
static const struct reference system_info[] = {
    {"Containers",                                REF_NONE,      FORM_HOST},
    {"Swarm.NodeID",                              REF_NONE,      FORM_HOST},
    {"Swarm.NodeAddr",                            REF_NONE,      FORM_HOST},
    {"Swarm.RemoteManagers[].NodeID",             REF_NONE,      FORM_HOST},
    {"Swarm.Cluster.ID",                          REF_NONE,      FORM_HOST},
    {"Swarm.Cluster.Spec.Name",                   REF_NONE,      FORM_HOST},
    {"HttpProxy",                                 REF_NONE,      FORM_HOST},
};
static const struct reference build_cache[] = {
    {"ID",                                        REF_NONE,      FORM_HOST},
    {"Description",                               REF_NONE,      FORM_HOST},
};
static const struct reference event[] = {
    {"Actor.ID",                                  REF_VOLUME,    FORM_NAME},
    {"Actor.Attributes.name",                     REF_NONE,      FORM_NAME},
    {"Actor.Attributes.image",                    REF_IMAGE,     FORM_REF},
    {"Actor.Attributes.oldName",                  REF_CONTAINER, FORM_NAME},
    {"Actor.Attributes.container",                REF_CONTAINER, FORM_ID},
    {"Actor.Attributes.imageRef",                 REF_IMAGE,     FORM_REF},
    {"id",                                        REF_VOLUME,    FORM_NAME},
    {"from",                                      REF_IMAGE,     FORM_REF},
    {"Actor.Attributes{key}",                     REF_NONE,      FORM_LABELS},
};
static const struct reference progress[] = {
    {"status",                                    REF_NONE,      FORM_TEXT},
    {"stream",                                    REF_NONE,      FORM_TEXT},
    {"error",                                     REF_NONE,      FORM_TEXT},
    {"errorDetail.message",                       REF_NONE,      FORM_TEXT},
};

#define ROWS(table) (table), sizeof(table) / sizeof(*(table))

const struct document documents[] = {
    {OP_CONTAINER_CREATE,    IN_REQUEST, "",                       REF_CONTAINER, ROWS(container_create)},
    {OP_NETWORK_CREATE,      IN_REQUEST, "",                       REF_NETWORK,   ROWS(network_create)},
    {OP_NETWORK_CONNECT,     IN_REQUEST, "",                       REF_NETWORK,   ROWS(network_connect)},
    {OP_NETWORK_DISCONNECT,  IN_REQUEST, "",                       REF_NETWORK,   ROWS(network_disconnect)},
    {OP_VOLUME_CREATE,       IN_REQUEST, "",                       REF_VOLUME,    ROWS(volume_create)},

    {OP_CONTAINER_LIST,      IN_REPLY,   "[]",                     REF_CONTAINER, ROWS(container_summary)},
    {OP_CONTAINER_INSPECT,   IN_REPLY,   "",                       REF_CONTAINER, ROWS(container_inspect)},
    {OP_CONTAINER_CREATE,    IN_REPLY,   "",                       REF_NONE,      ROWS(warnings)},
    {OP_CONTAINER_UPDATE,    IN_REPLY,   "",                       REF_NONE,      ROWS(warnings)},
    {OP_CONTAINER_PRUNE,     IN_REPLY,   "",                       REF_NONE,      ROWS(container_prune)},
    {OP_CONTAINER_STATS,     IN_REPLY,   "",                       REF_NONE,      ROWS(container_stats)},
    {OP_CONTAINER_WAIT,      IN_REPLY,   "",                       REF_NONE,      ROWS(container_wait)},
    {OP_NETWORK_LIST,        IN_REPLY,   "[]",                     REF_NETWORK,   ROWS(network)},
    {OP_NETWORK_INSPECT,     IN_REPLY,   "",                       REF_NETWORK,   ROWS(network)},
    {OP_NETWORK_CREATE,      IN_REPLY,   "",                       REF_NONE,      ROWS(network_created)},
    {OP_NETWORK_PRUNE,       IN_REPLY,   "",                       REF_NONE,      ROWS(network_prune)},
    {OP_VOLUME_LIST,         IN_REPLY,   "Volumes[]",              REF_VOLUME,    ROWS(volume)},
    {OP_VOLUME_LIST,         IN_REPLY,   "",                       REF_NONE,      ROWS(warnings)},
    {OP_VOLUME_INSPECT,      IN_REPLY,   "",                       REF_VOLUME,    ROWS(volume)},
    {OP_VOLUME_CREATE,       IN_REPLY,   "",                       REF_VOLUME,    ROWS(volume)},
    {OP_VOLUME_PRUNE,        IN_REPLY,   "",                       REF_NONE,      ROWS(volume_prune)},
    {OP_IMAGE_LIST,          IN_REPLY,   "[]",                     REF_IMAGE,     ROWS(image_summary)},
    {OP_IMAGE_INSPECT,       IN_REPLY,   "",                       REF_IMAGE,     ROWS(image_inspect)},
    {OP_IMAGE_HISTORY,       IN_REPLY,   "[]",                     REF_NONE,      ROWS(image_history)},
    {OP_IMAGE_DELETE,        IN_REPLY,   "[]",                     REF_NONE,      ROWS(image_delete)},
    {OP_IMAGE_PRUNE,         IN_REPLY,   "ImagesDeleted[]",        REF_NONE,      ROWS(image_delete)},
    {OP_SYSTEM_INFO,         IN_REPLY,   "",                       REF_NONE,      ROWS(system_info)},
    {OP_SYSTEM_DISK_USAGE,   IN_REPLY,   "Containers[]",           REF_CONTAINER, ROWS(container_summary)},
    {OP_SYSTEM_DISK_USAGE,   IN_REPLY,   "ContainerUsage.Items[]", REF_CONTAINER, ROWS(container_summary)},
    {OP_SYSTEM_DISK_USAGE,   IN_REPLY,   "Images[]",               REF_IMAGE,     ROWS(image_summary)},
    {OP_SYSTEM_DISK_USAGE,   IN_REPLY,   "ImageUsage.Items[]",     REF_IMAGE,     ROWS(image_summary)},
    {OP_SYSTEM_DISK_USAGE,   IN_REPLY,   "Volumes[]",              REF_VOLUME,    ROWS(volume)},
    {OP_SYSTEM_DISK_USAGE,   IN_REPLY,   "VolumeUsage.Items[]",    REF_VOLUME,    ROWS(volume)},
    {OP_SYSTEM_DISK_USAGE,   IN_REPLY,   "BuildCache[]",           REF_NONE,      ROWS(build_cache)},
    {OP_SYSTEM_DISK_USAGE,   IN_REPLY,   "BuildCacheUsage.Items[]", REF_NONE,     ROWS(build_cache)},
    {OP_SYSTEM_EVENTS,       IN_REPLY,   "",                       REF_NONE,      ROWS(event)},
    {OP_IMAGE_CREATE,        IN_REPLY,   "",                       REF_NONE,      ROWS(progress)},
    {OP_IMAGE_PUSH,          IN_REPLY,   "",                       REF_NONE,      ROWS(progress)},
    {OP_IMAGE_LOAD,          IN_REPLY,   "",                       REF_NONE,      ROWS(progress)},
    {OP_IMAGE_BUILD,         IN_REPLY,   "",                       REF_NONE,      ROWS(progress)},
};
// clang-format on

const size_t document_count = sizeof(documents) / sizeof(*documents);
