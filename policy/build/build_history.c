#include "policy/build/build_private.h"

/* Builds that are over, or under way: whoever knows a ref sees all of one, and
 * an engine lists those of everybody. */

enum {
    HISTORY_REF = 2,
    HISTORY_FILTER = 4,
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

/* ---- filters: a CSV line each, whose fields all have to hold ---- */

/* "ref=abc" is about our name of it; others that begin so are not understood */
static bool put_field(struct build_call *call, struct str field,
                      struct strbuf *out)
{
    struct build_id id;

    if (!str_has_prefix(field, S("ref")))
        return strbuf_add(out, field) == 0;
    if (!str_has_prefix(field, S("ref=")) || str_has_prefix(field, S("ref==")))
        return build_refuse(call, 400, "request.filter", "Filter",
                            "\"%.*s\": a build is found by \"ref=NAME\" here",
                            STR_FMT(str_head(field, 80)));
    return build_id_in(call, "Filter", str_from_index(field, 4), &id) &&
           strbuf_addf(out, "ref=%.*s", STR_FMT(build_id_str(&id))) == 0;
}

static bool put_own(const struct build_view *view, struct strbuf *out)
{
    return strbuf_addf(out, "%sref~=^%.*s\\.", out->len ? "," : "",
                       STR_FMT(view->ns)) == 0;
}

static bool judge_filter(struct build_call *call, struct pb_value *value)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_BUILD_TEXT);
    struct str rest = value->bytes, field;
    bool more = true;

    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i] == '"' || rest.ptr[i] == '\n' || rest.ptr[i] == '\r')
            return build_refuse(call, 400, "request.filter", "Filter",
                                "quotes and line ends are not understood in a "
                                "filter");
    while (more) {
        more = str_cut(rest, ',', &field, &rest);
        if (out.len)
            strbuf_add_char(&out, ',');
        if (!put_field(call, field, &out))
            return false;
    }
    if (!put_own(call->view, &out))
        return build_refuse(call, 413, "request.size", "Filter",
                            "the filter is too long");
    value->bytes = pb_keep(&call->tree, strbuf_str(&out));
    return true;
}

/* The engine counts what the filter lets through (28 and later), so that a
 * limit is one on our own. */
static bool judge_listen(struct build_call *call, struct pb_message *message)
{
    AUTO(strbuf_fini) struct strbuf own = STRBUF(KIB);

    if (pb_text(message, HISTORY_REF).len)
        return scope(call, message, HISTORY_REF);
    if (call->view->ns.len == 0)
        return true;
    for (struct pb_value *value = pb_find(message, HISTORY_FILTER); value;
         value = pb_next(value))
        if (!judge_filter(call, value))
            return false;
    if (!pb_find(message, HISTORY_FILTER)) {
        put_own(call->view, &own);
        pb_add_text(&call->tree, message, HISTORY_FILTER,
                    pb_keep(&call->tree, strbuf_str(&own)));
    }
    return true;
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
