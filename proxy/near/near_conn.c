#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/base/log.h"
#include "proxy/near/near_private.h"

enum {
    READ_SIZE = 128 * 1024,
    MOST_TRIES = 3, /* ports that were not the container's any more */
};

void near_conn_end(struct near_conn *c, bool reset)
{
    const struct linger now = {1, 0};
    struct near *near = c->near;

    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    if (!c->confirmed) {
        near->counts.refused++;
        near->opening--;
    }
    TAILQ_REMOVE(&near->conns, c, link);
    if (--near->counts.connections == 0)
        near->told_crowded = false;
    memory_use(near->memory, &c->memory, 0);
    turn_cancel(&c->turn);
    event_free(c->input);
    event_free(c->writable);
    event_free(c->deadline);
    stream_close(c->stream);
    close(c->fd);
    free(c);
    if (near->starved)
        near->events->on_room(near);
}

static void tell_why(struct near_conn *c, const char *why)
{
    struct near *near = c->near;

    if (!near->told_why)
        log_warn("ports: connections to %s of %s are not carried: %s",
                 c->port->name, c->port->entry->name, why);
    near->told_why = true;
}

/* ---- bytes ---- */

/* To the client, as much as it takes. False: it is gone. */
static bool send_to_client(struct near_conn *c)
{
    struct str in = stream_peek(c->stream);

    while (in.len) {
        ssize_t n = send(c->fd, in.ptr, in.len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            event_add(c->writable, NULL);
            return true;
        }
        if (n < 0)
            return false;
        stream_consume(c->stream, (size_t)n);
        in = stream_peek(c->stream);
    }
    if (c->stream->eof && !c->told_client) {
        c->told_client = true;
        shutdown(c->fd, SHUT_WR);
    }
    return true;
}

static bool may_read_client(const struct near_conn *c)
{
    return c->confirmed && c->readable && !c->client_eof &&
           stream_room(c->stream) > 0;
}

/* Do what can be done now, and wait for what cannot. */
static void settle(struct near_conn *c)
{
    if (!c->confirmed)
        return;
    if (!send_to_client(c)) {
        near_conn_end(c, true);
        return;
    }
    if (c->stream->state == STREAM_CLOSED && stream_peek(c->stream).len == 0) {
        near_conn_end(c, c->stream->why != NULL);
        return;
    }
    if (c->client_eof && !c->told_engine) {
        c->told_engine = true;
        stream_shutdown(c->stream);
    }
    if (may_read_client(c))
        turn_wake(&c->turn);
}

/* False: the client is gone. */
static bool read_client(struct near_conn *c)
{
    static char got[READ_SIZE];
    size_t room = stream_room(c->stream);
    ssize_t n = recv(c->fd, got, room < sizeof(got) ? room : sizeof(got), 0);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    if (n < 0 && errno == EAGAIN) /* only then is more told of (epoll(7)) */
        c->readable = false;
    if (n > 0)
        stream_write(c->stream, str_of(got, (size_t)n));
    c->client_eof = n == 0;
    return true;
}

static void on_turn(struct turn *turn)
{
    struct near_conn *c =
        (struct near_conn *)((char *)turn - offsetof(struct near_conn, turn));

    if (may_read_client(c) && !read_client(c))
        near_conn_end(c, false);
    else
        settle(c);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct near_conn *c = arg;

    (void)fd;
    c->readable |= (what & EV_READ) != 0;
    turn_wake(&c->turn);
}

/* ---- where it leads ---- */

static void on_change(struct stream *stream, void *arg)
{
    struct near_conn *c = arg;

    if (!c->confirmed && stream->state == STREAM_CLOSED && stream->why)
        tell_why(c, stream->why);
    turn_wake(&c->turn);
}

/* To the port that was last known, and ask whether it still is the one. */
static void try_port(struct near_conn *c)
{
    c->opened = c->port->engine_port;
    if (c->opened)
        c->stream = upstream_open_port(c->near->upstream, c->near->address,
                                       c->opened, on_change, c);
    if (c->stream)
        c->stream->who = c->near;
    c->asked = ASKED_NEXT;
    c->near->events->on_question(c->port->entry);
}

void near_conn_answered(struct near_conn *c)
{
    unsigned port = c->port->engine_port;

    c->asked = ASKED_NOTHING;
    if (!port) { /* as where nobody listens behind it */
        near_conn_end(c, true);
        return;
    }
    if (c->opened == port) {
        if (!c->stream || c->stream->state == STREAM_CLOSED) {
            near_conn_end(c, true);
            return;
        }
        c->confirmed = true;
        c->near->opening--;
        c->near->counts.carried++;
        if (c->near->starved)
            c->near->events->on_room(c->near);
        event_del(c->deadline);
        event_add(c->input, NULL);
        turn_wake(&c->turn);
        return;
    }
    stream_close(c->stream);
    c->stream = NULL;
    if (++c->tries >= MOST_TRIES)
        near_conn_end(c, true);
    else
        try_port(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct near_conn *c = arg;

    (void)fd;
    (void)what;
    near_conn_end(c, true);
}

void near_conn_new(struct near_port *port, int fd)
{
    struct near_conn *c = xcalloc(1, sizeof(*c));
    struct near *near = port->entry->near;
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->near = near;
    c->port = port;
    c->fd = fd;
    turn_init(&c->turn, near->turns, on_turn);
    /* what the engine may send before its client reads */
    memory_use(near->memory, &c->memory, LIMIT_PORT_INPUT);
    c->input =
        event_new(near->base, fd, EV_READ | EV_ET | EV_PERSIST, on_socket, c);
    c->writable = event_new(near->base, fd, EV_WRITE | EV_ET, on_socket, c);
    c->deadline = event_new(near->base, -1, 0, on_deadline, c);
    event_add(c->deadline, &(struct timeval){NEAR_CONFIRM_S, 0});
    TAILQ_INSERT_TAIL(&near->conns, c, link);
    near->counts.connections++;
    near->opening++;
    try_port(c);
}

void near_conn_orphan(struct near_conn *c)
{
    c->port = NULL;
    if (!c->confirmed)
        near_conn_end(c, true);
    else /* what the container has said is still under way */
        event_add(c->deadline, &(struct timeval){NEAR_LINGER_S, 0});
}
