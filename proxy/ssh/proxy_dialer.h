#pragma once

/*
 * A connected socket to a host behind a proxy: connects to the proxy, says
 * what it wants (proxy_talk.h), and hands over the socket when the next byte on
 * it is the host's. It has no time limit but that of the first connect: its
 * owner does.
 */

#include <event2/event.h>

#include "policy/config/upstream_config.h"

struct proxy_dialer;

/*
 * FD is the connected non-blocking socket, now the receiver's; or -1, and WHY
 * is a sentence that names the proxy, which did not reach the host if
 * UNREACHED, and else is not reached itself, or did not let us in. The dialer
 * itself is gone after the call.
 */
typedef void (*proxy_dialer_cb)(int fd, bool unreached, const char *why,
                                void *arg);

/*
 * Connect to the host and port of CONFIG, which must outlive the dialer,
 * through its proxy. DONE is called from the loop, later, never from here.
 */
struct proxy_dialer *proxy_dialer_start(struct event_base *base,
                                        const struct upstream_config *config,
                                        proxy_dialer_cb done, void *arg);

/* Was the proxy asked to connect to the host by now? */
bool proxy_dialer_has_asked(const struct proxy_dialer *dialer);

/* No callback any more, and nothing stays open; NULL is fine. */
void proxy_dialer_cancel(struct proxy_dialer *dialer);
