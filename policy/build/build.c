#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/build/build_private.h"

/* The life of a call: metadata, messages, and what is said of them. */

struct build_call *build_call_new(const struct build_view *view,
                                  const struct rpc_method *method,
                                  uint64_t random)
{
    struct build_call *call = xcalloc(1, sizeof(*call));

    call->view = view;
    call->method = method;
    call->random = random;
    call->blob.max = LIMIT_BUILD_BLOB;
    return call;
}

void build_call_free(struct build_call *call)
{
    if (!call)
        return;
    if (call->blob_is_of_use)
        build_memory_look_into(call->view->memory, strbuf_str(&call->blob));
    strbuf_fini(&call->blob);
    pb_tree_fini(&call->tree);
    json_decref(call->record);
    free(call);
}

void build_call_images(struct build_call *call,
                       const struct build_images *images)
{
    call->images = images;
}

bool build_is_answered(const struct build_call *call)
{
    return call->answered;
}

bool build_answer_is_empty(const struct build_call *call)
{
    return call->answer_empty;
}

const json_t *build_record(const struct build_call *call)
{
    return call->record;
}

const struct verdict *build_reported(const struct build_call *call)
{
    return call->has_reported ? &call->reported : NULL;
}

struct build_after build_after(const struct build_call *call)
{
    struct build_after after = {S(""), S("")};

    if (call->anchor[0] == '\0' || call->image[0] == '\0')
        return after;
    after.anchor = str_from(call->anchor);
    if (!call->has_names)
        after.image = str_from(call->image);
    return after;
}

size_t build_places(const struct build_call *call)
{
    return call->has_names ? call->name_count : call->anchor[0] != '\0';
}

struct str build_replaced(const struct build_call *call, size_t index)
{
    for (size_t i = 0; i < call->replaced_count; i++) {
        if (strcmp(call->replaced[i], call->image) == 0)
            continue; /* it was built again */
        if (index-- == 0)
            return str_from(call->replaced[i]);
    }
    return S("");
}

int build_status_of(const struct verdict *why)
{
    enum { INVALID_ARGUMENT = 3, NOT_FOUND = 5, DENIED = 7, EXHAUSTED = 8 };

    switch (why->status) {
    case 400:
        return INVALID_ARGUMENT;
    case 404:
        return NOT_FOUND;
    case 413:
        return EXHAUSTED;
    default:
        return DENIED;
    }
}

/* ---- messages ---- */

static int refuse_fault(struct verdict *why, const struct rpc_method *method,
                        const struct pb_fault *fault)
{
    struct str name = method->path, rest;

    while (str_cut(name, '/', &rest, &name) && str_find(name, '/') >= 0)
        ;
    verdict_deny(why, 400, "request.protobuf", fault->where,
                 "the message of %.*s is not understood: %s%s%s; if the client "
                 "is newer than this berth, update berth",
                 STR_FMT(name), fault->where, fault->where[0] ? " " : "",
                 fault->what);
    return BUILD_E_REFUSED;
}

/* The runner speaks: a request of the control side, a reply of a session. */
static bool is_from_runner(const struct build_call *call, enum build_way way)
{
    return (call->method->side == RPC_CONTROL) == (way == BUILD_REQUEST);
}

static bool judge(struct build_call *call, struct pb_message *message)
{
    switch (call->method->id) {
    case RPC_SOLVE:
        return build_judge_solve(call, message);
    case RPC_STATUS:
    case RPC_LISTEN_HISTORY:
    case RPC_UPDATE_HISTORY:
    case RPC_CONTENT_INFO:
    case RPC_CONTENT_READ:
        return build_judge_history(call, message);
    case RPC_BRIDGE_PING:
    case RPC_BRIDGE_SOLVE:
    case RPC_BRIDGE_RETURN:
    case RPC_BRIDGE_RESOLVE_CONFIG:
    case RPC_BRIDGE_RESOLVE_SOURCE:
    case RPC_BRIDGE_READ:
    case RPC_BRIDGE_INPUTS:
    case RPC_BRIDGE_WARN:
    case RPC_BRIDGE_NEW_CONTAINER:
    case RPC_BRIDGE_CONTAINER:
    case RPC_BRIDGE_EXEC:
        return build_judge_bridge(call, message);
    case RPC_CREDENTIALS:
    case RPC_FETCH_TOKEN:
    case RPC_TOKEN_AUTHORITY:
    case RPC_GET_SECRET:
    case RPC_SSH_CHECK:
        return build_judge_session(call, message);
    case RPC_LIST_WORKERS:
    case RPC_INFO:
    case RPC_DISK_USAGE:
    case RPC_PRUNE:
    case RPC_HEALTH:
        return true;
    case RPC_CONTROL_SESSION:
    case RPC_TRACE_EXPORT:
    case RPC_FILE_SYNC:
    case RPC_FILE_SEND:
    case RPC_SSH_FORWARD:
    case RPC_UPLOAD:
    case RPC_STORE:
        break;
    }
    return false; /* not gathered */
}

/*
 * What an engine is not asked, since its answer would be about everybody: the
 * build cache has no owner in it, and spans have command lines.
 */
static void answer(struct build_call *call)
{
    enum rpc_id id = call->method->id;

    call->answered =
        id == RPC_TRACE_EXPORT ||
        ((id == RPC_DISK_USAGE || id == RPC_PRUNE) && call->view->ns.len > 0);
    call->answer_empty = call->answered && id == RPC_PRUNE;
}

static int read_and_judge(struct build_call *call, enum build_way way,
                          struct str text, struct strbuf *out,
                          struct verdict *why)
{
    const struct rpc_method *method = call->method;
    const struct pb_type *type =
        way == BUILD_REQUEST ? method->asked : method->answered;
    bool from_runner = is_from_runner(call, way);
    struct pb_message *message;
    struct pb_fault fault;
    int r = 0;

    if (type == NULL)
        return 0;
    if (pb_parse(&call->tree, type, text, from_runner ? PB_STRICT : PB_LENIENT,
                 &message, &fault) != 0)
        return refuse_fault(why, method, &fault);
    if (way == BUILD_REQUEST && !judge(call, message))
        return BUILD_E_REFUSED;
    if (way == BUILD_REPLY)
        r = build_restore(call, message);
    if (r != 0 || call->answered)
        return r;
    return pb_put(message, out);
}

int build_message(struct build_call *call, enum build_way way,
                  struct str message, struct strbuf *out, struct verdict *why)
{
    int r;

    call->why = why;
    *why = (struct verdict){0};
    if (way == BUILD_REQUEST)
        answer(call);
    r = read_and_judge(call, way, message, out, why);
    pb_tree_fini(&call->tree);
    call->why = NULL;
    return r;
}
