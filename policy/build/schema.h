#pragma once

/*
 * The messages of BuildKit and of what travels with it, as tables: those of
 * the newest version known (0.32), which has all fields of the older ones. An
 * older engine ignores the newer fields.
 */

#include "policy/build/pb_type.h"

/* shared: schema_llb.c */
extern const struct pb_type schema_definition, schema_op, schema_platform,
    schema_source_op, schema_source_info, schema_range, schema_mount,
    schema_meta, schema_secret_env, schema_host_ip, schema_worker_constraints,
    schema_progress_group;
/* schema_common.c */
extern const struct pb_type schema_empty, schema_timestamp, schema_status,
    schema_any, schema_policy, schema_worker_record, schema_buildkit_version,
    schema_descriptor, schema_cache_entry, schema_stat;
/* schema_control.c: moby.buildkit.v1.Control */
extern const struct pb_type schema_solve_request, schema_solve_response,
    schema_status_request, schema_status_response, schema_list_workers_request,
    schema_list_workers_response, schema_info_response, schema_usage_record,
    schema_disk_usage_response, schema_disk_usage_request, schema_prune_request,
    schema_history_request, schema_history_event, schema_history_update;
/* schema_gateway.c: moby.buildkit.v1.frontend.LLBBridge */
extern const struct pb_type schema_gateway_solve, schema_gateway_solved,
    schema_return, schema_resolve_config, schema_resolved_config,
    schema_resolve_source, schema_resolved_source, schema_read_file,
    schema_file, schema_read_dir, schema_dir, schema_stat_file,
    schema_file_stat, schema_evaluate, schema_pong, schema_warn, schema_inputs,
    schema_new_container, schema_release_container, schema_exec_message;
/* schema_session.c: what the engine asks a session for */
extern const struct pb_type schema_health_request, schema_health_response,
    schema_credentials_request, schema_credentials, schema_token_request,
    schema_token, schema_token_authority_request, schema_token_authority,
    schema_verify_request, schema_verified, schema_secret_request,
    schema_secret, schema_agent_request, schema_content_info_request,
    schema_content_info, schema_content_read, schema_content_data;

/* The numbers of fields that the code names. */
enum {
    /* moby.buildkit.v1.SolveRequest */
    SOLVE_REF = 1,
    SOLVE_DEFINITION = 2,
    SOLVE_OLD_EXPORTER = 3,
    SOLVE_OLD_EXPORTER_ATTRS = 4,
    SOLVE_SESSION = 5,
    SOLVE_FRONTEND = 6,
    SOLVE_ATTRS = 7,
    SOLVE_CACHE = 8,
    SOLVE_ENTITLEMENTS = 9,
    SOLVE_INPUTS = 10,
    SOLVE_POLICY = 12,
    SOLVE_EXPORTERS = 13,
    SOLVE_SESSION_EXPORTER = 14,
    SOLVE_POLICY_SESSION = 15,
    /* Exporter, CacheOptionsEntry */
    ENTRY_TYPE = 1,
    ENTRY_ATTRS = 2,
    /* CacheOptions */
    CACHE_OLD_EXPORT = 1,
    CACHE_OLD_IMPORTS = 2,
    CACHE_OLD_EXPORT_ATTRS = 3,
    CACHE_EXPORTS = 4,
    CACHE_IMPORTS = 5,
    /* moby.buildkit.v1.frontend.SolveRequest */
    GATEWAY_DEFINITION = 1,
    GATEWAY_FRONTEND = 2,
    GATEWAY_OPTIONS = 3,
    GATEWAY_FINAL = 10,
    GATEWAY_EXPORTER_ATTR = 11,
    GATEWAY_CACHE_IMPORTS = 12,
    GATEWAY_INPUTS = 13,
    GATEWAY_POLICIES = 15,
    /* Definition */
    DEFINITION_OPS = 1,
    DEFINITION_SOURCE = 3,
    SOURCE_INFOS = 2,
    SOURCE_INFO_DEFINITION = 3,
    /* Op */
    OP_EXEC = 2,
    OP_SOURCE = 3,
    OP_BUILD = 5,
    EXEC_META = 1,
    EXEC_MOUNTS = 2,
    EXEC_NETWORK = 3,
    EXEC_SECURITY = 4,
    EXEC_SECRETS = 5,
    EXEC_DEVICES = 6,
    META_HOSTNAME = 7,
    META_CGROUP = 10,
    MOUNT_TYPE = 6,
    MOUNT_CACHE = 20,
    MOUNT_SECRET = 21,
    MOUNT_SSH = 22,
    SOURCE_IDENTIFIER = 1,
    SOURCE_ATTRS = 2,
    /* sourcepolicy */
    POLICY_VERSION = 1,
    POLICY_RULES = 2,
    RULE_ACTION = 1,
    RULE_SELECTOR = 2,
    RULE_UPDATE = 3,
    SELECTOR_IDENTIFIER = 1,
    SELECTOR_MATCH = 2,
    SELECTOR_CONSTRAINTS = 3,
};

/* Values of enums. */
enum { NET_UNSET, NET_HOST, NET_NONE };
enum { SECURITY_SANDBOX, SECURITY_INSECURE };
enum { MOUNT_BIND, MOUNT_IS_SECRET, MOUNT_IS_SSH, MOUNT_IS_CACHE, MOUNT_TMPFS };
enum { POLICY_ALLOW, POLICY_DENY, POLICY_CONVERT };
enum { MATCH_WILDCARD, MATCH_EXACT, MATCH_REGEX };
enum { ATTR_EQUAL, ATTR_NOT_EQUAL, ATTR_MATCHES };
