#include "proxy/server/session_private.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

static void client_gone(struct session *s)
{
    s->client_eof = s->told_client_eof = true;
    s->readable = false;
    strbuf_fini(&s->held);
    connection_client_gone(s->connection);
}

/*
 * A client that closed altogether, not just its sending half: on a Unix socket
 * only POLLHUP tells. It comes as well when both halves are closed, ours by us:
 * then nothing more is sent to it, and what it sent before still goes on.
 */
static bool hung_up(const struct session *s)
{
    struct pollfd fd = {.fd = s->fd};

    return !s->shut[CLIENT] && poll(&fd, 1, 0) > 0 &&
           (fd.revents & (POLLHUP | POLLERR));
}

bool session_write_client(struct session *s)
{
    struct str out = connection_output(s->connection, CLIENT);
    ssize_t sent = 0;

    if (out.len && s->writable) {
        sent = send(s->fd, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            s->writable = false;
            event_add(s->room, NULL);
            return false;
        }
        if (sent < 0) {
            client_gone(s);
            return true;
        }
        connection_sent(s->connection, CLIENT, (size_t)sent);
        if ((size_t)sent == out.len && event_pending(s->room, EV_WRITE, NULL))
            event_del(s->room);
    }
    if ((size_t)sent == out.len && !s->shut[CLIENT] &&
        connection_wish(s->connection).shut[CLIENT]) {
        shutdown(s->fd, SHUT_WR);
        s->shut[CLIENT] = true;
        return true;
    }
    return sent > 0;
}

static bool feed_held(struct session *s)
{
    size_t used = connection_feed(s->connection, CLIENT, strbuf_str(&s->held));

    strbuf_consume(&s->held, used);
    return used > 0;
}

bool session_read_client(struct session *s)
{
    static char bytes[SESSION_READ_BYTES];
    size_t used;
    ssize_t got;

    if (!connection_wish(s->connection).read[CLIENT])
        return false;
    if (s->held.len)
        return feed_held(s);
    if (s->client_eof) {
        if (s->told_client_eof)
            return false;
        s->told_client_eof = true;
        connection_eof(s->connection, CLIENT);
        return true;
    }
    /* what is asked next is asked of the host that is being looked for */
    if (!s->readable || frontend_is_placing(s->frontend))
        return false;
    got = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        s->readable = false;
        return false;
    }
    if (got <= 0) {
        s->client_eof = true;
        s->readable = false;
        if (got < 0 || hung_up(s))
            client_gone(s);
        return true;
    }
    /* That was all, and what comes next is told of anew (epoll(7)); but EOF is
     * not, when it was there together with the bytes. */
    if ((size_t)got < sizeof(bytes) && !s->half_closed)
        s->readable = false;
    used = connection_feed(s->connection, CLIENT, str_of(bytes, (size_t)got));
    /* SESSION_READ_BYTES at most: nothing is read while something is held */
    strbuf_add(&s->held, str_of(bytes + used, (size_t)got - used));
    return true;
}

/*
 * Where nothing more is expected of the client, it is not read; that it has
 * left altogether matters all the same.
 */
void session_watch_client(struct session *s)
{
    if (!s->readable || !connection_wish(s->connection).watch)
        return;
    if (hung_up(s))
        client_gone(s);
    else if (s->client_eof)
        s->readable = false; /* a later change brings a new event */
}
