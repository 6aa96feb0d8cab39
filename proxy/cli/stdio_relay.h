#pragma once

/*
 * Standard input and output, or any two descriptors like them, made one with a
 * socket: what is read from one goes to the other, each half ends by itself,
 * and neither runs ahead of who reads it.
 */

#include <event2/event.h>
#include <stdbool.h>

struct stdio_relay;

/* All that came from the socket is written, or nobody reads it any more. */
typedef void (*stdio_relay_cb)(void *arg);

/*
 * Carry IN to FD and FD to OUT, in the event loop. FD is the relay's from now
 * on; IN and OUT stay the caller's, and are not blocking any more. DONE is
 * called once, from the loop.
 */
struct stdio_relay *stdio_relay_new(struct event_base *base, int in, int out,
                                    int fd, stdio_relay_cb done, void *arg);

/* NULL is fine; returns NULL. */
struct stdio_relay *stdio_relay_free(struct stdio_relay *relay);
