#include "proxy/grpc/grpc_private.h"

/*
 * Control.Session: the messages of one call carry another HTTP/2 connection, in
 * which the engine calls the runner. It is a tunnel like that of POST /session,
 * whose bytes come in BytesMessages and leave in them.
 */

#define CARRIED (32 * KIB) /* bytes a message; a frame may go beyond */

/* Whose bytes are in the messages of WAY? The runner calls. */
static enum grpc_side side_of(enum grpc_way way)
{
    return way == GRPC_REQUEST ? GRPC_RUNNER : GRPC_ENGINE;
}

void grpc_nested_begin(struct grpc_call *call)
{
    struct grpc_tunnel *tunnel = call->tunnel;

    assert(tunnel->kind == GRPC_CONTROL &&
           call->way[GRPC_REPLY].flow == GRPC_NESTED);
    call->nested = grpc_tunnel_of(GRPC_SESSION, tunnel->judge, tunnel->arg,
                                  tunnel->events);
    call->nested->parent = call;
}

static void put_carried(struct h2_stream *target, struct str data)
{
    unsigned char frame[GRPC_FRAME_HEAD], head[GRPC_BYTES_HEAD];
    size_t head_len = grpc_bytes_head(head, data.len);

    grpc_frame_head(frame, head_len + data.len);
    h2_stream_write(target, str_of((const char *)frame, sizeof(frame)));
    h2_stream_write(target, str_of((const char *)head, head_len));
    h2_stream_write(target, data);
}

/* Returns whether something was put on its way. */
static bool flush_way(struct grpc_call *call, enum grpc_way way)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(CARRIED + 256 * KIB);
    struct h2_stream *target = call->stream[grpc_other(way)];
    bool open = way == GRPC_REQUEST || call->answered;

    if (call->state == CALL_ENDED || !target || !open ||
        h2_stream_is_ended(target) ||
        h2_stream_pending(target) >= LIMIT_GRPC_PENDING)
        return false;
    grpc_tunnel_pull(call->nested, side_of(grpc_other(way)), &out, CARRIED);
    if (out.len)
        put_carried(target, strbuf_str(&out));
    return out.len > 0;
}

void grpc_nested_flush(struct grpc_call *call)
{
    bool more = true;

    /* what leaves on one side gives windows back on the other */
    while (more) {
        more = flush_way(call, GRPC_REQUEST);
        more |= flush_way(call, GRPC_REPLY);
    }
}

void grpc_nested_message(struct grpc_call *call, enum grpc_way way,
                         struct str message)
{
    struct grpc_refusal why;
    struct str data;

    if (!grpc_bytes_read(message, &data)) {
        grpc_refuse(&why, GRPC_INVALID_ARGUMENT, "request.protobuf",
                    "a message of the session is no BytesMessage");
        grpc_call_deny(call, &why);
        return;
    }
    grpc_tunnel_feed(call->nested, side_of(way), data);
    grpc_nested_flush(call);
    if (!grpc_tunnel_fault(call->nested))
        return;
    grpc_refuse(&why, GRPC_INVALID_ARGUMENT, "request.http2",
                "the session inside the call is broken: %s",
                grpc_tunnel_fault(call->nested));
    grpc_call_deny(call, &why);
}

void grpc_nested_end(struct grpc_call *call, enum grpc_way way)
{
    grpc_tunnel_eof(call->nested, side_of(way));
    grpc_nested_flush(call);
}

bool grpc_nested_reads(const struct grpc_call *call, enum grpc_way way)
{
    return grpc_tunnel_reads(call->nested, side_of(way)) ||
           grpc_tunnel_is_over(call->nested, side_of(way));
}
