#include "proxy/upstream/socket_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LIMIT_WHY 1024
#define RETRY_MS  20 /* a Unix socket whose queue is full */

static void refuse(struct socket_stream *s, const char *where, int error)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_WHY);
    const char *hint = "is the engine running?";

    if (error == EACCES)
        hint = "may this user open it (group docker)?";
    strbuf_addf(&why, "cannot connect to %s: %s; %s", where, strerror(error),
                hint);
    socket_end(s, strbuf_cstr(&why));
    socket_tell(s);
}

/* ---- a name with several addresses ---- */

static void on_dialed(int fd, const char *error, void *arg);

/* Does FD, which was dialed, lead where the other streams do? */
static bool is_there(struct socket_upstream *up, int fd)
{
    bool moved, there = one_address_take(&up->address, fd, &moved);

    /* before the stream is anybody's */
    if (moved && up->upstream.on_status)
        up->upstream.on_status(&up->upstream, up->upstream.status_arg);
    return there;
}

void socket_dial(struct socket_stream *s)
{
    const struct upstream_config *config = s->up->config;

    s->dialer = dialer_start(
        s->base, s->up->address.text ? s->up->address.text : config->host,
        config->port, &(struct dialer_options){.skip = s->up->address.skip},
        config->connect_timeout_ms, on_dialed, s);
}

bool socket_reject(struct upstream *upstream, const char *why)
{
    struct socket_upstream *up = (struct socket_upstream *)upstream;

    (void)why;
    if (up->config->kind != UPSTREAM_TCP)
        return false;
    up->address.skip++;
    one_address_forget(&up->address);
    return false; /* nobody connects anew by itself */
}

static void on_dialed(int fd, const char *error, void *arg)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_WHY);
    struct socket_stream *s = arg;
    int on = 1;

    s->dialer = NULL;
    if (fd < 0) {
        if (s->up && s->to_engine)
            one_address_forget(&s->up->address);
        strbuf_addf(&why, "cannot connect to %s: %s", s->where, error);
        socket_end(s, strbuf_cstr(&why));
        socket_tell(s);
        return;
    }
    if (s->up && s->to_engine && !is_there(s->up, fd)) {
        close(fd);
        socket_dial(s);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    socket_connected(s, fd);
}

void socket_connect(struct socket_stream *s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = s->up->config->path;
    int fd, error;

    if (strlen(path) >= sizeof(address.sun_path)) {
        refuse(s, path, ENAMETOOLONG);
        return;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        socket_connected(s, fd);
        return;
    }
    error = errno;
    if (fd >= 0)
        close(fd);
    if (error == EAGAIN)
        socket_soon(s, RETRY_MS);
    else
        refuse(s, path, error);
}

void socket_dial_port(struct socket_stream *s, const char *address,
                      unsigned port)
{
    s->dialer = dialer_start(s->base, address, port, NULL,
                             s->up->config->connect_timeout_ms, on_dialed, s);
}
