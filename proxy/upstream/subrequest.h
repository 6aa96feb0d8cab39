#pragma once

/*
 * A question that berth itself asks the engine: one small request, and its
 * whole reply at once.
 */

#include "proxy/http/http_message.h"
#include "proxy/upstream/pool.h"

struct enquiry;

/*
 * The reply: its HEAD and its whole BODY; or, with HEAD NULL, WHY there is
 * none. The enquiry is gone when this returns.
 */
typedef void (*enquiry_cb)(const struct http_head *head, struct str body,
                           const char *why, void *arg);

/*
 * Send METHOD TARGET with BODY (JSON, or empty) over a stream of POOL's.
 * The callback comes from the event loop, never from inside this call, unless
 * the enquiry is cancelled before. Replies over LIMIT_ENQUIRY are failures.
 */
struct enquiry *enquiry_new(struct event_base *base, struct pool *pool,
                            enum method method, struct str target,
                            struct str body, enquiry_cb on_reply, void *arg);

/* No callback any more. NULL is fine; returns NULL. */
struct enquiry *enquiry_cancel(struct enquiry *enquiry);
