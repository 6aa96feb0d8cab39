#pragma once

/*
 * What a namespace has left on the engine, and in which order it goes: first
 * containers, for they hold the others; then networks, volumes and images; then
 * what berth itself has there for the namespace (companion_name.h). An object
 * is the namespace's own by its label and by its name, as everywhere. Plain
 * values: the lists come from the engine, and the caller removes.
 */

#include <jansson.h>

#include "policy/base/str.h"
#include "policy/docker/method.h"
#include "policy/docker/operation.h"

/* The kinds, in the order in which they are to be removed. */
enum leftover_kind {
    LEFTOVER_CONTAINER,
    LEFTOVER_STEP, /* a container of a classic build whose engine was killed:
                      only the namespace's networks say whose it is */
    LEFTOVER_PUSH, /* the lock of a push whose berth was, with the name that it
                      borrowed (push_lock.h) */
    LEFTOVER_NETWORK,
    LEFTOVER_VOLUME,
    LEFTOVER_BIND,  /* a volume that is a directory of the host, see
                       rewrite_mounts.c: what is in there stays */
    LEFTOVER_IMAGE, /* its own tags: the content goes with the last of them */
    LEFTOVER_COMPANION, /* last, for the others may use its sockets; */
    LEFTOVER_SOCKETS,   /* and the volume in which these are */
    LEFTOVER_LEASE,     /* what says that somebody may be using all that, the
                           marks of who removes it, and the records of who
                           watched (lease.h) */

    LEFTOVER_COUNT
};

/* "container"; and in the plural. */
const char *leftover_word(enum leftover_kind kind);

/* The kind after KIND of which there is a list that says whose things are: all
 * but LEFTOVER_STEP. */
enum leftover_kind leftover_next(enum leftover_kind kind);

/* The operation that removes one. */
enum operation leftover_operation(enum leftover_kind kind);

/* Append the target that lists all of KIND, which is not LEFTOVER_STEP, that
 * any namespace, or NS unless it is empty, has. 0 or -ENOBUFS. */
int leftover_put_list(struct strbuf *out, enum leftover_kind kind,
                      struct str ns);

/*
 * Append the target that lists what is on the networks of NS, which are those
 * in NETWORKS, the engine's list of them: there LEFTOVER_STEP is. Returns how
 * many networks there are; LEFTOVER_NETWORKS at most are looked at, the bridge
 * first.
 */
enum { LEFTOVER_NETWORKS = 32 };
size_t leftover_put_steps(struct strbuf *out, const json_t *networks,
                          struct str ns);

/* Append the target that removes the one called REF, with FORCE. */
int leftover_put_removal(struct strbuf *out, enum leftover_kind kind,
                         struct str ref, bool force);

struct leftover {
    struct str ref;    /* how the engine knows it: an ID, a volume's name, or a
                          tag; a slice of the list */
    struct str name;   /* how the engine shows it */
    int64_t made;      /* seconds since the epoch by the engine's clock; 0: it
                          does not say when, as of a tag */
    const json_t *row; /* all that the list says of it */
    bool is_bridge;    /* the network that berth made in place of "bridge" */
    bool is_last_name; /* of an image: it has no other */
};

/*
 * Tell VISIT of each object of KIND in REPLY, the engine's answer to that
 * target, that is a namespace's own; NS is whose, and empty for a step. False:
 * REPLY is no such list.
 */
bool leftovers_walk(enum leftover_kind kind, const json_t *reply,
                    void (*visit)(void *arg, struct str ns,
                                  const struct leftover *leftover),
                    void *arg);
