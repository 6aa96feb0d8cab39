#include "proxy/ssh/proxy_dialer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/net/dialer.h"
#include "proxy/ssh/key_file.h"
#include "proxy/ssh/proxy_talk.h"

#define LIMIT_WHY 1536
#define READ_SIZE 2048

struct proxy_dialer {
    struct event_base *base;
    const struct upstream_config *config;
    struct dialer *dialer; /* to the proxy */
    int fd;                /* then this */
    struct event *readable;
    struct event *writable;
    struct proxy_talk talk;
    struct strbuf why;
    proxy_dialer_cb done;
    void *arg;
};

static void drop_socket(struct proxy_dialer *d)
{
    if (d->readable)
        event_free(d->readable);
    if (d->writable)
        event_free(d->writable);
    d->readable = NULL;
    d->writable = NULL;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

void proxy_dialer_cancel(struct proxy_dialer *d)
{
    if (!d)
        return;
    dialer_cancel(d->dialer);
    drop_socket(d);
    proxy_talk_fini(&d->talk);
    strbuf_fini(&d->why);
    free(d);
}

bool proxy_dialer_has_asked(const struct proxy_dialer *d)
{
    return d->talk.state == PROXY_TALK_TARGET ||
           (d->talk.state == PROXY_TALK_REPLY && d->talk.http &&
            d->talk.out.len == 0);
}

static void finish(struct proxy_dialer *d, int fd)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_WHY + LIMIT_HOST + 64);
    bool unreached = d->talk.unreached;
    proxy_dialer_cb done = d->done;
    void *arg = d->arg;

    if (fd < 0)
        strbuf_addf(&why, "proxy %s port %u: %.*s", d->config->proxy.host,
                    d->config->proxy.port, STR_FMT(strbuf_str(&d->why)));
    proxy_dialer_cancel(d);
    done(fd, unreached, fd < 0 ? strbuf_cstr(&why) : NULL, arg);
}

static void fail_errno(struct proxy_dialer *d, int error)
{
    strbuf_addf(&d->why, "the connection to it broke: %s", strerror(error));
    finish(d, -1);
}

static void send_out(struct proxy_dialer *d)
{
    struct strbuf *out = &d->talk.out;

    while (out->len) {
        ssize_t n = send(d->fd, out->ptr, out->len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            event_add(d->writable, NULL);
            return;
        }
        if (n < 0) {
            fail_errno(d, errno);
            return;
        }
        strbuf_consume(out, (size_t)n);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_out(arg);
}

/* Only looks at what has come, then takes what is the proxy's: the host speaks
 * first, and may have done so already. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct proxy_dialer *d = arg;
    char bytes[READ_SIZE];
    size_t used = 0;
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK);
    int r;

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        fail_errno(d, errno);
        return;
    }
    if (n == 0) {
        strbuf_addf(&d->why, "it closed the connection before it had "
                             "connected us; does it know this kind of proxy "
                             "protocol, and may this machine use it?");
        finish(d, -1);
        return;
    }
    r = proxy_talk_next(&d->talk, str_of(bytes, (size_t)n), &used, &d->why);
    if (used && recv(fd, bytes, used, 0) != (ssize_t)used) {
        fail_errno(d, EPROTO);
        return;
    }
    if (r == -EAGAIN) {
        send_out(d);
        return;
    }
    if (r == 0)
        d->fd = -1; /* handed over */
    finish(d, r == 0 ? (int)fd : -1);
}

/* What is in the file of credentials, if there is one. */
static int begin_talk(struct proxy_dialer *d)
{
    const struct upstream_config *config = d->config;
    AUTO(key_file_fini) struct key_file file = {0};
    struct str line = {0}, rest;

    if (config->proxy.credentials &&
        key_file_read(config->proxy.credentials, LIMIT_CREDENTIALS,
                      KEY_FILE_PRIVATE, &file, &d->why))
        return PROXY_TALK_E_REFUSED;
    if (file.data) {
        str_cut(str_of(file.data, file.len), '\n', &line, &rest);
        if (str_has_suffix(line, S("\r")))
            line.len--;
        if (line.len == 0)
            line = S(" "); /* which is refused */
    }
    return proxy_talk_init(&d->talk, config->proxy.kind, str_from(config->host),
                           config->port, line, &d->why);
}

static void on_dialed(int fd, const char *error, void *arg)
{
    struct proxy_dialer *d = arg;
    int on = 1;

    d->dialer = NULL;
    d->fd = fd;
    if (fd < 0) {
        strbuf_addf(&d->why, "cannot connect to it: %s", error);
        finish(d, -1);
        return;
    }
    if (begin_talk(d)) {
        finish(d, -1);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    d->readable = event_new(d->base, fd, EV_READ | EV_PERSIST, on_readable, d);
    d->writable = event_new(d->base, fd, EV_WRITE, on_writable, d);
    event_add(d->readable, NULL);
    send_out(d);
}

struct proxy_dialer *proxy_dialer_start(struct event_base *base,
                                        const struct upstream_config *config,
                                        proxy_dialer_cb done, void *arg)
{
    struct proxy_dialer *d = xcalloc(1, sizeof(*d));

    *d = (struct proxy_dialer){
        .base = base,
        .config = config,
        .fd = -1,
        .why = STRBUF(LIMIT_WHY),
        .done = done,
        .arg = arg,
    };
    d->dialer =
        dialer_start(base, config->proxy.host, config->proxy.port,
                     &(struct dialer_options){.from = config->bind_address},
                     config->connect_timeout_ms, on_dialed, d);
    return d;
}
