#include "proxy/server/takeover.h"

#include "proxy/base/log.h"

enum { LOOK_MS = 20 };

static void log_failure(const struct frontend *frontend)
{
    struct upstream_status status;

    upstream_get_status(frontend->backend->upstream, &status);
    if (frontend_has_host(frontend))
        log_error("%s is not taken over: its engine, %s, does not answer",
                  frontend->path, backend_url(frontend->backend));
    else
        log_error("%s is not taken over, for it has no host: %s",
                  frontend->path, status.why);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    const struct frontend *waits = NULL;
    struct takeover *t = arg;

    (void)fd;
    (void)what;
    for (struct frontend *b = *t->frontends; b && !waits; b = b->next) {
        if (b->takes_over && !engine_probe_get(b->backend->engine)->known)
            waits = b;
    }
    if (waits && ++t->tries == TAKEOVER_WAIT_MS / LOOK_MS) {
        log_failure(waits);
        t->on_failed(t->arg);
    } else if (waits) {
        event_add(t->event, &(struct timeval){0, LOOK_MS * 1000});
    } else {
        for (struct frontend *b = *t->frontends; b; b = b->next)
            frontend_begin(b);
        metrics_feed_begin(t->metrics_feed);
    }
}

void takeover_begin(struct takeover *t, struct event_base *base,
                    struct frontend *const *frontends,
                    struct metrics_feed *metrics_feed,
                    void (*on_failed)(void *arg), void *arg)
{
    *t = (struct takeover){.frontends = frontends,
                           .metrics_feed = metrics_feed,
                           .on_failed = on_failed,
                           .arg = arg};
    t->event = event_new(base, -1, 0, on_look, t);
    event_active(t->event, EV_TIMEOUT, 0);
}

void takeover_end(struct takeover *t)
{
    if (t->event)
        event_del(t->event);
}

void takeover_fini(struct takeover *t)
{
    if (t->event)
        event_free(t->event);
}
