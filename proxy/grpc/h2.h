#pragma once

/*
 * One HTTP/2 connection (RFC 9113) in memory, as client or as server: bytes in,
 * events and bytes out. It never sees a socket. nghttp2 does the framing, HPACK
 * and the state of streams; nobody else includes it.
 *
 * Flow control is the back-pressure: what came on a stream is held against its
 * window until h2_stream_consume() says that it went on. The connection's
 * window is given back at once, so that a slow stream does not hold up the
 * others, unless all streams together hold LIMIT_GRPC_HELD.
 *
 * The peer is bounded by what SETTINGS say and nghttp2 enforces (streams at a
 * time, CONTINUATION frames, resets a second, SETTINGS and PINGs not yet
 * answered), and by LIMIT_GRPC_HEAD and LIMIT_GRPC_FIELDS.
 */

#include "proxy/grpc/h2_fields.h"

#include <stdbool.h>

enum h2_role {
    H2_SERVER, /* the peer sends requests */
    H2_CLIENT, /* the peer answers them */
};

/* RFC 9113, 7; those that are used by name. */
enum h2_code {
    H2_NO_ERROR = 0,
    H2_PROTOCOL_ERROR = 1,
    H2_INTERNAL_ERROR = 2,
    H2_REFUSED_STREAM = 7,
    H2_CANCEL = 8,
    H2_ENHANCE_YOUR_CALM = 11,
};

struct h2;
struct h2_stream;

/*
 * What happened. ARG is h2_new's; h2_stream_arg() is the stream's own. They may
 * call any function below on any connection, but not feed, pull, eof or free
 * the one that tells.
 */
struct h2_events {
    /* A request's head (at a server; the stream is new), or the final one of a
     * response. CUT: there was more than fits the limits. */
    void (*on_head)(void *arg, struct h2_stream *stream,
                    const struct h2_fields *head, bool cut);
    /* Fields behind the data. */
    void (*on_trailers)(void *arg, struct h2_stream *stream,
                        const struct h2_fields *trailers, bool cut);
    void (*on_data)(void *arg, struct h2_stream *stream, struct str data);
    /* The peer's half of the stream is over. */
    void (*on_end)(void *arg, struct h2_stream *stream);
    /* LEN bytes of what was written have left. */
    void (*on_sent)(void *arg, struct h2_stream *stream, size_t len);
    /* It is over, with CODE (H2_NO_ERROR: in order); the stream is freed. */
    void (*on_close)(void *arg, struct h2_stream *stream, uint32_t code);
    /* The peer wants no more streams. */
    void (*on_goaway)(void *arg);
};

struct h2_windows {
    uint32_t stream, connection; /* bytes that the peer may send unconsumed */
};

struct h2 *h2_new(enum h2_role role, const struct h2_windows *windows,
                  const struct h2_events *events, void *arg);
/* Always NULL. Its streams are freed, and nothing is told. */
struct h2 *h2_free(struct h2 *h2);

/*
 * Bytes from the peer; all are taken. False when they are not HTTP/2 that is
 * understood: what h2_pull() gives then is the last, h2_fault() says why.
 */
bool h2_feed(struct h2 *h2, struct str bytes);
const char *h2_fault(const struct h2 *h2);

/* Is nothing more to be read or sent, whoever ended it? */
bool h2_is_over(const struct h2 *h2);

/* The peer is gone: all streams are closed (H2_CANCEL), each is told. */
void h2_eof(struct h2 *h2);

/* Append to OUT what is to be sent, until OUT holds ROOM more bytes or a frame
 * beyond. OUT's maximum must leave 128 KiB behind that. */
void h2_pull(struct h2 *h2, struct strbuf *out, size_t room);
/* Would h2_pull() give something? */
bool h2_has_output(const struct h2 *h2);
/* Does so much wait to be sent that the peer is not to be read? It then does
 * not read what it made us answer. */
bool h2_is_backed_up(const struct h2 *h2);

/* No more streams from the peer; those that run may end. It is told once. */
void h2_go_away(struct h2 *h2);
/* End the connection behind what was sent. */
void h2_terminate(struct h2 *h2, enum h2_code code);

size_t h2_stream_count(const struct h2 *h2);

/* ---- streams ---- */

/*
 * Client: a new stream with this request; its data follow. NULL: the peer takes
 * no more streams on this connection.
 */
struct h2_stream *h2_request(struct h2 *h2, const struct h2_fields *head);
/* Server: the head of the response. END: there is nothing but this. */
void h2_stream_respond(struct h2_stream *stream, const struct h2_fields *head,
                       bool end);

/* Queue DATA behind what was written. Whoever writes looks at
 * h2_stream_pending() and stops in time. */
void h2_stream_write(struct h2_stream *stream, struct str data);
/* Bytes that all streams have to send, and of heads that come or go. */
size_t h2_memory(const struct h2 *h2);
size_t h2_stream_pending(const struct h2_stream *stream);

/* Behind all that was written: the end; TRAILERS may be NULL. */
void h2_stream_end(struct h2_stream *stream, const struct h2_fields *trailers);
bool h2_stream_is_ended(const struct h2_stream *stream);

/* Tell the peer that the stream is over. What is pending is dropped. on_close
 * follows later. */
void h2_stream_reset(struct h2_stream *stream, uint32_t code);

/* LEN bytes of what on_data gave have gone on. */
void h2_stream_consume(struct h2_stream *stream, size_t len);

void h2_stream_set_arg(struct h2_stream *stream, void *arg);
void *h2_stream_arg(const struct h2_stream *stream);
