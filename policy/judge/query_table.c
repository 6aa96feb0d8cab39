#include "policy/judge/query_field.h"

/* Values that are JSON themselves. */

// clang-format off
static const struct field build_ulimit_fields[] = {
    {"Name", FIELD_STRING},
    {"Soft", FIELD_INT},
    {"Hard", FIELD_INT},
};
static const struct record build_ulimit_record = {RECORD("Ulimit", build_ulimit_fields)};

static const struct field output_fields[] = {
    {"Type",  FIELD_STRING},
    {"Attrs", FIELD_STRING_MAP},
};
static const struct record output_record = {RECORD("BuildOutput", output_fields)};

static const struct field json_ulimits = {"ulimits", FIELD_STRUCTS, .of = &build_ulimit_record, .each = check_ulimit, RULE(container.ulimits, struct strings)};
static const struct field json_labels = {"labels", FIELD_STRING_MAP, GOVERNED(check_labels, labels.reserved)};
static const struct field json_arguments = {"buildargs", FIELD_STRING_OR_NULL_MAP, .check = check_keys, RULE(build.arguments, struct strings)};
static const struct field json_cache = {"cachefrom", FIELD_STRINGS, GOVERNED(check_cache_images, images.registries)};
static const struct field json_outputs = {"outputs", FIELD_STRUCTS, .of = &output_record, .each = check_output, RULE(build.outputs, struct strings)};

const struct query_field query_fields[] = {
    {OP_CONTAINER_TOP,       "ps_args",        query_ps},
    {OP_CONTAINER_LIST,      "filters",        query_ports},
    {OP_CONTAINER_START,     "checkpoint",     query_checkpoint, RULE(container.checkpoints, bool)},
    {OP_CONTAINER_STOP,      "t",              query_stop_time},
    {OP_CONTAINER_RESTART,   "t",              query_stop_time},
    {OP_CONTAINER_START,     "checkpoint-dir", query_never, .note = "it is a path on the host"},
    {OP_CHECKPOINT_LIST,     "dir",            query_never, .note = "it is a path on the host"},
    {OP_CHECKPOINT_DELETE,   "dir",            query_never, .note = "it is a path on the host"},
    {OP_CONTAINER_DELETE,    "link",           query_never_true, .note = "a link may be another container's name for this one"},
    {OP_IMAGE_CREATE,        "changes",        query_changes, .rule = "labels.reserved"},
    {OP_IMAGE_COMMIT,        "changes",        query_changes, .rule = "labels.reserved"},
    {OP_IMAGE_COMMIT,        "repo",           query_new_name, RULE(images.tags, struct strings)},
    {OP_IMAGE_TAG,           "repo",           query_new_name, RULE(images.tags, struct strings)},
    {OP_IMAGE_SEARCH,        "term",           query_search, RULE(images.registries, struct strings)},
    {OP_IMAGE_BUILD,         "t",              query_build_name, RULE(images.tags, struct strings)},
    {OP_IMAGE_BUILD,         "networkmode",    query_network, RULE(build.host_network, bool)},
    {OP_IMAGE_BUILD,         "remote",         query_remote, RULE(build.remotes, struct strings)},
    {OP_IMAGE_BUILD,         "extrahosts",     query_listed, RULE(container.extra_hosts, struct strings)},
    {OP_IMAGE_BUILD,         "securityopt",    query_listed, RULE(container.security_options, struct strings)},
    {OP_IMAGE_BUILD,         "cgroupparent",   query_cgroup, RULE(container.cgroup_parent, char *)},
    {OP_IMAGE_BUILD,         "cpusetcpus",     query_set, RULE(container.cpuset, bool)},
    {OP_IMAGE_BUILD,         "cpusetmems",     query_set, RULE(container.cpuset, bool)},
    {OP_IMAGE_BUILD,         "version",        query_version, RULE(build.buildkit, bool)},
    {OP_IMAGE_BUILD,         "session",        query_word},
    {OP_IMAGE_BUILD,         "buildid",        query_word},
    {OP_BUILD_CANCEL,        "id",             query_word},
    {OP_IMAGE_BUILD,         "dockerfile",     query_relative},
    {OP_IMAGE_BUILD,         "isolation",      query_choice, .note = "default"},
    {OP_IMAGE_BUILD,         "ulimits",        query_json, .json = &json_ulimits},
    {OP_IMAGE_BUILD,         "labels",         query_json, .json = &json_labels},
    {OP_IMAGE_BUILD,         "buildargs",      query_json, .json = &json_arguments},
    {OP_IMAGE_BUILD,         "cachefrom",      query_json, .json = &json_cache},
    {OP_IMAGE_BUILD,         "outputs",        query_json, .json = &json_outputs},
};
const size_t query_field_count = sizeof(query_fields) / sizeof(query_fields[0]);

const struct request_check request_checks[] = {
    {OP_IMAGE_BUILD,          check_build_limits},
    {OP_IMAGE_CREATE,         judge_image_create},
    {OP_IMAGE_PUSH,           judge_image_path},
    {OP_DISTRIBUTION_INSPECT, judge_image_path},
};
const size_t request_check_count = sizeof(request_checks) / sizeof(request_checks[0]);
// clang-format on
