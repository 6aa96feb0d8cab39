#include "policy/build/schema.h"

/* moby.buildkit.v1.frontend.LLBBridge (frontend/gateway/pb/gateway.proto). */

// clang-format off
static const struct pb_field api_cap_rows[] = {
    {1, "ID", PB_STRING},
    {2, "Enabled", PB_BOOL},
    {3, "Deprecated", PB_BOOL},
    {4, "DisabledReason", PB_STRING},
    {5, "DisabledReasonMsg", PB_STRING},
    {6, "DisabledAlternative", PB_STRING},
};
static const struct pb_type schema_api_cap = PB_TYPE("APICap", api_cap_rows);

static const struct pb_field old_ref_map_rows[] = {
    {1, "refs", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
static const struct pb_type schema_old_ref_map = PB_TYPE("RefMapDeprecated", old_ref_map_rows);

static const struct pb_field ref_rows[] = {
    {1, "id", PB_STRING},
    {2, "def", PB_MESSAGE, PB_ONE, &schema_definition},
};
static const struct pb_type schema_ref = PB_TYPE("Ref", ref_rows);

static const struct pb_field ref_map_refs_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_ref},
};
static const struct pb_type ref_map_refs_entry = PB_TYPE("entry", ref_map_refs_rows);

static const struct pb_field ref_map_rows[] = {
    {1, "refs", PB_MESSAGE, PB_MAP, &ref_map_refs_entry},
};
static const struct pb_type schema_ref_map = PB_TYPE("RefMap", ref_map_rows);

static const struct pb_field in_toto_subject_rows[] = {
    {1, "kind", PB_ENUM, .most = 1},
    {2, "digest", PB_STRING, PB_MANY},
    {3, "name", PB_STRING},
};
static const struct pb_type schema_in_toto_subject = PB_TYPE("InTotoSubject", in_toto_subject_rows);

static const struct pb_field attestation_rows[] = {
    {1, "kind", PB_ENUM, .most = 1},
    {2, "metadata", PB_MESSAGE, PB_MAP, &pb_bytes_entry},
    {3, "ref", PB_MESSAGE, PB_ONE, &schema_ref},
    {4, "path", PB_STRING},
    {5, "inTotoPredicateType", PB_STRING},
    {6, "inTotoSubjects", PB_MESSAGE, PB_MANY, &schema_in_toto_subject},
};
static const struct pb_type schema_attestation = PB_TYPE("Attestation", attestation_rows);

static const struct pb_field attestations_rows[] = {
    {1, "attestation", PB_MESSAGE, PB_MANY, &schema_attestation},
};
static const struct pb_type schema_attestations = PB_TYPE("Attestations", attestations_rows);

static const struct pb_field result_attestations_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_attestations},
};
static const struct pb_type result_attestations_entry = PB_TYPE("entry", result_attestations_rows);

static const struct pb_field result_rows[] = {
    {1, "refDeprecated", PB_STRING, .oneof = 1},
    {2, "refsDeprecated", PB_MESSAGE, PB_ONE, &schema_old_ref_map, .oneof = 1},
    {3, "ref", PB_MESSAGE, PB_ONE, &schema_ref, .oneof = 1},
    {4, "refs", PB_MESSAGE, PB_ONE, &schema_ref_map, .oneof = 1},
    {10, "metadata", PB_MESSAGE, PB_MAP, &pb_bytes_entry},
    {12, "attestations", PB_MESSAGE, PB_MAP, &result_attestations_entry},
};
static const struct pb_type schema_result = PB_TYPE("Result", result_rows);

static const struct pb_field return_rows[] = {
    {1, "result", PB_MESSAGE, PB_ONE, &schema_result},
    {2, "error", PB_MESSAGE, PB_ONE, &schema_status},
};
const struct pb_type schema_return = PB_TYPE("ReturnRequest", return_rows);

static const struct pb_field inputs_definitions_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_definition},
};
static const struct pb_type inputs_definitions_entry = PB_TYPE("entry", inputs_definitions_rows);

static const struct pb_field inputs_rows[] = {
    {1, "Definitions", PB_MESSAGE, PB_MAP, &inputs_definitions_entry},
};
const struct pb_type schema_inputs = PB_TYPE("InputsResponse", inputs_rows);

static const struct pb_field resolve_config_rows[] = {
    {1, "Ref", PB_STRING},
    {2, "Platform", PB_MESSAGE, PB_ONE, &schema_platform},
    {3, "ResolveMode", PB_STRING},
    {4, "LogName", PB_STRING},
    {5, "ResolverType", PB_INT32},
    {6, "SessionID", PB_STRING},
    {7, "StoreID", PB_STRING},
    {8, "SourcePolicies", PB_MESSAGE, PB_MANY, &schema_policy},
};
const struct pb_type schema_resolve_config = PB_TYPE("ResolveImageConfigRequest", resolve_config_rows);

static const struct pb_field resolved_config_rows[] = {
    {1, "Digest", PB_STRING},
    {2, "Config", PB_BYTES},
    {3, "Ref", PB_STRING},
};
const struct pb_type schema_resolved_config = PB_TYPE("ResolveImageConfigResponse", resolved_config_rows);

static const struct pb_field resolve_source_git_request_rows[] = {
    {1, "ReturnObject", PB_BOOL},
};
static const struct pb_type schema_resolve_source_git_request = PB_TYPE("ResolveSourceGitRequest", resolve_source_git_request_rows);

static const struct pb_field resolve_source_image_request_rows[] = {
    {1, "NoConfig", PB_BOOL},
    {2, "AttestationChain", PB_BOOL},
    {3, "ResolveAttestations", PB_STRING, PB_MANY},
};
static const struct pb_type schema_resolve_source_image_request = PB_TYPE("ResolveSourceImageRequest", resolve_source_image_request_rows);

static const struct pb_field checksum_request_rows[] = {
    {1, "Algo", PB_ENUM, .most = 2},
    {2, "Suffix", PB_BYTES},
};
static const struct pb_type schema_checksum_request = PB_TYPE("ChecksumRequest", checksum_request_rows);

static const struct pb_field resolve_source_http_request_rows[] = {
    {1, "ChecksumRequest", PB_MESSAGE, PB_ONE, &schema_checksum_request},
};
static const struct pb_type schema_resolve_source_http_request = PB_TYPE("ResolveSourceHTTPRequest", resolve_source_http_request_rows);

static const struct pb_field resolve_source_rows[] = {
    {1, "Source", PB_MESSAGE, PB_ONE, &schema_source_op},
    {2, "Platform", PB_MESSAGE, PB_ONE, &schema_platform},
    {3, "LogName", PB_STRING},
    {4, "ResolveMode", PB_STRING},
    {5, "Git", PB_MESSAGE, PB_ONE, &schema_resolve_source_git_request},
    {6, "Image", PB_MESSAGE, PB_ONE, &schema_resolve_source_image_request},
    {7, "HTTP", PB_MESSAGE, PB_ONE, &schema_resolve_source_http_request},
    {8, "SourcePolicies", PB_MESSAGE, PB_MANY, &schema_policy},
};
const struct pb_type schema_resolve_source = PB_TYPE("ResolveSourceMetaRequest", resolve_source_rows);

static const struct pb_field blob_rows[] = {
    {1, "descriptor", PB_MESSAGE, PB_ONE, &schema_descriptor},
    {2, "data", PB_BYTES},
};
static const struct pb_type schema_blob = PB_TYPE("Blob", blob_rows);

static const struct pb_field attestation_chain_blobs_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_blob},
};
static const struct pb_type attestation_chain_blobs_entry = PB_TYPE("entry", attestation_chain_blobs_rows);

static const struct pb_field attestation_chain_rows[] = {
    {1, "Root", PB_STRING},
    {2, "ImageManifest", PB_STRING},
    {3, "AttestationManifest", PB_STRING},
    {4, "SignatureManifests", PB_STRING, PB_MANY},
    {5, "Blobs", PB_MESSAGE, PB_MAP, &attestation_chain_blobs_entry},
};
static const struct pb_type schema_attestation_chain = PB_TYPE("AttestationChain", attestation_chain_rows);

static const struct pb_field resolve_source_image_response_rows[] = {
    {1, "Digest", PB_STRING},
    {2, "Config", PB_BYTES},
    {3, "AttestationChain", PB_MESSAGE, PB_ONE, &schema_attestation_chain},
};
static const struct pb_type schema_resolve_source_image_response = PB_TYPE("ResolveSourceImageResponse", resolve_source_image_response_rows);

static const struct pb_field resolve_source_git_response_rows[] = {
    {1, "Checksum", PB_STRING},
    {2, "Ref", PB_STRING},
    {3, "CommitChecksum", PB_STRING},
    {4, "CommitObject", PB_BYTES},
    {5, "TagObject", PB_BYTES},
};
static const struct pb_type schema_resolve_source_git_response = PB_TYPE("ResolveSourceGitResponse", resolve_source_git_response_rows);

static const struct pb_field checksum_response_rows[] = {
    {1, "Digest", PB_STRING},
    {2, "Suffix", PB_BYTES},
};
static const struct pb_type schema_checksum_response = PB_TYPE("ChecksumResponse", checksum_response_rows);

static const struct pb_field resolve_source_http_response_rows[] = {
    {1, "Checksum", PB_STRING},
    {2, "Filename", PB_STRING},
    {3, "LastModified", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {4, "ChecksumResponse", PB_MESSAGE, PB_ONE, &schema_checksum_response},
};
static const struct pb_type schema_resolve_source_http_response = PB_TYPE("ResolveSourceHTTPResponse", resolve_source_http_response_rows);

static const struct pb_field resolved_source_rows[] = {
    {1, "Source", PB_MESSAGE, PB_ONE, &schema_source_op},
    {2, "Image", PB_MESSAGE, PB_ONE, &schema_resolve_source_image_response},
    {3, "Git", PB_MESSAGE, PB_ONE, &schema_resolve_source_git_response},
    {4, "HTTP", PB_MESSAGE, PB_ONE, &schema_resolve_source_http_response},
};
const struct pb_type schema_resolved_source = PB_TYPE("ResolveSourceMetaResponse", resolved_source_rows);

static const struct pb_field gateway_solve_frontend_inputs_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_definition},
};
static const struct pb_type gateway_solve_frontend_inputs_entry = PB_TYPE("entry", gateway_solve_frontend_inputs_rows);

static const struct pb_field gateway_solve_rows[] = {
    {1, "Definition", PB_MESSAGE, PB_ONE, &schema_definition},
    {2, "Frontend", PB_STRING},
    {3, "FrontendOpt", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {5, "allowResultReturn", PB_BOOL},
    {6, "allowResultArrayRef", PB_BOOL},
    {10, "Final", PB_BOOL},
    {11, "ExporterAttr", PB_BYTES},
    {12, "CacheImports", PB_MESSAGE, PB_MANY, &schema_cache_entry},
    {13, "FrontendInputs", PB_MESSAGE, PB_MAP, &gateway_solve_frontend_inputs_entry},
    {14, "Evaluate", PB_BOOL},
    {15, "SourcePolicies", PB_MESSAGE, PB_MANY, &schema_policy},
};
const struct pb_type schema_gateway_solve = PB_TYPE("SolveRequest", gateway_solve_rows);

static const struct pb_field gateway_solved_rows[] = {
    {1, "ref", PB_STRING},
    {3, "result", PB_MESSAGE, PB_ONE, &schema_result},
};
const struct pb_type schema_gateway_solved = PB_TYPE("SolveResponse", gateway_solved_rows);

static const struct pb_field file_range_rows[] = {
    {1, "Offset", PB_INT64},
    {2, "Length", PB_INT64},
};
static const struct pb_type schema_file_range = PB_TYPE("FileRange", file_range_rows);

static const struct pb_field read_file_rows[] = {
    {1, "Ref", PB_STRING},
    {2, "FilePath", PB_STRING},
    {3, "Range", PB_MESSAGE, PB_ONE, &schema_file_range},
    {4, "MountIndex", PB_INT32},
};
const struct pb_type schema_read_file = PB_TYPE("ReadFileRequest", read_file_rows);

static const struct pb_field file_rows[] = {
    {1, "Data", PB_BYTES},
};
const struct pb_type schema_file = PB_TYPE("ReadFileResponse", file_rows);

static const struct pb_field read_dir_rows[] = {
    {1, "Ref", PB_STRING},
    {2, "DirPath", PB_STRING},
    {3, "IncludePattern", PB_STRING},
    {4, "MountIndex", PB_INT32},
};
const struct pb_type schema_read_dir = PB_TYPE("ReadDirRequest", read_dir_rows);

static const struct pb_field dir_rows[] = {
    {1, "entries", PB_MESSAGE, PB_MANY, &schema_stat},
};
const struct pb_type schema_dir = PB_TYPE("ReadDirResponse", dir_rows);

static const struct pb_field stat_file_rows[] = {
    {1, "Ref", PB_STRING},
    {2, "Path", PB_STRING},
    {3, "MountIndex", PB_INT32},
};
const struct pb_type schema_stat_file = PB_TYPE("StatFileRequest", stat_file_rows);

static const struct pb_field file_stat_rows[] = {
    {1, "stat", PB_MESSAGE, PB_ONE, &schema_stat},
};
const struct pb_type schema_file_stat = PB_TYPE("StatFileResponse", file_stat_rows);

static const struct pb_field evaluate_rows[] = {
    {1, "Ref", PB_STRING},
};
const struct pb_type schema_evaluate = PB_TYPE("EvaluateRequest", evaluate_rows);

static const struct pb_field pong_rows[] = {
    {1, "FrontendAPICaps", PB_MESSAGE, PB_MANY, &schema_api_cap},
    {2, "LLBCaps", PB_MESSAGE, PB_MANY, &schema_api_cap},
    {3, "Workers", PB_MESSAGE, PB_MANY, &schema_worker_record},
};
const struct pb_type schema_pong = PB_TYPE("PongResponse", pong_rows);

static const struct pb_field warn_rows[] = {
    {1, "digest", PB_STRING},
    {2, "level", PB_INT64},
    {3, "short", PB_BYTES},
    {4, "detail", PB_BYTES, PB_MANY},
    {5, "url", PB_STRING},
    {6, "info", PB_MESSAGE, PB_ONE, &schema_source_info},
    {7, "ranges", PB_MESSAGE, PB_MANY, &schema_range},
};
const struct pb_type schema_warn = PB_TYPE("WarnRequest", warn_rows);

static const struct pb_field new_container_rows[] = {
    {1, "ContainerID", PB_STRING},
    {2, "Mounts", PB_MESSAGE, PB_MANY, &schema_mount},
    {3, "Network", PB_ENUM, .most = 2},
    {4, "platform", PB_MESSAGE, PB_ONE, &schema_platform},
    {5, "constraints", PB_MESSAGE, PB_ONE, &schema_worker_constraints},
    {6, "extraHosts", PB_MESSAGE, PB_MANY, &schema_host_ip},
    {7, "hostname", PB_STRING},
};
const struct pb_type schema_new_container = PB_TYPE("NewContainerRequest", new_container_rows);

static const struct pb_field release_container_rows[] = {
    {1, "ContainerID", PB_STRING},
};
const struct pb_type schema_release_container = PB_TYPE("ReleaseContainerRequest", release_container_rows);

static const struct pb_field init_message_rows[] = {
    {1, "ContainerID", PB_STRING},
    {2, "Meta", PB_MESSAGE, PB_ONE, &schema_meta},
    {3, "Fds", PB_UINT32, PB_MANY},
    {4, "Tty", PB_BOOL},
    {5, "Security", PB_ENUM, .most = 1},
    {6, "secretenv", PB_MESSAGE, PB_MANY, &schema_secret_env},
};
static const struct pb_type schema_init_message = PB_TYPE("InitMessage", init_message_rows);

static const struct pb_field fd_message_rows[] = {
    {1, "Fd", PB_UINT32},
    {2, "EOF", PB_BOOL},
    {3, "Data", PB_BYTES},
};
static const struct pb_type schema_fd_message = PB_TYPE("FdMessage", fd_message_rows);

static const struct pb_field resize_message_rows[] = {
    {1, "Rows", PB_UINT32},
    {2, "Cols", PB_UINT32},
};
static const struct pb_type schema_resize_message = PB_TYPE("ResizeMessage", resize_message_rows);

static const struct pb_field exit_message_rows[] = {
    {1, "Code", PB_UINT32},
    {2, "Error", PB_MESSAGE, PB_ONE, &schema_status},
};
static const struct pb_type schema_exit_message = PB_TYPE("ExitMessage", exit_message_rows);

static const struct pb_field signal_message_rows[] = {
    {1, "Name", PB_STRING},
};
static const struct pb_type schema_signal_message = PB_TYPE("SignalMessage", signal_message_rows);

static const struct pb_field exec_message_rows[] = {
    {1, "ProcessID", PB_STRING},
    {2, "Init", PB_MESSAGE, PB_ONE, &schema_init_message, .oneof = 1},
    {3, "File", PB_MESSAGE, PB_ONE, &schema_fd_message, .oneof = 1},
    {4, "Resize", PB_MESSAGE, PB_ONE, &schema_resize_message, .oneof = 1},
    {5, "Started", PB_MESSAGE, PB_ONE, &schema_empty, .oneof = 1},
    {6, "Exit", PB_MESSAGE, PB_ONE, &schema_exit_message, .oneof = 1},
    {7, "Done", PB_MESSAGE, PB_ONE, &schema_empty, .oneof = 1},
    {8, "Signal", PB_MESSAGE, PB_ONE, &schema_signal_message, .oneof = 1},
};
const struct pb_type schema_exec_message = PB_TYPE("ExecMessage", exec_message_rows);
// clang-format on
