/*
 * A long way: a TCP relay on loopback where everything takes MICROSECONDS
 * longer in each direction, however much it is.
 * Usage: delay HOST PORT MICROSECONDS. Prints the port that it listens on.
 *
 * A connection reaches HOST after three ways, as long as a TCP handshake
 * would take; what the client says meanwhile arrives then.
 */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

#define CONNECTIONS 64
#define PARCEL      ((size_t)64 * 1024)
#define ON_THE_WAY  (64 * MIB) /* above it, nothing more is read */

struct parcel {
    struct parcel *next;
    uint64_t due;
    size_t at, len; /* a len of 0 is EOF */
    char bytes[];
};

struct way {
    struct parcel *first, **last;
    size_t bytes;
    bool eof;  /* nothing more comes in */
    bool done; /* nor goes out */
};

struct connection {
    int fd[2];         /* the client's and the host's; -1 before and after */
    uint64_t arrives;  /* when to connect to the host */
    struct way way[2]; /* from fd[0] to fd[1], and back */
    struct pollfd *polled[2];
};

static struct addrinfo *host;
static uint64_t delay;
static struct connection *connections[CONNECTIONS];

static void set_fast(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void take_in(int listener)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (!c)
        die("memory");
    c->fd[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    c->fd[1] = -1;
    c->arrives = now_ns() + 3 * delay;
    if (c->fd[0] < 0)
        die("accept");
    set_fast(c->fd[0]);
    for (int i = 0; i < 2; i++)
        c->way[i].last = &c->way[i].first;
    for (int i = 0; i < CONNECTIONS; i++) {
        if (!connections[i]) {
            connections[i] = c;
            return;
        }
    }
    errno = 0;
    die("more than %d connections", CONNECTIONS);
}

static void reach_host(struct connection *c)
{
    c->fd[1] = socket(host->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd[1] < 0 || connect(c->fd[1], host->ai_addr, host->ai_addrlen) < 0)
        die("connect");
    set_fast(c->fd[1]);
}

static void pick_up(struct way *way, int fd, uint64_t not_before)
{
    struct parcel *p = malloc(sizeof(*p) + PARCEL);
    uint64_t due;
    ssize_t n;

    if (!p)
        die("memory");
    n = recv(fd, p->bytes, PARCEL, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        free(p);
        return;
    }
    due = now_ns() + delay;
    *p = (struct parcel){.due = due > not_before ? due : not_before,
                         .len = n > 0 ? (size_t)n : 0};
    way->eof = p->len == 0;
    way->bytes += p->len;
    *way->last = p;
    way->last = &p->next;
}

/* Hand over what is due; false when the receiver takes no more for now. */
static bool deliver(struct way *way, int fd, uint64_t now)
{
    struct parcel *p;

    while ((p = way->first) && p->due <= now) {
        ssize_t n = 0;

        if (p->len == 0) {
            shutdown(fd, SHUT_WR);
            way->done = true;
        } else if (!way->done) {
            n = send(fd, p->bytes + p->at, p->len - p->at,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
            if (n < 0) { /* gone: what comes goes nowhere */
                way->done = true;
                continue;
            }
            p->at += (size_t)n;
        } else {
            p->at = p->len;
        }
        if (p->at < p->len)
            continue;
        way->bytes -= p->len;
        way->first = p->next;
        if (!way->first)
            way->last = &way->first;
        free(p);
    }
    return true;
}

/* Do what can be done; returns when there is more to do, with no event. */
static uint64_t serve(struct connection *c)
{
    uint64_t now = now_ns(), next = UINT64_MAX;

    if (c->fd[1] < 0)
        return c->arrives;
    for (int i = 0; i < 2; i++) {
        struct way *way = &c->way[i];

        if (!deliver(way, c->fd[!i], now))
            c->polled[!i]->events |= POLLOUT;
        else if (way->first && way->first->due < next)
            next = way->first->due;
    }
    return next;
}

static void let_go(struct connection **slot)
{
    struct connection *c = *slot;

    for (int i = 0; i < 2; i++)
        close(c->fd[i]);
    free(c);
    *slot = NULL;
}

static void watch(struct connection *c, struct pollfd *polled)
{
    for (int i = 0; i < 2; i++) {
        const struct way *way = &c->way[i];

        c->polled[i] = &polled[i];
        polled[i].fd = c->fd[i];
        polled[i].events = !way->eof && way->bytes < ON_THE_WAY ? POLLIN : 0;
    }
}

static void wait_until(struct pollfd *polled, nfds_t count, uint64_t next)
{
    struct timespec t = {0};
    uint64_t now = now_ns();

    for (nfds_t i = 0; i < count; i++)
        if (polled[i].events == 0) /* else poll tells of hang-ups for ever */
            polled[i].fd = -1;
    if (next > now) {
        t.tv_sec = (time_t)((next - now) / 1000000000);
        t.tv_nsec = (long)((next - now) % 1000000000);
    }
    if (ppoll(polled, count, next == UINT64_MAX ? NULL : &t, NULL) < 0 &&
        errno != EINTR)
        die("poll");
}

static void turn(int listener)
{
    static struct pollfd polled[2 * CONNECTIONS + 1];
    uint64_t next = UINT64_MAX;
    nfds_t count = 1;

    polled[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = connections[i];
        uint64_t due;

        if (c && c->way[0].done && c->way[1].done)
            let_go(&connections[i]);
        if (!(c = connections[i]))
            continue;
        if (c->fd[1] < 0 && now_ns() >= c->arrives)
            reach_host(c);
        watch(c, &polled[count]);
        due = serve(c);
        if (due < next)
            next = due;
        count += 2;
    }
    wait_until(polled, count, next);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = connections[i];

        for (int j = 0; c && j < 2; j++)
            if (c->polled[j]->events & POLLIN && c->polled[j]->revents)
                pick_up(&c->way[j], c->fd[j], c->arrives);
    }
    if (polled[0].revents)
        take_in(listener);
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        listen(fd, CONNECTIONS) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        die("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int listener, r;

    if (argc != 4)
        die("usage: delay HOST PORT MICROSECONDS");
    r = getaddrinfo(argv[1], argv[2], &hints, &host);
    if (r != 0)
        die("%s: %s", argv[1], gai_strerror(r));
    delay = number(argv[3], 0, 10000000) * 1000;
    prctl(PR_SET_TIMERSLACK, 1);
    listener = listen_somewhere();
    for (;;)
        turn(listener);
}
