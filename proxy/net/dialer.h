#pragma once

/*
 * A connected socket, without waiting for it: looks the name up, then tries
 * its addresses, each a quarter of a second after the one before or as soon as
 * that has failed, and takes the first that answers (RFC 8305: a name whose
 * first address is dead costs no more than that).
 */

#include <event2/event.h>

struct dialer;

/*
 * FD is the connected non-blocking socket, now the receiver's; or -1, and WHY
 * says what went wrong. The dialer itself is gone after the call.
 */
typedef void (*dialer_cb)(int fd, const char *why, void *arg);

/* How to connect; NULL for no such wishes. */
struct dialer_options {
    unsigned ip_version; /* 4, 6, or 0 for both */
    const char *from;    /* an address of this machine, or NULL */
    unsigned skip;       /* so many of the host's addresses come last */
};

/*
 * Connect to HOST and PORT within TIMEOUT_MS. DONE is called from the loop,
 * later, never from here.
 */
struct dialer *dialer_start(struct event_base *base, const char *host,
                            unsigned port, const struct dialer_options *options,
                            unsigned timeout_ms, dialer_cb done, void *arg);

/* No callback any more, and nothing stays open; NULL is fine. */
void dialer_cancel(struct dialer *dialer);
