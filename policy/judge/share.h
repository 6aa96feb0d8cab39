#pragma once

/*
 * What one namespace may take of an engine that it shares with others:
 * "namespace.limits" of a policy, and what a request takes of it. Containers,
 * networks, volumes and images are there until they are removed; what a
 * container may use and the ports that it publishes count while it runs, execs
 * until they end; builds and pulls last as long as their requests.
 */

#include <jansson.h>

#include "policy/config/policy.h"
#include "policy/docker/route.h"

/* X(share, key of the limit, what it counts) */
#define SHARES(X)                                                              \
    X(SHARE_CONTAINERS, "namespace.limits.containers", "containers")           \
    X(SHARE_NETWORKS, "namespace.limits.networks", "networks")                 \
    X(SHARE_VOLUMES, "namespace.limits.volumes", "volumes")                    \
    X(SHARE_IMAGES, "namespace.limits.images", "images")                       \
    X(SHARE_PORTS, "namespace.limits.ports", "published ports")                \
    X(SHARE_MEMORY, "namespace.limits.memory", "bytes of memory")              \
    X(SHARE_CPUS, "namespace.limits.cpus", "CPUs")                             \
    X(SHARE_PIDS, "namespace.limits.pids", "processes")                        \
    X(SHARE_EXECS, "container.limits.execs", "execs in this container")        \
    X(SHARE_BUILDS, "namespace.limits.builds", "builds")                       \
    X(SHARE_PULLS, "namespace.limits.pulls", "pulls")

enum share {
#define X(id, rule, noun) id,
    SHARES(X)
#undef X
        SHARE_COUNT
};

#define SHARE_UNLIMITED UINT64_MAX

/* So much of each: bytes of memory, CPUs in 1e-9, the others by number. */
struct shares {
    uint64_t of[SHARE_COUNT];
};

/* The most that POLICY allows, SHARE_UNLIMITED where it says nothing. */
void shares_allowed(const struct policy *policy, struct shares *limits);

/* The key of POLICY that limits SHARE; what it counts. */
const char *share_rule(const struct policy *policy, enum share share);
const char *share_noun(enum share share);

/* Is there no place of SHARE on the engine once the request is over? */
bool share_lasts_as_request(enum share share);

/*
 * Append the refusal of a request that WANTS so much of SHARE where USED of
 * LIMIT is taken: how much, of what, by which key, and what to do.
 */
void share_put_refusal(struct strbuf *out, enum share share, const char *rule,
                       uint64_t used, uint64_t wants, uint64_t limit);

/* ---- what a container takes while it runs ---- */

/*
 * Of SHARE_PORTS, SHARE_MEMORY, SHARE_CPUS and SHARE_PIDS: what a container
 * takes that is created from BODY, in which all limits are filled in.
 * EXPOSED: the ports that its image exposes ("Config"."ExposedPorts" of its
 * inspect), or NULL; only PublishAllPorts asks for them. What has no limit is
 * SHARE_UNLIMITED.
 */
void share_of_create(const json_t *body, json_t *exposed, struct shares *takes);

/* The same as the text of the label LABEL_TAKES, and read back. False: TEXT is
 * no such text. */
void share_put_label(struct strbuf *out, const struct shares *takes);
bool share_read_label(struct str text, struct shares *takes);

/* What the body of an update asks for of memory, CPUs and processes; 0: it
 * does not mention it, SHARE_UNLIMITED: without limit. */
void share_of_update(const json_t *body, struct shares *asks);

/* ---- what is there ---- */

/* Is the container ROW of a list, or the network or volume, the namespace's
 * own: by its label and by its name? With an empty NS all are. */
bool share_is_own(struct str ns, const json_t *labels, struct str name);

/* Add what the containers of LIST, a reply of GET /containers/json?all=1, take
 * to USED. *TARGET becomes the row of the one that REF means (a full ID or a
 * name), or NULL. */
void share_count_containers(struct str ns, const json_t *list, struct str ref,
                            struct shares *used, const json_t **target);

/* Does a container of that row take its share now? */
bool share_is_running(const json_t *row);

/* Add the networks of a reply of GET /networks, but for the own bridge. */
void share_count_networks(struct str ns, const json_t *list,
                          struct shares *used);

/* Add the images of a reply of GET /images/json, by name: an own tag each, and
 * one for an image that has nothing but an anchor. */
void share_count_images(struct str ns, const json_t *list, struct shares *used);

/*
 * Add the volumes of REPLY, one of GET /volumes. WANTED is the body of a
 * create: *NEEDED is the number of volumes in it that are not there yet, by
 * name, or anonymous.
 */
void share_count_volumes(struct str ns, const json_t *reply,
                         const json_t *wanted, enum operation operation,
                         struct shares *used, uint64_t *needed);
