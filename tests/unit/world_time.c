#include "tests/unit/world_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { EVENTS = 512 };

/* ---- time and chance ---- */

uint64_t world_ms, world_skew_ms;
static uint64_t chance;

uint64_t any(uint64_t below)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance % below;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    (void)clock;
    uint64_t ms = world_ms + world_skew_ms;

    *out = (struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    return 0;
}

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)to)[i] = (unsigned char)any(256);
    return (ssize_t)size;
}

/* ---- events ---- */

static struct sim_event events[EVENTS];

struct event *event_new(struct event_base *base, evutil_socket_t fd, short what,
                        event_callback_fn call, void *arg)
{
    (void)base;
    (void)fd;
    for (size_t i = 0; i < EVENTS; i++) {
        if (events[i].used)
            continue;
        events[i] = (struct sim_event){.call = call,
                                       .arg = arg,
                                       .used = true,
                                       .skew_ms = world_skew_ms,
                                       .persists = what & EV_PERSIST};
        return (struct event *)&events[i];
    }
    abort();
}

int event_add(struct event *event, const struct timeval *in)
{
    struct sim_event *e = (struct sim_event *)event;

    uint64_t ms = (uint64_t)in->tv_sec * 1000 + (uint64_t)in->tv_usec / 1000;

    e->pending = true;
    e->at = world_ms + ms;
    e->period_ms = e->persists ? ms : 0;
    return 0;
}

int event_del(struct event *event)
{
    ((struct sim_event *)event)->pending = false;
    return 0;
}

void event_active(struct event *event, int what, short calls)
{
    (void)what;
    (void)calls;
    event_add(event, &(struct timeval){0, 0});
}

void event_free(struct event *event)
{
    *(struct sim_event *)event = (struct sim_event){.used = false};
}

static struct sim_event *next_event(uint64_t before)
{
    struct sim_event *first = NULL;

    for (size_t i = 0; i < EVENTS; i++) {
        if (events[i].used && events[i].pending && events[i].at <= before &&
            (!first || events[i].at < first->at))
            first = &events[i];
    }
    return first;
}

static void call(struct sim_event *event)
{
    event->pending = event->period_ms != 0;
    event->at = world_ms + event->period_ms;
    world_skew_ms = event->skew_ms;
    event->call(-1, 0, event->arg);
}

void world_pass(uint64_t until, void *(*next)(uint64_t before, uint64_t *at),
                void (*happen)(void *))
{
    for (;;) {
        struct sim_event *event = next_event(until);
        uint64_t at = 0;
        void *other = next(until, &at);

        if (!event && !other)
            break;
        if (!other || (event && event->at < at)) {
            world_ms = event->at > world_ms ? event->at : world_ms;
            call(event);
        } else {
            world_ms = at > world_ms ? at : world_ms;
            happen(other);
        }
    }
    world_ms = until;
}

void world_time_begin(uint64_t seed)
{
    memset(events, 0, sizeof(events));
    chance = seed * 2654435761 + 88172645463325252;
    world_ms = HOUR;
}
