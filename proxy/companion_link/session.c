#include <assert.h>
#include <stdlib.h>

#include "proxy/companion_link/link_private.h"

/*
 * An exec in the companion, not a TTY: what is sent is its standard input as it
 * is, and what comes is cut into pieces of standard output and error, each
 * behind a head of 8 bytes (Docker's API, "ContainerAttach"), which frames know
 * nothing of.
 */

enum { PIECE_HEAD = 8, PIECE_OUTPUT = 1, PIECE_ERROR = 2, LAST_WORDS = 256 };

struct link_session {
    struct event_base *base;
    struct pool *pool;
    struct pool_waiter waiter;
    struct stream *stream;
    struct http_reader *reader;
    struct strbuf request;
    bool hijacked, greeted;
    bool replaced;      /* it has said bye */
    struct event *soon; /* to begin, or to send what was put */
    struct event *beat;
    char nonce[WIRE_NONCE + 1];
    struct link_events events;
    /* the piece that comes */
    unsigned char head[PIECE_HEAD];
    size_t head_length;
    uint32_t piece_left;
    struct strbuf words; /* of standard error */
    struct bytes in;     /* the beginning of a frame */
    struct bytes out;
    struct link_conns conns;
    unsigned count, ending; /* without those that end; those */
    uint32_t last;          /* channel that the companion opened */
};

struct event_base *link_base(const struct link_session *s)
{
    return s->base;
}

void link_add(struct link_session *s, struct link_conn *conn)
{
    TAILQ_INSERT_TAIL(&s->conns, conn, link);
    s->count++;
}

void link_remove(struct link_session *s, struct link_conn *conn)
{
    TAILQ_REMOVE(&s->conns, conn, link);
    if (conn->ending)
        s->ending--;
    else
        s->count--;
}

void link_note_ending(struct link_session *s, struct link_conn *conn)
{
    struct link_conn *oldest;

    s->count--;
    /* in the order of their ends */
    TAILQ_REMOVE(&s->conns, conn, link);
    TAILQ_INSERT_TAIL(&s->conns, conn, link);
    if (s->ending++ < LINK_ENDING)
        return;
    TAILQ_FOREACH(oldest, &s->conns, link)
    {
        if (oldest->ending)
            break;
    }
    link_conn_free(oldest);
}

unsigned link_connections(const struct link_session *s)
{
    return s->count;
}

/* The callee may free S. */
static void end(struct link_session *s, const char *why)
{
    AUTO(strbuf_fini) struct strbuf words = STRBUF(2 * LAST_WORDS + 2);
    struct str said = str_head(strbuf_str(&s->words), LAST_WORDS);

    while (said.len && said.ptr[said.len - 1] == '\n')
        said.len--;
    strbuf_add(&words, str_head(str_from(why), LAST_WORDS));
    if (said.len)
        strbuf_add(&words, S(": "));
    strbuf_add_visible(&words, said);
    s->events.on_end(strbuf_cstr(&words), s->replaced, s->events.arg);
}

/* ---- to the companion ---- */

size_t link_room(const struct link_session *s)
{
    size_t left = LINK_OUT - s->out.len;

    left = left > LINK_CONTROL + WIRE_HEADER ? left - LINK_CONTROL - WIRE_HEADER
                                             : 0;
    return left < WIRE_PAYLOAD ? left : WIRE_PAYLOAD;
}

void link_flush(struct link_session *s)
{
    event_active(s->soon, 0, 0);
}

unsigned char *link_payload(struct link_session *s)
{
    char *to = bytes_reserve(&s->out, WIRE_HEADER + link_room(s));

    assert(to);
    return (unsigned char *)to + WIRE_HEADER;
}

void link_commit(struct link_session *s, enum wire_type type, uint32_t channel,
                 size_t length)
{
    char *to = bytes_reserve(&s->out, WIRE_HEADER + length);

    wire_put_head((unsigned char *)to, type, channel, length);
    bytes_commit(&s->out, WIRE_HEADER + length);
    link_flush(s);
}

bool link_put(struct link_session *s, enum wire_type type, uint32_t channel,
              const void *payload, size_t length)
{
    unsigned char head[WIRE_HEADER];

    if (LINK_OUT - s->out.len < WIRE_HEADER + length)
        return false;
    wire_put_head(head, type, channel, length);
    bytes_add(&s->out, str_of((const char *)head, sizeof(head)));
    if (length)
        bytes_add(&s->out, str_of(payload, length));
    link_flush(s);
    return true;
}

void link_refuse(struct link_session *s, uint32_t channel)
{
    link_put(s, WIRE_CLOSE, channel, NULL, 0);
}

static void send_out(struct link_session *s)
{
    struct link_conn *conn, *next;

    if (!s->hijacked || s->stream->state != STREAM_OPEN)
        return;
    while (s->out.len > 0) {
        size_t taken = stream_write(s->stream, bytes_str(&s->out));

        if (taken == 0)
            break;
        bytes_consume(&s->out, taken);
    }
    bytes_trim(&s->out);
    if (s->out.len > LINK_OUT / 2)
        return;
    for (conn = TAILQ_FIRST(&s->conns); conn; conn = next) {
        next = TAILQ_NEXT(conn, link);
        link_conn_resume(conn);
    }
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    struct link_session *s = arg;

    (void)fd;
    (void)what;
    if (s->greeted)
        link_put(s, WIRE_BEAT, 0, NULL, 0);
}

/* ---- from the companion ---- */

static struct link_conn *find_conn(struct link_session *s, uint32_t channel)
{
    struct link_conn *conn;

    TAILQ_FOREACH(conn, &s->conns, link)
    {
        if (conn->channel == channel)
            return conn;
    }
    return NULL;
}

static bool take_hello(struct link_session *s, const struct wire_frame *frame)
{
    if (s->greeted || wire_get(frame->payload, 2) != WIRE_VERSION ||
        memcmp(frame->payload + 2, s->nonce, WIRE_NONCE) != 0)
        return false;
    s->greeted = true;
    s->events.on_ready(s->events.arg);
    return true;
}

static bool take_open(struct link_session *s, const struct wire_frame *frame)
{
    unsigned number;

    if (!wire_may_open(s->last, frame->channel, false) || frame->length != 3 ||
        frame->payload[0] != WIRE_SOCKET || s->count >= WIRE_CHANNELS)
        return false;
    number = wire_get(frame->payload + 1, 2);
    if (number >= WIRE_SOCKETS)
        return false;
    s->last = frame->channel;
    s->events.on_open(frame->channel, number, s->events.arg);
    return true;
}

static bool take_frame(struct link_session *s, const struct wire_frame *frame)
{
    struct link_conn *conn;

    if (frame->type == WIRE_HELLO)
        return take_hello(s, frame);
    if (!s->greeted || frame->type == WIRE_BEAT)
        return false;
    if (frame->type == WIRE_BYE) {
        s->replaced = true;
        return true;
    }
    if (frame->type == WIRE_OPEN)
        return take_open(s, frame);
    conn = find_conn(s, frame->channel);
    if (conn)
        return link_conn_take(conn, frame);
    /* it has ended here, and the companion did not know */
    return frame->channel % 2 == 0 && frame->channel <= s->last;
}

/* False: what came is no frame, or one that must not be. */
static bool take_output(struct link_session *s, struct str bytes)
{
    bool good = true;

    while (good && bytes.len > 0) {
        size_t part = LINK_FRAME - s->in.len, used, total = 0;
        enum wire_result result = WIRE_WHOLE;
        struct wire_frame frame;
        struct str have;

        part = part < bytes.len ? part : bytes.len;
        bytes_add(&s->in, str_head(bytes, part));
        bytes = str_from_index(bytes, part);
        have = bytes_str(&s->in);
        while (good && result == WIRE_WHOLE) {
            result = wire_read((const unsigned char *)have.ptr + total,
                               have.len - total, &frame, &used);
            if (result == WIRE_WHOLE) {
                good = take_frame(s, &frame);
                total += used;
            }
        }
        bytes_consume(&s->in, total);
        good = good && result != WIRE_BROKEN;
    }
    return good;
}

/* One part of a piece, or of its head. How much of BYTES it was; 0: it is none.
 */
static size_t take_part(struct link_session *s, struct str bytes)
{
    size_t part;

    if (s->piece_left == 0) {
        part = PIECE_HEAD - s->head_length;
        part = part < bytes.len ? part : bytes.len;
        memcpy(s->head + s->head_length, bytes.ptr, part);
        s->head_length += part;
        if (s->head_length < PIECE_HEAD)
            return part;
        s->head_length = 0;
        s->piece_left = wire_get(s->head + 4, 4);
        return s->head[0] == PIECE_OUTPUT || s->head[0] == PIECE_ERROR ? part
                                                                       : 0;
    }
    part = s->piece_left < bytes.len ? s->piece_left : bytes.len;
    s->piece_left -= (uint32_t)part;
    if (s->head[0] == PIECE_ERROR)
        strbuf_add(&s->words, str_head(bytes, part)); /* as far as it goes */
    else if (!take_output(s, str_head(bytes, part)))
        return 0;
    return part;
}

static bool take_pieces(struct link_session *s)
{
    struct str in = stream_peek(s->stream);

    while (in.len > 0) {
        size_t total = 0, part = 1;

        while (part && total < in.len) {
            part = take_part(s, str_from_index(in, total));
            total += part;
        }
        if (!part)
            return false;
        stream_consume(s->stream, total);
        in = stream_peek(s->stream);
    }
    return true;
}

/* ---- the exec ---- */

/* Up to where the engine's HTTP ends. False: it will not. */
static bool read_head(struct link_session *s)
{
    struct str in, data;
    size_t used;

    while (!s->hijacked) {
        in = stream_peek(s->stream);
        switch (http_reader_next(s->reader, in, &used, &data)) {
        case HTTP_MORE:
            stream_consume(s->stream, used);
            return true;
        case HTTP_HEAD:
            stream_consume(s->stream, used);
            break;
        case HTTP_HIJACK:
            stream_consume(s->stream, used);
            s->hijacked = true;
            break;
        case HTTP_DATA:
        case HTTP_END:
        case HTTP_ERROR:
            return false;
        }
    }
    return true;
}

static void on_change(struct stream *stream, void *arg)
{
    struct link_session *s = arg;

    if (stream->state == STREAM_OPEN && s->request.len > 0)
        strbuf_consume(&s->request,
                       stream_write(stream, strbuf_str(&s->request)));
    if (!read_head(s)) {
        end(s, "the engine does not start a session in the companion");
        return;
    }
    if (s->hijacked && !take_pieces(s)) {
        end(s, "the companion does not say what it should");
        return;
    }
    if (stream->state == STREAM_CLOSED && stream->why)
        end(s, stream->why);
    else if (stream->state == STREAM_CLOSED || stream->eof)
        end(s, "the session in the companion has ended");
    else
        send_out(s);
}

static void use_stream(struct link_session *s, struct stream *stream)
{
    s->stream = stream;
    stream->on_change = on_change;
    stream->arg = s;
    on_change(stream, s);
}

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    struct link_session *s =
        (struct link_session *)((char *)waiter -
                                offsetof(struct link_session, waiter));

    if (stream)
        use_stream(s, stream);
    else
        end(s, why);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct link_session *s = arg;
    struct stream *stream;

    (void)fd;
    (void)what;
    if (s->stream) {
        send_out(s);
        return;
    }
    if (s->waiter.waits)
        return;
    stream = pool_take(s->pool, &s->waiter);
    if (stream)
        use_stream(s, stream);
}

static void put_request(struct link_session *s, const char *exec)
{
    static const char body[] = "{\"Detach\":false,\"Tty\":false}";

    strbuf_addf(&s->request,
                "POST /exec/%s/start HTTP/1.1\r\nHost: docker\r\n"
                "User-Agent: berth\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
                "%s",
                exec, sizeof(body) - 1, body);
}

struct link_session *link_session_new(struct event_base *base,
                                      struct pool *pool, const char *exec,
                                      const char *nonce,
                                      const struct link_events *events)
{
    struct link_session *s = xcalloc(1, sizeof(*s));

    s->base = base;
    s->pool = pool;
    s->events = *events;
    s->waiter.on_stream = on_stream;
    s->reader = http_reader_new(HTTP_RESPONSES);
    http_reader_expect(s->reader, METHOD_POST);
    s->request.max = LIMIT_HEAD;
    s->words.max = LAST_WORDS;
    s->in.max = LINK_FRAME;
    s->out.max = LINK_OUT;
    TAILQ_INIT(&s->conns);
    memcpy(s->nonce, nonce, WIRE_NONCE);
    put_request(s, exec);
    s->soon = event_new(base, -1, 0, on_soon, s);
    s->beat = event_new(base, -1, EV_PERSIST, on_beat, s);
    event_add(s->beat, &(struct timeval){LINK_BEAT_S, 0});
    event_active(s->soon, 0, 0);
    return s;
}

struct link_session *link_session_free(struct link_session *s)
{
    if (!s)
        return NULL;
    while (!TAILQ_EMPTY(&s->conns))
        link_conn_free(TAILQ_FIRST(&s->conns));
    pool_cancel(s->pool, &s->waiter);
    if (s->stream)
        pool_discard(s->pool, s->stream);
    http_reader_free(s->reader);
    event_free(s->soon);
    event_free(s->beat);
    strbuf_fini(&s->request);
    strbuf_fini(&s->words);
    bytes_fini(&s->in);
    bytes_fini(&s->out);
    free(s);
    return NULL;
}
