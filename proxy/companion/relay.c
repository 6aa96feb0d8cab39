#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proxy/companion/companion.h"
#include "proxy/companion/wire.h"

/*
 * Datagrams for the container whose network this process is in. Berth is always
 * read; a datagram for which there is no room, here or in a socket, is lost.
 * Sockets are read only while there is room for the largest, so what is too
 * much for berth is lost in the kernel, as it is when any receiver is slow.
 */

enum {
    FRAME = WIRE_HEADER + WIRE_DATAGRAM_MOST,
    INPUT = 2 * FRAME,
    CONTROL =
        512 * WIRE_HEADER, /* of OUTPUT, for frames that are no datagram */
    OUTPUT = 4 * FRAME + CONTROL,
    EVENTS = 64,
    BINDS = 8,
    TICK_MS = 10 * 1000,
};

struct flow {
    int fd; /* -1: this one is free */
    uint32_t number;
};

struct relay {
    int in, out;
    int ready;       /* the flows that have something to read */
    const char *why; /* it is over; "" is nothing worth a line */
    time_t heard;
    uint32_t last; /* the flow that was opened last */
    struct flow flows[WIRE_FLOWS];
    size_t input_length, output_head, output_length;
    unsigned char input[INPUT], output[OUTPUT];
};

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec;
}

static void end(struct relay *r, const char *why)
{
    if (!r->why)
        r->why = why;
}

/* ---- to berth ---- */

static size_t room(const struct relay *r)
{
    return OUTPUT - r->output_length;
}

/* Where a frame goes. */
static unsigned char *output_end(struct relay *r)
{
    if (r->output_head > 0) {
        memmove(r->output, r->output + r->output_head, r->output_length);
        r->output_head = 0;
    }
    return r->output + r->output_length;
}

static void put(struct relay *r, enum wire_type type, uint32_t channel,
                const void *payload, size_t length)
{
    unsigned char *to;

    if (room(r) < WIRE_HEADER + length)
        return;
    to = output_end(r);
    wire_put_head(to, type, channel, length);
    if (length)
        memcpy(to + WIRE_HEADER, payload, length);
    r->output_length += WIRE_HEADER + length;
}

static void write_output(struct relay *r)
{
    while (r->output_length > 0) {
        ssize_t sent =
            write(r->out, r->output + r->output_head, r->output_length);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent <= 0) {
            end(r, "berth does not read any more");
            return;
        }
        r->output_head += (size_t)sent;
        r->output_length -= (size_t)sent;
    }
    r->output_head = 0;
}

/* ---- flows ---- */

/* The numbers of those that are open are near each other, most of the time. */
static struct flow *find_flow(struct relay *r, uint32_t number)
{
    for (uint32_t i = 0; i < WIRE_FLOWS; i++) {
        struct flow *flow = &r->flows[(number / 2 + i) % WIRE_FLOWS];

        if (flow->fd >= 0 && flow->number == number)
            return flow;
    }
    return NULL;
}

static struct flow *free_flow(struct relay *r, uint32_t number)
{
    for (uint32_t i = 0; i < WIRE_FLOWS; i++) {
        struct flow *flow = &r->flows[(number / 2 + i) % WIRE_FLOWS];

        if (flow->fd < 0)
            return flow;
    }
    return NULL;
}

static void close_flow(struct flow *flow)
{
    close(flow->fd);
    flow->fd = -1;
}

/* If berth does not hear it now, the next datagram tells it again. */
static void tell_end(struct relay *r, uint32_t number)
{
    put(r, WIRE_CLOSE, number, NULL, 0);
}

/* A socket of TO's own address, and not of its port: it would hear itself. */
static int bind_beside(int fd, const struct sockaddr_in *to)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = to->sin_addr};
    socklen_t size = sizeof(own);

    if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0 ||
        getsockname(fd, (struct sockaddr *)&own, &size) < 0)
        return -1;
    return own.sin_port != to->sin_port;
}

/*
 * Both ends have the same address, which has to be this network's: so what is
 * sent goes over the loopback, and once that address is gone, nowhere.
 */
static int open_socket(const struct sockaddr_in *to)
{
    int wrong[BINDS], fd = -1, bound = 0;
    size_t count = 0;

    while (bound == 0 && count < BINDS) {
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        bound = fd < 0 ? -1 : bind_beside(fd, to);
        if (bound == 0)
            wrong[count++] = fd;
    }
    while (count > 0)
        close(wrong[--count]);
    if (bound == 1 &&
        connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
        return fd;
    if (bound != 0 && fd >= 0)
        close(fd);
    return -1;
}

/* Sockets may be bound to groups, too, and to all addresses. */
static bool is_one_address(const struct sockaddr_in *to)
{
    return to->sin_port && to->sin_addr.s_addr &&
           !IN_MULTICAST(ntohl(to->sin_addr.s_addr));
}

static void take_flow(struct relay *r, const struct wire_frame *frame)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(wire_get(frame->payload, 4)),
        .sin_port = htons((uint16_t)wire_get(frame->payload + 4, 2))};
    struct epoll_event event = {.events = EPOLLIN};
    struct flow *flow;
    int fd;

    if (!wire_may_open(r->last, frame->channel, true)) {
        end(r, "berth opened a flow that it could not");
        return;
    }
    r->last = frame->channel;
    flow = free_flow(r, frame->channel);
    fd = flow && is_one_address(&to) ? open_socket(&to) : -1;
    if (fd >= 0) {
        event.data.u32 = (uint32_t)(flow - r->flows);
        if (epoll_ctl(r->ready, EPOLL_CTL_ADD, fd, &event) == 0) {
            *flow = (struct flow){.fd = fd, .number = frame->channel};
            return;
        }
        close(fd);
    }
    tell_end(r, frame->channel);
}

/* False: nothing goes this way any more. */
static bool send_datagram(int fd, const struct wire_frame *frame)
{
    for (unsigned tries = 0; tries < 2; tries++) {
        if (send(fd, frame->payload, frame->length, MSG_NOSIGNAL) >= 0)
            return true;
        /* it tells of an earlier one, to which nobody listened */
        if (errno != ECONNREFUSED && errno != EINTR)
            break;
    }
    return errno == ECONNREFUSED || errno == EINTR || errno == EAGAIN ||
           errno == ENOBUFS || errno == ENOMEM || errno == EPERM;
}

static void take_datagram(struct relay *r, const struct wire_frame *frame)
{
    struct flow *flow = find_flow(r, frame->channel);

    if (flow && send_datagram(flow->fd, frame))
        return;
    if (flow)
        close_flow(flow);
    tell_end(r, frame->channel);
}

/* One of each that has some, so that none waits for the others. */
static void read_flows(struct relay *r)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(r->ready, events, EVENTS, 0);

    for (int i = 0; i < count && room(r) >= FRAME + CONTROL; i++) {
        const struct flow *flow = &r->flows[events[i].data.u32];
        unsigned char *to = output_end(r);
        ssize_t got = recv(flow->fd, to + WIRE_HEADER, WIRE_DATAGRAM_MOST, 0);

        if (got < 0) /* nobody listens, or there was none after all */
            continue;
        wire_put_head(to, WIRE_DATAGRAM, flow->number, (size_t)got);
        r->output_length += WIRE_HEADER + (size_t)got;
    }
}

/* ---- from berth ---- */

static void take_frame(struct relay *r, const struct wire_frame *frame)
{
    bool was = frame->channel % 2 == 1 && frame->channel <= r->last;
    struct flow *flow;

    switch (frame->type) {
    case WIRE_BEAT:
        return;
    case WIRE_FLOW:
        take_flow(r, frame);
        return;
    case WIRE_DATAGRAM:
        if (was) {
            take_datagram(r, frame);
            return;
        }
        break;
    case WIRE_CLOSE:
        flow = find_flow(r, frame->channel);
        if (flow)
            close_flow(flow);
        if (was)
            return;
        break;
    case WIRE_HELLO:
    case WIRE_OPEN:
    case WIRE_DATA:
    case WIRE_MORE:
    case WIRE_EOF:
    case WIRE_BYE:
        break;
    }
    end(r, "berth said what is not its to say");
}

static void take_frames(struct relay *r)
{
    enum wire_result result = WIRE_WHOLE;
    struct wire_frame frame;
    size_t used, total = 0;

    while (!r->why && result == WIRE_WHOLE) {
        result = wire_read_relayed(r->input + total, r->input_length - total,
                                   &frame, &used);
        if (result == WIRE_WHOLE) {
            take_frame(r, &frame);
            total += used;
        }
    }
    if (result == WIRE_BROKEN)
        end(r, "what came is no frame");
    r->input_length -= total;
    memmove(r->input, r->input + total, r->input_length);
}

static void read_berth(struct relay *r)
{
    /* less than a frame is left of what came before, which gcc 14 cannot see */
    size_t have = r->input_length < FRAME ? r->input_length : FRAME;
    ssize_t got = read(r->in, r->input + have, INPUT - have);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        end(r, "");
        return;
    }
    r->heard = now();
    r->input_length += (size_t)got;
    take_frames(r);
}

/* ---- the whole of it ---- */

static void go_on(struct relay *r)
{
    struct pollfd fds[] = {
        {.fd = r->in,                                      .events = POLLIN },
        {.fd = r->output_length > 0 ? r->out : -1,         .events = POLLOUT},
        {.fd = room(r) >= FRAME + CONTROL ? r->ready : -1, .events = POLLIN },
    };
    int count = poll(fds, sizeof(fds) / sizeof(*fds), TICK_MS);

    if (now() - r->heard >= WIRE_SILENCE_S)
        end(r, "berth is silent");
    if (count <= 0)
        return;
    if (fds[0].revents)
        read_berth(r);
    if (fds[2].revents)
        read_flows(r);
    write_output(r);
}

static void say_hello(struct relay *r, const char *nonce)
{
    unsigned char hello[2 + WIRE_NONCE];

    wire_put(hello, 2, WIRE_VERSION);
    memcpy(hello + 2, nonce, WIRE_NONCE);
    put(r, WIRE_HELLO, 0, hello, sizeof(hello));
}

int companion_relay(int in, int out, const char *nonce)
{
    struct relay *r = calloc(1, sizeof(*r));
    int code;

    signal(SIGPIPE, SIG_IGN);
    if (!r)
        return companion_say(COMPANION_FAILED, "out of memory");
    r->in = in;
    r->out = out;
    r->heard = now();
    r->ready = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < WIRE_FLOWS; i++)
        r->flows[i].fd = -1;
    if (r->ready < 0)
        end(r, "cannot wait for datagrams");
    fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK);
    fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK);
    say_hello(r, nonce);
    while (!r->why)
        go_on(r);
    code = r->why[0] ? companion_say(COMPANION_FAILED, r->why) : 0;
    for (size_t i = 0; i < WIRE_FLOWS; i++) {
        if (r->flows[i].fd >= 0)
            close(r->flows[i].fd);
    }
    if (r->ready >= 0)
        close(r->ready);
    free(r);
    return code;
}
