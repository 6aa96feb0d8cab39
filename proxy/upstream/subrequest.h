#pragma once

/*
 * A question that berth itself asks the engine: one small request, and its
 * whole reply at once.
 */

#include <jansson.h>

#include "policy/isolation/list_filter.h"
#include "proxy/http/http_message.h"
#include "proxy/upstream/pool.h"

struct subrequest;

/* Why there is none where memory is short. */
#define SUBREQUEST_CROWDED                                                     \
    "berth holds as many bytes of this listener's clients as it may; try "     \
    "again in a moment, with fewer requests at a time"

/*
 * The reply: its HEAD and its whole BODY; or, with HEAD NULL, WHY there is
 * none. The subrequest is gone when this returns.
 */
typedef void (*subrequest_cb)(const struct http_head *head, struct str body,
                              const char *why, void *arg);

/*
 * Send METHOD TARGET with BODY (JSON, or empty) over a stream of POOL's.
 * The callback comes from the event loop, never from inside this call, unless
 * the subrequest is cancelled before. Replies over LIMIT_SUBREQUEST are
 * failures.
 */
struct subrequest *subrequest_new(struct event_base *base, struct pool *pool,
                                  enum method method, struct str target,
                                  struct str body, subrequest_cb on_reply,
                                  void *arg);

/* The same with BODY, which is taken over. */
struct subrequest *subrequest_new_json(struct event_base *base,
                                       struct pool *pool, enum method method,
                                       struct str target, json_t *body,
                                       subrequest_cb on_reply, void *arg);

/* The same with POST, and with an archive for its body. */
struct subrequest *subrequest_upload(struct event_base *base, struct pool *pool,
                                     struct str target, struct str archive,
                                     subrequest_cb on_reply, void *arg);

/* Its reply goes through FILTER, which is taken over, as it comes. Right after
 * subrequest_new. */
void subrequest_filter(struct subrequest *subrequest,
                       struct list_filter *filter);

/* It finds out whether the pool may be used, and does not wait for that
 * (pool_hold). Right after subrequest_new. */
void subrequest_let_in(struct subrequest *subrequest);

/* It is asked for WHO (pool_wait_for). Right after subrequest_new. */
void subrequest_for(struct subrequest *subrequest, const void *who);

/* Its reply ends as a failure where HAS_ROOM says that there is none for MORE
 * bytes, beside subrequest_memory(). Right after subrequest_new. */
void subrequest_bound(struct subrequest *subrequest,
                      bool (*has_room)(void *arg, size_t more), void *arg);

/* ON_BROKEN is called, before there is no reply, where that is the engine's or
 * the connection's doing, and not a limit of berth's. Right after
 * subrequest_new. */
void subrequest_on_broken(struct subrequest *subrequest,
                          void (*on_broken)(void *arg), void *arg);

/*
 * Its reply is read in turns: WAKE is called when there is something to read,
 * and subrequest_read reads MOST bytes of it at most, and calls back if that
 * was its end. It returns how many there were, and calls WAKE if there are
 * more. Right after subrequest_new.
 */
void subrequest_in_turns(struct subrequest *subrequest, void (*wake)(void *arg),
                         void *arg);
size_t subrequest_read(struct subrequest *subrequest, size_t most);

/* Bytes that it holds. */
size_t subrequest_memory(const struct subrequest *subrequest);

/* No callback any more. NULL is fine; returns NULL. */
struct subrequest *subrequest_cancel(struct subrequest *subrequest);
