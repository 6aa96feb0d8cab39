#include "proxy/grpc/h2_private.h"

#define LARGEST_FRAME (64 * KIB) /* that is sent, where the peer takes it */

static struct h2_stream *stream_of(nghttp2_session *ng, int32_t id)
{
    return nghttp2_session_get_stream_user_data(ng, id);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame,
                            void *arg)
{
    struct h2 *h2 = arg;

    h2_fields_clear(&h2->head);
    h2->head_is_cut = false;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        h2_must(nghttp2_session_set_stream_user_data(
            ng, frame->hd.stream_id, h2_stream_new(h2, frame->hd.stream_id)));
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *arg)
{
    struct h2 *h2 = arg;

    (void)ng;
    (void)frame;
    (void)flags;
    /* what is too much is not kept, and the stream answered at its end */
    if (h2->head_is_cut ||
        h2_fields_add(&h2->head, str_of((const char *)name, name_len),
                      str_of((const char *)value, value_len)))
        h2->head_is_cut = true;
    return 0;
}

static bool is_interim(const struct h2 *h2)
{
    struct str status;

    return h2_fields_get(&h2->head, S(":status"), &status) && status.len == 3 &&
           status.ptr[0] == '1';
}

static void take_head(struct h2 *h2, struct h2_stream *stream)
{
    if (stream->has_head) {
        h2->events->on_trailers(h2->arg, stream, &h2->head, h2->head_is_cut);
    } else if (h2->role == H2_SERVER || !is_interim(h2)) {
        stream->has_head = true;
        h2->events->on_head(h2->arg, stream, &h2->head, h2->head_is_cut);
    }
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame,
                         void *arg)
{
    struct h2 *h2 = arg;
    struct h2_stream *stream;

    if (frame->hd.type == NGHTTP2_GOAWAY) {
        h2->events->on_goaway(h2->arg);
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    stream = stream_of(ng, frame->hd.stream_id);
    if (!stream)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        take_head(h2, stream);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        stream->peer_ended = true;
        h2->events->on_end(h2->arg, stream);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t id,
                         const uint8_t *data, size_t len, void *arg)
{
    struct h2 *h2 = arg;
    struct h2_stream *stream = stream_of(ng, id);

    (void)flags;
    h2->held += len;
    h2->owed += len;
    h2_pay_owed(h2);
    if (!stream) {
        h2->held -= len;
        return 0;
    }
    stream->held += len;
    if (stream->outgoing == OUT_RESET)
        h2_stream_consume(stream, len);
    else
        h2->events->on_data(h2->arg, stream, str_of((const char *)data, len));
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code,
                           void *arg)
{
    struct h2_stream *stream = stream_of(ng, id);

    (void)arg;
    if (!stream)
        return 0;
    h2_stream_close(stream, code);
    h2_stream_free(stream);
    return 0;
}

/* A server that answered in full does not want the rest of the request. And
 * some faults of the peer's nghttp2 tells to nobody but the peer. */
static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame,
                         void *arg)
{
    struct h2 *h2 = arg;
    struct h2_stream *stream;

    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code &&
        !h2->fault)
        h2->fault = nghttp2_http2_strerror(frame->goaway.error_code);
    if (h2->role == H2_CLIENT && frame->hd.type == NGHTTP2_HEADERS) {
        stream = stream_of(ng, frame->hd.stream_id);
        if (stream)
            stream->head_len = 0;
    }
    if (h2->role != H2_SERVER ||
        (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    stream = stream_of(ng, frame->hd.stream_id);
    if (stream && !stream->peer_ended)
        h2_stream_reset(stream, H2_NO_ERROR);
    return 0;
}

/* A request that the peer did not wait for, having said GOAWAY. */
static int on_frame_not_send(nghttp2_session *ng, const nghttp2_frame *frame,
                             int error, void *arg)
{
    struct h2 *h2 = arg;
    struct h2_stream *stream;

    (void)error;
    if (h2->role != H2_CLIENT || frame->hd.type != NGHTTP2_HEADERS ||
        frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    TAILQ_FOREACH(stream, &h2->streams, link)
    if (stream->id == frame->hd.stream_id)
        break;
    if (!stream)
        return 0;
    (void)nghttp2_session_set_stream_user_data(ng, stream->id, NULL);
    h2_stream_close(stream, H2_REFUSED_STREAM);
    TAILQ_INSERT_TAIL(&h2->gone, stream, link);
    return 0;
}

static ssize_t on_frame_length(nghttp2_session *ng, uint8_t type, int32_t id,
                               int32_t connection_window, int32_t stream_window,
                               uint32_t peer_max, void *arg)
{
    (void)ng;
    (void)type;
    (void)id;
    (void)connection_window;
    (void)stream_window;
    (void)arg;
    return peer_max < LARGEST_FRAME ? (ssize_t)peer_max
                                    : (ssize_t)LARGEST_FRAME;
}

void h2_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks,
                                                            on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks,
                                                         on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
                                                              on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                           on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks,
                                                         on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks,
                                                             on_frame_not_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks,
                                                     h2_on_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(
        callbacks, on_frame_length);
}
