#pragma once

/*
 * What Docker's HTTP API is to us: one table of every endpoint an engine
 * routes or ever routed (API 1.24 to 1.56), and the question which of them a
 * request names. What has no row here does not exist for a client of berth.
 */

#include "policy/docker/method.h"
#include "policy/docker/operation.h"
#include "policy/docker/target.h"

/* What a request may carry. */
enum body_kind {
    BODY_NONE,          /* the engine does not look at one; clients send "{}"
                           all the same, so it is read, dropped and not sent */
    BODY_JSON,          /* parsed, judged and written anew */
    BODY_JSON_OPTIONAL, /* the same, but may be missing */
    BODY_TAR,           /* streamed */
    BODY_RAW,           /* streamed, or bytes of the hijacked stream */
};

/* What comes back on success. */
enum reply_kind {
    REPLY_EMPTY,
    REPLY_JSON,       /* one value, after which the exchange is over */
    REPLY_JSON_LATER, /* the same, but head first and the value much later */
    REPLY_JSON_LINES, /* a stream of values */
    REPLY_STREAM,     /* opaque bytes: tar, logs */
    REPLY_HIJACK,     /* the connection is hijacked */
};

/* Which Upgrade a route honours; anything else is stripped or refused. */
enum upgrade_kind {
    UPGRADE_NONE,
    UPGRADE_TCP,       /* attach, exec start: 101, or 200 raw without it */
    UPGRADE_H2C,       /* session, grpc */
    UPGRADE_WEBSOCKET, /* attach/ws */
};

/* What a name in the path names. */
#define REF_KINDS(X)                                                           \
    X(REF_NONE, "any")                                                         \
    X(REF_CONTAINER, "container")                                              \
    X(REF_EXEC, "exec")                                                        \
    X(REF_IMAGE, "image")                                                      \
    X(REF_NETWORK, "network")                                                  \
    X(REF_VOLUME, "volume")                                                    \
    X(REF_CHECKPOINT, "checkpoint")                                            \
    X(REF_PLUGIN, "plugin")                                                    \
    X(REF_SERVICE, "service")                                                  \
    X(REF_NODE, "node")                                                        \
    X(REF_TASK, "task")                                                        \
    X(REF_SECRET, "secret")                                                    \
    X(REF_CONFIG, "config")                                                    \
    X(REF_PROFILE, "profile") /* debug/pprof/{name} */

enum ref_kind {
#define X(id, name) id,
    REF_KINDS(X)
#undef X
};

const char *ref_kind_name(enum ref_kind kind);

struct route {
    enum method method;
    const char *path; /* "/containers/{container*}/json": a name "{kind}" is
                         one segment, "{kind*}" takes slashes too, so that the
                         suffix decides */
    enum operation operation;
    enum body_kind body;
    enum reply_kind reply;
    const char *query; /* the keys it knows, separated by blanks; a key with
                          "[]" behind it may be given more than once; NULL:
                          it knows none */
    unsigned since;    /* minor API version it came with; 0: always */
    unsigned removed;  /* minor version that no longer has it, or 0 */
    enum upgrade_kind upgrade;
};

extern const struct route routes[];
extern const size_t route_count;

struct route_match {
    const struct route *route;
    struct route_param {
        enum ref_kind kind;
        struct str value; /* decoded; points into the target */
    } params[2];          /* in the order of the path */
    size_t param_count;
};

enum { ROUTE_E_UNKNOWN = 1 };

/*
 * Which endpoint METHOD on TARGET names; like the engine, the first row that
 * fits. Returns 0 and fills *MATCH; or ROUTE_E_UNKNOWN and leaves it. An empty
 * name is no match, nor is an encoded slash outside of a name that takes
 * slashes. (OPTIONS, which the engine answers anywhere, matches any path.)
 */
int route_find(enum method method, const struct target *target,
               struct route_match *match);

/* Does the route's query list hold KEY; *REPEATS: may it be given twice? */
bool route_knows_query(const struct route *route, struct str key,
                       bool *repeats);

/*
 * Refuse a key that the route knows and that is given more than once where one
 * is meant: engine and judge might pick different ones. Returns 0, or
 * ROUTE_E_QUERY with *WHY (400).
 */
enum { ROUTE_E_QUERY = 1 };
int route_check_query(const struct route_match *match,
                      const struct target *target, struct verdict *why);

/*
 * Write the target anew: "/v1.MINOR" when it was versioned, the route's path
 * with PARAMS in the place of its names, and of the query only the pairs with
 * a key that the route knows, percent-encoded. A caller that wants another
 * version, name or query changes TARGET and MATCH first.
 * 0; -ENOBUFS; or -EINVAL when a changed name would be no name in a path
 * (empty, a dot segment, a slash where the route takes none): OUT then holds
 * part of it.
 */
int route_put_target(struct strbuf *out, const struct route_match *match,
                     const struct target *target);
