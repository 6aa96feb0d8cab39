#include "proxy/net/dialer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/base/str.h"
#include "proxy/net/resolver.h"

#define LIMIT_WHY      1024
#define FIRST_PATIENCE 4 /* of the whole time, for one of several addresses */

struct dialer {
    struct event_base *base;
    char *host;
    unsigned port;
    unsigned skip;
    int family; /* AF_UNSPEC, AF_INET or AF_INET6 */
    struct addrinfo *from;
    struct resolver *resolver;
    struct addrinfo *addresses;
    struct addrinfo *next;
    int fd;
    struct event *connected;
    struct event *deadline; /* of the whole */
    struct event *start;    /* at once, when there is no name to look up */
    struct timeval patience;
    struct strbuf why;
    dialer_cb done;
    void *arg;
};

static void drop_socket(struct dialer *d)
{
    if (d->connected)
        event_free(d->connected);
    d->connected = NULL;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

void dialer_cancel(struct dialer *d)
{
    if (!d)
        return;
    resolver_cancel(d->resolver);
    drop_socket(d);
    if (d->addresses)
        freeaddrinfo(d->addresses);
    if (d->from)
        freeaddrinfo(d->from);
    if (d->deadline)
        event_free(d->deadline);
    if (d->start)
        event_free(d->start);
    strbuf_fini(&d->why);
    free(d->host);
    free(d);
}

static void finish(struct dialer *d, int fd)
{
    struct strbuf why = d->why;
    dialer_cb done = d->done;
    void *arg = d->arg;

    d->why = (struct strbuf)STRBUF(LIMIT_WHY); /* handed over */
    dialer_cancel(d);
    done(fd, fd < 0 ? strbuf_cstr(&why) : NULL, arg);
    strbuf_fini(&why);
}

static void note(struct dialer *d, const char *what)
{
    char name[NI_MAXHOST] = "?";

    if (d->next)
        getnameinfo(d->next->ai_addr, d->next->ai_addrlen, name, sizeof(name),
                    NULL, 0, NI_NUMERICHOST);
    strbuf_addf(&d->why, "%s%s port %u: %s", d->why.len ? "; " : "", name,
                d->port, what);
}

static void on_connected(evutil_socket_t fd, short what, void *arg);

/* Try from d->next on until one connect is under way, or none is left. */
static void try_next(struct dialer *d)
{
    for (; d->next; d->next = d->next->ai_next) {
        const struct addrinfo *a = d->next;

        if (d->family != AF_UNSPEC && a->ai_family != d->family) {
            note(d, "not of the IP version that is asked for");
            continue;
        }
        d->fd =
            socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   a->ai_protocol);
        if (d->fd >= 0 && d->from &&
            bind(d->fd, d->from->ai_addr, d->from->ai_addrlen) < 0) {
            note(d, "cannot connect from the address that is asked for");
            drop_socket(d);
            continue;
        }
        if (d->fd >= 0 && (connect(d->fd, a->ai_addr, a->ai_addrlen) == 0 ||
                           errno == EINPROGRESS)) {
            d->connected = event_new(d->base, d->fd, EV_WRITE, on_connected, d);
            event_add(d->connected, a->ai_next ? &d->patience : NULL);
            return;
        }
        note(d, strerror(errno));
        drop_socket(d);
    }
    finish(d, -1);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    struct dialer *d = arg;
    int error = ETIMEDOUT;
    socklen_t len = sizeof(error);

    if (!(what & EV_TIMEOUT))
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0) {
        event_free(d->connected);
        d->connected = NULL;
        d->fd = -1; /* handed over */
        finish(d, fd);
        return;
    }
    note(d, strerror(error));
    drop_socket(d);
    d->next = d->next->ai_next;
    try_next(d);
}

/* LIST with its first SKIP entries behind the others, all around. */
static struct addrinfo *turned(struct addrinfo *list, unsigned skip)
{
    unsigned count = 0;

    for (const struct addrinfo *a = list; a; a = a->ai_next)
        count++;
    for (skip %= count; skip; skip--) {
        struct addrinfo *first = list, *last = list;

        while (last->ai_next)
            last = last->ai_next;
        list = first->ai_next;
        last->ai_next = first;
        first->ai_next = NULL;
    }
    return list;
}

static void on_resolved(int error, struct addrinfo *addresses, void *arg)
{
    struct dialer *d = arg;

    d->resolver = NULL;
    if (error) {
        strbuf_addf(&d->why, "%s: %s", d->host, gai_strerror(error));
        finish(d, -1);
        return;
    }
    d->addresses = d->next = turned(addresses, d->skip);
    try_next(d);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct dialer *d = arg;

    (void)fd;
    (void)what;
    if (d->addresses)
        note(d, "no answer in time");
    else if (d->resolver)
        strbuf_addf(&d->why, "%s: the name was not resolved in time", d->host);
    finish(d, -1);
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    try_next(arg);
}

/* The address that HOST is, or NULL when it is a name. */
static struct addrinfo *numeric(const char *host, unsigned port)
{
    struct addrinfo *found = NULL,
                    hints = {
                        .ai_socktype = SOCK_STREAM,
                        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                    };
    char service[16];

    snprintf(service, sizeof(service), "%u", port);
    return getaddrinfo(host, service, &hints, &found) == 0 ? found : NULL;
}

struct dialer *dialer_start(struct event_base *base, const char *host,
                            unsigned port, const struct dialer_options *options,
                            unsigned timeout_ms, dialer_cb done, void *arg)
{
    struct dialer *d = xcalloc(1, sizeof(*d));
    unsigned first = timeout_ms / FIRST_PATIENCE;
    struct timeval now = {0},
                   all = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

    *d = (struct dialer){
        .base = base,
        .host = xstrdup(host),
        .port = port,
        .fd = -1,
        .patience = {first / 1000, first % 1000 * 1000},
        .why = STRBUF(LIMIT_WHY),
        .done = done,
        .arg = arg,
    };
    if (options && options->ip_version)
        d->family = options->ip_version == 6 ? AF_INET6 : AF_INET;
    if (options)
        d->skip = options->skip;
    if (options && options->from)
        d->from = numeric(options->from, 0);
    d->addresses = numeric(host, port);
    if (d->addresses) {
        d->next = d->addresses;
        d->start = event_new(base, -1, EV_TIMEOUT, on_start, d);
        event_add(d->start, &now);
    } else {
        d->resolver = resolver_start(base, host, port, on_resolved, d);
    }
    if (!d->addresses &&
        !d->resolver) { /* no thread: the deadline reports it */
        strbuf_addf(&d->why, "%s: cannot look names up: %s", host,
                    strerror(errno));
        all = (struct timeval){0};
    }
    d->deadline = event_new(base, -1, EV_TIMEOUT, on_deadline, d);
    event_add(d->deadline, &all);
    return d;
}
