#include "proxy/server/session_private.h"

#include <assert.h>

#include "policy/base/limits.h"
#include "proxy/exchange/request.h"

static void on_stream_change(struct stream *stream, void *arg)
{
    (void)stream;
    session_wake(arg);
}

static void use_stream(struct session *s, struct stream *stream)
{
    s->waiting = false;
    s->stream = stream;
    stream->on_change = on_stream_change;
    stream->arg = s;
    exchange_stream_open(s->exchange);
}

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    struct session *s =
        (struct session *)((char *)waiter - offsetof(struct session, waiter));

    s->waiting = false;
    if (stream) {
        use_stream(s, stream);
    } else {
        engine_probe_doubt(s->backend->engine);
        exchange_stream_failed(s->exchange, why, 1, true);
    }
    session_wake(s);
}

void session_engine_init(struct session *s)
{
    s->waiter.on_stream = on_stream;
}

void session_drop_stream(struct session *s, bool reusable)
{
    s->subrequest = subrequest_cancel(s->subrequest);
    if (s->waiting)
        pool_cancel(s->backend->pool, &s->waiter);
    s->waiting = false;
    if (s->stream && reusable && !s->shut[ENGINE])
        pool_give(s->backend->pool, s->stream);
    else if (s->stream)
        pool_discard(s->backend->pool, s->stream);
    s->stream = NULL;
    s->shut[ENGINE] = s->told_engine_eof = false;
}

void session_hold_backend(struct session *s)
{
    /* the core takes no request while it has a stream to give up */
    assert(!s->stream && !s->waiting);
    s->subrequest = subrequest_cancel(s->subrequest);
    backend_unref(s->backend);
    s->backend = backend_ref(s->frontend->backend);
}

void session_settle_backend(struct session *s)
{
    if (exchange_is_idle(s->exchange) && !s->stream && !s->waiting &&
        !s->subrequest)
        s->backend = backend_unref(s->backend);
}

static bool want_stream(struct session *s)
{
    struct stream *stream;

    if (s->stream || s->waiting)
        return false;
    stream = pool_take(s->backend->pool, &s->waiter);
    if (stream)
        use_stream(s, stream);
    else
        s->waiting = true;
    return true;
}

static void on_answer(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    struct session *s = arg;

    s->subrequest = NULL;
    if (head) {
        AUTO(json_decrefp) json_t *reply = reply_json_parse(body);

        exchange_answered(s->exchange, head->status, reply);
    } else {
        engine_probe_doubt(s->backend->engine);
        exchange_ask_failed(s->exchange, why, 1);
    }
    session_wake(s);
}

/* One question at a time: the next depends on what was answered. */
bool session_settle_subrequest(struct session *s)
{
    const struct exchange_wish wish = exchange_wish(s->exchange);
    const struct question *question;

    if (s->subrequest && (!wish.ask || wish.question != s->question)) {
        s->subrequest = subrequest_cancel(s->subrequest);
        return true;
    }
    if (!wish.ask || s->subrequest)
        return false;
    s->question = wish.question;
    question = exchange_question(s->exchange);
    s->frontend->counters.lookups++;
    s->subrequest =
        subrequest_new(s->frontend->runtime->base, s->backend->pool,
                       question->method, strbuf_str(&question->target),
                       strbuf_str(&question->body), on_answer, s);
    return true;
}

bool session_settle_stream(struct session *s)
{
    switch (exchange_wish(s->exchange).stream) {
    case STREAM_NONE:
        return false;
    case STREAM_WANTED:
        return want_stream(s);
    case STREAM_REUSABLE:
        session_drop_stream(s, true);
        break;
    case STREAM_SPENT:
        session_drop_stream(s, false);
        break;
    }
    exchange_stream_gone(s->exchange);
    /* once more, so what else has lain idle is not to be trusted either */
    if (exchange_wish(s->exchange).stream == STREAM_WANTED)
        pool_close_idle(s->backend->pool);
    return true;
}

bool session_write_engine(struct session *s)
{
    struct str out = exchange_output(s->exchange, ENGINE);
    size_t sent = 0;

    if (!s->stream || s->stream->state == STREAM_CLOSED)
        return false;
    if (out.len) {
        sent = stream_write(s->stream, out);
        exchange_sent(s->exchange, ENGINE, sent);
    }
    if (sent == out.len && !s->shut[ENGINE] &&
        exchange_wish(s->exchange).shut[ENGINE]) {
        stream_shutdown(s->stream);
        s->shut[ENGINE] = true;
        return true;
    }
    return sent > 0;
}

/* The stream's end, after all it brought was taken. */
static bool settle_engine_end(struct session *s)
{
    struct stream *stream = s->stream;

    if (stream->state == STREAM_CLOSED && stream->why) {
        struct str why = str_from(stream->why);
        AUTO(strbuf_fini) struct strbuf copy = STRBUF(2 * LIMIT_REASON);

        strbuf_add(&copy, str_head(why, LIMIT_REASON));
        engine_probe_doubt(s->backend->engine);
        exchange_stream_failed(s->exchange, strbuf_cstr(&copy), 1,
                               stream->pristine);
        return true;
    }
    if (stream->eof && !s->told_engine_eof) {
        s->told_engine_eof = true;
        exchange_eof(s->exchange, ENGINE);
        return true;
    }
    if (stream->state == STREAM_CLOSED) {
        exchange_stream_failed(s->exchange, NULL, 0, stream->pristine);
        return true;
    }
    return false;
}

bool session_read_engine(struct session *s)
{
    struct str in;
    size_t used;

    if (!s->stream || s->stream->state == STREAM_OPENING)
        return false;
    if (!exchange_wish(s->exchange).read[ENGINE]) {
        /* a tunnel whose engine has said EOF waits for the client; one whose
         * stream is gone altogether need not */
        return s->told_engine_eof && s->stream->state == STREAM_CLOSED &&
               settle_engine_end(s);
    }
    in = stream_peek(s->stream);
    if (in.len == 0)
        return settle_engine_end(s);
    used = exchange_feed(s->exchange, ENGINE, in);
    stream_consume(s->stream, used);
    return used > 0;
}
