#pragma once

/*
 * What a namespace's companion is called on the engine. Neither its container
 * nor its volume is in any namespace: none has a "_" in its name; its label is
 * another; and its image is below a name that no namespace may have (own_tag.h)
 * and that never resolves. So no list, event, filter or reference of a runner
 * ever meets it.
 */

#include "policy/docker/own_tag.h"

#define COMPANION_NAME "berth_companion." /* and the namespace */
#define COMPANION_IMAGES                                                       \
    "companion." OWN_TAG_DOMAIN "/"         /* architecture:digest */
#define LABEL_COMPANION   "berth.companion" /* whose it is */
#define COMPANION_PROGRAM "berth-companion"
#define COMPANION_VOLUME  "/sockets" /* where its volume is, inside of it */

/*
 * The volume of a directory that is copied, and the container in which berth
 * works on it: the namespace, a dot, and digits that are the directory's own.
 */
#define FILES_NAME "berth_files."
#define FILES_VOLUME                                                           \
    "/files" /* where the volume is, inside of the container                   \
              */
enum { FILES_DIGITS = 16 };

/*
 * The container in which datagrams are relayed to one of the namespace's: the
 * namespace, a dot, and as many digits, of that container and its start
 * (relay_name.h).
 */
#define RELAY_NAME "berth_relay."

/* Of a container of the namespace: [{"root": a directory that is copied,
 * "path": what is mounted of it, "" for all}] */
#define LABEL_FILES "berth.files"

/* Of a container of the namespace: {"socket": its number, "path": its place on
 * the engine's host, "mounts": [{"target", and "bind" or "source" as its client
 * wrote it}]} */
#define LABEL_SOCKET "berth.socket"

/* What the judge puts for the source of a mount that is to become this, before
 * what its client wrote: the whole of a bind, or a mount's source. No client's
 * own begins so, for it is not a path. */
#define SOCKET_MARK_BIND  "berth:bind:"
#define SOCKET_MARK_MOUNT "berth:mount:"

/* Lookups that are for the companion, not for the engine (lookup.h). */
#define LOOKUP_SOCKET "companion:socket"
/*
 * Bring directories that are copied into step: {"turn": "in" or "out", "binds":
 * [{"root", "path", "make", "here"}]}, those of a container that is to be made.
 * Whatever both sides have changed is the runner's with "in", and the
 * container's with "out". 200; or the status, and {"message", "rule"} why not.
 * {"turn": "last"} is told at once what the last "out" was.
 */
#define LOOKUP_FILES     "companion:files"
#define FILES_LIMIT_RULE "container.limits"
