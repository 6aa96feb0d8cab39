#include "proxy/net/soon.h"

#include <stddef.h>

/* What runs, only compared since it may be gone, and its place; else none. */
static _Thread_local struct {
    const struct soon *soon;
    unsigned place;
} running;

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct soon *soon = arg;

    running.soon = soon;
    running.place = soon->place;
    soon->call(fd, what, soon->arg);
    running.soon = NULL;
    running.place = 0;
}

void soon_init(struct soon *soon, struct event_base *base,
               event_callback_fn call, void *arg)
{
    *soon = (struct soon){.call = call, .arg = arg};
    soon->event = event_new(base, -1, 0, on_event, soon);
}

void soon_fini(struct soon *soon)
{
    if (soon->event)
        event_free(soon->event);
    soon->event = NULL;
}

void soon_call(struct soon *soon)
{
    if (event_pending(soon->event, EV_TIMEOUT, NULL))
        return;
    if (running.soon == soon || running.place == SOON_CHAIN) {
        soon->place = 0;
        event_add(soon->event, &(struct timeval){0, 0});
    } else {
        soon->place = running.place + 1;
        event_active(soon->event, EV_TIMEOUT, 0);
    }
}
