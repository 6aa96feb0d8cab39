#pragma once

/*
 * The gRPC methods that travel through an engine's /grpc and /session, as a
 * table: how the messages of each go through, and which protobuf types they
 * are. A method that is not in it does not exist here.
 */

#include "policy/base/str.h"
#include "policy/build/pb_type.h"

enum rpc_side {
    RPC_CONTROL, /* POST /grpc: the runner calls the engine */
    RPC_SESSION, /* POST /session, Control.Session: the engine calls the
                    runner */
};

/* How the messages of one direction of a call go through. */
enum rpc_flow {
    RPC_ONE,    /* exactly one, gathered, judged and written anew */
    RPC_EACH,   /* any number, each of them so */
    RPC_BYTES,  /* passed as they come, unread */
    RPC_TUNNEL, /* a connection of its own (Control.Session) */
};

#define RPC_IDS(X)                                                             \
    X(SOLVE)                                                                   \
    X(STATUS)                                                                  \
    X(CONTROL_SESSION)                                                         \
    X(LIST_WORKERS)                                                            \
    X(INFO)                                                                    \
    X(DISK_USAGE)                                                              \
    X(PRUNE)                                                                   \
    X(LISTEN_HISTORY)                                                          \
    X(UPDATE_HISTORY)                                                          \
    X(BRIDGE_PING)                                                             \
    X(BRIDGE_SOLVE)                                                            \
    X(BRIDGE_RETURN)                                                           \
    X(BRIDGE_RESOLVE_CONFIG)                                                   \
    X(BRIDGE_RESOLVE_SOURCE)                                                   \
    X(BRIDGE_READ)                                                             \
    X(BRIDGE_INPUTS)                                                           \
    X(BRIDGE_WARN)                                                             \
    X(BRIDGE_NEW_CONTAINER)                                                    \
    X(BRIDGE_CONTAINER)                                                        \
    X(BRIDGE_EXEC)                                                             \
    X(TRACE_EXPORT)                                                            \
    X(CONTENT_INFO)                                                            \
    X(CONTENT_READ)                                                            \
    X(HEALTH)                                                                  \
    X(FILE_SYNC)                                                               \
    X(FILE_SEND)                                                               \
    X(CREDENTIALS)                                                             \
    X(FETCH_TOKEN)                                                             \
    X(TOKEN_AUTHORITY)                                                         \
    X(GET_SECRET)                                                              \
    X(SSH_CHECK)                                                               \
    X(SSH_FORWARD)                                                             \
    X(UPLOAD)                                                                  \
    X(STORE)

enum rpc_id {
#define X(name) RPC_##name,
    RPC_IDS(X)
#undef X
};

struct rpc_method {
    struct str path; /* "/moby.buildkit.v1.Control/Solve" */
    enum rpc_side side;
    enum rpc_id id;
    enum rpc_flow request, reply;
    const struct pb_type *asked, *answered; /* of RPC_ONE and RPC_EACH; NULL:
                                               a reply that is made here */
    bool needs_images; /* the engine's list of images is asked for before */
    bool changes;      /* makes, changes or reads something: on record before */
    bool scoped;       /* to the build that its metadata name */
};

/* The row of PATH on SIDE, or NULL: UNIMPLEMENTED (12) is the answer. */
const struct rpc_method *rpc_find(enum rpc_side side, struct str path);

/* The number of rows, and each: for tests and for the audit. */
extern const struct rpc_method rpc_methods[];
extern const size_t rpc_method_count;
