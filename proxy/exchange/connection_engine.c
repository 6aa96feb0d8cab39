#include "proxy/exchange/exchange_private.h"

/* ---- bytes from the engine ---- */

/* Does the reply half take bytes in this state, if there is room? */
static bool wants_engine(const struct connection *conn)
{
    const struct exchange *ex = conn->exchange;

    return ex && conn->stream == STREAM_USED && ex->request_state != RQ_TAIL &&
           (ex->reply_state == RP_AWAIT || ex->reply_state == RP_BODY ||
            ex->reply_state == RP_HIJACK);
}

bool connection_reads_engine(const struct connection *conn)
{
    if (!wants_engine(conn))
        return false;
    return conn->exchange->tunnel ? exchange_build_reads(conn->exchange, ENGINE)
                                  : connection_room(conn, CLIENT) > 0;
}

static size_t feed_hijack(struct exchange *ex, struct str part)
{
    if (ex->tunnel) {
        exchange_build_feed(ex, ENGINE, part);
        return part.len;
    }
    must(strbuf_add(&ex->conn->out[CLIENT].bytes, part));
    ex->bytes[ENGINE] += part.len;
    if (ex->frames)
        stdcopy_follow(ex->frames, part);
    return part.len;
}

/* Returns how much of PART was taken; *MORE: there may be another event. */
static size_t feed_reader(struct exchange *ex, struct str part, bool *more)
{
    struct http_reader *reader = ex->conn->reader[ENGINE];
    struct str data;
    size_t used;

    switch (http_reader_next(reader, part, &used, &data)) {
    case HTTP_MORE:
        *more = false;
        break;
    case HTTP_HEAD:
        exchange_reply_head(ex);
        break;
    case HTTP_DATA:
        exchange_reply_data(ex, data);
        break;
    case HTTP_END:
        exchange_reply_end(ex);
        break;
    case HTTP_HIJACK: /* a tunnel does not ask the reader */
    case HTTP_ERROR:
        exchange_engine_error(ex, http_reader_error(reader)->reason);
        break;
    }
    return used;
}

size_t connection_feed_engine(struct connection *conn, struct str bytes)
{
    struct str in = bytes;
    bool more = true;

    /* also without room or bytes: the end of a message needs neither */
    while (wants_engine(conn) && (more || in.len)) {
        struct exchange *ex = conn->exchange;
        struct str part =
            ex->tunnel ? in : str_head(in, connection_room(conn, CLIENT));

        more = ex->reply_state != RP_HIJACK;
        in = str_from_index(in, more ? feed_reader(ex, part, &more)
                                     : feed_hijack(ex, part));
        if (!more && part.len == 0)
            break;
    }
    return bytes.len - in.len;
}

const char *connection_engine_eof(struct connection *conn)
{
    struct exchange *ex = conn->exchange;

    if (!wants_engine(conn))
        return NULL;
    if (ex->tunnel) {
        exchange_build_eof(ex, ENGINE);
        return NULL;
    }
    if (ex->reply_state == RP_HIJACK) {
        if (request_finish(&ex->rq, S("")))
            exchange_enter_reply(ex, RP_FINISH);
        else
            exchange_finish_reply(ex);
        return NULL;
    }
    switch (http_reader_eof(conn->reader[ENGINE])) {
    case HTTP_END:
        exchange_reply_end(ex);
        return NULL;
    case HTTP_MORE:
        return "The engine closed it without an answer.";
    case HTTP_HEAD:
    case HTTP_DATA:
    case HTTP_HIJACK:
    case HTTP_ERROR:
        break;
    }
    return "The engine closed it in mid-reply.";
}
