#pragma once

/*
 * Published ports on the runner's localhost. While a container of the namespace
 * runs that wishes for ports (port_wish.h), they are listened on here, and each
 * connection is carried to the port on the engine's host that the engine
 * reports for that container. That is asked anew for each connection, so that
 * none ever leads to another container: ports change hands whenever an engine
 * or a container restarts.
 *
 * Which containers run is learned from the engine's events, and looked up
 * whenever these begin.
 *
 * Datagrams (UDP) have flows in place of connections: all of one client to one
 * port, and back. They go over a relay in the container's own network
 * (relay.h), since SSH carries none.
 */

#include <event2/event.h>

#include "policy/base/strings.h"
#include "policy/isolation/port_wish.h"
#include "proxy/net/memory.h"
#include "proxy/net/turns.h"
#include "proxy/upstream/pool.h"

struct near;

struct near_config {
    struct event_base *base;     /* this and the next four outlive it */
    struct turn_group *turns;    /* of its listener */
    struct memory_share *memory; /* the same */
    struct upstream *upstream;
    struct pool *pool;
    struct str ns;                /* copied, as are the next two */
    const struct strings *listen; /* addresses of this machine */
    const char *address;          /* where the engine publishes */
};

/* Never NULL. It begins to look for containers that run at once. */
struct near *near_new(const struct near_config *config);
/* Listeners and connections close. NULL is fine; returns NULL. */
struct near *near_free(struct near *near);

/* Another process listens from now on: no listeners any more, but what is
 * carried is carried on. */
void near_yield(struct near *near);

/* Was it made of an equal CONFIG? */
bool near_is_as(const struct near *near, const struct near_config *config);

/* The functions of struct port_book, see there. */
enum port_open near_open(struct near *near, struct str id, struct str name,
                         const json_t *wish, struct str *other,
                         struct strbuf *why);
void near_doubt(struct near *near, struct str id);
void near_learn(struct near *near, struct str id, const json_t *inspected);
const json_t *near_shown(const struct near *near, struct str id);
void near_note(struct near *near, struct str id, struct str name,
               const json_t *wish);
bool near_noted(struct near *near, struct str id, struct str *name,
                json_t **wish);

struct near_counts {
    unsigned containers, listeners, connections;
    uint64_t carried; /* connections that were confirmed, all in all */
    uint64_t refused; /* and those that could not be carried */
    unsigned flows;   /* of datagrams */
    uint64_t flows_carried, flows_refused;
    uint64_t datagrams_in; /* from clients */
    uint64_t datagrams_out;
    uint64_t lost; /* datagrams for which there was no room, or no way */
};
struct near_counts near_count(const struct near *near);
