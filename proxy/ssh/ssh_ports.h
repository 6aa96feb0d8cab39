#pragma once

/*
 * The engine over SSH, and ports of its host over connections of their own.
 *
 * libssh2 opens one channel at a time on a connection, and sshd answers when
 * it has connected to the port, or when TCP has given up, which takes two
 * minutes where nobody answers. So requests go over an upstream (ssh_link.h,
 * ssh_links.h), and ports do not:
 *
 * - They have a link that is made for the first of them. While an opening on it
 *   takes more than LIMIT_PORT_SLOW_MS, the next goes to another link, which is
 *   made if need be; there are LIMIT_PORT_LINKS.
 * - After LIMIT_PORT_OPEN_MS its stream closes with the reason. The link takes
 *   no other until the server has answered, but what is open on it goes on; one
 *   on which nothing is open ends.
 * - Of one port there is one opening at a time, and those of one stream.who
 * have half of the links at most. What has waited for longer than a link may
 * take to connect, and LIMIT_PORT_OPEN_MS, closes with the reason.
 *
 * A link takes ports once the engine behind it has told the same ID as the one
 * that requests go to, and again whenever that may be another. Where none can
 * be made, or the ID is always another or none, ports go the way of requests.
 */

#include <event2/event.h>

#include "policy/config/upstream_config.h"
#include "proxy/upstream/upstream.h"

/* CONFIG, of kind UPSTREAM_SSH, must outlive it. Never NULL. */
struct upstream *ssh_ports_new(struct event_base *base,
                               const struct upstream_config *config);
