#pragma once

/*
 * A function that the event loop calls soon, but never inside of whoever asks
 * for it: behind the events that the last poll told of, without another poll.
 * There is a poll first if it asks for itself, or if such calls have led to
 * each other SOON_CHAIN times: so no descriptor, timer or signal is shut out.
 */

#include <event2/event.h>

enum { SOON_CHAIN = 3 };

struct soon {
    struct event *event;
    event_callback_fn call;
    void *arg;
    unsigned place; /* in its chain, from 1 on; 0: behind a poll */
};

/* CALL gets ARG; it may end SOON. */
void soon_init(struct soon *soon, struct event_base *base,
               event_callback_fn call, void *arg);
/* It is not called any more. Fine for one that is all zero. */
void soon_fini(struct soon *soon);

/* Have it called; once, however often it is asked for until then. */
void soon_call(struct soon *soon);
