#pragma once

/*
 * The engine over one SSH connection: an upstream (upstream.h) whose streams
 * are channels. The link connects by itself, in the background, and again
 * whenever the connection is lost, with growing pauses; a host key or identity
 * that was refused makes them long.
 *
 * Behind jump hosts, each of these has a link of its own, made for this one
 * and through the one before, and closed with it: whatever breaks, all that
 * is behind it is made again, from the first on and within one time limit.
 *
 * While it is down, new streams wait. When it goes down, streams that were
 * open close with the reason; those still waiting go on waiting. A dead server
 * is noticed within dead_after_ms also when nothing is being sent: a small
 * request that wants an answer goes out when all was silent, and
 * TCP_USER_TIMEOUT ends a connection whose data nobody acknowledges.
 */

#include <event2/event.h>

#include "policy/config/upstream_config.h"
#include "proxy/upstream/upstream.h"

/* CONFIG, of kind UPSTREAM_SSH, must outlive the link. Never NULL. */
struct upstream *ssh_link_new(struct event_base *base,
                              const struct upstream_config *config);
