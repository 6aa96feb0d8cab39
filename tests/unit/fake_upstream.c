#include "tests/unit/fake_upstream.h"

#include "tests/unit/unit.h"

#include "policy/base/limits.h"

static struct fake_stream *of(struct stream *stream)
{
    return (struct fake_stream *)stream;
}

static struct str peek(struct stream *stream)
{
    return strbuf_str(&of(stream)->in);
}

static void consume(struct stream *stream, size_t len)
{
    strbuf_consume(&of(stream)->in, len);
}

static size_t room(const struct stream *stream)
{
    return ((const struct fake_stream *)stream)->room;
}

static size_t fake_write(struct stream *stream, struct str bytes)
{
    struct str some = str_head(bytes, of(stream)->room);

    assert_int_equal(strbuf_add(&of(stream)->out, some), 0);
    return some.len;
}

static void shut(struct stream *stream)
{
    of(stream)->shut = true;
}

static void close_stream(struct stream *stream)
{
    assert_false(of(stream)->closed);
    of(stream)->closed = true;
    stream->state = STREAM_CLOSED;
}

static struct stream *open_stream(struct upstream *upstream,
                                  stream_cb on_change, void *arg)
{
    static const struct stream_ops ops = {
        .peek = peek,
        .consume = consume,
        .room = room,
        .write = fake_write,
        .shutdown = shut,
        .close = close_stream,
    };
    struct fake_upstream *fake = (struct fake_upstream *)upstream;
    struct fake_stream *stream = &fake->streams[fake->count];

    if (fake->count == FAKE_STREAMS)
        return NULL;
    fake->count++;
    stream->stream = (struct stream){
        .ops = &ops,
        .state = STREAM_OPENING,
        .pristine = true,
        .on_change = on_change,
        .arg = arg,
    };
    stream->in.max = stream->out.max = MIB;
    stream->room = KIB;
    return &stream->stream;
}

static struct stream *open_port(struct upstream *upstream, const char *address,
                                unsigned port, stream_cb on_change, void *arg)
{
    struct stream *stream = open_stream(upstream, on_change, arg);

    assert_string_equal(address, "127.9.8.7");
    if (stream)
        of(stream)->port = port;
    return stream;
}

static size_t lingering(const struct upstream *upstream, const void *who)
{
    const struct fake_upstream *fake = (const struct fake_upstream *)upstream;

    return who == fake->given_up_by ? fake->lingering : 0;
}

static void status(const struct upstream *upstream, struct upstream_status *out)
{
    *out = ((const struct fake_upstream *)upstream)->status;
}

void fake_upstream_init(struct fake_upstream *fake)
{
    static const struct upstream_ops ops = {
        .open = open_stream,
        .open_port = open_port,
        .lingering = lingering,
        .status = status,
    };

    *fake = (struct fake_upstream){
        .upstream.ops = &ops,
        .status = {.up = true, .why = "the test says so"},
    };
}

void fake_upstream_fini(struct fake_upstream *fake)
{
    for (size_t i = 0; i < fake->count; i++) {
        strbuf_fini(&fake->streams[i].in);
        strbuf_fini(&fake->streams[i].out);
    }
}

static void tell(struct fake_stream *stream)
{
    if (!stream->closed && stream->stream.on_change)
        stream->stream.on_change(&stream->stream, stream->stream.arg);
}

void fake_open(struct fake_upstream *fake, size_t at)
{
    fake->streams[at].stream.state = STREAM_OPEN;
    tell(&fake->streams[at]);
}

void fake_feed(struct fake_upstream *fake, size_t at, const char *bytes)
{
    assert_int_equal(strbuf_add(&fake->streams[at].in, str_from(bytes)), 0);
    tell(&fake->streams[at]);
}

void fake_eof(struct fake_upstream *fake, size_t at)
{
    fake->streams[at].stream.eof = true;
    tell(&fake->streams[at]);
}

void fake_fail(struct fake_upstream *fake, size_t at, const char *why)
{
    fake->streams[at].stream.state = STREAM_CLOSED;
    fake->streams[at].stream.why = why;
    tell(&fake->streams[at]);
}

void run_loop(struct event_base *base)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

void fake_run(struct fake_upstream *fake, struct event_base *base)
{
    for (int i = 0; i < 8; i++) {
        run_loop(base);
        for (size_t at = 0; at < fake->count; at++) {
            if (fake->streams[at].stream.state == STREAM_OPENING &&
                fake->streams[at].port == 0)
                fake_open(fake, at);
        }
    }
}

size_t fake_asked(const struct fake_upstream *fake, const char *text)
{
    for (size_t at = 0; at < fake->count; at++) {
        const struct fake_stream *stream = &fake->streams[at];

        if (!stream->closed && stream->port == 0 && stream->out.len &&
            memmem(stream->out.ptr, stream->out.len, text, strlen(text)))
            return at;
    }
    return FAKE_STREAMS;
}

void fake_answer(struct fake_upstream *fake, struct event_base *base,
                 const char *question, int status, const char *body)
{
    AUTO(strbuf_fini) struct strbuf reply = STRBUF(MIB);
    size_t at;

    fake_run(fake, base);
    at = fake_asked(fake, question);
    if (at == FAKE_STREAMS)
        fail_msg("nobody asked for %s", question);
    strbuf_clear(&fake->streams[at].out);
    if (status == 204)
        strbuf_addf(&reply, "HTTP/1.1 204 X\r\n\r\n");
    else
        strbuf_addf(&reply,
                    "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                    "Content-Length: %zu\r\n\r\n%s",
                    status, strlen(body), body);
    fake_feed(fake, at, strbuf_cstr(&reply));
    fake_run(fake, base);
}
