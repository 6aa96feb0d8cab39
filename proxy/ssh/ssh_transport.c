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

static LIBSSH2_RECV_FUNC(on_recv)
{
    struct ssh_transport *t = *abstract;
    size_t len = length < t->in.len ? length : t->in.len;

    (void)socket;
    (void)flags;
    if (t->in.len == 0 && (t->eof || t->error))
        return t->error ? -t->error : 0;
    if (len > t->budget)
        len = t->budget;
    if (len == 0)
        return -EAGAIN;
    memcpy(buffer, bytes_str(&t->in).ptr, len);
    bytes_consume(&t->in, len);
    t->budget -= len;
    t->taken += len;
    return (ssize_t)len;
}

void ssh_transport_init(struct ssh_transport *t, int fd)
{
    int on = 1, notsent = NOTSENT;

    *t = (struct ssh_transport){
        .fd = fd,
        .in = BYTES(READ_SIZE),
        .out = BYTES(OUTPUT_MAX),
        .eager = true,
    };
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof(notsent));
}

void ssh_transport_fini(struct ssh_transport *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
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

static void keep_greeting(struct ssh_transport *t, struct str s)
{
    s = str_head(s, sizeof(t->greeting) - t->greeting_len);
    memcpy(t->greeting + t->greeting_len, s.ptr, s.len);
    t->greeting_len += s.len;
}

int ssh_transport_fill(struct ssh_transport *t)
{
    size_t room = READ_SIZE - t->in.len;
    int on = 1;
    char *to;
    ssize_t n;

    if (t->error)
        return -t->error;
    if (room == 0 || t->eof)
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
