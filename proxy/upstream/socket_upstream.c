#include "proxy/upstream/socket_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT_WHY 1024

static struct socket_stream *socket_of(struct stream *stream)
{
    return (struct socket_stream *)stream;
}

void socket_tell(struct socket_stream *s)
{
    if (s->stream.on_change)
        s->stream.on_change(&s->stream, s->stream.arg);
}

void socket_soon(struct socket_stream *s, unsigned ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    event_add(s->soon, &tv);
}

static void drop_socket(struct socket_stream *s)
{
    dialer_cancel(s->dialer);
    s->dialer = NULL;
    if (s->readable)
        event_free(s->readable);
    if (s->writable)
        event_free(s->writable);
    s->readable = NULL;
    s->writable = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void socket_end(struct socket_stream *s, const char *why)
{
    if (s->stream.state == STREAM_CLOSED)
        return;
    drop_socket(s);
    s->why_text = why ? xstrdup(why) : NULL;
    s->stream.why = s->why_text;
    s->stream.state = STREAM_CLOSED;
    bytes_fini(&s->out);
}

static void end_by_errno(struct socket_stream *s, int error)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_WHY);

    strbuf_addf(&why, "the connection to the engine broke: %s",
                strerror(error));
    socket_end(s, strbuf_cstr(&why));
}

static void send_out(struct socket_stream *s)
{
    while (s->out.len) {
        struct str bytes = bytes_str(&s->out);
        ssize_t n = send(s->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (n >= 0) {
            bytes_consume(&s->out, (size_t)n);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            event_add(s->writable, NULL);
            return;
        } else if (errno != EINTR) {
            s->error = errno;
            return;
        }
    }
    bytes_trim(&s->out);
    if (s->shut && !s->eof_sent) {
        s->eof_sent = true;
        shutdown(s->fd, SHUT_WR);
    }
}

/* Both ways have ended, and the owner has read everything: it is over. */
static bool is_over(const struct socket_stream *s)
{
    return s->stream.state == STREAM_OPEN && s->stream.eof && s->eof_sent &&
           s->in.len == 0;
}

static void settle(struct socket_stream *s)
{
    if (s->stream.state != STREAM_OPEN)
        return;
    if (s->error)
        end_by_errno(s, s->error);
    else if (is_over(s))
        socket_end(s, NULL);
    else if (!s->stream.eof && s->in.len < IN_MAX)
        event_add(s->readable, NULL);
    else
        event_del(s->readable);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    static char got[READ_SIZE];
    struct socket_stream *s = arg;
    size_t most = IN_MAX - s->in.len;
    ssize_t n;

    (void)what;
    n = recv(fd, got, most < sizeof(got) ? most : sizeof(got), 0);
    if (n > 0)
        bytes_add(&s->in, str_of(got, (size_t)n));
    else if (n == 0)
        s->stream.eof = true;
    else if (errno == EAGAIN || errno == EINTR)
        return;
    else
        s->error = errno;
    settle(s);
    socket_tell(s);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct socket_stream *s = arg;
    bool news = s->was_full;

    (void)fd;
    (void)what;
    send_out(s);
    news = s->error || (news && s->out.len <= OUT_MAX / 2);
    if (news)
        s->was_full = false;
    settle(s);
    if (news || s->stream.state == STREAM_CLOSED)
        socket_tell(s);
}

void socket_connected(struct socket_stream *s, int fd)
{
    s->fd = fd;
    s->readable = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, s);
    s->writable = event_new(s->base, fd, EV_WRITE, on_writable, s);
    s->stream.state = STREAM_OPEN;
    if (s->out.len)
        s->stream.pristine = false;
    send_out(s);
    settle(s);
    socket_tell(s);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct socket_stream *s = arg;

    (void)fd;
    (void)what;
    if (s->stream.state == STREAM_OPENING) {
        socket_connect(s);
        return;
    }
    settle(s);
    if (s->stream.state == STREAM_CLOSED)
        socket_tell(s);
}

static struct str peek(struct stream *stream)
{
    return bytes_str(&socket_of(stream)->in);
}

static void consume(struct stream *stream, size_t len)
{
    struct socket_stream *s = socket_of(stream);

    bytes_consume(&s->in, len);
    bytes_trim(&s->in);
    if (is_over(s))
        socket_soon(s, 0);
    else
        settle(s);
}

static size_t room(const struct stream *stream)
{
    const struct socket_stream *s = (const struct socket_stream *)stream;

    if (stream->state == STREAM_CLOSED || s->shut || s->error)
        return 0;
    return OUT_MAX - s->out.len;
}

/* What is left to send goes now, but news of it only later. */
static void push(struct socket_stream *s)
{
    if (s->stream.state != STREAM_OPEN)
        return;
    s->stream.pristine = false;
    send_out(s);
    if (s->error || is_over(s))
        socket_soon(s, 0);
}

static size_t write_bytes(struct stream *stream, struct str bytes)
{
    struct socket_stream *s = socket_of(stream);
    size_t most = room(stream);

    bytes = str_head(bytes, most);
    bytes_add(&s->out, bytes);
    if (bytes.len == most)
        s->was_full = true;
    if (bytes.len)
        push(s);
    return bytes.len;
}

static void shut(struct stream *stream)
{
    struct socket_stream *s = socket_of(stream);

    if (s->shut || stream->state == STREAM_CLOSED)
        return;
    s->shut = true;
    if (stream->state == STREAM_OPEN && s->out.len == 0)
        push(s);
}

static void free_later(evutil_socket_t fd, short what, void *arg)
{
    struct socket_stream *s = arg;

    (void)fd;
    (void)what;
    bytes_fini(&s->in);
    bytes_fini(&s->out);
    free(s->why_text);
    free(s);
}

static void give_up(struct stream *stream)
{
    struct socket_stream *s = socket_of(stream);

    stream->on_change = NULL;
    drop_socket(s);
    if (s->soon)
        event_free(s->soon);
    s->soon = NULL;
    if (s->up) {
        TAILQ_REMOVE(&s->up->streams, s, link);
        s->up->count--;
    }
    event_base_once(s->base, -1, EV_TIMEOUT, free_later, s, NULL);
}

static struct socket_stream *new_stream(struct upstream *upstream,
                                        stream_cb on_change, void *arg)
{
    static const struct stream_ops ops = {
        .peek = peek,
        .consume = consume,
        .room = room,
        .write = write_bytes,
        .shutdown = shut,
        .close = give_up,
    };
    struct socket_upstream *up = (struct socket_upstream *)upstream;
    struct socket_stream *s;

    if (up->count >= LIMIT_CHANNELS)
        return NULL;
    s = xcalloc(1, sizeof(*s));
    *s = (struct socket_stream){
        .stream = {.ops = &ops,
                   .state = STREAM_OPENING,
                   .pristine = true,
                   .on_change = on_change,
                   .arg = arg},
        .up = up,
        .base = up->base,
        .fd = -1,
        .in = BYTES(IN_MAX),
        .out = BYTES(OUT_MAX),
    };
    s->soon = event_new(up->base, -1, EV_TIMEOUT, on_soon, s);
    TAILQ_INSERT_TAIL(&up->streams, s, link);
    up->count++;
    return s;
}

static struct stream *open_stream(struct upstream *upstream,
                                  stream_cb on_change, void *arg)
{
    struct socket_upstream *up = (struct socket_upstream *)upstream;
    const struct upstream_config *config = up->config;
    struct socket_stream *s = new_stream(upstream, on_change, arg);

    if (!s)
        return NULL;
    s->where = config->host;
    s->to_engine = true;
    if (config->kind == UPSTREAM_UNIX)
        socket_soon(s, 0);
    else
        socket_dial(s);
    return &s->stream;
}

/* An engine that is reached by its Unix socket is on this machine. */
static struct stream *open_port(struct upstream *upstream, const char *address,
                                unsigned port, stream_cb on_change, void *arg)
{
    struct socket_upstream *up = (struct socket_upstream *)upstream;
    struct socket_stream *s;

    if (up->config->kind != UPSTREAM_UNIX)
        return NULL;
    s = new_stream(upstream, on_change, arg);
    if (!s)
        return NULL;
    s->where = "a published port";
    socket_dial_port(s, address, port);
    return &s->stream;
}

static void status(const struct upstream *upstream,
                   struct upstream_status *status)
{
    const struct socket_upstream *up = (const struct socket_upstream *)upstream;

    *status = (struct upstream_status){
        .up = true,
        .direct = true,
        .generation = up->address.generation ? up->address.generation : 1,
        .connects = up->address.generation ? up->address.generation : 1,
        .channels = (unsigned)up->count};
}

static void free_upstream(struct upstream *upstream)
{
    struct socket_upstream *up = (struct socket_upstream *)upstream;
    struct socket_stream *s;

    while ((s = TAILQ_FIRST(&up->streams))) {
        TAILQ_REMOVE(&up->streams, s, link);
        s->up = NULL; /* its owner's alone from now on */
        socket_end(s, "berth is shutting down");
        socket_soon(s, 0); /* to be told */
    }
    one_address_forget(&up->address);
    free(up);
}

struct upstream *socket_upstream_new(struct event_base *base,
                                     const struct upstream_config *config)
{
    static const struct upstream_ops ops = {
        .open = open_stream,
        .open_port = open_port,
        .reject = socket_reject,
        .status = status,
        .free = free_upstream,
    };
    struct socket_upstream *up = xcalloc(1, sizeof(*up));

    assert(config->kind != UPSTREAM_SSH);
    up->upstream.ops = &ops;
    up->base = base;
    up->config = config;
    TAILQ_INIT(&up->streams);
    return &up->upstream;
}
