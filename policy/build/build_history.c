#include "policy/build/build_private.h"

/* Builds that are over, or under way: whoever knows a ref sees all of one, and
 * an engine lists those of everybody. */

enum {
    HISTORY_REF = 2,
    HISTORY_FILTER = 4,
    HISTORY_LIMIT = 5,
    UPDATE_REF = 1,
    STATUS_REF = 1,
    CONTENT_DIGEST = 1,
    EVENT_RECORD = 2,
};

static bool scope(struct build_call *call, struct pb_message *message,
                  unsigned number)
{
    struct str ref = pb_text(message, number);

    if (!build_id_in(call, "Ref", ref, &call->ref))
        return false;
    build_note_one(call, "ref", ref);
    pb_set_text(&call->tree, message, number, build_id_str(&call->ref));
    return true;
}

/*
 * Filters and limits stay here. BuildKit 0.20 to 0.28 (Engine 28 and 29) takes
 * a record for them that is deleted and still there, and so crashes the engine
 * (filterHistoryEvents); before, it knew neither. Clients therefore filter by
 * themselves, too, and what is another's is dropped from the answer.
 */
static bool judge_listen(struct build_call *call, struct pb_message *message)
{
    pb_remove(message, HISTORY_FILTER);
    pb_remove(message, HISTORY_LIMIT);
    return pb_text(message, HISTORY_REF).len == 0 ||
           scope(call, message, HISTORY_REF);
}

/* ---- content ---- */

static bool judge_content(struct build_call *call, struct pb_message *message)
{
    struct str digest = pb_text(message, CONTENT_DIGEST);

    call->blob_is_of_use = call->method->id == RPC_CONTENT_READ;
    return call->view->ns.len == 0 ||
           build_memory_has(call->view->memory, digest) ||
           build_forbid(call, "request.content", "digest",
                        "%.*s is not of a build of this runner's that it has "
                        "looked at",
                        STR_FMT(str_head(digest, 80)));
}

bool build_judge_history(struct build_call *call, struct pb_message *message)
{
    switch ((int)call->method->id) {
    case RPC_LISTEN_HISTORY:
        return judge_listen(call, message);
    case RPC_UPDATE_HISTORY:
        return scope(call, message, UPDATE_REF);
    case RPC_STATUS:
        return scope(call, message, STATUS_REF);
    default:
        return judge_content(call, message);
    }
}

/* ---- records on their way out ---- */

enum {
    RECORD_REF = 1,
    RECORD_ATTRS = 3,
    RECORD_EXPORTERS = 4,
    RECORD_ERROR = 5,
    RECORD_LOGS = 8,
    RECORD_RESPONSE = 9,
    RECORD_RESULT = 10,
    RECORD_RESULTS = 11,
    RECORD_TRACE = 13,
    RECORD_EXTERNAL_ERROR = 18,
    RESULT_OLD = 1,
    RESULT_ATTESTATIONS = 2,
    RESULT_ALL = 3,
    DESCRIPTOR_DIGEST = 2,
};

static void remember(struct build_call *call,
                     const struct pb_message *descriptor)
{
    build_memory_add(call->view->memory,
                     pb_text(descriptor, DESCRIPTOR_DIGEST));
}

static void remember_result(struct build_call *call,
                            const struct pb_message *result)
{
    remember(call, pb_child(result, RESULT_OLD));
    for (const struct pb_value *value = pb_find(result, RESULT_ATTESTATIONS);
         value; value = pb_next(value))
        remember(call, value->message);
    for (const struct pb_value *value = pb_find(result, RESULT_ALL); value;
         value = pb_next(value))
        remember(call, pb_child(value->message, 2));
}

static void remember_record(struct build_call *call,
                            const struct pb_message *record)
{
    remember(call, pb_child(record, RECORD_LOGS));
    remember(call, pb_child(record, RECORD_TRACE));
    remember(call, pb_child(record, RECORD_EXTERNAL_ERROR));
    remember_result(call, pb_child(record, RECORD_RESULT));
    for (const struct pb_value *value = pb_find(record, RECORD_RESULTS); value;
         value = pb_next(value))
        remember_result(call, pb_child(value->message, 2));
}

/* What berth put among the options, and the names that it gave. */
static void restore_attrs(struct build_call *call, struct pb_message *record)
{
    AUTO(strbuf_fini) struct strbuf space = STRBUF(KIB);
    struct str key = S("build-arg:BUILDKIT_CACHE_MOUNT_NS");
    struct str value = pb_map_text(record, RECORD_ATTRS, key);

    build_cache_space(call->view, &space);
    if (space.len == 0)
        return;
    pb_map_remove(record, RECORD_ATTRS, S("hostname"));
    if (str_eq(value, strbuf_str(&space)))
        pb_map_remove(record, RECORD_ATTRS, key);
    else if (str_has_prefix(value, strbuf_str(&space)))
        pb_map_set(&call->tree, record, RECORD_ATTRS, key,
                   str_from_index(value, space.len + 1));
    for (const struct pb_value *entry = pb_find(record, RECORD_ATTRS); entry;
         entry = pb_next(entry)) {
        struct str name = pb_text(entry->message, 1), old;

        if ((str_has_prefix(name, S("local-sessionid:")) ||
             str_has_prefix(name, S("sharedkey:localdir:"))) &&
            build_id_out(call->view, pb_text(entry->message, 2), &old))
            pb_set_text(&call->tree, entry->message, 2, old);
    }
}

static bool pushes_besides(const struct pb_message *record,
                           const struct pb_message *exporter)
{
    return str_eq(pb_map_text(exporter, ENTRY_ATTRS, S("store")), S("false")) &&
           pb_next(pb_find(record, RECORD_EXPORTERS)) != NULL;
}

static void restore_exporters(struct build_call *call,
                              struct pb_message *record)
{
    for (const struct pb_value *value = pb_find(record, RECORD_EXPORTERS);
         value; value = pb_next(value)) {
        struct pb_message *entry =
            pb_map_find(value->message, ENTRY_ATTRS, S("name"));

        if (entry && !pushes_besides(record, value->message))
            pb_set_text(&call->tree, entry, 2,
                        build_names_out(call, pb_text(entry, 2)));
    }
}

int build_restore_event(struct build_call *call, struct pb_message *event)
{
    struct pb_message *record = pb_child(event, EVENT_RECORD);
    struct str ref;

    if (!record)
        return call->view->ns.len ? BUILD_DROP : 0;
    if (!build_id_out(call->view, pb_text(record, RECORD_REF), &ref))
        return BUILD_DROP;
    pb_set_text(&call->tree, record, RECORD_REF, ref);
    remember_record(call, record);
    if (call->view->ns.len == 0)
        return 0;
    restore_attrs(call, record);
    restore_exporters(call, record);
    build_restore_map(call, record, RECORD_RESPONSE);
    build_restore_status(call, pb_child(record, RECORD_ERROR));
    return 0;
}
