#include "proxy/grpc/grpc_private.h"

#include "proxy/base/base64.h"

/* The heads and trailers of a call: judged, and written anew. */

/* ---- the request's ---- */

static bool is_grpc(struct str type)
{
    return str_eq(type, S("application/grpc")) ||
           str_eq(type, S("application/grpc+proto"));
}

/* Is the field one of HTTP/2's or gRPC's own, and no metadata? */
static bool is_own_field(struct str name)
{
    static const struct str own[] = {
        STR("content-type"), STR("te"),   STR("user-agent"),
        STR("trailer"),      STR("date"), STR("content-length"),
    };

    if (str_has_prefix(name, S(":")) || str_has_prefix(name, S("grpc-")))
        return true;
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (str_eq(name, own[i]))
            return true;
    return false;
}

/* What of HEAD is metadata; it fits, for HEAD did. */
static void metadata_of(const struct h2_fields *head, struct h2_fields *out)
{
    *out = (struct h2_fields)H2_FIELDS(LIMIT_GRPC_HEAD, LIMIT_GRPC_FIELDS);
    for (size_t i = 0; i < head->count; i++) {
        struct h2_field field = h2_fields_at(head, i);

        if (!is_own_field(field.name))
            h2_fields_add(out, field.name, field.value);
    }
}

static bool is_compressed(const struct h2_fields *head)
{
    struct str encoding;

    return h2_fields_get(head, S("grpc-encoding"), &encoding) &&
           !str_eq(encoding, S("identity"));
}

/* What is wrong with the head of a request, or NULL. */
static const char *head_fault(const struct h2_fields *head)
{
    struct str value;

    if (!h2_fields_one(head, S(":method"), &value) || !str_eq(value, S("POST")))
        return "gRPC calls are POST requests";
    if (!h2_fields_one(head, S("content-type"), &value) || !is_grpc(value))
        return "the content-type is not application/grpc";
    if (h2_fields_get(head, S("grpc-timeout"), &value) &&
        (!h2_fields_one(head, S("grpc-timeout"), &value) ||
         !grpc_timeout_is_valid(value)))
        return "the grpc-timeout is malformed";
    if (is_compressed(head))
        return "compressed messages are not supported";
    return NULL;
}

static void put_request_head(struct grpc_call *call,
                             const struct h2_fields *asked)
{
    struct h2_fields *head = &call->head;
    struct str timeout;

    h2_fields_add(head, S(":method"), S("POST"));
    h2_fields_add(head, S(":scheme"), S("http"));
    h2_fields_add(head, S(":path"), str_from(call->path));
    h2_fields_add(head, S(":authority"), S("localhost"));
    h2_fields_add(head, S("content-type"), S("application/grpc"));
    h2_fields_add(head, S("te"), S("trailers"));
    if (h2_fields_get(asked, S("grpc-timeout"), &timeout))
        h2_fields_add(head, S("grpc-timeout"), timeout);
}

/* Judge what the head says. False: the call was refused. */
static bool judge_head(struct grpc_call *call, const struct h2_fields *head,
                       bool cut)
{
    struct grpc_tunnel *tunnel = call->tunnel;
    const char *fault = cut ? NULL : head_fault(head);
    struct grpc_refusal why = {.code = GRPC_INTERNAL};
    struct grpc_method method = {0};
    AUTO(h2_fields_fini) struct h2_fields metadata = {0};

    if (cut)
        grpc_refuse(&why, GRPC_RESOURCE_EXHAUSTED, "request.grpc",
                    "the head of the call is longer than %zu bytes or has more "
                    "than %d fields",
                    LIMIT_GRPC_HEAD, LIMIT_GRPC_FIELDS);
    else if (fault)
        grpc_refuse(&why, GRPC_UNIMPLEMENTED, "request.grpc", "%s", fault);
    else if (!tunnel->judge->find(tunnel->arg, tunnel->kind,
                                  str_from(call->path), &method))
        grpc_refuse(&why, GRPC_UNIMPLEMENTED, "request.grpc",
                    "berth knows no method %.*s", 200, call->path);
    if (why.rule[0]) {
        grpc_call_deny(call, &why);
        return false;
    }
    for (int way = GRPC_REQUEST; way <= GRPC_REPLY; way++)
        call->way[way].flow = method.flow[way];
    put_request_head(call, head);
    metadata_of(head, &metadata);
    call->judged = tunnel->judge->begin(tunnel->arg, call, tunnel->kind,
                                        &method, &metadata, &call->head, &why);
    if (!call->judged)
        grpc_call_deny(call, &why);
    return call->judged != NULL;
}

void grpc_call_begin(struct grpc_tunnel *tunnel, struct h2_stream *stream,
                     const struct h2_fields *head, bool cut)
{
    struct grpc_call *call;
    struct str path = S("");

    (void)h2_fields_get(head, S(":path"), &path);
    call = grpc_call_new(tunnel, stream, path);
    /* at most once more for what goes on of it */
    if (grpc_flow_is_crowded(call, h2_fields_memory(head)) ||
        !judge_head(call, head, cut))
        return;
    if (call->way[GRPC_REQUEST].flow == GRPC_NESTED)
        grpc_nested_begin(call);
    if (call->way[GRPC_REQUEST].flow != GRPC_ONE)
        grpc_call_start(call);
}

/* ---- the reply's ---- */

/* What is wrong with the head of a reply, or NULL. */
static const char *reply_fault(const struct h2_fields *head, bool cut)
{
    struct str value;

    if (cut)
        return "the head of the reply is too long";
    if (!h2_fields_one(head, S(":status"), &value) || !str_eq(value, S("200")))
        return "the reply has another HTTP status than 200";
    if (!h2_fields_one(head, S("content-type"), &value) || !is_grpc(value))
        return "the reply is no gRPC";
    if (is_compressed(head))
        return "the reply is compressed, which nobody asked for";
    return NULL;
}

void grpc_call_reply_head(struct grpc_call *call, const struct h2_fields *head,
                          bool cut)
{
    AUTO(h2_fields_fini)
    struct h2_fields fields =
        H2_FIELDS(2 * LIMIT_GRPC_HEAD, 2 * LIMIT_GRPC_FIELDS);
    AUTO(h2_fields_fini) struct h2_fields metadata = {0};
    const char *fault = reply_fault(head, cut);
    struct str status;

    if (call->state == CALL_ENDED)
        return;
    if (fault) {
        grpc_call_fail(call, GRPC_UNAVAILABLE, fault);
        return;
    }
    if (h2_fields_get(head, S("grpc-status"), &status)) {
        grpc_call_trailers(call, head); /* there is nothing but this */
        return;
    }
    grpc_put_reply_head(&fields);
    metadata_of(head, &metadata);
    call->tunnel->judge->reply_metadata(call->judged, &metadata, &fields);
    call->answered = true;
    if (call->stream[GRPC_REQUEST])
        h2_stream_respond(call->stream[GRPC_REQUEST], &fields, false);
    if (call->nested)
        grpc_nested_flush(call);
}

/* The value of grpc-status-details-bin: base64, with or without padding. */
static void decode_details(struct str value, struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf padded = STRBUF(LIMIT_GRPC_STATUS);

    if (strbuf_add(&padded, value))
        return;
    while (padded.len % 4 && strbuf_add_char(&padded, '=') == 0)
        continue;
    if (base64_decode(strbuf_str(&padded), out))
        strbuf_clear(out);
}

void grpc_call_trailers(struct grpc_call *call, const struct h2_fields *fields)
{
    AUTO(strbuf_fini) struct strbuf said = STRBUF(LIMIT_GRPC_STATUS);
    AUTO(strbuf_fini) struct strbuf details = STRBUF(LIMIT_GRPC_STATUS);
    struct str value;

    if (call->state == CALL_ENDED)
        return;
    call->code = GRPC_UNKNOWN;
    if (h2_fields_one(fields, S("grpc-status"), &value))
        call->code = grpc_code_read(value);
    strbuf_clear(&call->text);
    strbuf_clear(&call->details);
    if (call->code == GRPC_OK)
        return;
    if (h2_fields_get(fields, S("grpc-message"), &value))
        (void)grpc_message_decode(&said, value); /* what fits */
    if (h2_fields_get(fields, S("grpc-status-details-bin"), &value))
        decode_details(value, &details);
    call->tunnel->judge->status(call->judged, call->code, strbuf_str(&said),
                                strbuf_str(&details), &call->text,
                                &call->details);
}
