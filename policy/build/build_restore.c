#include "policy/build/build_private.h"

/* Replies in the runner's words. */

/* ---- progress ---- */

enum {
    PROGRESS_VERTICES = 1,
    PROGRESS_STATUSES = 2,
    PROGRESS_WARNINGS = 4,
    VERTEX_NAME = 3,
    VERTEX_ERROR = 7,
    STATUS_ID = 1,
    STATUS_NAME = 3,
    WARNING_SHORT = 3,
    WARNING_DETAIL = 4,
};

static void restore_text(struct build_call *call, struct pb_message *message,
                         unsigned number)
{
    for (struct pb_value *value = pb_find(message, number); value;
         value = pb_next(value))
        value->bytes = build_text_out(call, value->bytes);
}

/* "naming to" an anchor is nothing that the runner has asked for; the other
 * lines of an image without names are the engine's. */
static void restore_statuses(struct build_call *call, struct pb_message *reply)
{
    const struct pb_value *value, *next;

    for (value = pb_find(reply, PROGRESS_STATUSES); value; value = next) {
        next = pb_next(value);
        if (build_text_has_anchor(call->view,
                                  pb_text(value->message, STATUS_ID)) ||
            build_text_has_anchor(call->view,
                                  pb_text(value->message, STATUS_NAME))) {
            pb_remove_value(reply, value);
            continue;
        }
        restore_text(call, value->message, STATUS_ID);
        restore_text(call, value->message, STATUS_NAME);
    }
}

/* Logs are the steps' own output, and stay. */
static int restore_progress(struct build_call *call, struct pb_message *reply)
{
    for (const struct pb_value *value = pb_find(reply, PROGRESS_VERTICES);
         value; value = pb_next(value)) {
        restore_text(call, value->message, VERTEX_NAME);
        pb_set_text(
            &call->tree, value->message, VERTEX_ERROR,
            build_restore_error(call, pb_text(value->message, VERTEX_ERROR)));
    }
    restore_statuses(call, reply);
    for (const struct pb_value *value = pb_find(reply, PROGRESS_WARNINGS);
         value; value = pb_next(value)) {
        restore_text(call, value->message, WARNING_SHORT);
        restore_text(call, value->message, WARNING_DETAIL);
    }
    return 0;
}

/* ---- workers and capabilities ---- */

enum {
    WORKER_LABELS = 2,
    WORKER_GC = 4,
    WORKER_DEVICES = 6,
    PONG_API_CAPS = 1,
    PONG_LLB_CAPS = 2,
    PONG_WORKERS = 3,
};

/* Who the host is, and how it keeps house, is not for a runner. */
static void restore_workers(struct build_call *call,
                            const struct pb_message *reply, unsigned number)
{
    for (const struct pb_value *value = pb_find(reply, number); value;
         value = pb_next(value)) {
        struct pb_message *worker = value->message;

        pb_map_remove(worker, WORKER_LABELS,
                      S("org.mobyproject.buildkit.worker.hostname"));
        pb_remove(worker, WORKER_GC);
        if (call->view->rules->build.devices.count == 0)
            pb_remove(worker, WORKER_DEVICES);
    }
}

/* Beginnings of names of capabilities that are understood here; what is not
 * offered is not used. */
static const struct str api_caps[] = {
    STR("solve."),           STR("resolveimage"),
    STR("readfile"),         STR("return"),
    STR("readdir"),          STR("statfile"),
    STR("importcaches"),     STR("proto.refarray"),
    STR("reference."),       STR("frontend."),
    STR("gateway.solve."),   STR("gateway.evaluate"),
    STR("gateway.warnings"), STR("source.metaresolver"),
};
static const struct str llb_caps[] = {
    STR("source.image"),  STR("source.local"), STR("source.git"),
    STR("source.http"),   STR("soruce.http"),  STR("source.ocilayout"),
    STR("source.policy"), STR("exec."),        STR("file."),
    STR("constraints"),   STR("platform"),     STR("meta."),
    STR("cache."),        STR("mergeop"),      STR("diffop"),
    STR("passthroughop"), STR("exporter."),    STR("gc."),
    STR("history."),
};
static const struct str hidden_caps[] = {
    STR("source.imageblob"),
    STR("source.git.bundle"),
    STR("source.git.checkoutbundle"),
    STR("source.git.signatureverify"),
    STR("source.http.signatureverify"),
    STR("source.policy.session"),
    STR("exporter.session"),
};

static bool begins_with(struct str text, const struct str *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_has_prefix(text, list[i]))
            return true;
    return false;
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool cap_is_offered(const struct build_call *call, unsigned number,
                           struct str cap)
{
    if (begins_with(cap, hidden_caps, COUNT(hidden_caps)))
        return false;
    if (number == PONG_LLB_CAPS)
        return begins_with(cap, llb_caps, COUNT(llb_caps));
    return begins_with(cap, api_caps, COUNT(api_caps)) ||
           (call->view->rules->build.interactive &&
            str_has_prefix(cap, S("gateway.exec")));
}

static void restore_caps(struct build_call *call, struct pb_message *reply,
                         unsigned number)
{
    const struct pb_value *value, *next;

    for (value = pb_find(reply, number); value; value = next) {
        next = pb_next(value);
        if (!cap_is_offered(call, number, pb_text(value->message, 1)))
            pb_remove_value(reply, value);
    }
}

static int restore_pong(struct build_call *call, struct pb_message *reply)
{
    restore_caps(call, reply, PONG_API_CAPS);
    restore_caps(call, reply, PONG_LLB_CAPS);
    restore_workers(call, reply, PONG_WORKERS);
    return 0;
}

/* ---- results ---- */

/* What was built, which decides what becomes of its anchor: an image's ID is
 * its config's digest on graph drivers, its own on the containerd store. */
static void note_image(struct build_call *call, const struct pb_message *reply)
{
    struct str key = call->view->containerd_store
                         ? S("containerimage.digest")
                         : S("containerimage.config.digest");
    struct str id = pb_map_text(reply, 1, key);

    if (id.len == 0 || id.len >= sizeof(call->image))
        return;
    memcpy(call->image, id.ptr, id.len);
    call->image[id.len] = '\0';
}

static int restore_solved(struct build_call *call, struct pb_message *reply)
{
    note_image(call, reply);
    if (call->view->ns.len)
        build_restore_map(call, reply, 1);
    return 0;
}

/* A frontend's own answers ("result.json" of docker build --call) are text for
 * the runner; everything else in a result comes back in Return, unchanged. */
static int restore_gateway_solved(struct build_call *call,
                                  struct pb_message *reply)
{
    enum { SOLVED_RESULT = 3, RESULT_METADATA = 10 };
    const struct pb_message *result = pb_child(reply, SOLVED_RESULT);

    for (const struct pb_value *value = pb_find(result, RESULT_METADATA); value;
         value = pb_next(value))
        if (str_has_prefix(pb_text(value->message, 1), S("result.")))
            restore_text(call, value->message, 2);
    return 0;
}

static int restore_resolved(struct build_call *call, struct pb_message *reply)
{
    enum { CONFIG_REF = 3, META_SOURCE = 1 };

    if (call->method->id == RPC_BRIDGE_RESOLVE_CONFIG)
        restore_text(call, reply, CONFIG_REF);
    else
        restore_text(call, pb_child(reply, META_SOURCE), SOURCE_IDENTIFIER);
    return 0;
}

static int gather_content(struct build_call *call,
                          const struct pb_message *reply)
{
    struct str data = pb_text(reply, 2);

    if (pb_number(reply, 1) != call->blob.len ||
        strbuf_add(&call->blob, data) != 0)
        call->blob_is_of_use = false;
    return 0;
}

static int restore_content_info(struct pb_message *reply)
{
    enum { INFO_LABELS = 5 };
    struct pb_message *info = pb_child(reply, 1);

    if (info)
        pb_remove(info, INFO_LABELS); /* with refs of whoever built it */
    return 0;
}

int build_restore(struct build_call *call, struct pb_message *reply)
{
    switch ((int)call->method->id) {
    case RPC_SOLVE:
        return restore_solved(call, reply);
    case RPC_STATUS:
        return restore_progress(call, reply);
    case RPC_LIST_WORKERS:
        restore_workers(call, reply, 1);
        return 0;
    case RPC_LISTEN_HISTORY:
        return build_restore_event(call, reply);
    case RPC_BRIDGE_PING:
        return restore_pong(call, reply);
    case RPC_BRIDGE_SOLVE:
        return restore_gateway_solved(call, reply);
    case RPC_BRIDGE_RESOLVE_CONFIG:
    case RPC_BRIDGE_RESOLVE_SOURCE:
        return restore_resolved(call, reply);
    case RPC_CONTENT_INFO:
        return restore_content_info(reply);
    case RPC_CONTENT_READ:
        return gather_content(call, reply);
    default:
        return 0;
    }
}
