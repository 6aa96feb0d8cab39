#include "policy/build/schema.h"

/* LLB: the operations of a build (solver/pb/ops.proto). */

// clang-format off
static const struct pb_field input_rows[] = {
    {1, "digest", PB_STRING},
    {2, "index", PB_INT64},
};
static const struct pb_type schema_input = PB_TYPE("Input", input_rows);

static const struct pb_field proxy_env_rows[] = {
    {1, "http_proxy", PB_STRING},
    {2, "https_proxy", PB_STRING},
    {3, "ftp_proxy", PB_STRING},
    {4, "no_proxy", PB_STRING},
    {5, "all_proxy", PB_STRING},
};
static const struct pb_type schema_proxy_env = PB_TYPE("ProxyEnv", proxy_env_rows);

static const struct pb_field host_ip_rows[] = {
    {1, "Host", PB_STRING},
    {2, "IP", PB_STRING},
};
const struct pb_type schema_host_ip = PB_TYPE("HostIP", host_ip_rows);

static const struct pb_field ulimit_rows[] = {
    {1, "Name", PB_STRING},
    {2, "Soft", PB_INT64},
    {3, "Hard", PB_INT64},
};
static const struct pb_type schema_ulimit = PB_TYPE("Ulimit", ulimit_rows);

static const struct pb_field meta_rows[] = {
    {1, "args", PB_STRING, PB_MANY},
    {2, "env", PB_STRING, PB_MANY},
    {3, "cwd", PB_STRING},
    {4, "user", PB_STRING},
    {5, "proxy_env", PB_MESSAGE, PB_ONE, &schema_proxy_env},
    {6, "extraHosts", PB_MESSAGE, PB_MANY, &schema_host_ip},
    {7, "hostname", PB_STRING},
    {9, "ulimit", PB_MESSAGE, PB_MANY, &schema_ulimit},
    {10, "cgroupParent", PB_STRING},
    {11, "removeMountStubsRecursive", PB_BOOL},
    {12, "validExitCodes", PB_INT32, PB_MANY},
};
const struct pb_type schema_meta = PB_TYPE("Meta", meta_rows);

static const struct pb_field tmpfs_opt_rows[] = {
    {1, "size", PB_INT64},
};
static const struct pb_type schema_tmpfs_opt = PB_TYPE("TmpfsOpt", tmpfs_opt_rows);

static const struct pb_field cache_opt_rows[] = {
    {1, "ID", PB_STRING},
    {2, "sharing", PB_ENUM, .most = 2},
};
static const struct pb_type schema_cache_opt = PB_TYPE("CacheOpt", cache_opt_rows);

static const struct pb_field secret_opt_rows[] = {
    {1, "ID", PB_STRING},
    {2, "uid", PB_UINT32},
    {3, "gid", PB_UINT32},
    {4, "mode", PB_UINT32},
    {5, "optional", PB_BOOL},
};
static const struct pb_type schema_secret_opt = PB_TYPE("SecretOpt", secret_opt_rows);

static const struct pb_field ssh_opt_rows[] = {
    {1, "ID", PB_STRING},
    {2, "uid", PB_UINT32},
    {3, "gid", PB_UINT32},
    {4, "mode", PB_UINT32},
    {5, "optional", PB_BOOL},
};
static const struct pb_type schema_ssh_opt = PB_TYPE("SSHOpt", ssh_opt_rows);

static const struct pb_field mount_rows[] = {
    {1, "input", PB_INT64},
    {2, "selector", PB_STRING},
    {3, "dest", PB_STRING},
    {4, "output", PB_INT64},
    {5, "readonly", PB_BOOL},
    {6, "mountType", PB_ENUM, .most = 4},
    {19, "TmpfsOpt", PB_MESSAGE, PB_ONE, &schema_tmpfs_opt},
    {20, "cacheOpt", PB_MESSAGE, PB_ONE, &schema_cache_opt},
    {21, "secretOpt", PB_MESSAGE, PB_ONE, &schema_secret_opt},
    {22, "SSHOpt", PB_MESSAGE, PB_ONE, &schema_ssh_opt},
    {23, "resultID", PB_STRING},
    {24, "contentCache", PB_ENUM, .most = 2},
};
const struct pb_type schema_mount = PB_TYPE("Mount", mount_rows);

static const struct pb_field secret_env_rows[] = {
    {1, "ID", PB_STRING},
    {2, "name", PB_STRING},
    {3, "optional", PB_BOOL},
};
const struct pb_type schema_secret_env = PB_TYPE("SecretEnv", secret_env_rows);

static const struct pb_field cdi_device_rows[] = {
    {1, "name", PB_STRING},
    {2, "optional", PB_BOOL},
};
static const struct pb_type schema_cdi_device = PB_TYPE("CDIDevice", cdi_device_rows);

static const struct pb_field exec_op_rows[] = {
    {1, "meta", PB_MESSAGE, PB_ONE, &schema_meta},
    {2, "mounts", PB_MESSAGE, PB_MANY, &schema_mount},
    {3, "network", PB_ENUM, .most = 2},
    {4, "security", PB_ENUM, .most = 1},
    {5, "secretenv", PB_MESSAGE, PB_MANY, &schema_secret_env},
    {6, "cdiDevices", PB_MESSAGE, PB_MANY, &schema_cdi_device},
};
static const struct pb_type schema_exec_op = PB_TYPE("ExecOp", exec_op_rows);

static const struct pb_field source_op_rows[] = {
    {1, "identifier", PB_STRING},
    {2, "attrs", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
const struct pb_type schema_source_op = PB_TYPE("SourceOp", source_op_rows);

static const struct pb_field named_user_opt_rows[] = {
    {1, "name", PB_STRING},
    {2, "input", PB_INT64},
};
static const struct pb_type schema_named_user_opt = PB_TYPE("NamedUserOpt", named_user_opt_rows);

static const struct pb_field user_opt_rows[] = {
    {1, "byName", PB_MESSAGE, PB_ONE, &schema_named_user_opt, .oneof = 1},
    {2, "byID", PB_UINT32, .oneof = 1},
};
static const struct pb_type schema_user_opt = PB_TYPE("UserOpt", user_opt_rows);

static const struct pb_field chown_opt_rows[] = {
    {1, "user", PB_MESSAGE, PB_ONE, &schema_user_opt},
    {2, "group", PB_MESSAGE, PB_ONE, &schema_user_opt},
};
static const struct pb_type schema_chown_opt = PB_TYPE("ChownOpt", chown_opt_rows);

static const struct pb_field file_action_copy_rows[] = {
    {1, "src", PB_STRING},
    {2, "dest", PB_STRING},
    {3, "owner", PB_MESSAGE, PB_ONE, &schema_chown_opt},
    {4, "mode", PB_INT32},
    {5, "followSymlink", PB_BOOL},
    {6, "dirCopyContents", PB_BOOL},
    {7, "attemptUnpackDockerCompatibility", PB_BOOL},
    {8, "createDestPath", PB_BOOL},
    {9, "allowWildcard", PB_BOOL},
    {10, "allowEmptyWildcard", PB_BOOL},
    {11, "timestamp", PB_INT64},
    {12, "include_patterns", PB_STRING, PB_MANY},
    {13, "exclude_patterns", PB_STRING, PB_MANY},
    {14, "alwaysReplaceExistingDestPaths", PB_BOOL},
    {15, "modeStr", PB_STRING},
    {16, "required_paths", PB_STRING, PB_MANY},
};
static const struct pb_type schema_file_action_copy = PB_TYPE("FileActionCopy", file_action_copy_rows);

static const struct pb_field file_action_mk_file_rows[] = {
    {1, "path", PB_STRING},
    {2, "mode", PB_INT32},
    {3, "data", PB_BYTES},
    {4, "owner", PB_MESSAGE, PB_ONE, &schema_chown_opt},
    {5, "timestamp", PB_INT64},
};
static const struct pb_type schema_file_action_mk_file = PB_TYPE("FileActionMkFile", file_action_mk_file_rows);

static const struct pb_field file_action_mk_dir_rows[] = {
    {1, "path", PB_STRING},
    {2, "mode", PB_INT32},
    {3, "makeParents", PB_BOOL},
    {4, "owner", PB_MESSAGE, PB_ONE, &schema_chown_opt},
    {5, "timestamp", PB_INT64},
};
static const struct pb_type schema_file_action_mk_dir = PB_TYPE("FileActionMkDir", file_action_mk_dir_rows);

static const struct pb_field file_action_rm_rows[] = {
    {1, "path", PB_STRING},
    {2, "allowNotFound", PB_BOOL},
    {3, "allowWildcard", PB_BOOL},
};
static const struct pb_type schema_file_action_rm = PB_TYPE("FileActionRm", file_action_rm_rows);

static const struct pb_field file_action_symlink_rows[] = {
    {1, "oldpath", PB_STRING},
    {2, "newpath", PB_STRING},
    {3, "owner", PB_MESSAGE, PB_ONE, &schema_chown_opt},
    {4, "timestamp", PB_INT64},
};
static const struct pb_type schema_file_action_symlink = PB_TYPE("FileActionSymlink", file_action_symlink_rows);

static const struct pb_field file_action_rows[] = {
    {1, "input", PB_INT64},
    {2, "secondaryInput", PB_INT64},
    {3, "output", PB_INT64},
    {4, "copy", PB_MESSAGE, PB_ONE, &schema_file_action_copy, .oneof = 1},
    {5, "mkfile", PB_MESSAGE, PB_ONE, &schema_file_action_mk_file, .oneof = 1},
    {6, "mkdir", PB_MESSAGE, PB_ONE, &schema_file_action_mk_dir, .oneof = 1},
    {7, "rm", PB_MESSAGE, PB_ONE, &schema_file_action_rm, .oneof = 1},
    {8, "symlink", PB_MESSAGE, PB_ONE, &schema_file_action_symlink, .oneof = 1},
};
static const struct pb_type schema_file_action = PB_TYPE("FileAction", file_action_rows);

static const struct pb_field file_op_rows[] = {
    {2, "actions", PB_MESSAGE, PB_MANY, &schema_file_action},
};
static const struct pb_type schema_file_op = PB_TYPE("FileOp", file_op_rows);

static const struct pb_field build_input_rows[] = {
    {1, "input", PB_INT64},
};
static const struct pb_type schema_build_input = PB_TYPE("BuildInput", build_input_rows);

static const struct pb_field export_cache_rows[] = {
    {1, "Value", PB_BOOL},
};
static const struct pb_type schema_export_cache = PB_TYPE("ExportCache", export_cache_rows);

static const struct pb_field progress_group_rows[] = {
    {1, "id", PB_STRING},
    {2, "name", PB_STRING},
    {3, "weak", PB_BOOL},
};
const struct pb_type schema_progress_group = PB_TYPE("ProgressGroup", progress_group_rows);

static const struct pb_field linux_resources_rows[] = {
    {1, "memory", PB_INT64},
    {2, "memorySwap", PB_INT64},
    {3, "cpuShares", PB_UINT64},
    {4, "cpuPeriod", PB_UINT64},
    {5, "cpuQuota", PB_INT64},
    {6, "cpusetCpus", PB_STRING},
    {7, "cpusetMems", PB_STRING},
};
static const struct pb_type schema_linux_resources = PB_TYPE("LinuxResources", linux_resources_rows);

static const struct pb_field op_metadata_caps_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_BOOL},
};
static const struct pb_type op_metadata_caps_entry = PB_TYPE("entry", op_metadata_caps_rows);

static const struct pb_field op_metadata_rows[] = {
    {1, "ignore_cache", PB_BOOL},
    {2, "description", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {4, "export_cache", PB_MESSAGE, PB_ONE, &schema_export_cache},
    {5, "caps", PB_MESSAGE, PB_MAP, &op_metadata_caps_entry},
    {6, "progress_group", PB_MESSAGE, PB_ONE, &schema_progress_group},
    {7, "linux_resources", PB_MESSAGE, PB_ONE, &schema_linux_resources},
};
static const struct pb_type schema_op_metadata = PB_TYPE("OpMetadata", op_metadata_rows);

static const struct pb_field position_rows[] = {
    {1, "line", PB_INT32},
    {2, "character", PB_INT32},
};
static const struct pb_type schema_position = PB_TYPE("Position", position_rows);

static const struct pb_field range_rows[] = {
    {1, "start", PB_MESSAGE, PB_ONE, &schema_position},
    {2, "end", PB_MESSAGE, PB_ONE, &schema_position},
};
const struct pb_type schema_range = PB_TYPE("Range", range_rows);

static const struct pb_field location_rows[] = {
    {1, "sourceIndex", PB_INT32},
    {2, "ranges", PB_MESSAGE, PB_MANY, &schema_range},
};
static const struct pb_type schema_location = PB_TYPE("Location", location_rows);

static const struct pb_field locations_rows[] = {
    {1, "locations", PB_MESSAGE, PB_MANY, &schema_location},
};
static const struct pb_type schema_locations = PB_TYPE("Locations", locations_rows);

static const struct pb_field source_info_rows[] = {
    {1, "filename", PB_STRING},
    {2, "data", PB_BYTES},
    {3, "definition", PB_MESSAGE, PB_ONE, &schema_definition},
    {4, "language", PB_STRING},
};
const struct pb_type schema_source_info = PB_TYPE("SourceInfo", source_info_rows);

static const struct pb_field source_map_locations_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_locations},
};
static const struct pb_type source_map_locations_entry = PB_TYPE("entry", source_map_locations_rows);

static const struct pb_field source_map_rows[] = {
    {1, "locations", PB_MESSAGE, PB_MAP, &source_map_locations_entry},
    {2, "infos", PB_MESSAGE, PB_MANY, &schema_source_info},
};
static const struct pb_type schema_source_map = PB_TYPE("Source", source_map_rows);

static const struct pb_field definition_metadata_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_op_metadata},
};
static const struct pb_type definition_metadata_entry = PB_TYPE("entry", definition_metadata_rows);

static const struct pb_field definition_rows[] = {
    {1, "def", PB_BYTES, PB_MANY},
    {2, "metadata", PB_MESSAGE, PB_MAP, &definition_metadata_entry},
    {3, "Source", PB_MESSAGE, PB_ONE, &schema_source_map},
};
const struct pb_type schema_definition = PB_TYPE("Definition", definition_rows);

static const struct pb_field build_op_inputs_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_build_input},
};
static const struct pb_type build_op_inputs_entry = PB_TYPE("entry", build_op_inputs_rows);

static const struct pb_field build_op_rows[] = {
    {1, "builder", PB_INT64},
    {2, "inputs", PB_MESSAGE, PB_MAP, &build_op_inputs_entry},
    {3, "def", PB_MESSAGE, PB_ONE, &schema_definition},
    {4, "attrs", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
static const struct pb_type schema_build_op = PB_TYPE("BuildOp", build_op_rows);

static const struct pb_field merge_input_rows[] = {
    {1, "input", PB_INT64},
};
static const struct pb_type schema_merge_input = PB_TYPE("MergeInput", merge_input_rows);

static const struct pb_field merge_op_rows[] = {
    {1, "inputs", PB_MESSAGE, PB_MANY, &schema_merge_input},
};
static const struct pb_type schema_merge_op = PB_TYPE("MergeOp", merge_op_rows);

static const struct pb_field lower_diff_input_rows[] = {
    {1, "input", PB_INT64},
};
static const struct pb_type schema_lower_diff_input = PB_TYPE("LowerDiffInput", lower_diff_input_rows);

static const struct pb_field upper_diff_input_rows[] = {
    {1, "input", PB_INT64},
};
static const struct pb_type schema_upper_diff_input = PB_TYPE("UpperDiffInput", upper_diff_input_rows);

static const struct pb_field diff_op_rows[] = {
    {1, "lower", PB_MESSAGE, PB_ONE, &schema_lower_diff_input},
    {2, "upper", PB_MESSAGE, PB_ONE, &schema_upper_diff_input},
};
static const struct pb_type schema_diff_op = PB_TYPE("DiffOp", diff_op_rows);

static const struct pb_field passthrough_op_rows[] = {
    {1, "id", PB_STRING},
    {2, "outputs", PB_INT64, PB_MANY},
};
static const struct pb_type schema_passthrough_op = PB_TYPE("PassthroughOp", passthrough_op_rows);

static const struct pb_field platform_rows[] = {
    {1, "Architecture", PB_STRING},
    {2, "OS", PB_STRING},
    {3, "Variant", PB_STRING},
    {4, "OSVersion", PB_STRING},
    {5, "OSFeatures", PB_STRING, PB_MANY},
};
const struct pb_type schema_platform = PB_TYPE("Platform", platform_rows);

static const struct pb_field worker_constraints_rows[] = {
    {1, "filter", PB_STRING, PB_MANY},
};
const struct pb_type schema_worker_constraints = PB_TYPE("WorkerConstraints", worker_constraints_rows);

static const struct pb_field op_rows[] = {
    {1, "inputs", PB_MESSAGE, PB_MANY, &schema_input},
    {2, "exec", PB_MESSAGE, PB_ONE, &schema_exec_op, .oneof = 1},
    {3, "source", PB_MESSAGE, PB_ONE, &schema_source_op, .oneof = 1},
    {4, "file", PB_MESSAGE, PB_ONE, &schema_file_op, .oneof = 1},
    {5, "build", PB_MESSAGE, PB_ONE, &schema_build_op, .oneof = 1},
    {6, "merge", PB_MESSAGE, PB_ONE, &schema_merge_op, .oneof = 1},
    {7, "diff", PB_MESSAGE, PB_ONE, &schema_diff_op, .oneof = 1},
    {8, "passthrough", PB_MESSAGE, PB_ONE, &schema_passthrough_op, .oneof = 1},
    {10, "platform", PB_MESSAGE, PB_ONE, &schema_platform},
    {11, "constraints", PB_MESSAGE, PB_ONE, &schema_worker_constraints},
};
const struct pb_type schema_op = PB_TYPE("Op", op_rows);
// clang-format on
