#pragma once

/*
 * The record of every call, for the judge: JSON lines, whose fields and their
 * order are documented in docs/audit.md and stable. Two kinds:
 *
 * - "decision", written before anything that changes state or opens a stream
 *   goes to the engine;
 * - "end", written for every exchange when it is over.
 *
 * Never in it: environment values, bodies, credentials, X-Registry-* headers,
 * build arguments. All text of a peer is JSON-escaped.
 */

#include <jansson.h>

#include "policy/base/json_line.h"
#include "policy/base/verdict.h"
#include "policy/docker/method.h"
#include "policy/docker/route.h"

/* Who is at the other end of the client's socket (SO_PEERCRED). */
struct peer {
    int pid;
    unsigned uid;
    unsigned gid;
    const char *container; /* it runs in this one of the namespace's, by ID; or
                              NULL: it is on this machine */
};

/* Why an exchange ended; the word is in the record. */
#define AUDIT_CLOSES(X)                                                        \
    X(AUDIT_CLOSE_NONE, "")                                                    \
    X(AUDIT_CLOSE_DONE, "done")                  /* the reply is complete */   \
    X(AUDIT_CLOSE_DENIED, "denied")              /* refused by a rule */       \
    X(AUDIT_CLOSE_LOCAL, "answered")             /* berth itself answered */   \
    X(AUDIT_CLOSE_MALFORMED, "malformed")        /* no valid HTTP */           \
    X(AUDIT_CLOSE_CLIENT_GONE, "client-gone")    /* the client left early */   \
    X(AUDIT_CLOSE_CLIENT_SLOW, "client-timeout") /* head or body too slow */   \
    X(AUDIT_CLOSE_LINK_DOWN, "link-down")        /* no way to the engine */    \
    X(AUDIT_CLOSE_LINK_LOST, "link-lost")        /* it broke on the way */     \
    X(AUDIT_CLOSE_ENGINE, "engine-error")        /* its reply made no sense */ \
    X(AUDIT_CLOSE_SHUTDOWN, "shutdown")          /* berth was stopped */

enum audit_close {
#define X(id, word) id,
    AUDIT_CLOSES(X)
#undef X
        AUDIT_CLOSE_COUNT
};

const char *audit_close_name(enum audit_close close);

/* What became of a request, in the record's word; none: it ended before there
 * was a verdict. */
#define AUDIT_VERDICTS(X)                                                      \
    X(AUDIT_VERDICT_NONE, "none")                                              \
    X(AUDIT_VERDICT_ALLOW, "allow")                                            \
    X(AUDIT_VERDICT_DENY, "deny")                                              \
    X(AUDIT_VERDICT_WOULD_DENY, "would-deny")

enum audit_verdict {
#define X(id, word) id,
    AUDIT_VERDICTS(X)
#undef X
        AUDIT_VERDICT_COUNT
};

const char *audit_verdict_name(enum audit_verdict verdict);

/* All that is known of one exchange; what is not known is left zero. */
struct audit_facts {
    const char *id;         /* unique: process, then number */
    const char *namespace_; /* the berth */
    const char *listener;   /* its socket */
    struct peer peer;
    struct str trace;     /* a valid traceparent (traceparent.h), or empty */
    const json_t *job;    /* the CI job it is for (job.h), or NULL */
    uint64_t time_ns;     /* of this record, since the epoch */
    uint64_t duration_ns; /* end: since the head began to come */

    enum method method;
    enum operation operation;
    struct str path;             /* as asked, without the query */
    unsigned api;                /* 1.API was asked for, in whose place the
                                    engine's oldest is sent; or 0 */
    struct str sent;             /* as sent, without the query; may be empty */
    const struct target *target; /* for the query, or NULL */
    const struct route_match *match; /* or NULL: no route */
    const json_t *body;              /* as sent, for what it names; or NULL */
    const json_t *lacks;   /* what the policy lacks to allow it, or NULL */
    const json_t *changes; /* array of what was changed in it, or NULL */
    const struct verdict *verdict; /* or NULL: none was reached */
    bool would_deny; /* report-only let pass what VERDICT refuses */

    int status;             /* end: of the reply, 0 if none was sent */
    uint64_t bytes_in;      /* end: body and stream, client to engine */
    uint64_t bytes_out;     /* end: engine to client */
    struct str call;        /* call: the path of the gRPC method */
    const json_t *build;    /* call: what is in it, or NULL */
    struct str object;      /* end: the ID that a create was answered with */
    enum audit_close close; /* end */
};

enum audit_verdict audit_verdict(const struct audit_facts *facts);

/*
 * Append the record as one line with its newline. 0, or -ENOBUFS when OUT is
 * full (LIMIT_AUDIT_LINE holds any record).
 */
int audit_put_decision(struct strbuf *out, const struct audit_facts *facts);
int audit_put_end(struct strbuf *out, const struct audit_facts *facts);
/* Of one gRPC call inside a tunnel that runs. */
int audit_put_call(struct strbuf *out, const struct audit_facts *facts);

/* A member with a time, as all records write it. */
void audit_put_time(struct json_line *line, const char *key, uint64_t time_ns);

/*
 * Of a request's body, what the member "request" of its record still tells: a
 * new reference, or NULL for an operation of whose bodies nothing is recorded.
 */
json_t *audit_body(enum operation operation, const json_t *request);
