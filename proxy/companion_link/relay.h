#pragma once

/*
 * Datagrams for one container of the namespace's: a container of berth's own
 * that has no network but that one's, and the program in it, which sends to
 * ports of it (companion.h). It has no privilege, is made when a relay begins,
 * is removed by the engine once nothing runs in it for a while, and is as
 * hidden from the runner as the companion.
 *
 * Nothing waits for anything here: what there is no room for is lost, as
 * datagrams may be.
 *
 * Callbacks come from the event loop (upstream.h).
 */

#include <event2/event.h>

#include "proxy/net/memory.h"
#include "proxy/net/turns.h"
#include "proxy/upstream/pool.h"

struct relay;

struct relay_config {
    struct event_base *base;     /* this and the next three outlive it */
    struct turn_group *turns;    /* of its listener */
    struct memory_share *memory; /* the same */
    struct pool *pool;
    struct str ns;      /* copied, as are the next two */
    struct str target;  /* the ID of the container, in full */
    struct str started; /* since when it runs, as its inspect says */
    /* It carries datagrams from now on. */
    void (*on_ready)(void *arg);
    /* The relay must not be freed in these two. BYTES are good until it
     * returns. */
    void (*on_datagram)(uint32_t flow, struct str bytes, void *arg);
    /* The container cannot be reached by it any more. */
    void (*on_closed)(uint32_t flow, void *arg);
    /* It is over, for the reason WHY. The relay is the callee's to free. */
    void (*on_end)(const char *why, void *arg);
    void *arg;
};

/* Never NULL. It begins at once. */
struct relay *relay_new(const struct relay_config *config);
/* No callback any more. NULL is fine; returns NULL. */
struct relay *relay_free(struct relay *relay);

/* A flow to PORT of the container's own ADDRESS, in host order, once it is
 * ready. Returns its number; 0: there is no room now. */
uint32_t relay_open(struct relay *relay, uint32_t address, unsigned port);
void relay_close(struct relay *relay, uint32_t flow);

/* A datagram, of WIRE_DATAGRAM_MOST bytes at most. False: it is lost. */
bool relay_send(struct relay *relay, uint32_t flow, struct str bytes);
