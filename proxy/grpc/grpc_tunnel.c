#include "proxy/grpc/grpc_private.h"

#include <stdlib.h>

/* The runner is near; the engine may be far, and its streams have a longer way
 * to fill (1 Gbit/s over 30 ms). */
static const struct h2_windows windows[] = {
    [GRPC_RUNNER] = {MIB,     8 * MIB },
    [GRPC_ENGINE] = {4 * MIB, 16 * MIB},
};

/* ---- what the two connections tell ---- */

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

/* ---- life ---- */

struct grpc_tunnel *grpc_tunnel_new(enum grpc_kind kind,
                                    const struct grpc_judge *judge, void *arg)
{
    struct grpc_tunnel *tunnel = xcalloc(1, sizeof(*tunnel));

    tunnel->kind = kind;
    tunnel->judge = judge;
    tunnel->arg = arg;
    LIST_INIT(&tunnel->calls);
    for (int side = GRPC_RUNNER; side <= GRPC_ENGINE; side++) {
        enum grpc_way way = grpc_side_way(kind, (enum grpc_side)side);
        struct leg *leg = &tunnel->legs[way];

        leg->tunnel = tunnel;
        leg->way = way;
        leg->h2 = h2_new(way == GRPC_REQUEST ? H2_SERVER : H2_CLIENT,
                         &windows[side], &events, leg);
    }
    return tunnel;
}

struct grpc_tunnel *grpc_tunnel_free(struct grpc_tunnel *tunnel)
{
    struct grpc_call *call;

    if (!tunnel)
        return NULL;
    while ((call = LIST_FIRST(&tunnel->calls)))
        grpc_call_free(call);
    h2_free(tunnel->legs[GRPC_REQUEST].h2);
    h2_free(tunnel->legs[GRPC_REPLY].h2);
    free(tunnel);
    return NULL;
}

static struct leg *leg_of(struct grpc_tunnel *tunnel, enum grpc_side side)
{
    return &tunnel->legs[grpc_side_way(tunnel->kind, side)];
}

static const struct leg *const_leg_of(const struct grpc_tunnel *tunnel,
                                      enum grpc_side side)
{
    return &tunnel->legs[grpc_side_way(tunnel->kind, side)];
}

/* Nothing more comes from LEG: its calls end, then the other connection. */
static void leg_end(struct leg *leg)
{
    struct leg *other = &leg->tunnel->legs[grpc_other(leg->way)];

    if (leg->gone)
        return;
    leg->gone = true;
    h2_eof(leg->h2);
    if (!other->gone)
        h2_go_away(other->h2);
}

/* ---- bytes ---- */

void grpc_tunnel_feed(struct grpc_tunnel *tunnel, enum grpc_side side,
                      struct str bytes)
{
    struct leg *leg = leg_of(tunnel, side);

    if (leg->gone)
        return;
    if (!h2_feed(leg->h2, bytes))
        leg_end(leg);
}

bool grpc_tunnel_reads(const struct grpc_tunnel *tunnel, enum grpc_side side)
{
    const struct leg *leg = const_leg_of(tunnel, side);

    return !leg->gone && !h2_is_backed_up(leg->h2);
}

void grpc_tunnel_eof(struct grpc_tunnel *tunnel, enum grpc_side side)
{
    leg_end(leg_of(tunnel, side));
}

void grpc_tunnel_pull(struct grpc_tunnel *tunnel, enum grpc_side side,
                      struct strbuf *out, size_t room)
{
    struct leg *leg = leg_of(tunnel, side);

    h2_pull(leg->h2, out, room);
    if (h2_is_over(leg->h2))
        leg_end(leg);
}

bool grpc_tunnel_has_output(const struct grpc_tunnel *tunnel,
                            enum grpc_side side)
{
    return h2_has_output(const_leg_of(tunnel, side)->h2);
}

bool grpc_tunnel_is_over(const struct grpc_tunnel *tunnel, enum grpc_side side)
{
    return const_leg_of(tunnel, side)->gone;
}

const char *grpc_tunnel_fault(const struct grpc_tunnel *tunnel)
{
    for (int way = GRPC_REQUEST; way <= GRPC_REPLY; way++)
        if (h2_fault(tunnel->legs[way].h2))
            return h2_fault(tunnel->legs[way].h2);
    return NULL;
}

size_t grpc_tunnel_memory(const struct grpc_tunnel *tunnel)
{
    size_t sum = tunnel->gathered;
    const struct grpc_call *call = NULL;

    for (int way = GRPC_REQUEST; way <= GRPC_REPLY; way++)
        sum += h2_pending(tunnel->legs[way].h2);
    LIST_FOREACH(call, &tunnel->calls, link)
    {
        for (int way = GRPC_REQUEST; way <= GRPC_REPLY; way++)
            sum += call->way[way].in.len;
        if (call->nested)
            sum += grpc_tunnel_memory(call->nested);
    }
    return sum;
}
