#pragma once

/*
 * Names to addresses without holding up the event loop: getaddrinfo, with all
 * that the machine's nsswitch.conf asks for, runs in a thread of its own and
 * reports through a socket. A thread, because libevent's own resolver reads
 * only DNS and the hosts file, and a forked child would have to be kept away
 * from everything the parent has open.
 */

#include <event2/event.h>
#include <netdb.h>

struct resolver;

/*
 * ERROR is 0 or a getaddrinfo code; ADDRESSES, when it is 0, belong to the
 * receiver (freeaddrinfo). The resolver itself is gone after the call.
 */
typedef void (*resolver_cb)(int error, struct addrinfo *addresses, void *arg);

/*
 * Look HOST and PORT up for a stream socket. DONE is called from the loop,
 * later, never from here. NULL when there is no thread or socket for it.
 */
struct resolver *resolver_start(struct event_base *base, const char *host,
                                unsigned port, resolver_cb done, void *arg);

/* No callback any more; NULL is fine. */
void resolver_cancel(struct resolver *resolver);
