#include "proxy/server/session_private.h"

#include <assert.h>

#include "policy/base/json_size.h"
#include "policy/base/json_write.h"
#include "policy/base/limits.h"
#include "policy/docker/companion_name.h"
#include "proxy/exchange/request.h"

static void on_stream_change(struct stream *stream, void *arg)
{
    (void)stream;
    session_wake(arg);
}

/* What runs; OP_NONE when nothing does. */
static enum operation operation_of(const struct session *s)
{
    struct exchange_glance glance;

    return connection_look(s->connection, &glance) ? glance.operation : OP_NONE;
}

/* Is a wait something that its clients may ask for, and may ask now? */
static bool may_wait(const struct session *s)
{
    struct verdict verdict = {0};
    const char *why;

    policy_operation(s->frontend->policy, OP_CONTAINER_WAIT, &verdict);
    return verdict.kind == VERDICT_ALLOW && frontend_admits(s->frontend, &why);
}

/* A request is about to be sent: what goes along with it? */
static void look_ahead(struct session *s)
{
    struct str request = connection_output(s->connection, ENGINE);
    enum operation operation = operation_of(s);

    if (operation == OP_CONTAINER_ATTACH)
        ahead_wait_attached(s->frontend->ahead, s->backend, request,
                            may_wait(s));
    else if (operation == OP_CONTAINER_WAIT)
        ahead_wait_waited(s->frontend->ahead, request);
}

static void use_stream(struct session *s, struct stream *stream)
{
    s->waiting = false;
    s->stream = stream;
    stream->on_change = on_stream_change;
    stream->arg = s;
    connection_stream_open(s->connection);
    look_ahead(s);
}

/* Was its request sent ahead? Then it goes on from there. */
static bool is_sent_ahead(struct session *s)
{
    AUTO(strbuf_fini) struct strbuf request = STRBUF(REQUEST_MAX);
    struct stream *stream;

    if (operation_of(s) != OP_CONTAINER_WAIT ||
        connection_put_request(s->connection, &request))
        return false;
    stream =
        ahead_wait_take(s->frontend->ahead, s->backend, strbuf_str(&request));
    if (!stream)
        return false;
    use_stream(s, stream);
    connection_sent(s->connection, ENGINE, request.len);
    return true;
}

const char *session_why(const struct session *s, const char *why,
                        struct strbuf *buffer)
{
    if (!s->backend->config || !policy_is_placed(s->frontend->policy))
        return why;
    strbuf_addf(buffer, "%s: %s", backend_url(s->backend), why);
    return strbuf_cstr(buffer);
}

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    AUTO(strbuf_fini) struct strbuf buffer = STRBUF(LIMIT_ERROR_TEXT);
    struct session *s =
        (struct session *)((char *)waiter - offsetof(struct session, waiter));

    s->waiting = false;
    if (stream) {
        use_stream(s, stream);
    } else {
        engine_probe_doubt(s->backend->engine);
        connection_stream_failed(s->connection, session_why(s, why, &buffer), 1,
                                 true);
    }
    session_wake(s);
}

void session_engine_init(struct session *s)
{
    s->waiter.on_stream = on_stream;
    s->waiter.who = s->frontend;
}

static bool is_busy(const struct session_lookup *slot)
{
    return slot->subrequest || slot->ask || slot->files;
}

static void cancel_lookup(struct session_lookup *slot)
{
    slot->subrequest = subrequest_cancel(slot->subrequest);
    slot->ask = companion_ask_cancel(slot->ask);
    slot->files = files_ask_cancel(slot->files);
}

static bool has_lookups(const struct session *s)
{
    bool any = false;

    for (size_t i = 0; i < SESSION_LOOKUPS; i++)
        any |= is_busy(&s->lookups[i]);
    return any;
}

static void cancel_lookups(struct session *s)
{
    for (size_t i = 0; i < SESSION_LOOKUPS; i++)
        cancel_lookup(&s->lookups[i]);
}

void session_drop_stream(struct session *s, bool reusable)
{
    cancel_lookups(s);
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
    cancel_lookups(s);
    backend_unref(s->backend);
    s->backend = backend_ref(s->frontend->backend);
}

void session_settle_backend(struct session *s)
{
    if (connection_is_idle(s->connection) && !s->stream && !s->waiting &&
        !has_lookups(s))
        s->backend = backend_unref(s->backend);
}

static bool want_stream(struct session *s)
{
    struct stream *stream;

    const char *why;

    if (s->waiting || !frontend_admits(s->frontend, &why))
        return false;
    if (is_sent_ahead(s))
        return true;
    stream = pool_take(s->backend->pool, &s->waiter);
    if (stream)
        use_stream(s, stream);
    else
        s->waiting = true;
    return true;
}

/* Is the answer to LOOKUP still wanted, by the exchange that asked? */
static bool is_awaited(const struct session_lookup *lookup)
{
    const struct connection *ex = lookup->session->connection;

    return lookup->request == connection_wish(ex).request &&
           connection_awaits_lookup(ex, lookup->index);
}

static void on_broken(void *arg)
{
    const struct session_lookup *lookup = arg;

    engine_probe_doubt(lookup->session->backend->engine);
}

static void on_answer(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    AUTO(strbuf_fini) struct strbuf buffer = STRBUF(LIMIT_ERROR_TEXT);
    struct session_lookup *lookup = arg;
    struct session *s = lookup->session;

    lookup->subrequest = NULL;
    if (!is_awaited(lookup)) { /* another one failed just now */
        session_wake(s);
        return;
    }
    if (head) {
        AUTO(json_decrefp) json_t *reply = reply_json_parse(body);

        if (!lookup->bounded || session_has_room(s, json_memory(reply)))
            connection_answered(s->connection, lookup->index, head->status,
                                reply);
        else
            connection_lookup_failed(s->connection, lookup->index,
                                     SUBREQUEST_CROWDED, 1);
    } else {
        connection_lookup_failed(s->connection, lookup->index,
                                 session_why(s, why, &buffer), 1);
    }
    session_wake(s);
}

static void on_news(void *arg)
{
    const struct session_lookup *lookup = arg;

    session_wake(lookup->session);
}

/* What is for the companion, or for those who copy files. */
static void on_companion(int status, json_t *reply, void *arg)
{
    AUTO(json_decrefp) json_t *mine = reply;
    struct session_lookup *lookup = arg;
    struct session *s = lookup->session;

    lookup->ask = NULL;
    lookup->files = NULL;
    if (is_awaited(lookup))
        connection_answered(s->connection, lookup->index, status, mine);
    session_wake(s);
}

/* Is LOOKUP not for the engine? Then it is on its way. */
static bool ask_companion(struct session *s, const struct lookup *lookup,
                          struct session_lookup *slot)
{
    struct str target = str_from(lookup->target);
    bool socket = str_eq(target, S(LOOKUP_SOCKET));

    if (!socket && !str_eq(target, S(LOOKUP_FILES)))
        return false;
    if (socket && s->frontend->companion)
        slot->ask = companion_ask(s->frontend->companion, on_companion, slot);
    else if (!socket && s->frontend->files)
        slot->files =
            files_ask(s->frontend->files, lookup->body, on_companion, slot);
    else /* a policy that has one would have one */
        connection_answered(s->connection, slot->index, 0, NULL);
    return true;
}

/* Send what may go out now on the slot SLOT; false: there is nothing. */
static bool send_lookup(struct session *s, struct session_lookup *slot)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(LIMIT_JSON_WRITTEN);
    const struct lookup *lookup;
    size_t index;

    lookup = connection_next_lookup(s->connection, &index);
    if (!lookup)
        return false;
    if (lookup->body && json_write(&body, lookup->body)) {
        connection_answered(s->connection, index, 0, NULL);
        return true;
    }
    s->frontend->counters.lookups++;
    connection_lookup_sent(s->connection, index);
    *slot = (struct session_lookup){
        .session = s,
        .request = connection_wish(s->connection).request,
        .index = index,
        .bounded = lookup->method == METHOD_GET,
    };
    if (ask_companion(s, lookup, slot))
        return true;
    slot->subrequest = subrequest_new(
        s->frontend->runtime->base, s->backend->pool, lookup->method,
        str_from(lookup->target), strbuf_str(&body), on_answer, slot);
    subrequest_for(slot->subrequest, s->frontend);
    subrequest_in_turns(slot->subrequest, on_news, slot);
    subrequest_on_broken(slot->subrequest, on_broken, slot);
    if (slot->bounded)
        subrequest_bound(slot->subrequest, session_has_room, s);
    if (s->frontend->policy->isolation == POLICY_NAMESPACE &&
        lookup->method == METHOD_GET &&
        list_filter_fits(str_from(lookup->target)))
        subrequest_filter(
            slot->subrequest,
            list_filter_new(str_from(s->frontend->policy->namespace), true));
    return true;
}

/* Give up those whose answer is not wanted any more. Were there any? */
static bool drop_lookups(struct session *s)
{
    bool any = false;

    for (size_t i = 0; i < SESSION_LOOKUPS; i++) {
        struct session_lookup *slot = &s->lookups[i];

        if (!is_busy(slot) || is_awaited(slot))
            continue;
        cancel_lookup(slot);
        any = true;
    }
    return any;
}

/* Read what has come for them, as much as a turn may. Was there any? */
static bool read_lookups(struct session *s)
{
    bool any = false;

    for (size_t i = 0; i < SESSION_LOOKUPS && s->may_read; i++) {
        struct session_lookup *slot = &s->lookups[i];
        size_t got = slot->subrequest
                         ? subrequest_read(slot->subrequest, s->may_read)
                         : 0;

        any |= got > 0;
        /* an answer is work enough for one turn */
        s->may_read = got && !slot->subrequest ? 0 : s->may_read - got;
    }
    if (!s->may_read) /* the others are read in the next one */
        session_wake(s);
    return any;
}

bool session_settle_lookups(struct session *s)
{
    bool progress = drop_lookups(s);
    const char *why;

    progress |= read_lookups(s);

    for (size_t i = 0; i < SESSION_LOOKUPS; i++) {
        if (is_busy(&s->lookups[i]))
            continue;
        if (!frontend_admits(s->frontend, &why) ||
            !send_lookup(s, &s->lookups[i]))
            break;
        progress = true;
    }
    return progress;
}

bool session_settle_stream(struct session *s)
{
    switch (connection_wish(s->connection).stream) {
    case STREAM_NONE:
    case STREAM_USED:
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
    connection_stream_gone(s->connection);
    /* once more, so what else has lain idle is not to be trusted either */
    if (connection_wish(s->connection).stream == STREAM_WANTED)
        pool_close_idle(s->backend->pool);
    return true;
}

bool session_write_engine(struct session *s)
{
    struct str out = connection_output(s->connection, ENGINE);
    size_t sent = 0;

    if (!s->stream || s->stream->state == STREAM_CLOSED)
        return false;
    if (out.len) {
        sent = stream_write(s->stream, out);
        connection_sent(s->connection, ENGINE, sent);
    }
    if (sent == out.len && !s->shut[ENGINE] &&
        connection_wish(s->connection).shut[ENGINE]) {
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
        AUTO(strbuf_fini) struct strbuf buffer = STRBUF(LIMIT_ERROR_TEXT);

        strbuf_add(&copy, str_head(why, LIMIT_REASON));
        engine_probe_doubt(s->backend->engine);
        connection_stream_failed(s->connection,
                                 session_why(s, strbuf_cstr(&copy), &buffer), 1,
                                 stream->pristine);
        return true;
    }
    if (stream->eof && !s->told_engine_eof) {
        s->told_engine_eof = true;
        connection_eof(s->connection, ENGINE);
        return true;
    }
    if (stream->state == STREAM_CLOSED) {
        connection_stream_failed(s->connection, NULL, 0, stream->pristine);
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
    if (!connection_wish(s->connection).read[ENGINE]) {
        /* a tunnel whose engine has said EOF waits for the client; one whose
         * stream is gone altogether need not */
        return s->told_engine_eof && s->stream->state == STREAM_CLOSED &&
               !connection_wish(s->connection).ask && settle_engine_end(s);
    }
    in = stream_peek(s->stream);
    if (in.len == 0)
        return settle_engine_end(s);
    used = connection_feed(s->connection, ENGINE, in);
    stream_consume(s->stream, used);
    return used > 0;
}
