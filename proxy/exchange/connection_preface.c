#include "proxy/exchange/exchange_private.h"

/*
 * A client that takes HTTP/2 for granted (RFC 9113, 3.3 and 3.4), as Docker
 * Engine 29.2 serves it beside HTTP/1.1, for BuildKit's services. It gets what
 * POST /grpc leads to, without the upgrade; to an engine, of whatever version,
 * it is asked for with one. A connection is such a client's, or it is not, from
 * its first byte on.
 */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum {
    PREFACE_LEN = sizeof(preface) - 1,
    FRAME_HEAD = 9,
    FRAME_SETTINGS = 4,
    FRAME_GOAWAY = 7,
    HTTP_1_1_REQUIRED = 0xd,
};

struct str connection_preface(const struct connection *conn)
{
    return conn->protocol == PROTOCOL_HTTP2 ? str_of(preface, PREFACE_LEN)
                                            : S("");
}

bool connection_may_be_preface(const struct connection *conn)
{
    return conn->protocol == PROTOCOL_OPEN;
}

size_t connection_feed_preface(struct connection *conn, struct str part,
                               struct str *instead)
{
    size_t used = 0;

    while (used < part.len && conn->preface < PREFACE_LEN &&
           part.ptr[used] == preface[conn->preface]) {
        used++;
        conn->preface++;
    }
    *instead = S("");
    if (conn->preface == PREFACE_LEN) {
        conn->protocol = PROTOCOL_HTTP2;
        *instead = S("POST /grpc HTTP/1.1\r\nHost: docker\r\n"
                     "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    } else if (used < part.len) { /* it was the beginning of something else */
        conn->protocol = PROTOCOL_HTTP1;
        *instead = str_of(preface, conn->preface);
    }
    return used;
}

static void put_frame_head(struct strbuf *out, unsigned type, size_t len)
{
    const char head[FRAME_HEAD] = {(char)(len >> 16), (char)(len >> 8),
                                   (char)len, (char)type};

    must(strbuf_add(out, str_of(head, sizeof(head))));
}

void exchange_put_goaway(struct strbuf *out, struct str why)
{
    const char goaway[8] = {[7] = HTTP_1_1_REQUIRED}; /* and the last stream */

    why = str_head(why, LIMIT_REASON);
    put_frame_head(out, FRAME_SETTINGS, 0);
    put_frame_head(out, FRAME_GOAWAY, sizeof(goaway) + why.len);
    must(strbuf_add(out, str_of(goaway, sizeof(goaway))));
    must(strbuf_add(out, why));
}
