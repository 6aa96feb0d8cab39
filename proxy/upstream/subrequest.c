#include "proxy/upstream/subrequest.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/http/http_reader.h"

struct subrequest {
    bool let_in; /* while the pool is held, too */
    struct pool *pool;
    struct pool_waiter waiter;
    struct event *start; /* a stream that was there at once, a turn later */
    struct stream *stream;
    struct http_reader *reader;
    struct strbuf request;
    struct strbuf reply;
    struct list_filter *filter; /* of the reply, or NULL */
    subrequest_cb on_reply;
    void *arg;
    bool (*has_room)(void *arg, size_t more); /* or NULL */
    void *room_arg;
    void (*on_broken)(void *arg); /* or NULL */
    void *broken_arg;
    struct strbuf unsent;    /* of a GET: to be said once more, or empty */
    void (*wake)(void *arg); /* or NULL: it is read as it comes */
    void *wake_arg;
    bool news; /* to be read */
};

static void subrequest_free(struct subrequest *e, bool reusable)
{
    pool_cancel(e->pool, &e->waiter);
    if (e->stream && reusable)
        pool_give(e->pool, e->stream);
    else if (e->stream)
        pool_discard(e->pool, e->stream);
    event_free(e->start);
    http_reader_free(e->reader);
    list_filter_free(e->filter);
    strbuf_fini(&e->request);
    strbuf_fini(&e->unsent);
    strbuf_fini(&e->reply);
    free(e);
}

void subrequest_filter(struct subrequest *e, struct list_filter *filter)
{
    list_filter_free(e->filter);
    e->filter = filter;
}

void subrequest_bound(struct subrequest *e,
                      bool (*has_room)(void *arg, size_t more), void *arg)
{
    e->has_room = has_room;
    e->room_arg = arg;
}

void subrequest_on_broken(struct subrequest *e, void (*on_broken)(void *arg),
                          void *arg)
{
    e->on_broken = on_broken;
    e->broken_arg = arg;
}

void subrequest_for(struct subrequest *e, const void *who)
{
    pool_wait_for(e->pool, &e->waiter, who);
}

size_t subrequest_memory(const struct subrequest *e)
{
    return e->request.cap + e->unsent.cap + e->reply.cap +
           (e->filter ? list_filter_memory(e->filter) : 0);
}

struct subrequest *subrequest_cancel(struct subrequest *e)
{
    if (e)
        subrequest_free(e, false);
    return NULL;
}

static void fail(struct subrequest *e, const char *why)
{
    /* the words may be the stream's own */
    AUTO(strbuf_fini) struct strbuf copy = STRBUF(LIMIT_REASON);
    subrequest_cb on_reply = e->on_reply;
    void *arg = e->arg;

    strbuf_add(&copy, str_head(str_from(why), LIMIT_REASON - 1));
    subrequest_free(e, false);
    on_reply(NULL, S(""), strbuf_cstr(&copy), arg);
}

/* Not for a reason of berth's own. */
static void fail_broken(struct subrequest *e, const char *why)
{
    if (e->on_broken)
        e->on_broken(e->broken_arg);
    fail(e, why);
}

static void succeed(struct subrequest *e)
{
    struct stream *stream = e->stream;
    struct pool *pool = e->pool;

    /* the stream first: whoever is told may want one */
    if (http_reader_head(e->reader)->keep_alive &&
        http_reader_is_idle(e->reader))
        pool_give(pool, stream);
    else
        pool_discard(pool, stream);
    e->stream = NULL;
    e->on_reply(http_reader_head(e->reader), strbuf_str(&e->reply), NULL,
                e->arg);
    subrequest_free(e, false);
}

/* Take in IN, the beginning of what has come; true when the subrequest is over
 * and gone. */
static bool read_reply(struct subrequest *e, struct str in)
{
    struct str data;
    size_t used, total = 0;

    for (;;) {
        enum http_event event = http_reader_next(
            e->reader, str_from_index(in, total), &used, &data);

        total += used;
        switch (event) {
        case HTTP_MORE:
            stream_consume(e->stream, total);
            return false;
        case HTTP_HEAD:
            break;
        case HTTP_DATA:
            if (e->has_room && !e->has_room(e->room_arg, data.len)) {
                fail(e, SUBREQUEST_CROWDED);
                return true;
            }
            if (e->filter ? list_filter_feed(e->filter, data, &e->reply)
                          : strbuf_add(&e->reply, data)) {
                fail(e, "the engine's reply to berth is too long");
                return true;
            }
            break;
        case HTTP_END:
            if (http_reader_head(e->reader)->status < 200)
                break; /* an interim one */
            stream_consume(e->stream, total);
            succeed(e);
            return true;
        case HTTP_HIJACK:
        case HTTP_ERROR:
            fail_broken(e, "the engine's reply to berth is no HTTP");
            return true;
        }
    }
}

static void use_stream(struct subrequest *e, struct stream *stream);

/*
 * A stream that lay idle may have ended unnoticed. A question changes nothing,
 * so it is asked once more.
 */
static bool ask_again(struct subrequest *e)
{
    struct stream *stream;

    if (e->unsent.len == 0 || !http_reader_is_idle(e->reader))
        return false;
    strbuf_fini(&e->request);
    e->request = e->unsent;
    e->unsent = (struct strbuf)STRBUF(e->request.max);
    stream = e->stream;
    e->stream = NULL;
    pool_discard(e->pool, stream);
    pool_close_idle(e->pool); /* they may have ended, too */
    stream = pool_take(e->pool, &e->waiter);
    if (stream)
        use_stream(e, stream);
    else if (e->let_in)
        pool_let_in(e->pool, &e->waiter);
    return true;
}

/* Its stream's end, when all it brought was read. */
static void settle_end(struct subrequest *e)
{
    struct stream *stream = e->stream;

    if ((stream->state == STREAM_CLOSED || stream->eof) && ask_again(e))
        return;
    if (stream->state == STREAM_CLOSED)
        fail_broken(e, stream->why ? stream->why
                                   : "the engine closed a connection");
    else if (stream->eof)
        fail_broken(e, "the engine closed a connection");
}

static void on_change(struct stream *stream, void *arg)
{
    struct subrequest *e = arg;

    if (stream->state == STREAM_OPEN)
        strbuf_consume(&e->request,
                       stream_write(stream, strbuf_str(&e->request)));
    if (e->wake) {
        e->news = true;
        e->wake(e->wake_arg);
    } else if (!read_reply(e, stream_peek(stream))) {
        settle_end(e);
    }
}

void subrequest_in_turns(struct subrequest *e, void (*wake)(void *arg),
                         void *arg)
{
    e->wake = wake;
    e->wake_arg = arg;
}

size_t subrequest_read(struct subrequest *e, size_t most)
{
    struct str in;

    if (!e->news)
        return 0;
    e->news = false;
    in = str_head(stream_peek(e->stream), most);
    if (read_reply(e, in))
        return in.len;
    if (stream_peek(e->stream).len == 0) {
        settle_end(e);
        return in.len;
    }
    e->news = true;
    e->wake(e->wake_arg);
    return in.len;
}

static void use_stream(struct subrequest *e, struct stream *stream)
{
    e->stream = stream;
    stream->on_change = on_change;
    stream->arg = e;
    on_change(stream, e);
}

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    struct subrequest *e =
        (struct subrequest *)((char *)waiter -
                              offsetof(struct subrequest, waiter));

    if (stream)
        use_stream(e, stream);
    else
        fail_broken(e, why);
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    struct subrequest *e = arg;

    (void)fd;
    (void)what;
    use_stream(e, e->stream);
}

static void put_request(struct strbuf *out, enum method method,
                        struct str target, const char *type, struct str body)
{
    int r = strbuf_addf(out,
                        "%s %.*s HTTP/1.1\r\nHost: docker\r\n"
                        "User-Agent: berth\r\n",
                        method_name(method), STR_FMT(target));

    if (r == 0 && body.len)
        r = strbuf_addf(out,
                        "Content-Type: %s\r\n"
                        "Content-Length: %zu\r\n",
                        type, body.len);
    else if (r == 0 && method == METHOD_POST)
        r = strbuf_add(out, S("Content-Length: 0\r\n"));
    if (r == 0)
        r = strbuf_add(out, S("\r\n"));
    if (r == 0)
        r = strbuf_add(out, body);
    assert(r == 0); /* what is asked is made by berth itself, and bounded */
}

void subrequest_let_in(struct subrequest *e)
{
    e->let_in = true;
    pool_let_in(e->pool, &e->waiter);
}

static struct subrequest *begin(struct event_base *base, struct pool *pool,
                                enum method method, struct str target,
                                const char *type, struct str body,
                                subrequest_cb on_reply, void *arg)
{
    struct subrequest *e = xcalloc(1, sizeof(*e));

    e->pool = pool;
    e->waiter.on_stream = on_stream;
    e->on_reply = on_reply;
    e->arg = arg;
    e->request.max = 2 * LIMIT_HEAD + LIMIT_JSON_WRITTEN;
    e->reply.max = LIMIT_SUBREQUEST;
    e->reader = http_reader_new(HTTP_RESPONSES);
    http_reader_expect(e->reader, method);
    put_request(&e->request, method, target, type, body);
    e->unsent.max = e->request.max;
    if (method == METHOD_GET)
        strbuf_add(&e->unsent, strbuf_str(&e->request));
    e->start = event_new(base, -1, 0, on_start, e);
    e->stream = pool_take(pool, &e->waiter);
    if (e->stream)
        event_active(e->start, 0, 0);
    return e;
}

struct subrequest *subrequest_new(struct event_base *base, struct pool *pool,
                                  enum method method, struct str target,
                                  struct str body, subrequest_cb on_reply,
                                  void *arg)
{
    return begin(base, pool, method, target, "application/json", body, on_reply,
                 arg);
}

struct subrequest *subrequest_upload(struct event_base *base, struct pool *pool,
                                     struct str target, struct str archive,
                                     subrequest_cb on_reply, void *arg)
{
    return begin(base, pool, METHOD_POST, target, "application/x-tar", archive,
                 on_reply, arg);
}
