#pragma once

/* How the parts of a link ask it to run them soon, from its event loop. */

#include <event2/event.h>

struct waker {
    struct event_base *base;
    void (*wake)(void *arg);
    void *arg;
};

static inline void waker_wake(const struct waker *waker)
{
    waker->wake(waker->arg);
}
