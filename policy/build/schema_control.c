#include "policy/build/schema.h"

/* moby.buildkit.v1.Control (api/services/control/control.proto). */

// clang-format off
static const struct pb_field prune_request_rows[] = {
    {1, "filter", PB_STRING, PB_MANY},
    {2, "all", PB_BOOL},
    {3, "keepDuration", PB_INT64},
    {4, "reservedSpace", PB_INT64},
    {5, "maxUsedSpace", PB_INT64},
    {6, "minFreeSpace", PB_INT64},
};
const struct pb_type schema_prune_request = PB_TYPE("PruneRequest", prune_request_rows);

static const struct pb_field usage_record_rows[] = {
    {1, "ID", PB_STRING},
    {2, "Mutable", PB_BOOL},
    {3, "InUse", PB_BOOL},
    {4, "Size", PB_INT64},
    {5, "Parent", PB_STRING},
    {6, "CreatedAt", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {7, "LastUsedAt", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {8, "UsageCount", PB_INT64},
    {9, "Description", PB_STRING},
    {10, "RecordType", PB_STRING},
    {11, "Shared", PB_BOOL},
    {12, "Parents", PB_STRING, PB_MANY},
};
const struct pb_type schema_usage_record = PB_TYPE("UsageRecord", usage_record_rows);

static const struct pb_field disk_usage_response_rows[] = {
    {1, "record", PB_MESSAGE, PB_MANY, &schema_usage_record},
};
const struct pb_type schema_disk_usage_response = PB_TYPE("DiskUsageResponse", disk_usage_response_rows);

static const struct pb_field disk_usage_request_rows[] = {
    {1, "filter", PB_STRING, PB_MANY},
    {2, "ageLimit", PB_INT64},
};
const struct pb_type schema_disk_usage_request = PB_TYPE("DiskUsageRequest", disk_usage_request_rows);

static const struct pb_field cache_options_rows[] = {
    {1, "ExportRefDeprecated", PB_STRING},
    {2, "ImportRefsDeprecated", PB_STRING, PB_MANY},
    {3, "ExportAttrsDeprecated", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {4, "Exports", PB_MESSAGE, PB_MANY, &schema_cache_entry},
    {5, "Imports", PB_MESSAGE, PB_MANY, &schema_cache_entry},
};
static const struct pb_type schema_cache_options = PB_TYPE("CacheOptions", cache_options_rows);

static const struct pb_field exporter_rows[] = {
    {1, "Type", PB_STRING},
    {2, "Attrs", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
static const struct pb_type schema_exporter = PB_TYPE("Exporter", exporter_rows);

static const struct pb_field solve_request_frontend_inputs_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_definition},
};
static const struct pb_type solve_request_frontend_inputs_entry = PB_TYPE("entry", solve_request_frontend_inputs_rows);

static const struct pb_field solve_request_rows[] = {
    {1, "Ref", PB_STRING},
    {2, "Definition", PB_MESSAGE, PB_ONE, &schema_definition},
    {3, "ExporterDeprecated", PB_STRING},
    {4, "ExporterAttrsDeprecated", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {5, "Session", PB_STRING},
    {6, "Frontend", PB_STRING},
    {7, "FrontendAttrs", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {8, "Cache", PB_MESSAGE, PB_ONE, &schema_cache_options},
    {9, "Entitlements", PB_STRING, PB_MANY},
    {10, "FrontendInputs", PB_MESSAGE, PB_MAP, &solve_request_frontend_inputs_entry},
    {11, "Internal", PB_BOOL},
    {12, "SourcePolicy", PB_MESSAGE, PB_ONE, &schema_policy},
    {13, "Exporters", PB_MESSAGE, PB_MANY, &schema_exporter},
    {14, "EnableSessionExporter", PB_BOOL},
    {15, "SourcePolicySession", PB_STRING},
    {16, "CompatibilityVersion", PB_INT64},
    {17, "ProxyNetwork", PB_BOOL},
};
const struct pb_type schema_solve_request = PB_TYPE("SolveRequest", solve_request_rows);

static const struct pb_field solve_response_rows[] = {
    {1, "ExporterResponse", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
const struct pb_type schema_solve_response = PB_TYPE("SolveResponse", solve_response_rows);

static const struct pb_field status_request_rows[] = {
    {1, "Ref", PB_STRING},
};
const struct pb_type schema_status_request = PB_TYPE("StatusRequest", status_request_rows);

static const struct pb_field vertex_rows[] = {
    {1, "digest", PB_STRING},
    {2, "inputs", PB_STRING, PB_MANY},
    {3, "name", PB_STRING},
    {4, "cached", PB_BOOL},
    {5, "started", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {6, "completed", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {7, "error", PB_STRING},
    {8, "progressGroup", PB_MESSAGE, PB_ONE, &schema_progress_group},
};
static const struct pb_type schema_vertex = PB_TYPE("Vertex", vertex_rows);

static const struct pb_field vertex_status_rows[] = {
    {1, "ID", PB_STRING},
    {2, "vertex", PB_STRING},
    {3, "name", PB_STRING},
    {4, "current", PB_INT64},
    {5, "total", PB_INT64},
    {6, "timestamp", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {7, "started", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {8, "completed", PB_MESSAGE, PB_ONE, &schema_timestamp},
};
static const struct pb_type schema_vertex_status = PB_TYPE("VertexStatus", vertex_status_rows);

static const struct pb_field vertex_log_rows[] = {
    {1, "vertex", PB_STRING},
    {2, "timestamp", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {3, "stream", PB_INT64},
    {4, "msg", PB_BYTES},
};
static const struct pb_type schema_vertex_log = PB_TYPE("VertexLog", vertex_log_rows);

static const struct pb_field vertex_warning_rows[] = {
    {1, "vertex", PB_STRING},
    {2, "level", PB_INT64},
    {3, "short", PB_BYTES},
    {4, "detail", PB_BYTES, PB_MANY},
    {5, "url", PB_STRING},
    {6, "info", PB_MESSAGE, PB_ONE, &schema_source_info},
    {7, "ranges", PB_MESSAGE, PB_MANY, &schema_range},
};
static const struct pb_type schema_vertex_warning = PB_TYPE("VertexWarning", vertex_warning_rows);

static const struct pb_field status_response_rows[] = {
    {1, "vertexes", PB_MESSAGE, PB_MANY, &schema_vertex},
    {2, "statuses", PB_MESSAGE, PB_MANY, &schema_vertex_status},
    {3, "logs", PB_MESSAGE, PB_MANY, &schema_vertex_log},
    {4, "warnings", PB_MESSAGE, PB_MANY, &schema_vertex_warning},
};
const struct pb_type schema_status_response = PB_TYPE("StatusResponse", status_response_rows);

static const struct pb_field list_workers_request_rows[] = {
    {1, "filter", PB_STRING, PB_MANY},
};
const struct pb_type schema_list_workers_request = PB_TYPE("ListWorkersRequest", list_workers_request_rows);

static const struct pb_field list_workers_response_rows[] = {
    {1, "record", PB_MESSAGE, PB_MANY, &schema_worker_record},
};
const struct pb_type schema_list_workers_response = PB_TYPE("ListWorkersResponse", list_workers_response_rows);

static const struct pb_field info_response_rows[] = {
    {1, "buildkitVersion", PB_MESSAGE, PB_ONE, &schema_buildkit_version},
};
const struct pb_type schema_info_response = PB_TYPE("InfoResponse", info_response_rows);

static const struct pb_field history_request_rows[] = {
    {1, "ActiveOnly", PB_BOOL},
    {2, "Ref", PB_STRING},
    {3, "EarlyExit", PB_BOOL},
    {4, "Filter", PB_STRING, PB_MANY},
    {5, "Limit", PB_INT32},
};
const struct pb_type schema_history_request = PB_TYPE("BuildHistoryRequest", history_request_rows);

static const struct pb_field result_info_results_rows[] = {
    {1, "key", PB_INT64},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_descriptor},
};
static const struct pb_type result_info_results_entry = PB_TYPE("entry", result_info_results_rows);

static const struct pb_field result_info_rows[] = {
    {1, "ResultDeprecated", PB_MESSAGE, PB_ONE, &schema_descriptor},
    {2, "Attestations", PB_MESSAGE, PB_MANY, &schema_descriptor},
    {3, "Results", PB_MESSAGE, PB_MAP, &result_info_results_entry},
};
static const struct pb_type schema_result_info = PB_TYPE("BuildResultInfo", result_info_rows);

static const struct pb_field history_record_results_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_MESSAGE, PB_ONE, &schema_result_info},
};
static const struct pb_type history_record_results_entry = PB_TYPE("entry", history_record_results_rows);

static const struct pb_field history_record_rows[] = {
    {1, "Ref", PB_STRING},
    {2, "Frontend", PB_STRING},
    {3, "FrontendAttrs", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {4, "Exporters", PB_MESSAGE, PB_MANY, &schema_exporter},
    {5, "error", PB_MESSAGE, PB_ONE, &schema_status},
    {6, "CreatedAt", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {7, "CompletedAt", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {8, "logs", PB_MESSAGE, PB_ONE, &schema_descriptor},
    {9, "ExporterResponse", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {10, "Result", PB_MESSAGE, PB_ONE, &schema_result_info},
    {11, "Results", PB_MESSAGE, PB_MAP, &history_record_results_entry},
    {12, "Generation", PB_INT32},
    {13, "trace", PB_MESSAGE, PB_ONE, &schema_descriptor},
    {14, "pinned", PB_BOOL},
    {15, "numCachedSteps", PB_INT32},
    {16, "numTotalSteps", PB_INT32},
    {17, "numCompletedSteps", PB_INT32},
    {18, "externalError", PB_MESSAGE, PB_ONE, &schema_descriptor},
    {19, "numWarnings", PB_INT32},
};
static const struct pb_type schema_history_record = PB_TYPE("BuildHistoryRecord", history_record_rows);

static const struct pb_field history_event_rows[] = {
    {1, "type", PB_ENUM, .most = 2},
    {2, "record", PB_MESSAGE, PB_ONE, &schema_history_record},
};
const struct pb_type schema_history_event = PB_TYPE("BuildHistoryEvent", history_event_rows);

static const struct pb_field history_update_rows[] = {
    {1, "Ref", PB_STRING},
    {2, "Pinned", PB_BOOL},
    {3, "Delete", PB_BOOL},
    {4, "Finalize", PB_BOOL},
};
const struct pb_type schema_history_update = PB_TYPE("UpdateBuildHistoryRequest", history_update_rows);
// clang-format on
