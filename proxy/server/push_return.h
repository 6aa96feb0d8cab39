#pragma once

/*
 * Ends a push for which nobody is there any more
 * (policy/isolation/push_lock.h): the real name goes back to what it stood for,
 * unless somebody has moved it since, then the mark goes, and the lock last.
 * Broken off anywhere, it may be begun again, by anybody.
 */

#include <jansson.h>

#include "proxy/upstream/subrequest.h"

struct push_return;

/*
 * LOCK is the container's row in the engine's list. ON_DONE is called with the
 * engine's answer to the lock's removal or, where it does not come to that,
 * with that to what went wrong before. As with a subrequest, it comes from the
 * event loop, and the push_return is gone when it returns.
 */
struct push_return *push_return_new(struct event_base *base, struct pool *pool,
                                    const json_t *lock, subrequest_cb on_done,
                                    void *arg);

/* No callback any more. NULL is fine; returns NULL. */
struct push_return *push_return_cancel(struct push_return *push);
