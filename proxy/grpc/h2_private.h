#pragma once

/*
 * The inside of an HTTP/2 connection, shared by h2.c (its life and its bytes),
 * h2_events.c (what nghttp2 tells) and h2_stream.c (its streams and what they
 * send). Nobody else includes this.
 */

#include <assert.h>
#include <sys/queue.h>

#include <nghttp2/nghttp2.h>

#include "policy/base/limits.h"
#include "proxy/base/bytes.h"
#include "proxy/grpc/h2.h"

enum outgoing {
    OUT_NOTHING, /* no head was sent */
    OUT_OPEN,    /* data may follow */
    OUT_ENDED,   /* the end is behind what is pending */
    OUT_RESET,   /* nothing is sent any more */
};

struct h2_stream {
    TAILQ_ENTRY(h2_stream) link;
    struct h2 *h2;
    int32_t id;
    void *arg;
    bool has_head;   /* the peer's; what follows are trailers */
    bool peer_ended; /* nothing more comes */
    size_t held;     /* bytes that came and were not consumed */
    enum outgoing outgoing;
    bool deferred; /* nghttp2 waits to be told that there is data */
    struct bytes out;
    size_t head_len; /* of the request, which nghttp2 has until it is sent */
    struct h2_fields trailers;
};

struct h2 {
    enum h2_role role;
    nghttp2_session *ng;
    const struct h2_events *events;
    void *arg;
    TAILQ_HEAD(stream_list, h2_stream) streams;
    struct stream_list gone; /* closed by us; nghttp2 still points to them */
    size_t count;
    struct h2_fields head; /* that comes */
    bool head_is_cut;
    size_t held, owed; /* bytes: of all streams; not given back to the window
                          of the connection */
    bool failed;
    const char *fault;
    bool away;           /* the peer was told that no more streams are taken */
    struct strbuf *sink; /* while it is pulled */
    size_t sink_end;
};

/* h2_fault.c */
_Noreturn void h2_out_of_memory(void);
/* What can only fail for want of memory. */
void h2_must(int r);
void h2_fail(struct h2 *h2, const char *why);

/* h2_events.c */
void h2_set_callbacks(nghttp2_session_callbacks *callbacks);

/* h2_stream.c */
struct h2_stream *h2_stream_new(struct h2 *h2, int32_t id);
/* It is over, and whoever uses it hears so; it is in no list any more. */
void h2_stream_close(struct h2_stream *stream, uint32_t code);
void h2_stream_free(struct h2_stream *stream);
/* Give back of the connection's window what may be. */
void h2_pay_owed(struct h2 *h2);
/* nghttp2 takes data of a stream: how much there is, and then the bytes. */
ssize_t h2_on_read_data(nghttp2_session *ng, int32_t id, uint8_t *buf,
                        size_t length, uint32_t *flags,
                        nghttp2_data_source *source, void *arg);
int h2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame,
                    const uint8_t *head, size_t len,
                    nghttp2_data_source *source, void *arg);
