#pragma once

/*
 * Asks something that waits (a name service) without holding up the event loop:
 * in a thread of its own, which reports through a socket. One that is cancelled
 * goes on by itself to its end, for it cannot be interrupted.
 */

#include <event2/event.h>

struct lookup_thread;

struct lookup_job {
    void (*work)(void *arg); /* in the thread; touches nothing but ARG */
    void (*done)(void *arg); /* in the loop, unless it was cancelled before */
    void (*free)(void *arg); /* in either, last of all */
    void *arg;
};

/* NULL when there is no thread or socket for it: then nothing is called. DONE
 * is called later, never from here, and the lookup_thread is gone after it. */
struct lookup_thread *lookup_thread_start(struct event_base *base,
                                          const struct lookup_job *job);

/* No callback but free any more; NULL is fine. */
void lookup_thread_cancel(struct lookup_thread *lookup);
