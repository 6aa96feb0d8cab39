#include "tests/wire/stage.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base/json_write.h"
#include "proxy/server/session_private.h"

#define ROOM_FOR_TESTS (64 * MIB)

/* An engine, and the way to it. */
struct stage_engine {
    struct upstream upstream;
    struct stage *stage;
    unsigned number;
    struct stage_engine *next;
};

struct stage_stream {
    struct stream stream;
    struct stage_engine *engine;
    bool closed;          /* by its owner */
    bool used;            /* by a session */
    bool parked;          /* after that, kept for the next one */
    struct strbuf asked;  /* by berth itself */
    struct strbuf answer; /* to that */
    char *shown;          /* what peek gave */
    char *why;
    struct stage_stream *next;
};

static struct stage_stream *of(struct stream *stream)
{
    return (struct stage_stream *)stream;
}

/* The client whose session it is; NULL: the pool's, or a subrequest's. */
static struct stage_client *owner(const struct stage_stream *s)
{
    return stage_client_of(s->engine->stage, s->stream.arg);
}

static void look(struct stage_stream *s)
{
    bool owned = owner(s) != NULL;

    s->parked = s->used && !owned;
    s->used |= owned;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* From memory of exactly that size, so that a byte too far is seen. */
static struct str show_exactly(struct stage_stream *s, struct str bytes)
{
    free(s->shown);
    s->shown = malloc(bytes.len + !bytes.len);
    assert(s->shown);
    if (bytes.len)
        memcpy(s->shown, bytes.ptr, bytes.len);
    return str_of(s->shown, bytes.len);
}

static struct str peek(struct stream *stream)
{
    struct stage_stream *s = of(stream);
    const struct stage *stage = s->engine->stage;
    struct stage_client *client = owner(s);

    look(s);
    if (client)
        return show_exactly(
            s, str_head(strbuf_str(&client->sides[ENGINE].in), stage->piece));
    if (s->answer.len)
        return show_exactly(s, strbuf_str(&s->answer));
    /* the next request is to wait for a stream of its own: the pool does not
     * give one again of which something came meanwhile */
    return s->parked && !stage->keeps ? S("x") : S("");
}

static void consume(struct stream *stream, size_t len)
{
    struct stage_stream *s = of(stream);
    struct stage_client *client = owner(s);

    strbuf_consume(client ? &client->sides[ENGINE].in : &s->answer, len);
    s->engine->stage->activity++;
}

static size_t room(const struct stream *stream)
{
    const struct stage_stream *s = (const struct stage_stream *)stream;
    const struct stage_client *client = owner(s);

    return client ? least(client->sides[ENGINE].room, s->engine->stage->piece)
                  : ROOM_FOR_TESTS;
}

static size_t write_some(struct stream *stream, struct str bytes)
{
    struct stage_stream *s = of(stream);
    struct stage_client *client = owner(s);
    struct str some = str_head(bytes, room(stream));
    int r = strbuf_add(client ? &client->sides[ENGINE].out : &s->asked, some);

    assert(r == 0 && !(client && client->sides[ENGINE].shut));
    if (client && client->sides[ENGINE].room != SIZE_MAX)
        client->sides[ENGINE].room -= some.len;
    s->engine->stage->activity++;
    return some.len;
}

static void shut(struct stream *stream)
{
    owner(of(stream))->sides[ENGINE].shut = true;
    of(stream)->engine->stage->activity++;
}

static void close_stream(struct stream *stream)
{
    struct stage_stream *s = of(stream);
    struct stage_client *client = owner(s);

    assert(!s->closed);
    look(s);
    if (client) { /* nobody may read what was said to another */
        strbuf_clear(&client->sides[ENGINE].in);
        client->sides[ENGINE].eof = client->sides[ENGINE].shut = false;
    }
    s->closed = true;
    stream->state = STREAM_CLOSED;
    s->engine->stage->activity++;
}

static struct stream *open_stream(struct upstream *upstream,
                                  stream_cb on_change, void *arg)
{
    static const struct stream_ops ops = {
        .peek = peek,
        .consume = consume,
        .room = room,
        .write = write_some,
        .shutdown = shut,
        .close = close_stream,
    };
    struct stage_engine *engine = (struct stage_engine *)upstream;
    struct stage_stream *s = xcalloc(1, sizeof(*s));

    *s = (struct stage_stream){
        .stream = {.ops = &ops,
                   .state = STREAM_OPENING,
                   .pristine = true,
                   .on_change = on_change,
                   .arg = arg},
        .engine = engine,
        .asked = STRBUF(ROOM_FOR_TESTS),
        .answer = STRBUF(ROOM_FOR_TESTS),
        .next = engine->stage->streams,
    };
    engine->stage->streams = s;
    engine->stage->activity++;
    return &s->stream;
}

static void status(const struct upstream *upstream, struct upstream_status *out)
{
    const struct stage_engine *engine = (const struct stage_engine *)upstream;

    /* so that the engine is asked for nothing but what clients want */
    *out = (struct upstream_status){.why = "there is no way to the engine",
                                    .open_us = engine->stage->far ? MIB : 0};
}

static void free_upstream(struct upstream *upstream)
{
    (void)upstream; /* stage_engines_fini */
}

struct upstream *stage_upstream_new(struct stage *stage,
                                    const struct upstream_config *config)
{
    static const struct upstream_ops ops = {
        .open = open_stream,
        .status = status,
        .free = free_upstream,
    };
    struct stage_engine *engine = xcalloc(1, sizeof(*engine));

    (void)config;
    *engine = (struct stage_engine){.upstream.ops = &ops,
                                    .stage = stage,
                                    .number = ++stage->engine_count,
                                    .next = stage->engines};
    stage->engines = engine;
    return &engine->upstream;
}

void stage_engines_fini(struct stage *stage)
{
    while (stage->streams) {
        struct stage_stream *s = stage->streams;

        assert(s->closed);
        stage->streams = s->next;
        strbuf_fini(&s->asked);
        strbuf_fini(&s->answer);
        free(s->shown);
        free(s->why);
        free(s);
    }
    while (stage->engines) {
        struct stage_engine *engine = stage->engines;

        stage->engines = engine->next;
        free(engine);
    }
}

/* ---- what happens to streams ---- */

static void tell(struct stage_stream *s)
{
    s->engine->stage->activity++;
    if (!s->closed && s->stream.on_change)
        s->stream.on_change(&s->stream, s->stream.arg);
}

static void fail(struct stage_stream *s, const char *why, bool pristine)
{
    free(s->why);
    s->why = why ? xstrdup(why) : NULL;
    s->stream.state = STREAM_CLOSED;
    s->stream.why = s->why;
    s->stream.pristine = pristine;
    tell(s);
}

/* The oldest that is not open yet. */
static struct stage_stream *first_opening(const struct stage *stage)
{
    struct stage_stream *found = NULL;

    for (struct stage_stream *s = stage->streams; s; s = s->next) {
        if (!s->closed && s->stream.state == STREAM_OPENING)
            found = s;
    }
    return found;
}

static bool somebody_asks(const struct stage *stage)
{
    for (size_t i = 0; i < STAGE_CLIENTS; i++) {
        const struct session *session = stage->clients[i].session;

        for (size_t at = 0; session && at < SESSION_LOOKUPS; at++) {
            if (session->lookups[at].subrequest)
                return true;
        }
    }
    return false;
}

void stage_serve_lookups(struct stage *stage)
{
    struct stage_stream *s;

    while (somebody_asks(stage) && (s = first_opening(stage))) {
        if (stage->failing) {
            stage->failing--;
            fail(s, stage->fails, true);
        } else {
            s->stream.state = STREAM_OPEN;
            tell(s);
        }
    }
}

bool stage_has_stream(const struct stage *stage)
{
    const struct session *session = stage->client->session;

    return session && session->stream;
}

bool stage_wants_stream(const struct stage *stage)
{
    const struct session *session = stage->client->session;

    return session && session->waiting;
}

void stage_open_stream(struct stage *stage)
{
    struct stage_stream *s = first_opening(stage);

    assert(s && stage_wants_stream(stage));
    s->stream.state = STREAM_OPEN;
    tell(s);
    stage_settle(stage);
}

static void fail_lookups(struct stage *stage, const char *why)
{
    stage->fails = why ? why : "it was closed";
    for (struct stage_stream *s = stage->streams; s; s = s->next) {
        if (s->closed || !s->asked.len)
            continue;
        /* it is asked once more */
        stage->failing += str_has_prefix(strbuf_str(&s->asked), S("GET "));
        fail(s, why, false);
    }
    stage_settle(stage);
    stage->failing = 0;
}

void stage_fail_stream(struct stage *stage, const char *why, bool pristine)
{
    if (stage_has_stream(stage))
        fail(of(stage->client->session->stream), why, pristine);
    else if (somebody_asks(stage))
        fail_lookups(stage, why);
    else if (stage_wants_stream(stage))
        fail(first_opening(stage), why, true);
    stage_settle(stage);
}

void stage_close_idle(struct stage *stage)
{
    for (struct stage_stream *s = stage->streams; s; s = s->next) {
        look(s);
        if (!s->parked || s->closed)
            continue;
        s->stream.eof = true;
        tell(s);
    }
    stage_settle(stage);
}

void stage_look(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_CLIENTS; i++) {
        struct stage_client *client = &stage->clients[i];
        struct stage_stream *now =
            client->session ? of(client->session->stream) : NULL;

        if (now && (now != client->stream || client->fate != STREAM_NONE)) {
            client->stream = now;
            client->fate = STREAM_NONE;
            /* what was sent on it before it was this client's */
            strbuf_add(&client->sides[ENGINE].out, strbuf_str(&now->asked));
            strbuf_clear(&now->asked);
        } else if (!now && client->stream && client->fate == STREAM_NONE) {
            client->fate = client->stream->closed && !client->stream->parked
                               ? STREAM_SPENT
                               : STREAM_REUSABLE;
        }
    }
}

/* ---- what berth itself asks ---- */

const struct lookup *stage_lookup(const struct stage *stage)
{
    const struct session *session = stage->client->session;
    const struct lookups *set =
        session ? connection_lookups(session->connection) : NULL;

    for (size_t i = 0; set && i < set->count; i++) {
        if (connection_awaits_lookup(session->connection, i))
            return &set->items[i];
    }
    return NULL;
}

/* Where LOOKUP is asked. */
static struct stage_stream *stream_of(const struct stage *stage,
                                      const struct lookup *lookup)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(MIB), body = STRBUF(MIB);

    strbuf_addf(&line, "%s %s HTTP/1.1\r\n", method_name(lookup->method),
                lookup->target);
    strbuf_add(&body, S("\r\n\r\n"));
    if (lookup->body)
        json_write(&body, lookup->body);
    for (struct stage_stream *s = stage->streams; s; s = s->next) {
        struct str asked = strbuf_str(&s->asked);

        if (!s->closed && str_has_prefix(asked, strbuf_str(&line)) &&
            str_has_suffix(asked, strbuf_str(&body)))
            return s;
    }
    return NULL;
}

unsigned stage_engine_of(const struct stage *stage)
{
    const struct lookup *lookup = stage_lookup(stage);
    const struct stage_stream *s =
        lookup ? stream_of(stage, lookup) : stage->client->stream;

    return s ? s->engine->number : 0;
}

bool stage_answer(struct stage *stage, unsigned status, struct str body)
{
    const struct lookup *lookup = stage_lookup(stage);
    struct stage_stream *s = lookup ? stream_of(stage, lookup) : NULL;

    if (!s)
        return false;
    strbuf_addf(&s->answer,
                "HTTP/1.1 %u X\r\nContent-Length: %zu\r\n%s\r\n%.*s", status,
                body.len, stage->keeps ? "" : "Connection: close\r\n",
                STR_FMT(body));
    strbuf_clear(&s->asked); /* it may be asked something else now */
    tell(s);
    stage_settle(stage);
    return true;
}
