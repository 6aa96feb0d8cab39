#include "proxy/grpc/grpc_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/base/base64.h"

/* ---- the bytes of messages that come, counted ---- */

static size_t *gathered_of(struct grpc_tunnel *tunnel)
{
    while (tunnel->parent)
        tunnel = tunnel->parent->tunnel;
    return &tunnel->gathered;
}

void grpc_call_forget_message(struct grpc_call *call, enum grpc_way way)
{
    struct call_way *w = &call->way[way];

    *gathered_of(call->tunnel) -= w->gathered;
    w->gathered = 0;
    grpc_reader_clear(&w->reader);
}

bool grpc_call_count(struct grpc_call *call, enum grpc_way way)
{
    struct call_way *w = &call->way[way];
    size_t *all = gathered_of(call->tunnel);

    *all += w->reader.message.len - w->gathered;
    w->gathered = w->reader.message.len;
    return *all <= LIMIT_GRPC_GATHERED;
}

static void fini_way(struct grpc_call *call, enum grpc_way way)
{
    struct call_way *w = &call->way[way];

    grpc_call_forget_message(call, way);
    grpc_reader_fini(&w->reader);
    bytes_fini(&w->in);
}

/* ---- life ---- */

struct grpc_call *grpc_call_new(struct grpc_tunnel *tunnel,
                                struct h2_stream *stream, struct str path)
{
    struct grpc_call *call = xcalloc(1, sizeof(*call));

    call->tunnel = tunnel;
    call->stream[GRPC_REQUEST] = stream;
    call->path = xstr_dup(path);
    /* a little more than what comes, for what the judge lengthens */
    call->head =
        (struct h2_fields)H2_FIELDS(2 * LIMIT_GRPC_HEAD, 2 * LIMIT_GRPC_FIELDS);
    call->text.max = call->details.max = LIMIT_GRPC_STATUS;
    /* until the server says something else */
    call->code = GRPC_UNKNOWN;
    strbuf_add(&call->text,
               S("the other side ended the call without a status"));
    h2_stream_set_arg(stream, call);
    LIST_INSERT_HEAD(&tunnel->calls, call, link);
    tunnel->call_count++;
    return call;
}

void grpc_call_free(struct grpc_call *call)
{
    LIST_REMOVE(call, link);
    call->tunnel->call_count--;
    for (int way = GRPC_REQUEST; way <= GRPC_REPLY; way++) {
        if (call->stream[way])
            h2_stream_set_arg(call->stream[way], NULL);
        fini_way(call, (enum grpc_way)way);
    }
    call->nested = grpc_tunnel_free(call->nested);
    if (call->judged)
        call->tunnel->judge->end(call->judged, call->code);
    h2_fields_fini(&call->head);
    strbuf_fini(&call->text);
    strbuf_fini(&call->details);
    free(call->path);
    free(call);
}

void grpc_call_start(struct grpc_call *call)
{
    struct leg *server = &call->tunnel->legs[GRPC_REPLY];
    struct h2_stream *stream =
        server->gone ? NULL : h2_request(server->h2, &call->head);

    h2_fields_fini(&call->head);
    if (!stream) {
        grpc_call_fail(call, GRPC_UNAVAILABLE,
                       "the other side takes no more calls on this connection");
        return;
    }
    h2_stream_set_arg(stream, call);
    call->stream[GRPC_REPLY] = stream;
    call->state = CALL_OPEN;
}

/* ---- what the caller gets of us ---- */

void grpc_put_reply_head(struct h2_fields *fields)
{
    h2_fields_add(fields, S(":status"), S("200"));
    h2_fields_add(fields, S("content-type"), S("application/grpc"));
}

void grpc_call_answer(struct grpc_call *call)
{
    AUTO(h2_fields_fini)
    struct h2_fields fields = H2_FIELDS(LIMIT_GRPC_HEAD, LIMIT_GRPC_FIELDS);

    grpc_put_reply_head(&fields);
    call->answered = true;
    if (call->stream[GRPC_REQUEST])
        h2_stream_respond(call->stream[GRPC_REQUEST], &fields, false);
}

/* The caller gets CODE, TEXT and DETAILS of the call. */
static void put_end(struct grpc_call *call)
{
    struct h2_stream *caller = call->stream[GRPC_REQUEST];
    AUTO(h2_fields_fini)
    struct h2_fields fields = H2_FIELDS(LIMIT_GRPC_HEAD, LIMIT_GRPC_FIELDS);
    AUTO(strbuf_fini) struct strbuf value = STRBUF(4 * LIMIT_GRPC_STATUS);

    if (!caller)
        return;
    if (!call->answered)
        grpc_put_reply_head(&fields);
    strbuf_addf(&value, "%d", call->code);
    h2_fields_add(&fields, S("grpc-status"), strbuf_str(&value));
    strbuf_clear(&value);
    grpc_message_encode(&value, strbuf_str(&call->text));
    if (value.len)
        h2_fields_add(&fields, S("grpc-message"), strbuf_str(&value));
    strbuf_clear(&value);
    if (call->details.len &&
        base64_encode(strbuf_str(&call->details), &value) == 0)
        h2_fields_add(&fields, S("grpc-status-details-bin"),
                      strbuf_str(&value));
    if (call->answered)
        h2_stream_end(caller, &fields);
    else
        h2_stream_respond(caller, &fields, true);
    call->answered = true;
}

void grpc_call_finish(struct grpc_call *call)
{
    struct h2_stream *server = call->stream[GRPC_REPLY];

    put_end(call);
    call->state = CALL_ENDED;
    /* a server that has answered reads no more of the request */
    if (server && !h2_stream_is_ended(server))
        h2_stream_reset(server, H2_NO_ERROR);
}

void grpc_call_fail(struct grpc_call *call, enum grpc_code code,
                    const char *why)
{
    if (call->state == CALL_ENDED)
        return;
    call->code = code;
    strbuf_clear(&call->text);
    strbuf_clear(&call->details);
    strbuf_add(&call->text, str_from(why));
    put_end(call);
    call->state = CALL_ENDED;
    if (call->stream[GRPC_REPLY])
        h2_stream_reset(call->stream[GRPC_REPLY], H2_CANCEL);
}

void grpc_call_deny(struct grpc_call *call, const struct grpc_refusal *why)
{
    struct grpc_tunnel *tunnel = call->tunnel;

    if (call->state == CALL_ENDED)
        return;
    tunnel->judge->refused(tunnel->arg, tunnel->kind, str_from(call->path),
                           why);
    grpc_call_fail(call, why->code, why->reason);
}

/* The caller gave it up, or its connection is lost. */
static void caller_closed(struct grpc_call *call, uint32_t code)
{
    struct h2_stream *server = call->stream[GRPC_REPLY];

    if (call->state == CALL_ENDED)
        return;
    call->state = CALL_ENDED;
    call->code = GRPC_CANCELLED;
    if (server)
        h2_stream_reset(server, code == H2_NO_ERROR ? H2_CANCEL : code);
}

/* The server's stream ended before its reply did. */
static void server_closed(struct grpc_call *call, uint32_t code)
{
    if (call->tunnel->legs[GRPC_REPLY].gone)
        grpc_call_fail(call, GRPC_UNAVAILABLE,
                       "the connection to the other side was lost");
    else if (code == H2_REFUSED_STREAM)
        grpc_call_fail(call, GRPC_UNAVAILABLE,
                       "the other side takes no more calls");
    else if (call->stream[GRPC_REQUEST])
        h2_stream_reset(call->stream[GRPC_REQUEST],
                        code == H2_NO_ERROR ? H2_INTERNAL_ERROR : code);
    call->code = GRPC_UNAVAILABLE;
    call->state = CALL_ENDED;
}

void grpc_call_closed(struct grpc_call *call, enum grpc_way way, uint32_t code)
{
    call->stream[way] = NULL;
    if (way == GRPC_REQUEST)
        caller_closed(call, code);
    else if (call->state != CALL_ENDED && !call->way[GRPC_REPLY].at_end)
        server_closed(call, code);
    if (!call->stream[GRPC_REQUEST] && !call->stream[GRPC_REPLY])
        grpc_call_free(call);
}
