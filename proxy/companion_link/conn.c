#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/companion_link/link_private.h"

/* A channel of a session, and a pair of sockets that leads to a client of this
 * berth's. */

static void on_turn(struct turn *turn);
static void on_socket(evutil_socket_t fd, short what, void *arg);

struct link_conn *link_conn_new(struct link_session *session, uint32_t channel,
                                int *far)
{
    const struct companion_config *config = link_config(session);
    struct link_conn *c;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                   pair) < 0)
        return NULL;
    c = xcalloc(1, sizeof(*c));
    c->session = session;
    c->channel = channel;
    c->fd = pair[0];
    *far = pair[1];
    c->held.max = WIRE_CREDIT;
    wire_account_open(&c->account);
    turn_init(&c->turn, config->turns, on_turn);
    memory_use(config->memory, &c->memory, WIRE_CREDIT);
    c->readable = event_new(config->base, c->fd, EV_READ, on_socket, c);
    c->writable = event_new(config->base, c->fd, EV_WRITE, on_socket, c);
    event_add(c->readable, NULL);
    link_add(session, c);
    return c;
}

void link_conn_free(struct link_conn *c)
{
    link_remove(c->session, c);
    if (c->on_gone)
        c->on_gone(c->arg);
    memory_use(link_config(c->session)->memory, &c->memory, 0);
    turn_cancel(&c->turn);
    if (c->deadline)
        event_free(c->deadline);
    event_free(c->readable);
    event_free(c->writable);
    close(c->fd);
    bytes_fini(&c->held);
    free(c);
}

/* This side takes nothing any more. False: C is gone. */
static bool close_conn(struct link_conn *c)
{
    if (c->ends || link_put(c->session, WIRE_CLOSE, c->channel, NULL, 0)) {
        link_conn_free(c);
        return false;
    }
    c->closes = true; /* once there is room */
    event_del(c->readable);
    return true;
}

static void give_back(struct link_conn *c)
{
    unsigned char bytes[4];

    wire_put(bytes, sizeof(bytes), c->back);
    if (c->back && !c->ends && !c->closes &&
        link_put(c->session, WIRE_MORE, c->channel, bytes, sizeof(bytes)))
        c->back = 0;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    link_conn_free(arg);
}

/* Its client may never read the rest. */
static void wait_for_end(struct link_conn *c)
{
    if (c->ending || !(c->ends || (c->account.eof_came && c->account.eof_sent)))
        return;
    c->ending = true;
    c->deadline =
        event_new(link_config(c->session)->base, -1, 0, on_deadline, c);
    event_add(c->deadline, &(struct timeval){LINK_ENDING_S, 0});
    link_note_ending(c->session, c);
}

/* Its two halves are over, or what it still had to be told is told. */
static bool settle_end(struct link_conn *c)
{
    if (c->ends && c->on_gone) {
        link_conn_free(c);
        return false;
    }
    if (c->held.len > 0) {
        wait_for_end(c);
        return true;
    }
    if (c->account.eof_came && !c->shut && !c->ends) {
        shutdown(c->fd, SHUT_WR);
        c->shut = true;
    }
    if (!c->ends && !(c->shut && c->account.eof_sent))
        return true;
    link_conn_free(c);
    return false;
}

/* As much as the client takes. False: C is gone. */
static bool write_held(struct link_conn *c)
{
    while (c->held.len > 0) {
        struct str held = bytes_str(&c->held);
        ssize_t sent = send(c->fd, held.ptr, held.len, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN) {
            event_add(c->writable, NULL);
            break;
        }
        if (sent < 0)
            return close_conn(c);
        bytes_consume(&c->held, (size_t)sent);
        c->back += wire_account_consumed(&c->account, (size_t)sent);
    }
    bytes_trim(&c->held);
    give_back(c);
    return settle_end(c);
}

bool link_conn_take(struct link_conn *c, const struct wire_frame *frame)
{
    if (c->ends)
        return false;
    if (frame->type == WIRE_CLOSE) {
        c->ends = true;
        event_del(c->readable);
        write_held(c);
        return true;
    }
    if (!wire_account_take(&c->account, frame))
        return false;
    if (c->closes) /* it has not been told yet */
        return true;
    if (frame->type == WIRE_MORE) {
        link_conn_resume(c);
        return true;
    }
    if (frame->type == WIRE_DATA)
        bytes_add(&c->held, /* the credit sees to it that there is room */
                  str_of((const char *)frame->payload, frame->length));
    write_held(c);
    return true;
}

/* ---- from the client ---- */

/* It has sent its last byte. */
static void end_reading(struct link_conn *c)
{
    struct pollfd fd = {.fd = c->fd};

    if (poll(&fd, 1, 0) > 0 && fd.revents & (POLLHUP | POLLERR)) {
        close_conn(c);
        return;
    }
    if (!link_put(c->session, WIRE_EOF, c->channel, NULL, 0))
        return; /* it is found again by link_conn_resume */
    c->account.eof_sent = true;
    settle_end(c);
}

static void read_client(struct link_conn *c)
{
    size_t most = link_room(c->session);
    ssize_t got;

    most = most < c->account.may_send ? most : c->account.may_send;
    if (most == 0 || c->ends || c->closes || c->account.eof_sent)
        return; /* until link_conn_resume, if at all */
    got = recv(c->fd, link_payload(c->session), most, 0);
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        close_conn(c);
        return;
    }
    if (got == 0) {
        end_reading(c);
        return;
    }
    if (got > 0) {
        c->account.may_send -= (uint32_t)got;
        link_commit(c->session, WIRE_DATA, c->channel, (size_t)got);
    }
    event_add(c->readable, NULL);
}

static void on_turn(struct turn *turn)
{
    struct link_conn *c =
        (struct link_conn *)((char *)turn - offsetof(struct link_conn, turn));
    bool reads = c->reads, writes = c->writes;

    c->reads = c->writes = false;
    if (writes && !write_held(c))
        return;
    if (reads)
        read_client(c);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct link_conn *c = arg;

    (void)fd;
    c->reads |= (what & EV_READ) != 0;
    c->writes |= (what & EV_WRITE) != 0;
    turn_wake(&c->turn);
}

void link_conn_resume(struct link_conn *c)
{
    if (c->closes) {
        close_conn(c);
        return;
    }
    give_back(c);
    if (!c->ends && !c->account.eof_sent && c->account.may_send > 0)
        event_add(c->readable, NULL);
}
