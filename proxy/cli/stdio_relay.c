#include "proxy/cli/stdio_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "policy/base/str.h"

#define CHUNK (64 * KIB)

struct half {
    struct stdio_relay *relay;
    int from, to;
    struct event *readable, *writable;
    char *bytes; /* those from AT on are still to be written */
    size_t at, len;
    bool ended; /* FROM has said EOF */
    bool shut;  /* and so has TO been told */
};

struct stdio_relay {
    int fd;
    struct half in, out;
    struct event *hangup; /* of whoever reads what comes out */
    stdio_relay_cb done;
    void *arg;
};

static void finish(struct stdio_relay *r)
{
    stdio_relay_cb done = r->done;

    r->done = NULL;
    if (done)
        done(r->arg);
}

/* The socket learns of an end of input; who reads the output sees it close. */
static void pass_end(struct half *h)
{
    h->shut = true;
    if (h == &h->relay->in)
        shutdown(h->to, SHUT_WR);
    else
        finish(h->relay);
}

/* Nobody takes what FROM says. */
static void give_up(struct half *h)
{
    struct stdio_relay *r = h->relay;

    h->ended = h->shut = true;
    h->len = 0;
    if (h == &r->out) {
        shutdown(r->fd, SHUT_RDWR);
        finish(r);
    }
}

static bool can_wait(int error)
{
    return error == EAGAIN || error == EINTR;
}

static bool fill(struct half *h)
{
    ssize_t got;

    if (h->ended || h->len)
        return false;
    got = read(h->from, h->bytes, CHUNK);
    if (got < 0 && can_wait(errno))
        return false;
    h->ended = got <= 0;
    h->at = 0;
    h->len = got > 0 ? (size_t)got : 0;
    return true;
}

static bool drain(struct half *h)
{
    ssize_t done;

    if (!h->len)
        return false;
    done = write(h->to, h->bytes + h->at, h->len);
    if (done < 0 && can_wait(errno))
        return false;
    if (done < 0) {
        give_up(h);
        return true;
    }
    h->at += (size_t)done;
    h->len -= (size_t)done;
    return true;
}

static bool can_be_waited_for(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 &&
           (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd));
}

/* Files are always ready. */
static void await(struct event *event, short what)
{
    if (can_be_waited_for(event_get_fd(event)))
        event_add(event, NULL);
    else
        event_active(event, what, 0);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct half *h = arg;

    (void)fd;
    (void)what;
    while (fill(h) || drain(h))
        ;
    if (h->ended && !h->len && !h->shut)
        pass_end(h);
    if (h->len)
        await(h->writable, EV_WRITE);
    else if (!h->ended)
        await(h->readable, EV_READ);
}

/* Who reads the output may leave while there is none. */
static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    struct stdio_relay *r = arg;
    struct pollfd look = {.fd = fd};

    (void)what;
    if (poll(&look, 1, 0) > 0 && (look.revents & (POLLERR | POLLHUP)))
        give_up(&r->out);
}

static void half_init(struct half *h, struct stdio_relay *r,
                      struct event_base *base, int from, int to)
{
    *h = (struct half){.relay = r, .from = from, .to = to};
    h->bytes = xcalloc(1, CHUNK);
    h->readable = event_new(base, from, EV_READ, on_ready, h);
    h->writable = event_new(base, to, EV_WRITE, on_ready, h);
    await(h->readable, EV_READ);
}

static void half_fini(struct half *h)
{
    event_free(h->readable);
    event_free(h->writable);
    free(h->bytes);
}

static void do_not_block(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

struct stdio_relay *stdio_relay_new(struct event_base *base, int in, int out,
                                    int fd, stdio_relay_cb done, void *arg)
{
    struct stdio_relay *r = xcalloc(1, sizeof(*r));

    r->fd = fd;
    r->done = done;
    r->arg = arg;
    do_not_block(in);
    do_not_block(out);
    do_not_block(fd);
    half_init(&r->in, r, base, in, fd);
    half_init(&r->out, r, base, fd, out);
    /* edge-triggered: OUT may be a socket with input that is not for us */
    r->hangup =
        event_new(base, out, EV_READ | EV_ET | EV_PERSIST, on_hangup, r);
    if (can_be_waited_for(out))
        event_add(r->hangup, NULL);
    return r;
}

struct stdio_relay *stdio_relay_free(struct stdio_relay *r)
{
    if (!r)
        return NULL;
    half_fini(&r->in);
    half_fini(&r->out);
    event_free(r->hangup);
    close(r->fd);
    free(r);
    return NULL;
}
