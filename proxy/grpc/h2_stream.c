#include "proxy/grpc/h2_private.h"

#include <stdlib.h>

#define FRAME_HEAD 9

/* ---- life ---- */

struct h2_stream *h2_stream_new(struct h2 *h2, int32_t id)
{
    struct h2_stream *stream = xcalloc(1, sizeof(*stream));

    stream->h2 = h2;
    stream->id = id;
    stream->out.max = LIMIT_GRPC_PENDING + 2 * LIMIT_GRPC_MESSAGE;
    stream->trailers =
        (struct h2_fields)H2_FIELDS(LIMIT_GRPC_HEAD, LIMIT_GRPC_FIELDS);
    TAILQ_INSERT_TAIL(&h2->streams, stream, link);
    h2->count++;
    return stream;
}

void h2_stream_free(struct h2_stream *stream)
{
    bytes_fini(&stream->out);
    h2_fields_fini(&stream->trailers);
    free(stream);
}

void h2_pay_owed(struct h2 *h2)
{
    if (!h2->owed || h2->held > LIMIT_GRPC_HELD)
        return;
    if (nghttp2_session_consume_connection(h2->ng, h2->owed))
        h2_fail(h2, "its window cannot be given back");
    h2->owed = 0;
}

void h2_stream_close(struct h2_stream *stream, uint32_t code)
{
    struct h2 *h2 = stream->h2;

    TAILQ_REMOVE(&h2->streams, stream, link);
    h2->count--;
    h2->held -= stream->held;
    stream->held = 0;
    stream->outgoing = OUT_RESET;
    h2_pay_owed(h2);
    h2->events->on_close(h2->arg, stream, code);
}

/* ---- data on their way out ---- */

static nghttp2_nv *fields_nv(const struct h2_fields *fields)
{
    nghttp2_nv *nv = xcalloc(fields->count + 1, sizeof(*nv));

    for (size_t i = 0; i < fields->count; i++) {
        struct h2_field field = h2_fields_at(fields, i);

        nv[i] = (nghttp2_nv){
            .name = (uint8_t *)(uintptr_t)field.name.ptr,
            .namelen = field.name.len,
            .value = (uint8_t *)(uintptr_t)field.value.ptr,
            .valuelen = field.value.len,
        };
    }
    return nv;
}

static void submit_trailers(struct h2_stream *stream)
{
    nghttp2_nv *nv = fields_nv(&stream->trailers);
    int r = nghttp2_submit_trailer(stream->h2->ng, stream->id, nv,
                                   stream->trailers.count);

    free(nv);
    h2_must(r);
}

ssize_t h2_on_read_data(nghttp2_session *ng, int32_t id, uint8_t *buf,
                        size_t length, uint32_t *flags,
                        nghttp2_data_source *source, void *arg)
{
    struct h2_stream *stream = source->ptr;
    size_t len = stream->out.len < length ? stream->out.len : length;

    (void)ng;
    (void)id;
    (void)buf;
    (void)arg;
    if (len == 0 && stream->outgoing != OUT_ENDED) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (len == stream->out.len && stream->outgoing == OUT_ENDED) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->trailers.count) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(stream);
        }
    }
    return (ssize_t)len;
}

int h2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame,
                    const uint8_t *head, size_t len,
                    nghttp2_data_source *source, void *arg)
{
    struct h2 *h2 = arg;
    struct h2_stream *stream = source->ptr;
    struct str data = str_head(bytes_str(&stream->out), len);

    (void)ng;
    (void)frame;
    if (strbuf_add(h2->sink, str_of((const char *)head, FRAME_HEAD)) ||
        strbuf_add(h2->sink, data))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    bytes_consume(&stream->out, len);
    bytes_trim(&stream->out);
    if (len)
        h2->events->on_sent(h2->arg, stream, len);
    return h2->sink->len >= h2->sink_end ? NGHTTP2_ERR_PAUSE : 0;
}

/* ---- what is done with streams ---- */

struct h2_stream *h2_request(struct h2 *h2, const struct h2_fields *head)
{
    nghttp2_data_provider provider = {.read_callback = h2_on_read_data};
    struct h2_stream *stream;
    nghttp2_nv *nv;
    int32_t id;

    if (h2->failed || !nghttp2_session_check_request_allowed(h2->ng))
        return NULL;
    stream = h2_stream_new(h2, -1);
    provider.source.ptr = stream;
    nv = fields_nv(head);
    id = nghttp2_submit_request(h2->ng, NULL, nv, head->count, &provider,
                                stream);
    free(nv);
    if (id == NGHTTP2_ERR_NOMEM)
        h2_out_of_memory();
    assert(id > 0);
    stream->id = id;
    stream->head_len = head->text.len;
    stream->outgoing = OUT_OPEN;
    return stream;
}

void h2_stream_respond(struct h2_stream *stream, const struct h2_fields *head,
                       bool end)
{
    nghttp2_data_provider provider = {
        .source.ptr = stream,
        .read_callback = h2_on_read_data,
    };
    nghttp2_nv *nv;
    int r;

    if (stream->outgoing == OUT_RESET)
        return;
    assert(stream->outgoing == OUT_NOTHING);
    nv = fields_nv(head);
    r = nghttp2_submit_response(stream->h2->ng, stream->id, nv, head->count,
                                end ? NULL : &provider);
    free(nv);
    h2_must(r);
    stream->outgoing = end ? OUT_ENDED : OUT_OPEN;
}

/* There is something to send now. */
static void resume(struct h2_stream *stream)
{
    if (!stream->deferred)
        return;
    stream->deferred = false;
    /* the stream may have been closed in nghttp2: then on_close follows */
    if (nghttp2_session_resume_data(stream->h2->ng, stream->id) ==
        NGHTTP2_ERR_NOMEM)
        h2_out_of_memory();
}

void h2_stream_write(struct h2_stream *stream, struct str data)
{
    if (stream->outgoing == OUT_RESET)
        return;
    assert(stream->outgoing == OUT_OPEN);
    if (bytes_add(&stream->out, data))
        h2_stream_reset(stream, H2_INTERNAL_ERROR);
    else if (data.len)
        resume(stream);
}

size_t h2_memory(const struct h2 *h2)
{
    const struct h2_stream *stream;
    size_t sum = h2_fields_memory(&h2->head);

    TAILQ_FOREACH(stream, &h2->streams, link)
    sum += stream->out.len + stream->head_len;
    return sum;
}

size_t h2_stream_pending(const struct h2_stream *stream)
{
    return stream->out.len;
}

void h2_stream_end(struct h2_stream *stream, const struct h2_fields *trailers)
{
    if (stream->outgoing == OUT_RESET || stream->outgoing == OUT_ENDED)
        return;
    assert(stream->outgoing == OUT_OPEN);
    stream->outgoing = OUT_ENDED;
    for (size_t i = 0; trailers && i < trailers->count; i++) {
        struct h2_field field = h2_fields_at(trailers, i);

        (void)h2_fields_add(&stream->trailers, field.name, field.value);
    }
    resume(stream);
}

bool h2_stream_is_ended(const struct h2_stream *stream)
{
    return stream->outgoing == OUT_ENDED || stream->outgoing == OUT_RESET;
}

void h2_stream_reset(struct h2_stream *stream, uint32_t code)
{
    if (stream->outgoing == OUT_RESET)
        return;
    stream->outgoing = OUT_RESET;
    bytes_fini(&stream->out);
    h2_must(nghttp2_submit_rst_stream(stream->h2->ng, NGHTTP2_FLAG_NONE,
                                      stream->id, code));
}

void h2_stream_consume(struct h2_stream *stream, size_t len)
{
    struct h2 *h2 = stream->h2;

    assert(len <= stream->held);
    stream->held -= len;
    h2->held -= len;
    h2_pay_owed(h2);
    if (nghttp2_session_consume_stream(h2->ng, stream->id, len) ==
        NGHTTP2_ERR_NOMEM)
        h2_out_of_memory();
}

void h2_stream_set_arg(struct h2_stream *stream, void *arg)
{
    stream->arg = arg;
}

void *h2_stream_arg(const struct h2_stream *stream)
{
    return stream->arg;
}
