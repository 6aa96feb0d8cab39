#pragma once

/*
 * Names of one runner among the names of all. On the engine, what a runner
 * calls NAME is called "<namespace>.NAME". A namespace has no dot in it, so the
 * first dot always ends it: names of two namespaces never meet, whatever the
 * runners write, and what a runner writes is always its own.
 *
 * Labels say the same of what has no name of its own choosing (anonymous
 * volumes, images, things known by their ID). All labels "berth.*" are ours:
 * clients neither see nor set them.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"
#include "policy/docker/route.h"

#define LABEL_PREFIX    "berth."
#define LABEL_NAMESPACE "berth.namespace" /* whose it is */
#define LABEL_ADDED     "berth.added"     /* berth added it, for WHICH reason */
#define LABEL_VOLUMES   "berth.volumes" /* where berth mounted some, by lines */
#define LABEL_NETWORK   "berth.network" /* how its client wrote the network */
#define LABEL_TAKES     "berth.takes"   /* of the host, while it runs */
#define LABEL_IMAGE     "berth.image"   /* and the image */
#define LABEL_MOUNTS    "berth.mounts"  /* and what it mounts of the host */
#define LABEL_BINDS     "berth.binds"   /* whose binds a volume is for */
#define LABEL_CUT       "berth.cut"     /* in berth's memory: labels are gone */
#define LABEL_PORTS     "berth.ports"   /* and the ports that it publishes */

/* How the name of a volume that is a directory of the host begins: none of a
 * namespace's, since it has no dot. */
#define BINDS_PREFIX "berth-binds-"

/*
 * The runner's own network in place of the engine's "bridge", which all would
 * share. Docker lets nobody create a network called "bridge", and neither does
 * berth, so no name of a client becomes "<namespace>.bridge"; and without its
 * namespace it is called what clients expect.
 */
#define BRIDGE_NAME "bridge"

/* The engine's name of NAME, appended to OUT. 0 or -ENOBUFS. */
int namespace_put(struct strbuf *out, struct str ns, struct str name);

/* Is NAME, of the engine, one of the namespace's? */
bool namespace_has(struct str ns, struct str name);

/* NAME as its runner wrote it; one that is not the namespace's stays as it is,
 * and so does a "/" in front. */
struct str namespace_strip(struct str ns, struct str name);

/* One of "bridge", "host", "none", "default"? */
bool network_is_predefined(struct str name);

/* Is this all lower-case hex, 1 to 64 digits: maybe (part of) an ID? And all
 * 64 of them? */
bool is_hex_word(struct str text);
bool is_full_id(struct str text);

/*
 * May something of KIND be called NAME? 0, or NAME_E_BAD with the engine's own
 * words for what the runner wrote (400, or 403 for a predefined network).
 */
enum { NAME_E_BAD = 1 };
int name_check(enum ref_kind kind, struct str ns, struct str name,
               struct verdict *why);

/* Is that what is wrong with it: together with its namespace it is too long? */
bool name_is_too_long(struct str ns, struct str name);

/*
 * The address of the engine's host on which it publishes what goes to the
 * runner's localhost: a loopback address of the namespace's own, 127.x.y.z with
 * x and z from 1 to 254, made of its name. Two namespaces may have the same,
 * though few do.
 */
enum { NAMESPACE_ADDRESS = 16 };
void namespace_address(struct str ns, char to[NAMESPACE_ADDRESS]);

/* A label key that is ours ("berth.", as a client could write it)? */
bool label_is_ours(struct str key);

/* Append a name for a container without one, made of RANDOM. */
int name_invent(struct strbuf *out, uint64_t random);

/*
 * Append TEXT, a sentence of the engine's, without the namespace in front of
 * the names in it. Words only: "r1.db", "/r1.db" and "(r1.db" are names,
 * "bar1.db" is none. 0 or -ENOBUFS.
 */
int namespace_strip_text(struct strbuf *out, struct str ns, struct str text);
