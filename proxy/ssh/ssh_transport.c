#include "proxy/ssh/ssh_transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (256 * KIB)
#define PASS_SIZE (128 * KIB)
#define NOTSENT   (256 * KIB) /* in the kernel, where we cannot reorder it */
/* above LIMIT_LINK_OUTPUT only protocol messages come: this many is a flood */
#define OUTPUT_MAX (4 * LIMIT_LINK_OUTPUT)

static LIBSSH2_SEND_FUNC(on_send)
{
    struct ssh_transport *t = *abstract;

    (void)socket;
    (void)flags;
    if (t->error)
        return -t->error;
    if (bytes_add(&t->out, str_of(buffer, length)) < 0) {
        t->error = ENOBUFS;
        return -ENOBUFS;
    }
    return (ssize_t)length;
}

static struct str input(struct ssh_transport *t)
{
    if (!t->stream || t->error)
        return bytes_str(&t->in);
    return stream_peek(t->stream);
}

static void keep_greeting(struct ssh_transport *t, struct str s)
{
    s = str_head(s, sizeof(t->greeting) - t->greeting_len);
    memcpy(t->greeting + t->greeting_len, s.ptr, s.len);
    t->greeting_len += s.len;
}

static void consume(struct ssh_transport *t, struct str taken)
{
    if (!t->stream) {
        bytes_consume(&t->in, taken.len);
        return;
    }
    keep_greeting(t, taken);
    t->received += taken.len;
    stream_consume(t->stream, taken.len);
}

static LIBSSH2_RECV_FUNC(on_recv)
{
    struct ssh_transport *t = *abstract;
    struct str in = str_head(input(t), length);

    (void)socket;
    (void)flags;
    if (in.len == 0 && (t->eof || t->error))
        return t->error ? -t->error : 0;
    in = str_head(in, t->budget);
    if (in.len == 0)
        return -EAGAIN;
    memcpy(buffer, in.ptr, in.len);
    consume(t, in);
    t->budget -= in.len;
    t->taken += in.len;
    return (ssize_t)in.len;
}

static void init(struct ssh_transport *t, int fd, struct stream *stream)
{
    *t = (struct ssh_transport){
        .handle = fd,
        .fd = fd,
        .stream = stream,
        .in = BYTES(READ_SIZE),
        .out = BYTES(OUTPUT_MAX),
        .eager = true,
    };
}

void ssh_transport_init_stream(struct ssh_transport *t, struct stream *stream,
                               int handle)
{
    init(t, -1, stream);
    t->handle = handle;
}

void ssh_transport_init(struct ssh_transport *t, int fd)
{
    int on = 1, notsent = NOTSENT;

    init(t, fd, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof(notsent));
}

void ssh_transport_fini(struct ssh_transport *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    stream_close(t->stream);
    t->stream = NULL;
    bytes_fini(&t->in);
    bytes_fini(&t->out);
}

void ssh_transport_attach(struct ssh_transport *t, LIBSSH2_SESSION *session)
{
    (void)t;
#if LIBSSH2_VERSION_NUM >= 0x010b01
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_SEND,
                                  (libssh2_cb_generic *)on_send);
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_RECV,
                                  (libssh2_cb_generic *)on_recv);
#else
    /* the old interface wants functions as void pointers: a union makes the
     * conversion that ISO C leaves out and POSIX promises */
    union {
        LIBSSH2_SEND_FUNC((*send));
        LIBSSH2_RECV_FUNC((*recv));
        void *pointer;
    } callback;

    callback.send = on_send;
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_SEND,
                                 callback.pointer);
    callback.recv = on_recv;
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_RECV,
                                 callback.pointer);
#endif
}

int ssh_transport_fill(struct ssh_transport *t)
{
    size_t room = READ_SIZE - t->in.len;
    int on = 1;
    char *to;
    ssize_t n;

    if (t->error)
        return -t->error;
    if (t->stream)
        t->eof = t->stream->eof || t->stream->state == STREAM_CLOSED;
    if (t->stream || room == 0 || t->eof)
        return 0;
    to = bytes_reserve(&t->in, room);
    do
        n = recv(t->fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        t->error = errno;
        return -errno;
    }
    if (n == 0)
        t->eof = true;
    bytes_commit(&t->in, (size_t)n);
    t->received += (size_t)n;
    keep_greeting(t, str_of(to, (size_t)n));
    if (t->eager)
        setsockopt(t->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    return 0;
}

int ssh_transport_flush(struct ssh_transport *t)
{
    ssize_t n;

    while (t->out.len && !t->error) {
        struct str s = bytes_str(&t->out);

        if (t->stream) {
            size_t taken = stream_write(t->stream, s);

            if (t->stream->state == STREAM_CLOSED)
                t->error = EPIPE;
            if (taken == 0)
                break; /* its on_change tells of room */
            bytes_consume(&t->out, taken);
            continue;
        }
        n = send(t->fd, s.ptr, s.len, MSG_NOSIGNAL);
        if (n >= 0) {
            bytes_consume(&t->out, (size_t)n);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            t->error = errno;
    }
    return -t->error;
}

void ssh_transport_begin_pass(struct ssh_transport *t)
{
    t->budget = PASS_SIZE;
}

void ssh_transport_trim(struct ssh_transport *t)
{
    bytes_trim(&t->in);
    bytes_trim(&t->out);
}

void ssh_transport_cut(struct ssh_transport *t)
{
    if (!t->error)
        t->error = ECONNABORTED;
    t->in.len = 0;
    t->out.len = 0;
}

struct str ssh_transport_greeting(const struct ssh_transport *t)
{
    struct str all = str_of(t->greeting, t->greeting_len), line, rest;

    str_cut(all, '\n', &line, &rest);
    if (str_has_suffix(line, S("\r")))
        line.len--;
    return str_has_prefix(line, S("SSH-")) ? str_of(NULL, 0) : line;
}

void ssh_transport_watch(struct ssh_transport *t, unsigned dead_after_ms,
                         unsigned probes)
{
    int on = 1, count = (int)probes;
    int pause = (int)(dead_after_ms / 1000 / (probes + 1)) + 1;

    if (t->fd < 0)
        return;
    setsockopt(t->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(t->fd, IPPROTO_TCP, TCP_KEEPIDLE, &pause, sizeof(pause));
    setsockopt(t->fd, IPPROTO_TCP, TCP_KEEPINTVL, &pause, sizeof(pause));
    setsockopt(t->fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    setsockopt(t->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_after_ms,
               sizeof(dead_after_ms));
}
