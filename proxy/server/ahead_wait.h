#pragma once

/*
 * A docker command that attaches to a container waits for it next, and starts
 * it when both are answered. Where the engine is far, the wait goes along with
 * the attach and takes no round trip of its own: it is the one that followed
 * the last attach, as it was judged and written then, for this container.
 *
 * Nothing is told from memory. The client's own wait is judged and put on
 * record as ever; only if it is the same, byte for byte, and the engine still
 * waits, the client gets the reply of the one that was sent. One that has ended
 * by then, as one that nobody asks for within AHEAD_WAIT_MS, is given up.
 */

#include <event2/event.h>

#include "policy/base/str.h"
#include "proxy/server/backend.h"

enum {
    AHEAD_WAIT_MS = 1000,
    AHEAD_WAIT_VAIN = 3, /* so often in vain, then only behind another pair */
};

struct ahead_wait;

/* Streams are taken for WHO (pool_wait_for). */
struct ahead_wait *ahead_wait_new(struct event_base *base, const void *who);
/* Gives up what is on its way. NULL is fine. */
void ahead_wait_free(struct ahead_wait *ahead);

/*
 * REQUEST, an attach or a wait as the engine of BACKEND gets it, is about to be
 * sent. MAY_WAIT: a wait may be sent along with an attach now.
 */
void ahead_wait_attached(struct ahead_wait *ahead, struct backend *backend,
                         struct str request, bool may_wait);
void ahead_wait_waited(struct ahead_wait *ahead, struct str request);

/*
 * The stream on which REQUEST, a wait, was sent to BACKEND already; the
 * caller's from now on, as if the pool had given it. Or NULL.
 */
struct stream *ahead_wait_take(struct ahead_wait *ahead,
                               const struct backend *backend,
                               struct str request);
