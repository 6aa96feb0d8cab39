#include "proxy/exchange/exchange_private.h"

/* What waits to be sent to either side. */

size_t connection_pending(const struct connection *conn, enum side side)
{
    return conn->out[side].bytes.len - conn->out[side].sent;
}

size_t connection_room(const struct connection *conn, enum side side)
{
    size_t used = conn->out[side].bytes.len;

    return used < LIMIT_OUT ? LIMIT_OUT - used : 0;
}

struct str connection_output(const struct connection *conn, enum side side)
{
    if (side == CLIENT && conn->client == CLIENT_GONE)
        return S("");
    return str_from_index(strbuf_str(&conn->out[side].bytes),
                          conn->out[side].sent);
}

void connection_forget_output(struct connection *conn, enum side side)
{
    strbuf_fini(&conn->out[side].bytes);
    conn->out[side].sent = 0;
}
