#include "proxy/companion/session_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection to one of the sockets, and its channel to berth. */

enum { CONTROL = 4096 }; /* of SESSION_OUT, kept for frames that are no data */

struct channel *channel_find(struct session *s, uint32_t number)
{
    for (size_t i = 0; i < WIRE_CHANNELS; i++) {
        if (s->channels[i].fd >= 0 && s->channels[i].number == number)
            return &s->channels[i];
    }
    return NULL;
}

static void channel_free(struct session *s, struct channel *c)
{
    close(c->fd);
    free(c->held);
    *c = (struct channel){.fd = -1};
    session_tell_holder(s, COMPANION_TAKES);
}

void channel_open(struct session *s, int fd, uint32_t name)
{
    for (size_t i = 0; i < WIRE_CHANNELS; i++) {
        struct channel *c = &s->channels[i];

        if (c->fd >= 0)
            continue;
        s->last_opened += 2;
        *c = (struct channel){
            .fd = fd, .number = s->last_opened, .opens = true, .name = name};
        wire_account_open(&c->account);
        return;
    }
    close(fd); /* never: the first process was told how many there may be */
}

void channel_close(struct session *s, struct channel *c)
{
    if (c->ends || to_berth_put(s, WIRE_CLOSE, c->number, NULL, 0))
        channel_free(s, c);
    else
        c->hung_up = true; /* once there is room */
}

/* As much as the connection takes. False: it is gone. */
static bool write_held(struct channel *c)
{
    while (c->length > 0) {
        size_t part = WIRE_CREDIT - c->head;
        ssize_t sent = send(c->fd, c->held + c->head,
                            part < c->length ? part : c->length, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN;
        c->head = (c->head + (size_t)sent) % WIRE_CREDIT;
        c->length -= (size_t)sent;
        c->back += wire_account_consumed(&c->account, (size_t)sent);
    }
    free(c->held);
    c->held = NULL;
    c->head = 0;
    return true;
}

#ifndef __clang__ /* gcc's analyzer loses which of the channels it is */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
/* What does not fit in the connection now is held; the credit sees to it that
 * there is room. False: there is no memory. */
static bool hold(struct channel *c, const unsigned char *bytes, size_t length)
{
    if (!c->held)
        c->held = malloc(WIRE_CREDIT);
    if (!c->held)
        return false;
    while (length > 0) {
        size_t at = (c->head + c->length) % WIRE_CREDIT;
        size_t part = at >= c->head ? WIRE_CREDIT - at : c->head - at;

        if (part > length)
            part = length;
        memcpy(c->held + at, bytes, part);
        c->length += part;
        bytes += part;
        length -= part;
    }
    return true;
}
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

void channel_settle(struct session *s, struct channel *c)
{
    if (!write_held(c)) {
        channel_close(s, c);
        return;
    }
    if (c->length > 0)
        return;
    if (c->ends) {
        channel_free(s, c);
        return;
    }
    if (c->account.eof_came && !c->shut) {
        shutdown(c->fd, SHUT_WR);
        c->shut = true;
    }
    if (c->shut && c->account.eof_sent)
        channel_free(s, c);
}

/* Its end has been read. */
static void end_reading(struct session *s, struct channel *c)
{
    if (c->revents & (POLLHUP | POLLERR)) { /* in both directions */
        channel_close(s, c);
        return;
    }
    if (!to_berth_put(s, WIRE_EOF, c->number, NULL, 0))
        return;
    c->account.eof_sent = true;
    channel_settle(s, c);
}

size_t channel_readable(const struct session *s, const struct channel *c)
{
    size_t space = to_berth_room(s), most = WIRE_PAYLOAD;

    if (c->opens || c->ends || c->hung_up || c->account.eof_sent ||
        space <= CONTROL + WIRE_HEADER)
        return 0;
    space -= CONTROL + WIRE_HEADER;
    most = most < space ? most : space;
    return most < c->account.may_send ? most : c->account.may_send;
}

void channel_read(struct session *s, struct channel *c)
{
    size_t most = channel_readable(s, c);
    unsigned char *to;
    ssize_t got;

    if (most == 0)
        return;
    to = to_berth_end(s);
    got = recv(c->fd, to + WIRE_HEADER, most, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0) {
        channel_close(s, c);
    } else if (got == 0) {
        end_reading(s, c);
    } else {
        wire_put_head(to, WIRE_DATA, c->number, (size_t)got);
        s->output_length += WIRE_HEADER + (size_t)got;
        c->account.may_send -= (uint32_t)got;
    }
}

void channel_tell(struct session *s, struct channel *c)
{
    unsigned char bytes[4];

    if (c->opens) {
        bytes[0] = WIRE_SOCKET;
        wire_put(bytes + 1, 2, c->name);
        c->opens = !to_berth_put(s, WIRE_OPEN, c->number, bytes, 3);
    }
    wire_put(bytes, 4, c->back);
    if (c->back && !c->ends && !c->hung_up &&
        to_berth_put(s, WIRE_MORE, c->number, bytes, 4))
        c->back = 0;
    if (c->hung_up)
        channel_close(s, c);
}

void channel_take_data(struct session *s, struct channel *c,
                       const struct wire_frame *frame)
{
    size_t length = frame->length;
    ssize_t sent = 0;

    if (c->length == 0) { /* most of it needs no holding */
        sent = send(c->fd, frame->payload, length, MSG_NOSIGNAL);
        if (sent < 0)
            sent = 0; /* why, it says again */
        c->back += wire_account_consumed(&c->account, (size_t)sent);
    }
    if ((size_t)sent < length &&
        !hold(c, frame->payload + sent, length - (size_t)sent)) {
        session_end(s, COMPANION_FAILED, "out of memory");
        return;
    }
    channel_settle(s, c);
}
