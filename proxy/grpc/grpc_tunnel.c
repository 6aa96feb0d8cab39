#include "proxy/grpc/grpc_private.h"

#include <stdlib.h>

/* The runner is near; the engine may be far, and its streams have a longer way
 * to fill (1 Gbit/s over 30 ms). */
static const struct h2_windows windows[] = {
    [GRPC_RUNNER] = {MIB,     8 * MIB },
    [GRPC_ENGINE] = {4 * MIB, 16 * MIB},
};

/* ---- life ---- */

struct grpc_tunnel *grpc_tunnel_of(enum grpc_kind kind,
                                   const struct grpc_judge *judge, void *arg,
                                   const struct h2_events *events)
{
    struct grpc_tunnel *tunnel = xcalloc(1, sizeof(*tunnel));

    tunnel->kind = kind;
    tunnel->judge = judge;
    tunnel->arg = arg;
    tunnel->events = events;
    LIST_INIT(&tunnel->calls);
    for (int side = GRPC_RUNNER; side <= GRPC_ENGINE; side++) {
        enum grpc_way way = grpc_side_way(kind, (enum grpc_side)side);
        struct leg *leg = &tunnel->legs[way];

        leg->tunnel = tunnel;
        leg->way = way;
        leg->h2 = h2_new(way == GRPC_REQUEST ? H2_SERVER : H2_CLIENT,
                         &windows[side], events, leg);
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
        sum += h2_memory(tunnel->legs[way].h2);
    LIST_FOREACH(call, &tunnel->calls, link)
    {
        for (int way = GRPC_REQUEST; way <= GRPC_REPLY; way++)
            sum += call->way[way].in.len;
        sum += h2_fields_memory(&call->head);
        if (call->nested)
            sum += grpc_tunnel_memory(call->nested);
    }
    return sum;
}
