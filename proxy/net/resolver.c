#include "proxy/net/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "policy/base/str.h"
#include "proxy/net/lookup_thread.h"

struct query {
    char *host;
    char port[16];
    int error;
    struct addrinfo *addresses;
    struct resolver *resolver;
};

struct resolver {
    struct lookup_thread *thread;
    resolver_cb done;
    void *arg;
};

static void look_up(void *arg)
{
    struct query *q = arg;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV,
    };

    q->error = getaddrinfo(q->host, q->port, &hints, &q->addresses);
    if (q->error)
        q->addresses = NULL;
}

static void query_free(void *arg)
{
    struct query *q = arg;

    if (q->addresses)
        freeaddrinfo(q->addresses);
    free(q->host);
    free(q);
}

void resolver_cancel(struct resolver *r)
{
    if (!r)
        return;
    lookup_thread_cancel(r->thread);
    free(r);
}

static void on_done(void *arg)
{
    struct query *q = arg;
    struct resolver *r = q->resolver;
    struct addrinfo *addresses = q->addresses;
    resolver_cb done = r->done;
    void *who = r->arg;

    q->addresses = NULL; /* handed over */
    free(r);
    done(q->error, addresses, who);
}

struct resolver *resolver_start(struct event_base *base, const char *host,
                                unsigned port, resolver_cb done, void *arg)
{
    struct resolver *r = xcalloc(1, sizeof(*r));
    struct query *q = xcalloc(1, sizeof(*q));
    const struct lookup_job job = {look_up, on_done, query_free, q};

    *r = (struct resolver){.done = done, .arg = arg};
    q->resolver = r;
    q->host = xstrdup(host);
    snprintf(q->port, sizeof(q->port), "%u", port);
    r->thread = lookup_thread_start(base, &job);
    if (r->thread)
        return r;
    query_free(q);
    free(r);
    return NULL;
}
