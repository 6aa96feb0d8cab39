#include "policy/build/schema.h"

/* Messages that several services share. */

// clang-format off
const struct pb_type schema_empty = {"Empty", NULL, 0};

static const struct pb_field timestamp_rows[] = {
    {1, "seconds", PB_INT64},
    {2, "nanos", PB_INT32},
};
const struct pb_type schema_timestamp = PB_TYPE("Timestamp", timestamp_rows);

/* google.protobuf.Any: in BuildKit's errors its value is JSON */
static const struct pb_field any_rows[] = {
    {1, "type_url", PB_STRING},
    {2, "value", PB_BYTES},
};
const struct pb_type schema_any = PB_TYPE("Any", any_rows);

/* google.rpc.Status */
static const struct pb_field status_rows[] = {
    {1, "code", PB_INT32},
    {2, "message", PB_STRING},
    {3, "details", PB_MESSAGE, PB_MANY, &schema_any},
};
const struct pb_type schema_status = PB_TYPE("Status", status_rows);

/* fsutil.types.Stat */
static const struct pb_field stat_rows[] = {
    {1, "path", PB_STRING},
    {2, "mode", PB_UINT32},
    {3, "uid", PB_UINT32},
    {4, "gid", PB_UINT32},
    {5, "size", PB_INT64},
    {6, "modTime", PB_INT64},
    {7, "linkname", PB_STRING},
    {8, "devmajor", PB_INT64},
    {9, "devminor", PB_INT64},
    {10, "xattrs", PB_MESSAGE, PB_MAP, &pb_bytes_entry},
};
const struct pb_type schema_stat = PB_TYPE("Stat", stat_rows);

static const struct pb_field attr_constraint_rows[] = {
    {1, "key", PB_STRING},
    {2, "value", PB_STRING},
    {3, "condition", PB_ENUM, .most = 2},
};
static const struct pb_type schema_attr_constraint = PB_TYPE("AttrConstraint", attr_constraint_rows);

static const struct pb_field selector_rows[] = {
    {1, "identifier", PB_STRING},
    {2, "match_type", PB_ENUM, .most = 2},
    {3, "constraints", PB_MESSAGE, PB_MANY, &schema_attr_constraint},
};
static const struct pb_type schema_selector = PB_TYPE("Selector", selector_rows);

static const struct pb_field update_rows[] = {
    {1, "identifier", PB_STRING},
    {2, "attrs", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
static const struct pb_type schema_update = PB_TYPE("Update", update_rows);

static const struct pb_field rule_rows[] = {
    {1, "action", PB_ENUM, .most = 2},
    {2, "selector", PB_MESSAGE, PB_ONE, &schema_selector},
    {3, "updates", PB_MESSAGE, PB_ONE, &schema_update},
};
static const struct pb_type schema_rule = PB_TYPE("Rule", rule_rows);

static const struct pb_field policy_rows[] = {
    {1, "version", PB_INT64},
    {2, "rules", PB_MESSAGE, PB_MANY, &schema_rule},
};
const struct pb_type schema_policy = PB_TYPE("Policy", policy_rows);

static const struct pb_field gc_policy_rows[] = {
    {1, "all", PB_BOOL},
    {2, "keepDuration", PB_INT64},
    {3, "reservedSpace", PB_INT64},
    {4, "filters", PB_STRING, PB_MANY},
    {5, "maxUsedSpace", PB_INT64},
    {6, "minFreeSpace", PB_INT64},
};
static const struct pb_type schema_gc_policy = PB_TYPE("GCPolicy", gc_policy_rows);

static const struct pb_field buildkit_version_rows[] = {
    {1, "package", PB_STRING},
    {2, "version", PB_STRING},
    {3, "revision", PB_STRING},
    {4, "dockerfileVersion", PB_STRING},
};
const struct pb_type schema_buildkit_version = PB_TYPE("BuildkitVersion", buildkit_version_rows);

static const struct pb_field worker_device_rows[] = {
    {1, "Name", PB_STRING},
    {2, "AutoAllow", PB_BOOL},
    {3, "Annotations", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {4, "OnDemand", PB_BOOL},
};
static const struct pb_type schema_worker_device = PB_TYPE("CDIDevice", worker_device_rows);

static const struct pb_field worker_record_rows[] = {
    {1, "ID", PB_STRING},
    {2, "Labels", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {3, "platforms", PB_MESSAGE, PB_MANY, &schema_platform},
    {4, "GCPolicy", PB_MESSAGE, PB_MANY, &schema_gc_policy},
    {5, "BuildkitVersion", PB_MESSAGE, PB_ONE, &schema_buildkit_version},
    {6, "CDIDevices", PB_MESSAGE, PB_MANY, &schema_worker_device},
};
const struct pb_type schema_worker_record = PB_TYPE("WorkerRecord", worker_record_rows);

static const struct pb_field cache_entry_rows[] = {
    {1, "Type", PB_STRING},
    {2, "Attrs", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
const struct pb_type schema_cache_entry = PB_TYPE("CacheOptionsEntry", cache_entry_rows);

static const struct pb_field descriptor_rows[] = {
    {1, "media_type", PB_STRING},
    {2, "digest", PB_STRING},
    {3, "size", PB_INT64},
    {5, "annotations", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
const struct pb_type schema_descriptor = PB_TYPE("Descriptor", descriptor_rows);
// clang-format on
