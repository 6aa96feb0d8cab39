#pragma once

/*
 * A container of berth's own on the engine, of its companion's image, most with
 * a volume of the same name: found, or made and started when it is needed, and
 * an exec created in it. One question at a time; each answer says what is next.
 * What is there already is used: berths of one namespace, one after the other,
 * find the same.
 *
 * Callbacks come from the event loop (upstream.h).
 */

#include <event2/event.h>
#include <jansson.h>

#include "proxy/upstream/pool.h"

struct box;

struct box_config {
    struct event_base *base;
    struct pool *pool; /* outlives it */
    struct str ns;     /* copied, as is the next */
    struct str name;   /* of the container, and of its volume */
    const char
        *target; /* where the volume is mounted in it; NULL: it has none */
    /* Add what is its own to BODY, that of its create: "Cmd", "User" and so
     * on; and to HOST, its HostConfig. */
    void (*fill)(json_t *body, json_t *host, void *arg);
    /* What the exec executes; the caller's. */
    json_t *(*command)(void *arg);
    /* There is none: is one to be made? If not, the box is at rest. */
    bool (*is_needed)(void *arg);
    /* It is there, as it was INSPECTED; or its volume is, at PATH of the
     * engine's host. False: it is to be left alone, and the box is at rest.
     * Either may be NULL. */
    bool (*on_found)(const json_t *inspected, void *arg);
    void (*on_volume)(struct str path, void *arg);
    /* Its container's ID, before anything else is told of it. Its volume is not
     * removed while it is there. May be NULL. */
    void (*on_identity)(struct str id, void *arg);
    /* The exec was created, and the box is at rest. */
    void (*on_exec)(const char *id, void *arg);
    /* It cannot be, for the reason WHY; the box is at rest. */
    void (*on_failure)(int status, const char *why, void *arg);
    void *arg;
};

/* At rest; never NULL. */
struct box *box_new(const struct box_config *config);
/* NULL is fine; returns NULL. */
struct box *box_free(struct box *box);

/* Look for it, and do what is needed for an exec. Nothing, unless it is at
 * rest. */
void box_begin(struct box *box);
