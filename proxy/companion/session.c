#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/companion/session_private.h"

/*
 * What comes from berth is always read: each channel has room for its credit.
 * What goes to it is read of a connection only when it fits. So nothing waits
 * for anything but its own channel, and for berth to read.
 */

enum {
    JOIN_TRIES = 100,
    JOIN_PAUSE_MS = 50,
};

enum { IN_FD, OUT_FD, HOLDER_FD, CHANNEL_FDS };

int companion_say(int code, const char *line)
{
    static const char intro[] = "berth-companion: ";

    if (write(STDERR_FILENO, intro, sizeof(intro) - 1) < 0 ||
        write(STDERR_FILENO, line, strlen(line)) < 0 ||
        write(STDERR_FILENO, "\n", 1) < 0)
        return code;
    return code;
}

/* ---- from berth ---- */

static void take_open(struct session *s, const struct wire_frame *frame)
{
    if (!wire_may_open(s->last_of_berth, frame->channel, true)) {
        session_end(s, COMPANION_FAILED, "berth opened a channel out of order");
        return;
    }
    s->last_of_berth = frame->channel;
    /* none of the kinds that berth may open is there yet */
    if (!to_berth_put(s, WIRE_CLOSE, frame->channel, NULL, 0))
        session_end(s, COMPANION_FAILED,
                    "berth opens channels and does not read");
}

static void take_of_channel(struct session *s, const struct wire_frame *frame)
{
    struct channel *c = channel_find(s, frame->channel);
    bool of_berth = frame->channel % 2 == 1;

    if (!c) { /* it has ended here, and berth did not know */
        if (frame->channel > (of_berth ? s->last_of_berth : s->last_opened))
            session_end(s, COMPANION_FAILED,
                        "berth named a channel that never was");
        return;
    }
    if (c->ends) {
        session_end(s, COMPANION_FAILED,
                    "berth used a channel that it had closed");
    } else if (frame->type == WIRE_CLOSE) {
        c->ends = true;
        channel_settle(s, c);
    } else if (!wire_account_take(&c->account, frame)) {
        session_end(s, COMPANION_FAILED,
                    "berth sent what its credit did not allow");
    } else if (frame->type == WIRE_DATA) {
        channel_take_data(s, c, frame);
    } else if (frame->type == WIRE_EOF) {
        channel_settle(s, c);
    }
}

static void take_frame(struct session *s, const struct wire_frame *frame)
{
    switch (frame->type) {
    case WIRE_BEAT:
        session_tell_holder(s, COMPANION_BEAT);
        break;
    case WIRE_OPEN:
        take_open(s, frame);
        break;
    case WIRE_DATA:
    case WIRE_MORE:
    case WIRE_EOF:
    case WIRE_CLOSE:
        take_of_channel(s, frame);
        break;
    case WIRE_HELLO:
    case WIRE_BYE:
    case WIRE_FLOW:
    case WIRE_DATAGRAM:
        session_end(s, COMPANION_FAILED, "berth said what is not its to say");
        break;
    }
}

static void take_frames(struct session *s)
{
    struct wire_frame frame;
    size_t used, total = 0;
    enum wire_result result = WIRE_WHOLE;

    while (!s->why && result == WIRE_WHOLE) {
        result =
            wire_read(s->input + total, s->input_length - total, &frame, &used);
        if (result == WIRE_WHOLE) {
            take_frame(s, &frame);
            total += used;
        } else if (result == WIRE_BROKEN) {
            session_end(s, COMPANION_FAILED, "berth sent no frame");
        }
    }
    s->input_length -= total;
    memmove(s->input, s->input + total, s->input_length);
}

static void read_berth(struct session *s)
{
    ssize_t got = read(s->in, s->input + s->input_length,
                       sizeof(s->input) - s->input_length);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        session_end(s, 0, "");
        return;
    }
    s->input_length += (size_t)got;
    take_frames(s);
}

/* ---- from the first process ---- */

/* The descriptor in MESSAGE, or -1. */
static int descriptor_of(struct msghdr *message)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (head && head->cmsg_level == SOL_SOCKET &&
        head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(head), sizeof(fd));
    return fd;
}

static void read_holder(struct session *s)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    unsigned char text[2] = {0};
    struct iovec part = {text, sizeof(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t got = recvmsg(s->holder, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    int fd;

    /* ECONNRESET: it did not read all, and what it said before comes yet */
    if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
        return;
    if (got == 1 && text[0] == COMPANION_NEWER) {
        to_berth_put(s, WIRE_BYE, 0, NULL, 0);
        session_end(s, COMPANION_REPLACED, "a newer session has come");
        return;
    }
    if (got != sizeof(text)) {
        session_end(s, COMPANION_FAILED, "the first process has gone");
        return;
    }
    fd = descriptor_of(&message);
    if (fd >= 0)
        channel_open(s, fd, wire_get(text, sizeof(text)));
    else /* no more descriptors: that one is lost, its place is not */
        session_tell_holder(s, COMPANION_TAKES);
}

/* ---- the whole of it ---- */

static void set_up(struct session *s, struct pollfd *fds)
{
    fds[IN_FD] = (struct pollfd){.fd = s->in, .events = POLLIN};
    fds[OUT_FD] = (struct pollfd){.fd = s->output_length ? s->out : -1,
                                  .events = POLLOUT};
    fds[HOLDER_FD] = (struct pollfd){.fd = s->holder, .events = POLLIN};
    for (size_t i = 0; i < WIRE_CHANNELS; i++) {
        const struct channel *c = &s->channels[i];
        short events = 0;

        /* POLLHUP comes unasked: only where it can be made something of */
        bool waits = c->fd >= 0 && c->account.eof_sent && !c->hung_up;

        if (c->fd >= 0 && channel_readable(s, c) > 0)
            events = POLLIN;
        if (c->fd >= 0 && c->length > 0)
            events |= POLLOUT;
        fds[CHANNEL_FDS + i] = (struct pollfd){
            .fd = events || waits ? c->fd : -1, .events = events};
    }
}

static void settle_channels(struct session *s, const struct pollfd *fds)
{
    for (size_t i = 0; i < WIRE_CHANNELS && !s->why; i++) {
        struct channel *c = &s->channels[i];
        short revents = fds[CHANNEL_FDS + i].revents;

        if (c->fd >= 0 && c->fd == fds[CHANNEL_FDS + i].fd) {
            c->revents = revents;
            if (revents & (POLLOUT | POLLERR | POLLHUP) && c->length > 0)
                channel_settle(s, c);
            if (c->fd >= 0 && c->account.eof_sent && revents & POLLHUP)
                channel_close(s, c); /* now in both directions */
            else if (c->fd >= 0 && revents & (POLLIN | POLLHUP | POLLERR))
                channel_read(s, c);
        }
        if (c->fd >= 0)
            channel_tell(s, c);
    }
}

static void say_hello(struct session *s, const char *nonce)
{
    unsigned char hello[2 + WIRE_NONCE];

    wire_put(hello, 2, WIRE_VERSION);
    memcpy(hello + 2, nonce, WIRE_NONCE);
    to_berth_put(s, WIRE_HELLO, 0, hello, sizeof(hello));
    for (size_t i = 0; i < WIRE_CHANNELS; i++) {
        s->channels[i].fd = -1;
        session_tell_holder(s, COMPANION_TAKES);
    }
}

static void go_on(struct session *s)
{
    struct pollfd fds[CHANNEL_FDS + WIRE_CHANNELS];

    set_up(s, fds);
    if (poll(fds, CHANNEL_FDS + WIRE_CHANNELS, -1) < 0)
        return;
    /* opened before any is closed: what was polled is still the same */
    if (fds[HOLDER_FD].revents)
        read_holder(s);
    if (!s->why && fds[IN_FD].revents)
        read_berth(s);
    if (!s->why)
        settle_channels(s, fds);
    to_berth_write(s);
}

int companion_session(int in, int out, int holder, const char *nonce)
{
    struct session *s = calloc(1, sizeof(*s));
    int code;

    if (!s)
        return companion_say(COMPANION_FAILED, "out of memory");
    *s = (struct session){.in = in, .out = out, .holder = holder};
    fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK);
    fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK);
    say_hello(s, nonce);
    while (!s->why)
        go_on(s);
    code = s->why[0] ? companion_say(s->code, s->why) : s->code;
    for (size_t i = 0; i < WIRE_CHANNELS; i++) {
        if (s->channels[i].fd >= 0)
            close(s->channels[i].fd);
        free(s->channels[i].held);
    }
    free(s);
    return code;
}

int companion_session_join(const char *name, const char *nonce)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = companion_address(&address, name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    signal(SIGPIPE, SIG_IGN);
    for (unsigned tries = 0; fd >= 0 && tries < JOIN_TRIES; tries++) {
        if (connect(fd, (const struct sockaddr *)&address, length) == 0)
            return companion_session(STDIN_FILENO, STDOUT_FILENO, fd, nonce);
        poll(NULL, 0, JOIN_PAUSE_MS); /* it has just been started */
    }
    return companion_say(COMPANION_FAILED, "the first process does not listen");
}
