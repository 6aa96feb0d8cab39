#include "proxy/engine.h"

#include <stdlib.h>

#include "proxy/http_reader.h"
#include "proxy/log.h"

enum {
    PROBE_EVERY_S = 5,
    PROBE_TIMEOUT_S = 10,
};

struct engine {
    struct upstream *upstream;
    struct pool *pool;
    struct engine_facts facts;
    struct event *timer; /* the next probe, or the end of this one */
    struct pool_waiter waiter;
    bool probing;
    struct stream *stream;
    struct http_reader *reader;
    struct strbuf request;
};

static void probe(struct engine *engine);

static void again_in(struct engine *engine, long seconds)
{
    const struct timeval delay = {seconds, 0};

    event_add(engine->timer, &delay);
}

static void set_known(struct engine *engine, bool known, const char *why)
{
    if (known && !engine->facts.known)
        log_info("the engine answers");
    else if (!known && engine->facts.known)
        log_warn("the engine is away: %s", why);
    engine->facts.known = known;
}

static void end_probe(struct engine *engine, bool reusable)
{
    pool_cancel(engine->pool, &engine->waiter);
    if (engine->stream && reusable)
        pool_give(engine->pool, engine->stream);
    else if (engine->stream)
        pool_discard(engine->pool, engine->stream);
    engine->stream = NULL;
    engine->reader = http_reader_free(engine->reader);
    engine->probing = false;
    again_in(engine, PROBE_EVERY_S);
}

static void fail(struct engine *engine, const char *why)
{
    set_known(engine, false, why);
    end_probe(engine, false);
}

/* Take in what has come of the reply; true when the probe is over. */
static bool read_reply(struct engine *engine)
{
    struct str in = stream_peek(engine->stream), data;
    size_t used, total = 0;

    for (;;) {
        enum http_event event = http_reader_next(
            engine->reader, str_from_index(in, total), &used, &data);

        total += used;
        switch (event) {
        case HTTP_MORE:
            stream_consume(engine->stream, total);
            return false;
        case HTTP_HEAD: {
            const struct http_head *head = http_reader_head(engine->reader);
            bool was = engine->facts.known;

            if (!engine_facts_learn(&engine->facts, head)) {
                engine->facts.known = was;
                fail(engine, "its answer to /_ping is none");
                return true;
            }
            engine->facts.known = was;
            break;
        }
        case HTTP_END:
            stream_consume(engine->stream, total);
            set_known(engine, true, NULL);
            end_probe(engine, http_reader_is_idle(engine->reader));
            return true;
        case HTTP_DATA:
            break;
        case HTTP_TUNNEL:
        case HTTP_ERROR:
            fail(engine, "its answer to /_ping is no HTTP");
            return true;
        }
    }
}

static void on_stream_change(struct stream *stream, void *arg)
{
    struct engine *engine = arg;

    strbuf_consume(&engine->request,
                   stream_write(stream, strbuf_str(&engine->request)));
    if (read_reply(engine))
        return;
    if (stream->eof || stream->state == STREAM_CLOSED)
        fail(engine, stream->why ? stream->why : "it closed the connection");
}

static void use_stream(struct engine *engine, struct stream *stream)
{
    engine->stream = stream;
    stream->on_change = on_stream_change;
    stream->arg = engine;
    engine->reader = http_reader_new(HTTP_RESPONSES);
    http_reader_expect(engine->reader, METHOD_GET);
    strbuf_clear(&engine->request);
    strbuf_add(&engine->request, S("GET /_ping HTTP/1.1\r\nHost: docker\r\n"
                                   "User-Agent: berth\r\n\r\n"));
    on_stream_change(stream, engine);
}

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    struct engine *engine =
        (struct engine *)((char *)waiter - offsetof(struct engine, waiter));

    if (stream)
        use_stream(engine, stream);
    else
        fail(engine, why);
}

static void probe(struct engine *engine)
{
    struct upstream_status status;
    struct stream *stream;

    upstream_get_status(engine->upstream, &status);
    if (!status.up) {
        /* on_status comes when there is something to ask */
        set_known(engine, false, status.why);
        return;
    }
    engine->probing = true;
    again_in(engine, PROBE_TIMEOUT_S);
    stream = pool_take(engine->pool, &engine->waiter);
    if (stream)
        use_stream(engine, stream);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct engine *engine = arg;

    (void)fd;
    (void)what;
    if (engine->probing)
        fail(engine, "it does not answer /_ping");
    else
        probe(engine);
}

static void on_status(struct upstream *upstream, void *arg)
{
    struct engine *engine = arg;
    struct upstream_status status;

    upstream_get_status(upstream, &status);
    if (engine->probing)
        end_probe(engine, false);
    event_del(engine->timer);
    if (status.up)
        probe(engine);
    else
        set_known(engine, false, status.why);
}

struct engine *engine_new(struct event_base *base, struct upstream *upstream,
                          struct pool *pool)
{
    struct engine *engine = xcalloc(1, sizeof(*engine));

    engine->upstream = upstream;
    engine->pool = pool;
    engine->request.max = LIMIT_HEAD;
    engine->waiter.on_stream = on_stream;
    engine_facts_init(&engine->facts);
    engine->timer = event_new(base, -1, 0, on_timer, engine);
    upstream->on_status = on_status;
    upstream->status_arg = engine;
    probe(engine);
    return engine;
}

struct engine *engine_free(struct engine *engine)
{
    if (!engine)
        return NULL;
    engine->upstream->on_status = NULL;
    if (engine->probing)
        end_probe(engine, false);
    event_free(engine->timer);
    engine_facts_fini(&engine->facts);
    strbuf_fini(&engine->request);
    free(engine);
    return NULL;
}

const struct engine_facts *engine_get(const struct engine *engine)
{
    return &engine->facts;
}

void engine_doubt(struct engine *engine)
{
    set_known(engine, false, "a request failed");
    if (!engine->probing)
        probe(engine);
}
