#pragma once

/* The inside of lease_world: its clock, its engine, its berths. */

#include <event2/event.h>
#include <jansson.h>

#include "policy/docker/method.h"
#include "proxy/server/lease.h"
#include "proxy/server/reaper.h"
#include "tests/unit/lease_world.h"

#define SECOND ((uint64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

/* ---- world_time.c: in place of the clock, of libevent and of chance ---- */

extern uint64_t world_ms;

/* Of the machine on which the code runs that is called now, beyond that. */
extern uint64_t world_skew_ms;

void world_time_begin(uint64_t seed);
uint64_t any(uint64_t below);

struct sim_event {
    event_callback_fn call;
    void *arg;
    bool used, pending, persists;
    uint64_t at;
    uint64_t period_ms; /* between two calls of one that persists; or 0 */
    uint64_t skew_ms;
};

/* All that happens until then, in its order: events, and what else there is.
 * next() gives the first of that which is due by BEFORE, and when, or NULL;
 * happen() does it. */
void world_pass(uint64_t until, void *(*next)(uint64_t before, uint64_t *at),
                void (*happen)(void *));

/* ---- world_engine.c ---- */

enum sim_kind { SIM_CONTAINER, SIM_VOLUME, SIM_NETWORK };

struct sim_object {
    enum sim_kind kind;
    char *name;
    char *ns, *lease, *by; /* labels, or NULL, */
    json_t *labels;        /* and all of them */
    char *network;         /* that a build's step is on, or NULL */
    int64_t made;
    unsigned number;
};

enum { WORLD_OBJECTS = 4096 };

struct sim_engine {
    struct sim_object objects[WORLD_OBJECTS];
    size_t count;
    unsigned numbers;
    int64_t offset_s; /* of its clock */
    bool stopped;
};
extern struct sim_engine engine;

/* Answer as an engine does: the status, and *REPLY. */
int engine_answer(enum method method, const char *target, const char *body,
                  json_t **reply);
void engine_forget(struct sim_object *object);
/* The namespace that it is of, but for leases; or NULL. */
const char *world_owner(const struct sim_object *object);

/* ---- lease_world.c ---- */

struct companion_sim {
    bool exists, running;
    int code; /* it ended with */
    uint64_t heard_ms;
};

struct pool { /* the link of one berth */
    bool frozen;
    uint64_t frozen_ms; /* since */
    uint64_t skew_ms;   /* of its machine's clock */
};

struct berth {
    char ns[16];
    bool alive;
    uint64_t ends_ms; /* at the latest, where they do not live long */
    struct pool pool;
    struct lease *lease;
    struct reaper *reaper;
    struct reaper_host host;
    struct companion_sim companion;
};

extern struct berth berths[WORLD_BERTHS];
/* May a living one's requests go to the engine? */
bool berth_admits(const struct berth *berth);
extern struct world_result world_result;
