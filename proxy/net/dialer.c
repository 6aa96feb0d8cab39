#include "proxy/net/dialer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/base/str.h"
#include "proxy/net/resolver.h"

#define LIMIT_WHY       1024
#define LIMIT_ADDRESSES 32  /* of one name that are tried */
#define DELAY_MS        250 /* until the next one joins in: RFC 8305, 5 */

/* One address, and how far it has come. */
struct attempt {
    struct dialer *dialer;
    const struct addrinfo *to;
    bool begun;
    int fd;
    struct event *connected;
};

struct dialer {
    struct event_base *base;
    char *host;
    unsigned port;
    unsigned skip;
    int family; /* AF_UNSPEC, AF_INET or AF_INET6 */
    struct addrinfo *from;
    struct resolver *resolver;
    struct addrinfo *addresses;
    struct attempt attempts[LIMIT_ADDRESSES];
    size_t count;
    int last_family;        /* of the attempt that was begun last */
    struct event *deadline; /* of the whole */
    struct event *next;     /* begin another attempt */
    struct strbuf why;
    dialer_cb done;
    void *arg;
};

static void drop_socket(struct attempt *attempt)
{
    if (attempt->connected)
        event_free(attempt->connected);
    attempt->connected = NULL;
    if (attempt->fd >= 0)
        close(attempt->fd);
    attempt->fd = -1;
}

void dialer_cancel(struct dialer *d)
{
    if (!d)
        return;
    resolver_cancel(d->resolver);
    for (size_t i = 0; i < d->count; i++)
        drop_socket(&d->attempts[i]);
    if (d->addresses)
        freeaddrinfo(d->addresses);
    if (d->from)
        freeaddrinfo(d->from);
    if (d->deadline)
        event_free(d->deadline);
    if (d->next)
        event_free(d->next);
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

static void note(struct dialer *d, const struct addrinfo *a, const char *what)
{
    char name[NI_MAXHOST] = "?";

    getnameinfo(a->ai_addr, a->ai_addrlen, name, sizeof(name), NULL, 0,
                NI_NUMERICHOST);
    strbuf_addf(&d->why, "%s%s port %u: %s", d->why.len ? "; " : "", name,
                d->port, what);
}

/* The next to begin: of the other IP version than the last, if there is one,
 * since one of the two may lead nowhere (RFC 8305, 4). */
static struct attempt *find_next(struct dialer *d)
{
    struct attempt *first = NULL;

    for (size_t i = 0; i < d->count; i++) {
        struct attempt *attempt = &d->attempts[i];

        if (attempt->begun)
            continue;
        if (attempt->to->ai_family != d->last_family)
            return attempt;
        if (!first)
            first = attempt;
    }
    return first;
}

static bool any_under_way(const struct dialer *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->attempts[i].fd >= 0)
            return true;
    return false;
}

static void on_connected(evutil_socket_t fd, short what, void *arg);

/* Is a connect under way? Else it is noted why not. */
static bool begin(struct dialer *d, struct attempt *attempt)
{
    const struct addrinfo *a = attempt->to;

    attempt->begun = true;
    d->last_family = a->ai_family;
    if (d->family != AF_UNSPEC && a->ai_family != d->family) {
        note(d, a, "not of the IP version that is asked for");
        return false;
    }
    attempt->fd =
        socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
               a->ai_protocol);
    if (attempt->fd >= 0 && d->from &&
        bind(attempt->fd, d->from->ai_addr, d->from->ai_addrlen) < 0) {
        note(d, a, "cannot connect from the address that is asked for");
        drop_socket(attempt);
        return false;
    }
    if (attempt->fd < 0 ||
        (connect(attempt->fd, a->ai_addr, a->ai_addrlen) < 0 &&
         errno != EINPROGRESS)) {
        note(d, a, strerror(errno));
        drop_socket(attempt);
        return false;
    }
    attempt->connected =
        event_new(d->base, attempt->fd, EV_WRITE, on_connected, attempt);
    event_add(attempt->connected, NULL);
    return true;
}

/* Begin one more, and see to it that the one after it has its turn. */
static void try_next(struct dialer *d)
{
    const struct timeval delay = {.tv_usec = DELAY_MS * 1000};
    struct attempt *attempt;

    while ((attempt = find_next(d)))
        if (begin(d, attempt))
            break;
    if (find_next(d))
        event_add(d->next, &delay);
    else if (!any_under_way(d))
        finish(d, -1);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    struct attempt *attempt = arg;
    struct dialer *d = attempt->dialer;
    int error = ETIMEDOUT;
    socklen_t len = sizeof(error);

    (void)what;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0) {
        event_free(attempt->connected);
        attempt->connected = NULL;
        attempt->fd = -1; /* handed over */
        finish(d, (int)fd);
        return;
    }
    note(d, attempt->to, strerror(error));
    drop_socket(attempt);
    try_next(d);
}

static void list_attempts(struct dialer *d)
{
    for (const struct addrinfo *a = d->addresses;
         a && d->count < LIMIT_ADDRESSES; a = a->ai_next)
        d->attempts[d->count++] =
            (struct attempt){.dialer = d, .to = a, .fd = -1};
}

/* LIST with its first SKIP entries behind the others, all around. */
static struct addrinfo *turned(struct addrinfo *list, unsigned skip)
{
    unsigned count = 0;

    for (const struct addrinfo *a = list; a; a = a->ai_next)
        count++;
    for (skip = count ? skip % count : 0; skip; skip--) {
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
    d->addresses = turned(addresses, d->skip);
    list_attempts(d);
    try_next(d);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct dialer *d = arg;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < d->count; i++)
        if (d->attempts[i].fd >= 0)
            note(d, d->attempts[i].to, "no answer in time");
    if (d->resolver)
        strbuf_addf(&d->why, "%s: the name was not resolved in time", d->host);
    finish(d, -1);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
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
    struct timeval now = {0},
                   all = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

    *d = (struct dialer){
        .base = base,
        .host = xstrdup(host),
        .port = port,
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
    d->next = event_new(base, -1, EV_TIMEOUT, on_next, d);
    d->addresses = numeric(host, port);
    if (d->addresses) {
        list_attempts(d);
        event_add(d->next, &now);
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
