#include "policy/judge/check.h"

/* Networks, volumes and the registry login. */

// clang-format off
static const struct field endpoint_ipam_fields[] = {
    {"IPv4Address",  FIELD_STRING,  FLAG(network.static_addresses)},
    {"IPv6Address",  FIELD_STRING,  FLAG(network.static_addresses)},
    {"LinkLocalIPs", FIELD_STRINGS, NEVER("169.254.169.254 is where clouds keep their secrets")},
};
static const struct record endpoint_ipam_record = {RECORD("EndpointIPAMConfig", endpoint_ipam_fields)};

static const struct field endpoint_fields[] = {
    {"IPAMConfig",          FIELD_STRUCT,     .of = &endpoint_ipam_record},
    {"Links",               FIELD_STRINGS},
    {"Aliases",             FIELD_STRINGS,    .check = check_aliases},
    {"MacAddress",          FIELD_STRING,     GOVERNED(check_endpoint_mac, network.mac_addresses)},
    {"DriverOpts",          FIELD_STRING_MAP, LISTED(network.endpoint_options)},
    {"GwPriority",          FIELD_INT},
    /* what an inspect shows; as a wish it is void, but for NetworkID, which
     * would go before the name that we look at */
    {"NetworkID",           FIELD_IGNORED},
    {"EndpointID",          FIELD_STRING,     .check = check_left_out},
    {"Gateway",             FIELD_IGNORED},
    {"IPAddress",           FIELD_IGNORED},
    {"IPPrefixLen",         FIELD_IGNORED},
    {"IPv6Gateway",         FIELD_IGNORED},
    {"GlobalIPv6Address",   FIELD_IGNORED},
    {"GlobalIPv6PrefixLen", FIELD_IGNORED},
    {"DNSNames",            FIELD_IGNORED},
};
const struct record endpoint_record = {RECORD("EndpointSettings", endpoint_fields)};

static const struct field ipam_pool_fields[] = {
    {"Subnet",             FIELD_STRING,     GOVERNED(check_subnet, network.subnets)},
    {"IPRange",            FIELD_STRING,     GOVERNED(check_subnet, network.subnets)},
    {"Gateway",            FIELD_STRING,     GOVERNED(check_subnet, network.subnets)},
    {"AuxiliaryAddresses", FIELD_STRING_MAP, GOVERNED(check_subnet, network.subnets)},
};
static const struct record ipam_pool_record = {RECORD("IPAMConfig", ipam_pool_fields)};

static const struct field ipam_fields[] = {
    {"Driver",  FIELD_STRING,     .check = check_choice, .rule = "network.drivers", .note = "default"},
    {"Options", FIELD_STRING_MAP, NEVER("what it does is up to an IPAM driver on the host")},
    {"Config",  FIELD_STRUCTS,    .of = &ipam_pool_record},
};
static const struct record ipam_record = {RECORD("IPAM", ipam_fields)};

static const struct field config_from_fields[] = {
    {"Network", FIELD_STRING, FLAG(network.config_only)},
};
static const struct record config_from_record = {RECORD("ConfigReference", config_from_fields)};

static const struct field network_create_fields[] = {
    {"Name",           FIELD_STRING,     .check = check_network_name},
    {"CheckDuplicate", FIELD_BOOL},
    {"Driver",         FIELD_STRING,     LISTED(network.drivers)},
    {"Scope",          FIELD_STRING,     .check = check_choice, .rule = "network.drivers", .note = "local"},
    {"Internal",       FIELD_BOOL},
    {"Attachable",     FIELD_BOOL,       FLAG(network.attachable)},
    {"Ingress",        FIELD_BOOL,       FLAG(network.ingress)},
    {"ConfigOnly",     FIELD_BOOL,       FLAG(network.config_only)},
    {"ConfigFrom",     FIELD_STRUCT,     .of = &config_from_record},
    {"IPAM",           FIELD_STRUCT,     .of = &ipam_record},
    {"EnableIPv4",     FIELD_BOOL},
    {"EnableIPv6",     FIELD_BOOL,       FLAG(network.ipv6)},
    {"Options",        FIELD_STRING_MAP, LISTED(network.options)},
    {"Labels",         FIELD_STRING_MAP, GOVERNED(check_labels, labels.reserved)},
};
const struct record network_create_record = {
    RECORD("NetworkCreateRequest", network_create_fields),
    .check = check_network_create,
};

static const struct field network_connect_fields[] = {
    {"Container",      FIELD_STRING},
    {"EndpointConfig", FIELD_STRUCT, .of = &endpoint_record},
};
const struct record network_connect_record = {RECORD("NetworkConnectRequest", network_connect_fields)};

static const struct field network_disconnect_fields[] = {
    {"Container", FIELD_STRING},
    {"Force",     FIELD_BOOL},
};
const struct record network_disconnect_record = {RECORD("NetworkDisconnectRequest", network_disconnect_fields)};

static const struct field volume_create_fields[] = {
    {"Name",              FIELD_STRING,     .check = check_object_name},
    {"Driver",            FIELD_STRING,     LISTED(volume.drivers)},
    {"DriverOpts",        FIELD_STRING_MAP, LISTED(volume.options)},
    {"Labels",            FIELD_STRING_MAP, GOVERNED(check_labels, labels.reserved)},
    {"ClusterVolumeSpec", FIELD_ANY,        NEVER("cluster volumes belong to a swarm")},
};
const struct record volume_create_record = {RECORD("VolumeCreateRequest", volume_create_fields)};

static const struct field auth_fields[] = {
    {"username",      FIELD_STRING},
    {"password",      FIELD_STRING},
    {"auth",          FIELD_STRING},
    {"email",         FIELD_STRING},
    {"serveraddress", FIELD_STRING, GOVERNED(check_registry, images.registries)},
    {"identitytoken", FIELD_STRING},
    {"registrytoken", FIELD_STRING},
};
const struct record auth_record = {RECORD("AuthConfig", auth_fields)};
// clang-format on
