#include <stdlib.h>

#include "policy/docker/namespace.h"
#include "policy/docker/target.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/log.h"
#include "proxy/http/http_reader.h"
#include "proxy/near/near_private.h"

/*
 * The engine's events about the namespace's containers. Once they begin, those
 * that run are listed: between the two nothing is missed.
 */

struct near_watch {
    struct near *near;
    const struct near_watch_events *events;
    struct pool_waiter waiter;
    struct stream *stream;
    struct http_reader *reader;
    struct strbuf line;
    struct subrequest *list;
    bool stale;         /* events came while the list was on its way */
    struct event *soon; /* to begin, or to begin anew */
};

static void drop_stream(struct near_watch *w)
{
    pool_cancel(w->near->pool, &w->waiter);
    if (w->stream)
        pool_discard(w->near->pool, w->stream);
    w->stream = NULL;
    w->reader = http_reader_free(w->reader);
    w->list = subrequest_cancel(w->list);
    strbuf_clear(&w->line);
}

static void begin_anew(struct near_watch *w)
{
    drop_stream(w);
    event_add(w->soon, &(struct timeval){NEAR_RETRY_S, 0});
}

static void put_target(const struct near *near, const char *path,
                       const char *kind, const char *first, const char *second,
                       const char *third, struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf label = STRBUF(256);
    json_auto_t *filters = NULL;
    char *text;

    strbuf_addf(&label, "%s=%s", LABEL_NAMESPACE, near->ns);
    filters = json_pack("{s:{s:b}, s:{s:b, s:b}}", "label", strbuf_cstr(&label),
                        1, kind, first, 1, second, 1);
    if (third) {
        json_object_set_new(json_object_get(filters, kind), third, json_true());
        json_object_set_new(filters, "type",
                            json_pack("{s:b}", "container", 1));
    }
    text = json_dumps(filters, JSON_COMPACT);
    strbuf_addf(out, "%s?filters=", path);
    target_put_query(out, str_from(text));
    free(text);
}

/* ---- the list ---- */

static void ask_list(struct near_watch *w);

static void on_list(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct near_watch *w = arg;
    json_auto_t *list = NULL;

    (void)why;
    w->list = NULL;
    if (head && head->status == 200)
        list = reply_json_parse(body);
    if (!json_is_array(list))
        begin_anew(w);
    else if (w->stale)
        ask_list(w);
    else
        w->events->on_list(w->near, list);
}

static void ask_list(struct near_watch *w)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(4 * KIB);
    struct near *near = w->near;

    put_target(near, "/containers/json", "status", "running", "paused", NULL,
               &target);
    w->stale = false;
    w->list = subrequest_new(near->base, near->pool, METHOD_GET,
                             strbuf_str(&target), S(""), on_list, w);
    subrequest_filter(w->list, list_filter_new(str_from(near->ns), true));
}

/* ---- events ---- */

static void take_line(struct near_watch *w, struct str line)
{
    json_auto_t *event = line.len ? reply_json_parse(line) : NULL;

    if (!event)
        return;
    w->stale = true;
    w->events->on_event(w->near, event);
}

/* False: a line is longer than any event. */
static bool take_data(struct near_watch *w, struct str data)
{
    struct str part;

    while (str_cut(data, '\n', &part, &data)) {
        if (strbuf_add(&w->line, part) < 0)
            return false;
        take_line(w, strbuf_str(&w->line));
        strbuf_clear(&w->line);
    }
    return strbuf_add(&w->line, part) == 0;
}

/* What has come; false when no more events will. */
static bool take_bytes(struct near_watch *w)
{
    struct str in, data;
    size_t used;

    for (;;) {
        in = stream_peek(w->stream);
        switch (http_reader_next(w->reader, in, &used, &data)) {
        case HTTP_MORE:
            stream_consume(w->stream, used);
            return !w->stream->eof && w->stream->state != STREAM_CLOSED;
        case HTTP_HEAD:
            if (http_reader_head(w->reader)->status != 200)
                return false;
            ask_list(w);
            break;
        case HTTP_DATA:
            if (!take_data(w, data))
                return false;
            break;
        case HTTP_END:
        case HTTP_HIJACK:
        case HTTP_ERROR:
            return false;
        }
        stream_consume(w->stream, used);
    }
}

static void on_change(struct stream *stream, void *arg)
{
    struct near_watch *w = arg;

    if (stream->state != STREAM_OPENING && !take_bytes(w))
        begin_anew(w);
}

static void use_stream(struct near_watch *w, struct stream *stream)
{
    AUTO(strbuf_fini) struct strbuf request = STRBUF(8 * KIB);

    w->stream = stream;
    stream->on_change = on_change;
    stream->arg = w;
    w->reader = http_reader_new(HTTP_RESPONSES);
    http_reader_expect(w->reader, METHOD_GET);
    strbuf_add(&request, S("GET "));
    put_target(w->near, "/events", "event", "start", "die", "destroy",
               &request);
    strbuf_add(&request, S(" HTTP/1.1\r\nHost: docker\r\n"
                           "User-Agent: berth\r\n\r\n"));
    if (stream_write(stream, strbuf_str(&request)) != request.len)
        begin_anew(w);
}

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    struct near_watch *w =
        (struct near_watch *)((char *)waiter -
                              offsetof(struct near_watch, waiter));

    (void)why;
    if (stream)
        use_stream(w, stream);
    else
        begin_anew(w);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct near_watch *w = arg;
    struct stream *stream = pool_take(w->near->pool, &w->waiter);

    (void)fd;
    (void)what;
    if (stream)
        use_stream(w, stream);
}

struct near_watch *near_watch_new(struct near *near,
                                  const struct near_watch_events *events)
{
    struct near_watch *w = xcalloc(1, sizeof(*w));

    w->near = near;
    w->events = events;
    w->waiter.on_stream = on_stream;
    w->line.max = LIMIT_REPLY_LINE;
    w->soon = event_new(near->base, -1, 0, on_soon, w);
    event_add(w->soon, &(struct timeval){0, 0});
    return w;
}

struct near_watch *near_watch_free(struct near_watch *w)
{
    if (!w)
        return NULL;
    drop_stream(w);
    event_free(w->soon);
    strbuf_fini(&w->line);
    free(w);
    return NULL;
}
