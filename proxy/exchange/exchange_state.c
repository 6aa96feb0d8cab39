#include "proxy/exchange/exchange_private.h"

#include "proxy/base/log.h"

#define BIT(n) (1u << (n))

struct state {
    const char *name;
    unsigned next; /* the states that may follow, as bits */
};

/* An exchange may end in any of them. */
/* clang-format off */
static const struct state request_states[] = {
    [RQ_HEAD]    = {"head", BIT(RQ_COLLECT) | BIT(RQ_ASK) | BIT(RQ_READY) |
                            BIT(RQ_DRAIN)},
    [RQ_COLLECT] = {"collect", BIT(RQ_ASK) | BIT(RQ_READY) | BIT(RQ_DRAIN)},
    [RQ_ASK]     = {"ask", BIT(RQ_READY) | BIT(RQ_DRAIN)},
    [RQ_READY]   = {"ready", BIT(RQ_ASK) | BIT(RQ_STREAM) | BIT(RQ_HELD) |
                             BIT(RQ_DONE) | BIT(RQ_DRAIN)},
    [RQ_PAUSE]   = {"pause", BIT(RQ_ASK) | BIT(RQ_READY)},
    [RQ_STREAM]  = {"stream", BIT(RQ_READY) | BIT(RQ_TAIL) | BIT(RQ_DONE) |
                              BIT(RQ_DRAIN)},
    [RQ_TAIL]    = {"tail", BIT(RQ_READY) | BIT(RQ_DONE) | BIT(RQ_DRAIN)},
    [RQ_HELD]    = {"held", BIT(RQ_READY) | BIT(RQ_DONE) | BIT(RQ_HIJACK) |
                            BIT(RQ_UNREAD) | BIT(RQ_DRAIN)},
    [RQ_DONE]    = {"done", BIT(RQ_ASK) | BIT(RQ_READY) | BIT(RQ_PAUSE)},
    [RQ_HIJACK]  = {"tunnel", BIT(RQ_SHUT)},
    [RQ_SHUT]    = {"shut", 0},
    [RQ_UNREAD]  = {"unread", BIT(RQ_DRAIN)},
    [RQ_DRAIN]   = {"drain", 0},
};

static const struct state reply_states[] = {
    [RP_NONE]   = {"none", BIT(RP_AWAIT) | BIT(RP_DONE)},
    [RP_AWAIT]  = {"await", BIT(RP_NONE) | BIT(RP_ASK) | BIT(RP_BODY) |
                            BIT(RP_HIJACK) | BIT(RP_DONE)},
    [RP_ASK]    = {"ask", BIT(RP_BODY) | BIT(RP_HIJACK) | BIT(RP_DONE)},
    [RP_BODY]   = {"body", BIT(RP_LINE) | BIT(RP_FINISH) | BIT(RP_DONE)},
    [RP_LINE]   = {"line", BIT(RP_BODY) | BIT(RP_FINISH) | BIT(RP_DONE)},
    [RP_FINISH] = {"finish", BIT(RP_NONE) | BIT(RP_SHUT) | BIT(RP_DONE)},
    [RP_HIJACK] = {"tunnel", BIT(RP_FINISH) | BIT(RP_SHUT)},
    [RP_SHUT]   = {"shut", 0},
    [RP_DONE]   = {"done", 0},
};
/* clang-format on */

void exchange_enter(struct exchange *ex, enum request_state to)
{
    const struct state *from = &request_states[ex->request_state];

    assert(from->next & BIT(to));
    log_debug("exchange %s: %s -> %s", ex->id, from->name,
              request_states[to].name);
    ex->request_state = to;
}

void exchange_enter_reply(struct exchange *ex, enum reply_state to)
{
    const struct state *from = &reply_states[ex->reply_state];

    assert(from->next & BIT(to));
    log_debug("exchange %s: reply %s -> %s", ex->id, from->name,
              reply_states[to].name);
    ex->reply_state = to;
}

const char *connection_state(const struct connection *conn)
{
    return request_states[connection_request_state(conn)].name;
}
