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

#include "proxy/companion/companion.h"
#include "proxy/companion/wire.h"

/*
 * What comes from berth is always read: each channel has room for its credit.
 * What goes to it is read of a connection only when it fits. So nothing waits
 * for anything but its own channel, and for berth to read.
 */

enum {
    FRAME = WIRE_HEADER + WIRE_PAYLOAD,
    OUT = 4 * FRAME,
    CONTROL = 4096, /* of OUT, kept for frames that are no data */
    JOIN_TRIES = 100,
    JOIN_PAUSE_MS = 50,
};

enum { IN_FD, OUT_FD, HOLDER_FD, CHANNEL_FDS };

struct channel {
    int fd; /* -1: this one is free */
    uint32_t number;
    struct wire_account account;
    /* what is not written yet: LENGTH bytes from HEAD on, of a ring */
    unsigned char *held;
    size_t head, length;
    uint32_t back; /* credit that is to be given back */
    bool opens;    /* berth has not been told of it */
    uint32_t name; /* of the socket that it came to */
    bool shut;     /* the connection is told of EOF */
    bool ends;     /* berth has closed it: what is held goes out yet */
    bool hung_up;  /* the connection, on both sides */
    short revents;
};

struct session {
    int in, out, holder;
    const char *why; /* it is over */
    int code;
    unsigned char input[FRAME];
    size_t input_length;
    unsigned char output[OUT];
    size_t output_head, output_length;
    struct channel channels[WIRE_CHANNELS];
    uint32_t last_opened, last_of_berth;
};

int companion_say(int code, const char *line)
{
    static const char intro[] = "berth-companion: ";

    if (write(STDERR_FILENO, intro, sizeof(intro) - 1) < 0 ||
        write(STDERR_FILENO, line, strlen(line)) < 0 ||
        write(STDERR_FILENO, "\n", 1) < 0)
        return code;
    return code;
}

static void end(struct session *s, int code, const char *why)
{
    if (!s->why) {
        s->why = why;
        s->code = code;
    }
}

/* ---- to berth ---- */

static size_t room(const struct session *s)
{
    return OUT - s->output_length;
}

/* Where the next bytes go, in one piece. */
static unsigned char *output_end(struct session *s)
{
    if (s->output_head > 0) {
        memmove(s->output, s->output + s->output_head, s->output_length);
        s->output_head = 0;
    }
    return s->output + s->output_length;
}

/* False: there is no room now. */
static bool put_frame(struct session *s, enum wire_type type, uint32_t channel,
                      const void *payload, size_t length)
{
    unsigned char *to;

    if (room(s) < WIRE_HEADER + length)
        return false;
    to = output_end(s);
    wire_put_head(to, type, channel, length);
    if (length)
        memcpy(to + WIRE_HEADER, payload, length);
    s->output_length += WIRE_HEADER + length;
    return true;
}

static void write_out(struct session *s)
{
    while (s->output_length > 0) {
        ssize_t sent =
            write(s->out, s->output + s->output_head, s->output_length);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent <= 0) {
            end(s, COMPANION_FAILED, "berth does not read any more");
            return;
        }
        s->output_head += (size_t)sent;
        s->output_length -= (size_t)sent;
    }
    if (s->output_length == 0)
        s->output_head = 0;
}

/* If it has gone, read_holder finds out why. */
static void tell_holder(struct session *s, enum companion_message message)
{
    const unsigned char byte = (unsigned char)message;

    (void)!send(s->holder, &byte, 1, MSG_NOSIGNAL);
}

/* ---- channels ---- */

static struct channel *find_channel(struct session *s, uint32_t number)
{
    for (size_t i = 0; i < WIRE_CHANNELS; i++) {
        if (s->channels[i].fd >= 0 && s->channels[i].number == number)
            return &s->channels[i];
    }
    return NULL;
}

static void free_channel(struct session *s, struct channel *c)
{
    close(c->fd);
    free(c->held);
    *c = (struct channel){.fd = -1};
    tell_holder(s, COMPANION_TAKES);
}

static void open_channel(struct session *s, int fd, uint32_t name)
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

/* The connection takes nothing any more; nor is it read. */
static void close_channel(struct session *s, struct channel *c)
{
    if (c->ends || put_frame(s, WIRE_CLOSE, c->number, NULL, 0))
        free_channel(s, c);
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

/* Do what can be done for the connection now. */
static void settle_writing(struct session *s, struct channel *c)
{
    if (!write_held(c)) {
        close_channel(s, c);
        return;
    }
    if (c->length > 0)
        return;
    if (c->ends) {
        free_channel(s, c);
        return;
    }
    if (c->account.eof_came && !c->shut) {
        shutdown(c->fd, SHUT_WR);
        c->shut = true;
    }
    if (c->shut && c->account.eof_sent)
        free_channel(s, c);
}

/* Its end has been read. */
static void end_reading(struct session *s, struct channel *c)
{
    if (c->revents & (POLLHUP | POLLERR)) { /* in both directions */
        close_channel(s, c);
        return;
    }
    if (!put_frame(s, WIRE_EOF, c->number, NULL, 0))
        return;
    c->account.eof_sent = true;
    settle_writing(s, c);
}

static size_t readable(const struct session *s, const struct channel *c)
{
    size_t space = room(s), most = WIRE_PAYLOAD;

    if (c->opens || c->ends || c->hung_up || c->account.eof_sent ||
        space <= CONTROL + WIRE_HEADER)
        return 0;
    space -= CONTROL + WIRE_HEADER;
    most = most < space ? most : space;
    return most < c->account.may_send ? most : c->account.may_send;
}

static void read_connection(struct session *s, struct channel *c)
{
    size_t most = readable(s, c);
    unsigned char *to;
    ssize_t got;

    if (most == 0)
        return;
    to = output_end(s);
    got = recv(c->fd, to + WIRE_HEADER, most, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0) {
        close_channel(s, c);
    } else if (got == 0) {
        end_reading(s, c);
    } else {
        wire_put_head(to, WIRE_DATA, c->number, (size_t)got);
        s->output_length += WIRE_HEADER + (size_t)got;
        c->account.may_send -= (uint32_t)got;
    }
}

/* Tell berth what it has to know of C, if there is room. */
static void tell_berth(struct session *s, struct channel *c)
{
    unsigned char bytes[4];

    if (c->opens) {
        bytes[0] = WIRE_SOCKET;
        wire_put(bytes + 1, 2, c->name);
        c->opens = !put_frame(s, WIRE_OPEN, c->number, bytes, 3);
    }
    wire_put(bytes, 4, c->back);
    if (c->back && !c->ends && !c->hung_up &&
        put_frame(s, WIRE_MORE, c->number, bytes, 4))
        c->back = 0;
    if (c->hung_up)
        close_channel(s, c);
}

/* ---- from berth ---- */

static void take_data(struct session *s, struct channel *c,
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
        end(s, COMPANION_FAILED, "out of memory");
        return;
    }
    settle_writing(s, c);
}

static void take_open(struct session *s, const struct wire_frame *frame)
{
    if (!wire_may_open(s->last_of_berth, frame->channel, true)) {
        end(s, COMPANION_FAILED, "berth opened a channel out of order");
        return;
    }
    s->last_of_berth = frame->channel;
    /* none of the kinds that berth may open is there yet */
    if (!put_frame(s, WIRE_CLOSE, frame->channel, NULL, 0))
        end(s, COMPANION_FAILED, "berth opens channels and does not read");
}

static void take_of_channel(struct session *s, const struct wire_frame *frame)
{
    struct channel *c = find_channel(s, frame->channel);
    bool of_berth = frame->channel % 2 == 1;

    if (!c) { /* it has ended here, and berth did not know */
        if (frame->channel > (of_berth ? s->last_of_berth : s->last_opened))
            end(s, COMPANION_FAILED, "berth named a channel that never was");
        return;
    }
    if (c->ends) {
        end(s, COMPANION_FAILED, "berth used a channel that it had closed");
    } else if (frame->type == WIRE_CLOSE) {
        c->ends = true;
        settle_writing(s, c);
    } else if (!wire_account_take(&c->account, frame)) {
        end(s, COMPANION_FAILED, "berth sent what its credit did not allow");
    } else if (frame->type == WIRE_DATA) {
        take_data(s, c, frame);
    } else if (frame->type == WIRE_EOF) {
        settle_writing(s, c);
    }
}

static void take_frame(struct session *s, const struct wire_frame *frame)
{
    switch (frame->type) {
    case WIRE_BEAT:
        tell_holder(s, COMPANION_BEAT);
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
        end(s, COMPANION_FAILED, "berth said what is not its to say");
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
            end(s, COMPANION_FAILED, "berth sent no frame");
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
        end(s, 0, "");
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
        put_frame(s, WIRE_BYE, 0, NULL, 0);
        end(s, COMPANION_REPLACED, "a newer session has come");
        return;
    }
    if (got != sizeof(text)) {
        end(s, COMPANION_FAILED, "the first process has gone");
        return;
    }
    fd = descriptor_of(&message);
    if (fd >= 0)
        open_channel(s, fd, wire_get(text, sizeof(text)));
    else /* no more descriptors: that one is lost, its place is not */
        tell_holder(s, COMPANION_TAKES);
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

        if (c->fd >= 0 && readable(s, c) > 0)
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
                settle_writing(s, c);
            if (c->fd >= 0 && c->account.eof_sent && revents & POLLHUP)
                close_channel(s, c); /* now in both directions */
            else if (c->fd >= 0 && revents & (POLLIN | POLLHUP | POLLERR))
                read_connection(s, c);
        }
        if (c->fd >= 0)
            tell_berth(s, c);
    }
}

static void say_hello(struct session *s, const char *nonce)
{
    unsigned char hello[2 + WIRE_NONCE];

    wire_put(hello, 2, WIRE_VERSION);
    memcpy(hello + 2, nonce, WIRE_NONCE);
    put_frame(s, WIRE_HELLO, 0, hello, sizeof(hello));
    for (size_t i = 0; i < WIRE_CHANNELS; i++) {
        s->channels[i].fd = -1;
        tell_holder(s, COMPANION_TAKES);
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
    write_out(s);
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
