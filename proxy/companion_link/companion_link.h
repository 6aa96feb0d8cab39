#pragma once

/*
 * A namespace's companion: the container on the engine in which berth's own
 * small program (proxy/companion/) runs, and the way to it. It is made when it
 * is first needed, found again when this berth or the engine restarts, and is
 * not among what its runner sees: neither its name nor its labels are ones
 * that a namespace can have.
 *
 * It has sockets in a volume. A container of the namespace that asks for
 * docker.sock gets one of them, for itself alone, and what connects there
 * becomes a client of this berth.
 *
 * Callbacks come from the event loop (upstream.h).
 */

#include <event2/event.h>
#include <jansson.h>

#include "proxy/net/memory.h"
#include "proxy/net/turns.h"
#include "proxy/upstream/pool.h"

struct companion;

/* Who connects: a container of the namespace's. */
struct companion_caller {
    const char *id; /* in full; "" if several have the socket. Good until the
                       callback returns */
};

struct companion_config {
    struct event_base *base;     /* this and the next three outlive it */
    struct turn_group *turns;    /* of its listener */
    struct memory_share *memory; /* the same */
    struct pool *pool;
    struct str ns;    /* copied */
    unsigned mode;    /* of the sockets, 0660 */
    unsigned gid;     /* their group, as containers know it */
    unsigned lease_s; /* it ends when berth is silent for so long, if it is made
                         by this one; 0: never */
    /* A connection: FD is non-blocking, and the callee's. */
    void (*on_client)(int fd, const struct companion_caller *caller, void *arg);
    void *arg;
};

/* Never NULL. If the namespace has a companion, its clients are served. */
struct companion *companion_new(const struct companion_config *config);
/* Connections close; the companion itself stays. NULL is fine; returns NULL. */
struct companion *companion_free(struct companion *companion);

/* Was it made of an equal CONFIG? */
bool companion_is_as(const struct companion *companion,
                     const struct companion_config *config);

/*
 * A socket for a container that is about to be made: STATUS 201, and REPLY
 * {"Socket": 7, "Path": "/var/lib/docker/..."}, its number and its place on the
 * engine's host; or another status and {"message": ...} with the reason. REPLY
 * is the callee's.
 */
struct companion_ask;
typedef void (*companion_cb)(int status, json_t *reply, void *arg);
struct companion_ask *companion_ask(struct companion *companion,
                                    companion_cb on_reply, void *arg);
/* No callback any more. NULL is fine; returns NULL. */
struct companion_ask *companion_ask_cancel(struct companion_ask *ask);

struct companion_counts {
    bool attached; /* a session runs */
    unsigned connections;
    uint64_t carried; /* all in all */
};
struct companion_counts companion_count(const struct companion *companion);
