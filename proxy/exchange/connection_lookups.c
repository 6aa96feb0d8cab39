#include "proxy/exchange/exchange_private.h"

/* ---- what berth itself asks ---- */

const struct lookups *connection_lookups(const struct connection *conn)
{
    static const struct lookups none;

    return conn->exchange ? &conn->exchange->rq.lookups : &none;
}

const struct lookup *connection_next_lookup(const struct connection *conn,
                                            size_t *index)
{
    const struct lookups *set = connection_lookups(conn);
    /* who gives up a stream gives up what is asked, too: that goes first */
    bool gives_up =
        conn->stream == STREAM_REUSABLE || conn->stream == STREAM_SPENT;

    *index =
        connection_asks(conn) && !gives_up ? lookups_next(set) : set->count;
    return *index < set->count ? &set->items[*index] : NULL;
}

bool connection_awaits_lookup(const struct connection *conn, size_t index)
{
    const struct lookups *set = connection_lookups(conn);

    return connection_asks(conn) && index < set->count &&
           set->items[index].state == LOOKUP_SENT;
}

void connection_lookup_sent(struct connection *conn, size_t index)
{
    struct lookup *lookup = &conn->exchange->rq.lookups.items[index];

    assert(connection_asks(conn) && lookup->state == LOOKUP_OPEN);
    lookup->state = LOOKUP_SENT;
}

/* All of the engine's reply has come, and what followed is done: to the next
 * request that the client's is made of, or to the end of its reply. */
static void go_on(struct exchange *ex)
{
    if (ex->conn->client == CLIENT_GONE || ex->given_up.state != GIVEN_UP_NOT ||
        !request_goes_on(&ex->rq, ex->policy)) {
        exchange_finish_reply(ex);
        return;
    }
    ex->goes_on = true;
    ex->retried = false;
    ex->conn->answers++; /* the timer begins anew */
    exchange_leave_stream(ex);
    exchange_let_go(ex);
    exchange_enter_reply(ex, RP_NONE);
    exchange_settle(ex);
}

/* What its request asked is answered. */
static void on_answered(struct exchange *ex, size_t index, int status,
                        json_t *reply)
{
    request_answered(&ex->rq, ex->policy, index, status, json_incref(reply));
    if (ex->request_state == RQ_ASK)
        exchange_settle(ex);
    else if (ex->request_state == RQ_TAIL)
        exchange_upload_answered(ex);
    else if (!request_asks(&ex->rq) && ex->reply_state == RP_FINISH)
        go_on(ex);
    else if (!request_asks(&ex->rq) && ex->reply_state == RP_LINE)
        exchange_lines_go_on(ex);
    else if (!request_asks(&ex->rq))
        exchange_reply_goes_on(ex);
}

void connection_answered(struct connection *conn, size_t index, int status,
                         json_t *reply)
{
    struct exchange *ex = conn->exchange;

    assert(connection_asks(conn));
    conn->answers++;
    if (ex->tunnel) {
        exchange_build_answered(ex, status, reply);
        return;
    }
    if (ex->given_up.state == GIVEN_UP_AWAITS) {
        lookups_answer(&ex->rq.lookups, index, status, json_incref(reply));
        exchange_give_up_if_known(ex);
        return;
    }
    on_answered(ex, index, status, reply);
    connection_look_again(conn);
}

void connection_ask_failed(struct connection *conn, const char *why,
                           unsigned retry_after)
{
    struct exchange *ex = conn->exchange;

    assert(connection_asks(conn));
    if (ex->request_state == RQ_ASK) {
        exchange_abandon(ex, why, retry_after);
        exchange_give_up(ex);
        connection_look_again(conn);
        return;
    }
    /* the reply is there all the same */
    for (size_t i = 0;
         connection_asks(conn) && i < connection_lookups(conn)->count; i++) {
        if (connection_lookups(conn)->items[i].state != LOOKUP_ANSWERED)
            connection_answered(conn, i, 0, NULL);
    }
}

void connection_lookup_failed(struct connection *conn, size_t index,
                              const char *why, unsigned retry_after)
{
    struct exchange *ex = conn->exchange;

    assert(connection_asks(conn));
    if (ex->request_state == RQ_ASK && ex->given_up.state != GIVEN_UP_UNDOES)
        exchange_abandon(ex, why, retry_after);
    connection_answered(conn, index, 0, NULL);
    connection_look_again(conn);
}

/* ---- turns ---- */

void connection_turn(struct connection *conn)
{
    struct exchange *ex = conn->exchange;

    if (!ex || !exchange_waits(ex))
        return;
    request_turn(&ex->rq, ex->policy);
    exchange_settle(ex);
    connection_look_again(conn);
}

void connection_turn_is_late(struct connection *conn)
{
    struct exchange *ex = conn->exchange;

    request_turn_is_late(&ex->rq, ex->policy);
    exchange_settle(ex);
    connection_look_again(conn);
}
