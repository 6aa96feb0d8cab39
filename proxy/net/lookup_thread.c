#include "proxy/net/lookup_thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/base/str.h"

/* What the thread works on. It and the loop each hold one reference. */
struct shared {
    atomic_int refs;
    struct lookup_job job;
    int done_fd; /* the thread's end; closing it is the report */
};

struct lookup_thread {
    struct shared *shared;
    struct event *event;
    int fd;
};

static void shared_unref(struct shared *s)
{
    if (atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    s->job.free(s->job.arg);
    free(s);
}

static void *run(void *arg)
{
    struct shared *s = arg;
    int fd = s->done_fd;

    s->job.work(s->job.arg);
    shared_unref(s);
    close(fd);
    return NULL;
}

static void end(struct lookup_thread *l)
{
    event_free(l->event);
    close(l->fd);
    free(l);
}

void lookup_thread_cancel(struct lookup_thread *l)
{
    struct shared *s;

    if (!l)
        return;
    s = l->shared;
    end(l);
    shared_unref(s);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
    struct lookup_thread *l = arg;
    struct shared *s = l->shared;

    (void)fd;
    (void)what;
    end(l);
    s->job.done(s->job.arg);
    shared_unref(s);
}

static bool start(struct shared *s)
{
    pthread_attr_t attr;
    pthread_t thread;
    bool started;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    started = pthread_create(&thread, &attr, run, s) == 0;
    pthread_attr_destroy(&attr);
    return started;
}

struct lookup_thread *lookup_thread_start(struct event_base *base,
                                          const struct lookup_job *job)
{
    struct lookup_thread *l;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   fds) < 0)
        return NULL;
    l = xcalloc(1, sizeof(*l));
    l->fd = fds[0];
    l->shared = xcalloc(1, sizeof(*l->shared));
    l->shared->job = *job;
    l->shared->done_fd = fds[1];
    atomic_init(&l->shared->refs, 2);
    l->event = event_new(base, l->fd, EV_READ, on_done, l);
    event_add(l->event, NULL);
    if (start(l->shared))
        return l;
    close(fds[1]);
    free(l->shared);
    end(l);
    return NULL;
}
