#include "proxy/exchange/exchange_private.h"

/* ---- the time of a wish is over ---- */

static void on_slow_request(struct connection *conn)
{
    struct exchange *ex =
        conn->exchange ? conn->exchange : exchange_begin(conn);

    exchange_request_fails(ex, 408,
                           "the rest of the request did not come in time",
                           AUDIT_CLOSE_CLIENT_SLOW);
    if (conn->exchange) /* nor is it waited for */
        exchange_cut(conn->exchange, AUDIT_CLOSE_CLIENT_SLOW);
}

static void on_pause_over(struct connection *conn)
{
    exchange_enter(conn->exchange, RQ_READY);
    if (conn->stream == STREAM_NONE)
        conn->stream = STREAM_WANTED;
}

void connection_timeout(struct connection *conn)
{
    switch (connection_wish(conn).timer) {
    case TIMER_HEAD:
    case TIMER_BODY:
        on_slow_request(conn);
        break;
    case TIMER_DRAIN:
        exchange_cut(conn->exchange, AUDIT_CLOSE_CLIENT_GONE);
        break;
    case TIMER_LINK:
        if (connection_asks(conn))
            connection_ask_failed(conn, NULL, 0);
        else
            connection_stream_failed(conn, NULL, 0, true);
        break;
    case TIMER_TURN:
        connection_turn_is_late(conn);
        break;
    case TIMER_PAUSE:
        on_pause_over(conn);
        break;
    case TIMER_IDLE:
        conn->life = LIFE_OVER;
        break;
    case TIMER_FLUSH:
        connection_client_gone(conn);
        break;
    case TIMER_NONE:
        break;
    }
}
