#include "proxy/grpc/grpc_private.h"

/* A tunnel, and what its two connections tell of its calls. */

static void on_head(void *arg, struct h2_stream *stream,
                    const struct h2_fields *head, bool cut)
{
    struct leg *leg = arg;
    struct grpc_call *call = h2_stream_arg(stream);

    if (leg->way == GRPC_REQUEST)
        grpc_call_begin(leg->tunnel, stream, head, cut);
    else if (call)
        grpc_call_reply_head(call, head, cut);
}

static void on_trailers(void *arg, struct h2_stream *stream,
                        const struct h2_fields *trailers, bool cut)
{
    struct leg *leg = arg;
    struct grpc_call *call = h2_stream_arg(stream);

    if (!call || leg->way == GRPC_REQUEST) /* a caller's mean nothing */
        return;
    if (cut)
        grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED,
                       "the trailers of the reply are too long");
    else
        grpc_call_trailers(call, trailers);
}

static void on_data(void *arg, struct h2_stream *stream, struct str data)
{
    struct leg *leg = arg;
    struct grpc_call *call = h2_stream_arg(stream);

    if (call)
        grpc_flow_data(call, leg->way, data);
    else
        h2_stream_consume(stream, data.len);
}

static void on_end(void *arg, struct h2_stream *stream)
{
    struct leg *leg = arg;
    struct grpc_call *call = h2_stream_arg(stream);

    if (call)
        grpc_flow_end(call, leg->way);
}

static void on_sent(void *arg, struct h2_stream *stream, size_t len)
{
    struct leg *leg = arg;
    struct grpc_call *call = h2_stream_arg(stream);

    if (call)
        grpc_flow_sent(call, grpc_other(leg->way), len);
}

static void on_close(void *arg, struct h2_stream *stream, uint32_t code)
{
    struct leg *leg = arg;
    struct grpc_call *call = h2_stream_arg(stream);

    if (call)
        grpc_call_closed(call, leg->way, code);
}

/* A server that takes no more calls: its caller must hear of it. */
static void on_goaway(void *arg)
{
    struct leg *leg = arg;
    struct grpc_tunnel *tunnel = leg->tunnel;

    if (leg->way == GRPC_REPLY && !tunnel->legs[GRPC_REQUEST].gone)
        h2_go_away(tunnel->legs[GRPC_REQUEST].h2);
}

static const struct h2_events events = {
    .on_head = on_head,
    .on_trailers = on_trailers,
    .on_data = on_data,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_close = on_close,
    .on_goaway = on_goaway,
};

struct grpc_tunnel *grpc_tunnel_new(enum grpc_kind kind,
                                    const struct grpc_judge *judge, void *arg)
{
    return grpc_tunnel_of(kind, judge, arg, &events);
}
