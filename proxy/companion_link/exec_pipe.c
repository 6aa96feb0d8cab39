#include "proxy/companion_link/exec_pipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "proxy/companion_link/link_private.h"

/*
 * What comes is cut into pieces of standard output and error, each behind a
 * head of 8 bytes (Docker's API, "ContainerAttach").
 */

enum {
    PIECE_HEAD = 8,
    PIECE_OUTPUT = 1,
    PIECE_ERROR = 2,
    LAST_WORDS = 256,
    TURN_BYTES = 128 * 1024, /* handed out in one turn */
};

struct exec_pipe {
    struct pool *pool;
    struct pool_waiter waiter;
    struct stream *stream;
    struct http_reader *reader;
    struct strbuf request;
    bool hijacked;
    struct turn turn; /* all is done in it */
    struct exec_events events;
    /* the piece that comes */
    unsigned char head[PIECE_HEAD];
    size_t head_length;
    uint32_t piece_left;
    struct strbuf words; /* of standard error */
};

/* The callee may free P. */
static void end(struct exec_pipe *p, const char *why)
{
    AUTO(strbuf_fini) struct strbuf words = STRBUF(2 * LAST_WORDS + 2);
    struct str said = str_head(strbuf_str(&p->words), LAST_WORDS);

    while (said.len && said.ptr[said.len - 1] == '\n')
        said.len--;
    strbuf_add(&words, str_head(str_from(why), LAST_WORDS));
    if (said.len)
        strbuf_add(&words, S(": "));
    strbuf_add_visible(&words, said);
    p->events.on_end(strbuf_cstr(&words), p->events.arg);
}

/* How many of BYTES are done with: 0, they have to wait; or negative. */
static ssize_t take_part(struct exec_pipe *p, struct str bytes)
{
    size_t part = PIECE_HEAD - p->head_length;
    ssize_t taken;

    if (p->piece_left == 0) {
        part = part < bytes.len ? part : bytes.len;
        memcpy(p->head + p->head_length, bytes.ptr, part);
        p->head_length += part;
        if (p->head_length < PIECE_HEAD)
            return (ssize_t)part;
        p->head_length = 0;
        p->piece_left = wire_get(p->head + 4, 4);
        return p->head[0] == PIECE_OUTPUT || p->head[0] == PIECE_ERROR
                   ? (ssize_t)part
                   : -1;
    }
    bytes = str_head(bytes, p->piece_left);
    if (p->head[0] == PIECE_ERROR) {
        strbuf_add(&p->words, bytes); /* as far as it goes */
        taken = (ssize_t)bytes.len;
    } else {
        taken = p->events.on_output(bytes, p->events.arg);
    }
    if (taken > 0)
        p->piece_left -= (uint32_t)taken;
    return taken;
}

/* As many as belong to a turn. False: they are not what they should be. */
static bool take_pieces(struct exec_pipe *p, bool *more)
{
    size_t left = TURN_BYTES;
    ssize_t part = 1;

    for (struct str in = stream_peek(p->stream); in.len > 0 && part > 0;
         in = stream_peek(p->stream)) {
        size_t total = 0;

        *more = left == 0;
        if (*more)
            return true;
        in = str_head(in, left);
        while (part > 0 && total < in.len) {
            part = take_part(p, str_from_index(in, total));
            total += part > 0 ? (size_t)part : 0;
        }
        stream_consume(p->stream, total);
        left -= total;
    }
    return part >= 0;
}

/* Up to where the engine's HTTP ends. False: it will not. */
static bool read_head(struct exec_pipe *p)
{
    struct str in, data;
    size_t used;

    while (!p->hijacked) {
        in = stream_peek(p->stream);
        switch (http_reader_next(p->reader, in, &used, &data)) {
        case HTTP_MORE:
            stream_consume(p->stream, used);
            return true;
        case HTTP_HEAD:
            stream_consume(p->stream, used);
            break;
        case HTTP_HIJACK:
            stream_consume(p->stream, used);
            p->hijacked = true;
            break;
        case HTTP_DATA:
        case HTTP_END:
        case HTTP_ERROR:
            return false;
        }
    }
    return true;
}

static void go_on(struct exec_pipe *p)
{
    struct stream *stream = p->stream;
    bool more = false;

    if (stream->state == STREAM_OPEN && p->request.len > 0)
        strbuf_consume(&p->request,
                       stream_write(stream, strbuf_str(&p->request)));
    if (!read_head(p)) {
        end(p, "the engine does not start a session in the companion");
        return;
    }
    if (p->hijacked && !take_pieces(p, &more)) {
        end(p, "the companion does not say what it should");
        return;
    }
    if (more)
        turn_wake(&p->turn);
    else if (stream->state == STREAM_CLOSED && stream->why)
        end(p, stream->why);
    else if ((stream->state == STREAM_CLOSED || stream->eof) &&
             stream_peek(stream).len == 0)
        end(p, "the session in the companion has ended");
    else if (p->hijacked)
        p->events.on_room(p->events.arg);
}

static void on_change(struct stream *stream, void *arg)
{
    struct exec_pipe *p = arg;

    (void)stream;
    turn_wake(&p->turn);
}

static void use_stream(struct exec_pipe *p, struct stream *stream)
{
    p->stream = stream;
    stream->on_change = on_change;
    stream->arg = p;
    turn_wake(&p->turn);
}

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    struct exec_pipe *p =
        (struct exec_pipe *)((char *)waiter -
                             offsetof(struct exec_pipe, waiter));

    if (stream)
        use_stream(p, stream);
    else
        end(p, why);
}

static void on_turn(struct turn *turn)
{
    struct exec_pipe *p =
        (struct exec_pipe *)((char *)turn - offsetof(struct exec_pipe, turn));
    struct stream *stream;

    if (p->stream) {
        go_on(p);
        return;
    }
    if (p->waiter.waits)
        return;
    stream = pool_take(p->pool, &p->waiter);
    if (stream)
        use_stream(p, stream);
}

size_t exec_pipe_write(struct exec_pipe *p, struct str bytes)
{
    return p->hijacked && p->stream->state == STREAM_OPEN
               ? stream_write(p->stream, bytes)
               : 0;
}

void exec_pipe_resume(struct exec_pipe *p)
{
    turn_wake(&p->turn);
}

static void put_request(struct exec_pipe *p, const char *exec)
{
    static const char body[] = "{\"Detach\":false,\"Tty\":false}";

    strbuf_addf(&p->request,
                "POST /exec/%s/start HTTP/1.1\r\nHost: docker\r\n"
                "User-Agent: berth\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
                "%s",
                exec, sizeof(body) - 1, body);
}

struct exec_pipe *exec_pipe_new(struct turn_group *turns, struct pool *pool,
                                const char *exec,
                                const struct exec_events *events)
{
    struct exec_pipe *p = xcalloc(1, sizeof(*p));

    p->pool = pool;
    p->events = *events;
    p->waiter.on_stream = on_stream;
    p->reader = http_reader_new(HTTP_RESPONSES);
    http_reader_expect(p->reader, METHOD_POST);
    p->request.max = LIMIT_HEAD;
    p->words.max = LAST_WORDS;
    put_request(p, exec);
    turn_init(&p->turn, turns, on_turn);
    turn_wake(&p->turn);
    return p;
}

struct exec_pipe *exec_pipe_free(struct exec_pipe *p)
{
    if (!p)
        return NULL;
    pool_cancel(p->pool, &p->waiter);
    if (p->stream)
        pool_discard(p->pool, p->stream);
    http_reader_free(p->reader);
    turn_cancel(&p->turn);
    strbuf_fini(&p->request);
    strbuf_fini(&p->words);
    free(p);
    return NULL;
}

void link_make_nonce(char nonce[WIRE_NONCE + 1])
{
    unsigned char bytes[WIRE_NONCE / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        abort();
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
}
