#include "proxy/exchange/exchange_private.h"

/* ---- what an exchange asks of those who move its bytes and its clock ---- */

static enum connection_timer timer_of(const struct connection *conn)
{
    const struct exchange *ex = conn->exchange;

    if (conn->life == LIFE_OVER)
        return connection_output(conn, CLIENT).len ? TIMER_FLUSH : TIMER_NONE;
    if (!ex)
        return http_reader_in_head(conn->reader[CLIENT]) ? TIMER_HEAD
                                                         : TIMER_IDLE;
    if (conn->client == CLIENT_GONE && !exchange_asks(ex))
        return TIMER_DRAIN;
    /* who is asked sees to it that it ends */
    if (exchange_asks(ex) && lookups_take_long(&ex->rq.lookups))
        return TIMER_NONE;
    if (ex->reply_state == RP_ASK || ex->reply_state == RP_LINE ||
        ex->reply_state == RP_FINISH || (ex->tunnel && exchange_asks(ex)))
        return TIMER_LINK;
    switch (ex->request_state) {
    case RQ_COLLECT:
    case RQ_STREAM:
        return connection_reads_client(conn) ? TIMER_BODY : TIMER_NONE;
    case RQ_ASK:
        return exchange_waits(ex) ? TIMER_TURN : TIMER_LINK;
    case RQ_READY:
        return TIMER_LINK;
    case RQ_PAUSE:
        return TIMER_PAUSE;
    case RQ_DRAIN:
        return TIMER_DRAIN;
    case RQ_HEAD:
    case RQ_TAIL: /* pulling an image takes its time */
    case RQ_HELD:
    case RQ_DONE:
    case RQ_HIJACK:
    case RQ_UNREAD:
    case RQ_SHUT:
        break;
    }
    return TIMER_NONE;
}

/* What makes each timer begin anew. */
static uint64_t timer_turn_of(const struct connection *conn,
                              enum connection_timer timer)
{
    switch (timer) {
    case TIMER_BODY:
        return conn->taken;
    case TIMER_IDLE: /* it may still be at reading the last reply */
    case TIMER_FLUSH:
        return conn->given;
    case TIMER_LINK:
    case TIMER_PAUSE:
        return conn->number + conn->answers;
    case TIMER_NONE:
    case TIMER_HEAD:
    case TIMER_TURN:
    case TIMER_DRAIN:
        break;
    }
    return conn->number;
}

/*
 * Is nothing read because nothing more is expected of the client, rather than
 * for want of room? Only then has one that hung up not left bytes behind.
 */
static bool awaits_engine(const struct exchange *ex)
{
    return ex->request_state == RQ_ASK || ex->request_state == RQ_READY ||
           ex->request_state == RQ_PAUSE || ex->request_state == RQ_TAIL ||
           ex->request_state == RQ_DONE || ex->request_state == RQ_SHUT;
}

/* Does the client get EOF behind what there is for it? */
static bool shuts_client(const struct exchange *ex)
{
    return ex->reply_state == RP_SHUT ||
           (ex->request_state == RQ_DRAIN && !ex->keep);
}

struct connection_wish connection_wish(const struct connection *conn)
{
    const struct exchange *ex = conn->exchange;
    enum connection_timer timer = timer_of(conn);

    return (struct connection_wish){
        .read[CLIENT] = connection_reads_client(conn),
        .read[ENGINE] = connection_reads_engine(conn),
        .shut[CLIENT] = ex && shuts_client(ex),
        .shut[ENGINE] = ex && ex->request_state == RQ_SHUT,
        .stream = conn->stream,
        .ask = connection_asks(conn),
        .request = conn->number,
        .timer = timer,
        .timer_turn = timer_turn_of(conn, timer),
        .watch = ex && awaits_engine(ex) && conn->client != CLIENT_GONE,
        .close = conn->life == LIFE_OVER,
    };
}
