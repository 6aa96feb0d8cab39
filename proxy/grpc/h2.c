#include "proxy/grpc/h2_private.h"

#include <stdio.h>
#include <stdlib.h>

#define FRAME_TO_TAKE (256 * KIB) /* that is received */

/* ---- life ---- */

static void make_session(struct h2 *h2)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    h2_must(nghttp2_session_callbacks_new(&callbacks));
    h2_must(nghttp2_option_new(&option));
    h2_set_callbacks(callbacks);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_send_header_block_length(option,
                                                    2 * LIMIT_GRPC_HEAD);
    nghttp2_option_set_max_continuations(option, LIMIT_GRPC_CONTINUATIONS);
    nghttp2_option_set_max_outbound_ack(option, LIMIT_GRPC_ACKS);
    nghttp2_option_set_stream_reset_rate_limit(option, LIMIT_GRPC_RESETS,
                                               LIMIT_GRPC_RESET_RATE);
    h2_must(h2->role == H2_SERVER
                ? nghttp2_session_server_new2(&h2->ng, callbacks, h2, option)
                : nghttp2_session_client_new2(&h2->ng, callbacks, h2, option));
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
}

static void send_settings(struct h2 *h2, const struct h2_windows *windows)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,    windows->stream   },
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE,         FRAME_TO_TAKE     },
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,   LIMIT_GRPC_HEAD   },
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, LIMIT_GRPC_STREAMS},
        {NGHTTP2_SETTINGS_ENABLE_PUSH,            0                 },
    };
    size_t count = sizeof(settings) / sizeof(*settings);

    if (h2->role == H2_SERVER)
        count--; /* a client's only */
    h2_must(
        nghttp2_submit_settings(h2->ng, NGHTTP2_FLAG_NONE, settings, count));
    h2_must(nghttp2_session_set_local_window_size(
        h2->ng, NGHTTP2_FLAG_NONE, 0, (int32_t)windows->connection));
}

struct h2 *h2_new(enum h2_role role, const struct h2_windows *windows,
                  const struct h2_events *events, void *arg)
{
    struct h2 *h2 = xcalloc(1, sizeof(*h2));

    h2->role = role;
    h2->events = events;
    h2->arg = arg;
    h2->head = (struct h2_fields)H2_FIELDS(LIMIT_GRPC_HEAD, LIMIT_GRPC_FIELDS);
    TAILQ_INIT(&h2->streams);
    TAILQ_INIT(&h2->gone);
    make_session(h2);
    send_settings(h2, windows);
    return h2;
}

static void list_free(struct stream_list *list)
{
    struct h2_stream *stream;

    while ((stream = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, stream, link);
        h2_stream_free(stream);
    }
}

struct h2 *h2_free(struct h2 *h2)
{
    if (!h2)
        return NULL;
    nghttp2_session_del(h2->ng);
    list_free(&h2->streams);
    list_free(&h2->gone);
    h2_fields_fini(&h2->head);
    free(h2);
    return NULL;
}

/* ---- bytes ---- */

bool h2_feed(struct h2 *h2, struct str bytes)
{
    ssize_t r;

    if (h2->failed)
        return false;
    r = nghttp2_session_mem_recv(h2->ng, (const uint8_t *)bytes.ptr, bytes.len);
    if (r == NGHTTP2_ERR_NOMEM)
        h2_out_of_memory();
    if (r < 0) {
        h2_terminate(h2, r == NGHTTP2_ERR_FLOODED ? H2_ENHANCE_YOUR_CALM
                                                  : H2_PROTOCOL_ERROR);
        h2_fail(h2, nghttp2_strerror((int)r));
    }
    return !h2->failed;
}

bool h2_is_over(const struct h2 *h2)
{
    return h2->failed || (!nghttp2_session_want_read(h2->ng) &&
                          !nghttp2_session_want_write(h2->ng));
}

const char *h2_fault(const struct h2 *h2)
{
    return h2->fault;
}

void h2_eof(struct h2 *h2)
{
    struct h2_stream *stream;

    h2->failed = true;
    while ((stream = TAILQ_FIRST(&h2->streams))) {
        (void)nghttp2_session_set_stream_user_data(h2->ng, stream->id, NULL);
        h2_stream_close(stream, H2_CANCEL);
        bytes_fini(&stream->out);
        TAILQ_INSERT_TAIL(&h2->gone, stream, link);
    }
}

void h2_pull(struct h2 *h2, struct strbuf *out, size_t room)
{
    const uint8_t *bytes;
    ssize_t len = 1;

    h2->sink = out;
    h2->sink_end = out->len + room;
    while (len > 0 && out->len < h2->sink_end) {
        len = nghttp2_session_mem_send(h2->ng, &bytes);
        if (len == NGHTTP2_ERR_NOMEM)
            h2_out_of_memory();
        if (len < 0 ||
            strbuf_add(out, str_of((const char *)bytes, (size_t)len)))
            h2_fail(h2, "what it is sent cannot be written");
    }
    h2->sink = NULL;
}

bool h2_has_output(const struct h2 *h2)
{
    return nghttp2_session_want_write(h2->ng);
}

bool h2_is_backed_up(const struct h2 *h2)
{
    return nghttp2_session_get_outbound_queue_size(h2->ng) > LIMIT_GRPC_QUEUE;
}

void h2_go_away(struct h2 *h2)
{
    if (h2->away)
        return;
    h2->away = true;
    h2_must(nghttp2_submit_goaway(
        h2->ng, NGHTTP2_FLAG_NONE,
        nghttp2_session_get_last_proc_stream_id(h2->ng), H2_NO_ERROR, NULL, 0));
}

void h2_terminate(struct h2 *h2, enum h2_code code)
{
    h2_must(nghttp2_session_terminate_session(h2->ng, code));
}

size_t h2_stream_count(const struct h2 *h2)
{
    return h2->count;
}
