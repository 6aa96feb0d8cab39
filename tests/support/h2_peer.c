#include "tests/support/h2_peer.h"

#include <assert.h>
#include <stdlib.h>

#define KEPT ((size_t)1 << 20)

static struct peer_stream *stream_new(struct h2_peer *peer, int32_t id)
{
    struct peer_stream *stream = xcalloc(1, sizeof(*stream));

    assert(peer->count < PEER_STREAMS);
    stream->id = id;
    stream->head.max = stream->trailers.max = (size_t)4 << 20;
    stream->data.max = KEPT;
    stream->out.max = (size_t)1 << 28;
    stream->out_trailers.max = KEPT;
    peer->streams[peer->count++] = stream;
    return stream;
}

struct peer_stream *h2_peer_stream(struct h2_peer *peer, int32_t id)
{
    for (size_t i = 0; i < peer->count; i++)
        if (peer->streams[i]->id == id)
            return peer->streams[i];
    return NULL;
}

/* The same, which has to be there. */
static struct peer_stream *known_stream(struct h2_peer *peer, int32_t id)
{
    struct peer_stream *stream = h2_peer_stream(peer, id);

    if (!stream)
        abort();
    return stream;
}

struct peer_stream *h2_peer_nth(struct h2_peer *peer, size_t n)
{
    return n < peer->count ? peer->streams[n] : NULL;
}

/* ---- what comes ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame,
                            void *arg)
{
    struct h2_peer *peer = arg;

    (void)ng;
    if (!h2_peer_stream(peer, frame->hd.stream_id))
        stream_new(peer, frame->hd.stream_id);
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *arg)
{
    struct peer_stream *stream = known_stream(arg, frame->hd.stream_id);
    struct strbuf *to = stream->has_head ? &stream->trailers : &stream->head;

    (void)ng;
    (void)flags;
    strbuf_addf(to, "%.*s: %.*s\n", (int)name_len, (const char *)name,
                (int)value_len, (const char *)value);
    return 0;
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame,
                         void *arg)
{
    struct h2_peer *peer = arg;
    struct peer_stream *stream = h2_peer_stream(peer, frame->hd.stream_id);

    (void)ng;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        peer->goaway = true;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK))
        peer->pings++;
    if (!stream)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        stream->has_head = true;
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)
        stream->ended |= (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id,
                   const uint8_t *data, size_t len, void *arg)
{
    struct h2_peer *peer = arg;
    struct peer_stream *stream = known_stream(peer, id);
    struct str part = str_of((const char *)data, len);

    (void)flags;
    strbuf_add(&stream->data, str_head(part, KEPT - stream->data.len));
    stream->data_len += len;
    if (!peer->stalled)
        nghttp2_session_consume(ng, id, len);
    return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct peer_stream *stream = h2_peer_stream(arg, id);

    (void)ng;
    if (!stream)
        return 0;
    stream->closed = true;
    stream->code = code;
    return 0;
}

/* ---- what goes ---- */

nghttp2_nv h2_peer_field(struct str name, struct str value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.ptr,
        .namelen = name.len,
        .value = (uint8_t *)(uintptr_t)value.ptr,
        .valuelen = value.len,
    };
}

static size_t read_fields(const char *text, nghttp2_nv *nv, size_t count)
{
    struct str line, rest = str_from(text);

    while (str_cut(rest, '\n', &line, &rest)) {
        /* a pseudo header begins with the sign that ends a name */
        struct str tail = str_from_index(line, 1), name, value;

        assert(count < 16);
        str_cut(tail, ':', &name, &value);
        name = str_of(line.ptr, name.len + 1);
        value = str_from_index(value, 1);
        nv[count++] = h2_peer_field(name, value);
    }
    return count;
}

static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *buf,
                       size_t length, uint32_t *flags,
                       nghttp2_data_source *source, void *arg)
{
    struct peer_stream *stream = source->ptr;
    size_t left = stream->out.len - stream->out_at;
    size_t len = left < length ? left : length;

    (void)arg;
    if (len == 0 && !stream->out_ended) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (len)
        memcpy(buf, stream->out.ptr + stream->out_at, len);
    stream->out_at += len;
    if (len < left || !stream->out_ended)
        return (ssize_t)len;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->out_trailers.len) {
        nghttp2_nv nv[16];
        size_t count = read_fields(strbuf_cstr(&stream->out_trailers), nv, 0);

        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        assert(nghttp2_submit_trailer(ng, id, nv, count) == 0);
    }
    return (ssize_t)len;
}

int32_t h2_peer_call(struct h2_peer *peer, const char *path, const char *extra)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(KEPT);
    struct peer_stream *stream = stream_new(peer, -1);
    nghttp2_data_provider provider = {.source.ptr = stream,
                                      .read_callback = on_read};
    nghttp2_nv nv[16];

    strbuf_addf(&text,
                ":method: POST\n:scheme: http\n:path: %s\n"
                ":authority: localhost\ncontent-type: application/grpc\n"
                "te: trailers\nuser-agent: grpc-go/1\n%s",
                path, extra ? extra : "");
    stream->id = nghttp2_submit_request(peer->ng, NULL, nv,
                                        read_fields(strbuf_cstr(&text), nv, 0),
                                        &provider, NULL);
    return stream->id;
}

static void resume(struct h2_peer *peer, struct peer_stream *stream)
{
    if (stream->deferred)
        nghttp2_session_resume_data(peer->ng, stream->id);
    stream->deferred = false;
}

void h2_peer_write(struct h2_peer *peer, int32_t id, struct str data, bool end)
{
    struct peer_stream *stream = known_stream(peer, id);

    assert(strbuf_add(&stream->out, data) == 0);
    stream->out_ended |= end;
    resume(peer, stream);
}

void h2_peer_message(struct h2_peer *peer, int32_t id, struct str text,
                     bool end)
{
    char head[5] = {0, (char)(text.len >> 24), (char)(text.len >> 16),
                    (char)(text.len >> 8), (char)text.len};

    h2_peer_write(peer, id, str_of(head, sizeof(head)), false);
    h2_peer_write(peer, id, text, end);
}

void h2_peer_respond(struct h2_peer *peer, int32_t id, const char *extra)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(KEPT);
    nghttp2_data_provider provider = {.source.ptr = known_stream(peer, id),
                                      .read_callback = on_read};
    nghttp2_nv nv[16];

    strbuf_addf(&text, ":status: 200\ncontent-type: application/grpc\n%s",
                extra ? extra : "");
    nghttp2_submit_response(peer->ng, id, nv,
                            read_fields(strbuf_cstr(&text), nv, 0), &provider);
}

void h2_peer_finish(struct h2_peer *peer, int32_t id, const char *trailers)
{
    struct peer_stream *stream = known_stream(peer, id);

    if (!stream->out_ended) /* no trailers after the end */
        strbuf_add(&stream->out_trailers, str_from(trailers));
    stream->out_ended = true;
    resume(peer, stream);
}

void h2_peer_refuse(struct h2_peer *peer, int32_t id, const char *trailers)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(KEPT);
    nghttp2_nv nv[16];

    strbuf_addf(&text, ":status: 200\ncontent-type: application/grpc\n%s",
                trailers);
    nghttp2_submit_response(peer->ng, id, nv,
                            read_fields(strbuf_cstr(&text), nv, 0), NULL);
}

void h2_peer_reset(struct h2_peer *peer, int32_t id, uint32_t code)
{
    nghttp2_submit_rst_stream(peer->ng, NGHTTP2_FLAG_NONE, id, code);
}

void h2_peer_unstall(struct h2_peer *peer)
{
    peer->stalled = false;
    for (size_t i = 0; i < peer->count; i++)
        nghttp2_session_consume(peer->ng, peer->streams[i]->id,
                                peer->streams[i]->data_len);
}

/* ---- bytes ---- */

void h2_peer_output(struct h2_peer *peer, struct strbuf *out)
{
    const uint8_t *bytes;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(peer->ng, &bytes)) > 0)
        assert(strbuf_add(out, str_of((const char *)bytes, (size_t)len)) == 0);
}

bool h2_peer_input(struct h2_peer *peer, struct str bytes)
{
    return nghttp2_session_mem_recv(peer->ng, (const uint8_t *)bytes.ptr,
                                    bytes.len) == (ssize_t)bytes.len;
}

struct h2_peer *h2_peer_new(bool server)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 250},
    };
    struct h2_peer *peer = xcalloc(1, sizeof(*peer));
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    peer->server = server;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, (size_t)4 << 20);
    nghttp2_option_set_max_continuations(option, 1000);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks,
                                                            on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks,
                                                         on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
                                                              on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (server)
        nghttp2_session_server_new2(&peer->ng, callbacks, peer, option);
    else
        nghttp2_session_client_new2(&peer->ng, callbacks, peer, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_submit_settings(peer->ng, NGHTTP2_FLAG_NONE, settings,
                            sizeof(settings) / sizeof(*settings));
    return peer;
}

static void stream_free(struct peer_stream *stream)
{
    strbuf_fini(&stream->head);
    strbuf_fini(&stream->trailers);
    strbuf_fini(&stream->data);
    strbuf_fini(&stream->out);
    strbuf_fini(&stream->out_trailers);
    free(stream);
}

void h2_peer_forget(struct h2_peer *peer)
{
    size_t kept = 0;

    for (size_t i = 0; i < peer->count; i++)
        if (peer->streams[i]->closed)
            stream_free(peer->streams[i]);
        else
            peer->streams[kept++] = peer->streams[i];
    peer->count = kept;
}

void h2_peer_free(struct h2_peer *peer)
{
    if (!peer)
        return;
    nghttp2_session_del(peer->ng);
    for (size_t i = 0; i < peer->count; i++)
        stream_free(peer->streams[i]);
    free(peer);
}
