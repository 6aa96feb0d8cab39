#include "proxy/net/resolver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/base/str.h"

/*
 * What the thread works on. It and the loop each hold one reference: the thread
 * frees a cancelled query, which cannot be interrupted, when it returns.
 */
struct query {
    atomic_int refs;
    char *host;
    char port[16];
    int done_fd; /* the thread's end; closing it is the report */
    int error;
    struct addrinfo *addresses;
};

struct resolver {
    struct query *query;
    struct event *event;
    int fd;
    resolver_cb done;
    void *arg;
};

static void query_unref(struct query *q)
{
    if (atomic_fetch_sub(&q->refs, 1) > 1)
        return;
    if (q->addresses)
        freeaddrinfo(q->addresses);
    free(q->host);
    free(q);
}

static void *look_up(void *arg)
{
    struct query *q = arg;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV,
    };
    int fd = q->done_fd;

    q->error = getaddrinfo(q->host, q->port, &hints, &q->addresses);
    if (q->error)
        q->addresses = NULL;
    query_unref(q);
    close(fd);
    return NULL;
}

void resolver_cancel(struct resolver *r)
{
    if (!r)
        return;
    if (r->event)
        event_free(r->event);
    if (r->fd >= 0)
        close(r->fd);
    query_unref(r->query);
    free(r);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = arg;
    struct addrinfo *addresses = r->query->addresses;
    int error = r->query->error;
    resolver_cb done = r->done;

    (void)fd;
    (void)what;
    arg = r->arg;
    r->query->addresses = NULL; /* handed over */
    resolver_cancel(r);
    done(error, addresses, arg);
}

struct resolver *resolver_start(struct event_base *base, const char *host,
                                unsigned port, resolver_cb done, void *arg)
{
    struct resolver *r = xcalloc(1, sizeof(*r));
    pthread_attr_t attr;
    pthread_t thread;
    int fds[2];
    bool started;

    r->fd = -1;
    r->done = done;
    r->arg = arg;
    r->query = xcalloc(1, sizeof(*r->query));
    atomic_init(&r->query->refs, 1);
    r->query->host = xstrdup(host);
    snprintf(r->query->port, sizeof(r->query->port), "%u", port);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   fds) < 0) {
        resolver_cancel(r);
        return NULL;
    }
    r->fd = fds[0];
    r->query->done_fd = fds[1];
    r->event = event_new(base, r->fd, EV_READ, on_done, r);
    event_add(r->event, NULL);
    atomic_store(&r->query->refs, 2);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    started = pthread_create(&thread, &attr, look_up, r->query) == 0;
    pthread_attr_destroy(&attr);
    if (!started) {
        atomic_store(&r->query->refs, 1);
        close(fds[1]);
        resolver_cancel(r);
        return NULL;
    }
    return r;
}
