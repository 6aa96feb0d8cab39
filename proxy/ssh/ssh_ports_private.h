#pragma once

/* What the links for ports share. */

#include "proxy/ssh/engine_id.h"
#include "proxy/ssh/ssh_link_private.h"
#include "proxy/ssh/ssh_ports.h"

/* The place of one link. */
struct ssh_place {
    struct ssh_ports *ports;
    struct ssh_link *link;   /* or NULL */
    struct engine_id engine; /* that it leads to, */
    bool joined;             /* which is the right one: ports may go there */
    bool fed;                /* it was given one since it was last asked */
};

struct ssh_ports {
    struct upstream upstream; /* first: an upstream is cast to its ports */
    struct event_base *base;
    const struct upstream_config *config;
    struct upstream *main;   /* where requests go */
    struct engine_id engine; /* that it leads to, */
    uint64_t generation;     /* in that one of its */
    struct ssh_mux waiting;  /* streams that no link has taken yet; a queue */
    bool none_may;           /* none of them may be opened now */
    struct ssh_place places[LIMIT_PORT_LINKS];
    unsigned refusals;
    bool alone; /* no link leads to the engine that requests go to */
    struct soon run;
    struct event *timer;
    bool doomed;
};

/* In ssh_ports_place.c. */

bool ssh_ports_is_any_waiting(const struct ssh_ports *ports);
/* The first of those that wait that may be opened now, or NULL. */
struct ssh_channel *ssh_ports_next(struct ssh_ports *ports);
/* How many links there are. */
unsigned ssh_ports_count(const struct ssh_ports *ports);

/* The port that the server was asked for and has not answered, or NULL. */
struct ssh_channel *ssh_place_opening(const struct ssh_place *place);
/* Has that taken MS milliseconds already, beyond the way to the server? */
bool ssh_place_takes(const struct ssh_place *place, unsigned ms);
/* Could it open a port now? */
bool ssh_place_is_free(const struct ssh_place *place);

/* PLACE has no link: make one. */
void ssh_place_make(struct ssh_place *place);
/* Its link takes no more ports for now. */
void ssh_place_unjoin(struct ssh_place *place);
/* Its link ends, with all that is open on it. */
void ssh_place_drop(struct ssh_place *place);
/* If its link has told its engine, it takes ports from now on, or is lost. */
void ssh_place_compare(struct ssh_place *place);
/* If what it opens takes too long, that stream closes. */
void ssh_place_expire(struct ssh_place *place);
/* Give up the link if nothing is lost by it, and it is held up or too much. */
void ssh_place_tidy(struct ssh_place *place);
