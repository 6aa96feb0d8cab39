#include "policy/build/rpc.h"

#include "policy/build/schema.h"

#define CONTROL  "/moby.buildkit.v1.Control/"
#define BRIDGE   "/moby.buildkit.v1.frontend.LLBBridge/"
#define CONTENT  "/containerd.services.content.v1.Content/"
#define FILESYNC "/moby.filesync.v1."

#define ONE(in, out)  RPC_ONE, RPC_ONE, &schema_##in, &schema_##out
#define MANY(in, out) RPC_ONE, RPC_EACH, &schema_##in, &schema_##out
#define BYTES         RPC_BYTES, RPC_BYTES, NULL, NULL

/*
 * Not here, and so refused: FileSync.TarStream (nobody uses it), the
 * moby.exporter.v1.Exporter callbacks (they add exporters after a Solve was
 * judged), PolicyVerifier (its answers change sources), writing to the
 * engine's content store, server reflection.
 */
// clang-format off
const struct rpc_method rpc_methods[] = {
    {STR(CONTROL "Solve"),              RPC_CONTROL, RPC_SOLVE, ONE(solve_request, solve_response), .needs_images = true, .changes = true},
    {STR(CONTROL "Status"),             RPC_CONTROL, RPC_STATUS, MANY(status_request, status_response), .needs_images = true},
    {STR(CONTROL "Session"),            RPC_CONTROL, RPC_CONTROL_SESSION, RPC_TUNNEL, RPC_TUNNEL, NULL, NULL, .changes = true},
    {STR(CONTROL "ListWorkers"),        RPC_CONTROL, RPC_LIST_WORKERS, ONE(list_workers_request, list_workers_response)},
    {STR(CONTROL "Info"),               RPC_CONTROL, RPC_INFO, ONE(empty, info_response)},
    {STR(CONTROL "DiskUsage"),          RPC_CONTROL, RPC_DISK_USAGE, ONE(disk_usage_request, disk_usage_response)},
    {STR(CONTROL "Prune"),              RPC_CONTROL, RPC_PRUNE, MANY(prune_request, usage_record), .changes = true},
    {STR(CONTROL "ListenBuildHistory"), RPC_CONTROL, RPC_LISTEN_HISTORY, MANY(history_request, history_event)},
    {STR(CONTROL "UpdateBuildHistory"), RPC_CONTROL, RPC_UPDATE_HISTORY, ONE(history_update, empty), .changes = true},

    {STR(BRIDGE "Ping"),                RPC_CONTROL, RPC_BRIDGE_PING, ONE(empty, pong), .scoped = true},
    {STR(BRIDGE "Solve"),               RPC_CONTROL, RPC_BRIDGE_SOLVE, ONE(gateway_solve, gateway_solved), .needs_images = true, .changes = true, .scoped = true},
    {STR(BRIDGE "Return"),              RPC_CONTROL, RPC_BRIDGE_RETURN, ONE(return, empty), .changes = true, .scoped = true},
    {STR(BRIDGE "ResolveImageConfig"),  RPC_CONTROL, RPC_BRIDGE_RESOLVE_CONFIG, ONE(resolve_config, resolved_config), .needs_images = true, .scoped = true},
    {STR(BRIDGE "ResolveSourceMeta"),   RPC_CONTROL, RPC_BRIDGE_RESOLVE_SOURCE, ONE(resolve_source, resolved_source), .needs_images = true, .scoped = true},
    {STR(BRIDGE "ReadFile"),            RPC_CONTROL, RPC_BRIDGE_READ, ONE(read_file, file), .scoped = true},
    {STR(BRIDGE "ReadDir"),             RPC_CONTROL, RPC_BRIDGE_READ, ONE(read_dir, dir), .scoped = true},
    {STR(BRIDGE "StatFile"),            RPC_CONTROL, RPC_BRIDGE_READ, ONE(stat_file, file_stat), .scoped = true},
    {STR(BRIDGE "Evaluate"),            RPC_CONTROL, RPC_BRIDGE_READ, ONE(evaluate, empty), .scoped = true},
    {STR(BRIDGE "Inputs"),              RPC_CONTROL, RPC_BRIDGE_INPUTS, ONE(empty, inputs), .scoped = true},
    {STR(BRIDGE "Warn"),                RPC_CONTROL, RPC_BRIDGE_WARN, ONE(warn, empty), .scoped = true},
    {STR(BRIDGE "NewContainer"),        RPC_CONTROL, RPC_BRIDGE_NEW_CONTAINER, ONE(new_container, empty), .changes = true, .scoped = true},
    {STR(BRIDGE "ReleaseContainer"),    RPC_CONTROL, RPC_BRIDGE_CONTAINER, ONE(release_container, empty), .scoped = true},
    {STR(BRIDGE "ExecProcess"),         RPC_CONTROL, RPC_BRIDGE_EXEC, RPC_EACH, RPC_EACH, &schema_exec_message, &schema_exec_message, .changes = true, .scoped = true},
    {STR(BRIDGE "ReadFileContainer"),   RPC_CONTROL, RPC_BRIDGE_CONTAINER, ONE(read_file, file), .scoped = true},
    {STR(BRIDGE "ReadDirContainer"),    RPC_CONTROL, RPC_BRIDGE_CONTAINER, ONE(read_dir, dir), .scoped = true},
    {STR(BRIDGE "StatFileContainer"),   RPC_CONTROL, RPC_BRIDGE_CONTAINER, ONE(stat_file, file_stat), .scoped = true},

    /* spans of the runner's, with its command lines: taken, and dropped */
    {STR("/opentelemetry.proto.collector.trace.v1.TraceService/Export"), RPC_CONTROL, RPC_TRACE_EXPORT, RPC_ONE, RPC_ONE, NULL, NULL},
    {STR(CONTENT "Info"),               RPC_CONTROL, RPC_CONTENT_INFO, ONE(content_info_request, content_info)},
    {STR(CONTENT "Read"),               RPC_CONTROL, RPC_CONTENT_READ, MANY(content_read, content_data)},

    {STR("/grpc.health.v1.Health/Check"), RPC_SESSION, RPC_HEALTH, ONE(health_request, health_response)},
    {STR("/grpc.health.v1.Health/Watch"), RPC_SESSION, RPC_HEALTH, MANY(health_request, health_response)},
    {STR(FILESYNC "FileSync/DiffCopy"),   RPC_SESSION, RPC_FILE_SYNC, BYTES, .changes = true},
    {STR(FILESYNC "FileSend/DiffCopy"),   RPC_SESSION, RPC_FILE_SEND, BYTES, .changes = true},
    {STR(FILESYNC "Auth/Credentials"),    RPC_SESSION, RPC_CREDENTIALS, ONE(credentials_request, credentials), .changes = true},
    {STR(FILESYNC "Auth/FetchToken"),     RPC_SESSION, RPC_FETCH_TOKEN, ONE(token_request, token), .changes = true},
    {STR(FILESYNC "Auth/GetTokenAuthority"), RPC_SESSION, RPC_TOKEN_AUTHORITY, ONE(token_authority_request, token_authority)},
    {STR(FILESYNC "Auth/VerifyTokenAuthority"), RPC_SESSION, RPC_TOKEN_AUTHORITY, ONE(verify_request, verified)},
    {STR("/moby.buildkit.secrets.v1.Secrets/GetSecret"), RPC_SESSION, RPC_GET_SECRET, ONE(secret_request, secret), .changes = true},
    {STR("/moby.sshforward.v1.SSH/CheckAgent"), RPC_SESSION, RPC_SSH_CHECK, ONE(agent_request, empty), .changes = true},
    {STR("/moby.sshforward.v1.SSH/ForwardAgent"), RPC_SESSION, RPC_SSH_FORWARD, BYTES, .changes = true},
    {STR("/moby.upload.v1.Upload/Pull"),  RPC_SESSION, RPC_UPLOAD, BYTES, .changes = true},
    /* the runner's own stores: caches of type local, oci-layout contexts */
    {STR(CONTENT "Info"),         RPC_SESSION, RPC_STORE, BYTES},
    {STR(CONTENT "Update"),       RPC_SESSION, RPC_STORE, BYTES},
    {STR(CONTENT "List"),         RPC_SESSION, RPC_STORE, BYTES},
    {STR(CONTENT "Delete"),       RPC_SESSION, RPC_STORE, BYTES},
    {STR(CONTENT "Read"),         RPC_SESSION, RPC_STORE, BYTES},
    {STR(CONTENT "Status"),       RPC_SESSION, RPC_STORE, BYTES},
    {STR(CONTENT "ListStatuses"), RPC_SESSION, RPC_STORE, BYTES},
    {STR(CONTENT "Write"),        RPC_SESSION, RPC_STORE, BYTES},
    {STR(CONTENT "Abort"),        RPC_SESSION, RPC_STORE, BYTES},
};
// clang-format on

const size_t rpc_method_count = sizeof(rpc_methods) / sizeof(rpc_methods[0]);

const struct rpc_method *rpc_find(enum rpc_side side, struct str path)
{
    for (size_t i = 0; i < rpc_method_count; i++)
        if (rpc_methods[i].side == side && str_eq(rpc_methods[i].path, path))
            return &rpc_methods[i];
    return NULL;
}
