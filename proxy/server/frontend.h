#pragma once

/*
 * One runner at work: a policy, the listener it stands behind, the
 * backend its engine is in, and the clients there are.
 */

#include <event2/event.h>

#include "policy/isolation/own_ids.h"
#include "proxy/metrics/counters.h"
#include "proxy/net/listener.h"
#include "proxy/server/audit_sink.h"
#include "proxy/server/runtime.h"

struct session;

struct frontend {
    struct runtime *runtime;
    struct turn_group turns; /* of its sessions */
    char *path;              /* of the listener */
    struct policy *policy;
    struct backend *backend;
    struct audit_sink *audit;
    struct own_ids *owned; /* what is known to be the namespace's */
    struct listener *listener;
    struct counters counters;
    struct session *sessions; /* linked by the sessions themselves */
    unsigned session_count;
    /* Told when the last session is gone. */
    void (*on_empty)(struct frontend *frontend, void *arg);
    void *on_empty_arg;
    struct {
        struct policy *policy; /* or NULL */
        struct audit_sink *audit;
    } prepared;
    struct frontend *next; /* its server's */
};

/* Where a new frontend's clients come from. */
enum {
    FRONTEND_LISTENS = -1, /* from a listener of its own */
    FRONTEND_INHERITS =
        -2, /* from another's, once frontend_inherit is called */
};

/*
 * Open a frontend for POLICY (a reference is taken) on ACTIVATED, a listening
 * socket of systemd's, or one of the words above. NULL with a line for the
 * operator in WHY when the listener or the audit cannot be had.
 */
struct frontend *frontend_open(struct runtime *runtime, struct policy *policy,
                               int activated, struct strbuf *why);

/* The clients of OLD, who keeps those it has, come to FRONTEND from now on. */
void frontend_inherit(struct frontend *frontend, struct frontend *old);

/*
 * Have all ready so that frontend_commit cannot fail: from then on POLICY
 * judges new requests, and what runs goes on under the policy it began with.
 * The listener's path must be the same. Returns 0; or a negative errno with
 * WHY.
 */
int frontend_prepare(struct frontend *frontend, struct policy *policy,
                     struct strbuf *why);
void frontend_commit(struct frontend *frontend);
/* It stays as it is. */
void frontend_forget(struct frontend *frontend);

/* Say in the log what it serves. */
void frontend_log(const struct frontend *frontend);

/* No new clients; sessions end when their exchanges do, or NOW. */
void frontend_stop(struct frontend *frontend, bool now);

/* With no sessions left. NULL is fine. */
void frontend_free(struct frontend *frontend);
