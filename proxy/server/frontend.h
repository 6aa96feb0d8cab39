#pragma once

/*
 * One runner's berth at work: a policy, the listener it stands behind, the
 * harbour its engine is in, and the clients there are.
 */

#include <event2/event.h>

#include "policy/isolation/own_ids.h"
#include "proxy/metrics/counters.h"
#include "proxy/net/listener.h"
#include "proxy/server/audit_sink.h"
#include "proxy/server/backend.h"

struct session;

struct berth {
    struct event_base *base;
    struct harbours *harbours;
    char *path; /* of the listener */
    struct policy *policy;
    struct harbour *harbour;
    struct audit_sink *audit;
    struct owned *owned; /* what is known to be the namespace's */
    struct listener *listener;
    struct counters counters;
    struct session *sessions; /* linked by the sessions themselves */
    unsigned session_count;
    /* Told when the last session is gone. */
    void (*on_empty)(struct berth *berth, void *arg);
    void *on_empty_arg;
    struct {
        struct policy *policy; /* or NULL */
        struct audit_sink *audit;
    } prepared;
    struct berth *next; /* its server's */
};

/* Where a new berth's clients come from. */
enum {
    BERTH_LISTENS = -1,  /* from a listener of its own */
    BERTH_INHERITS = -2, /* from another's, once berth_inherit is called */
};

/*
 * Open a berth for POLICY (a reference is taken) on ACTIVATED, a listening
 * socket of systemd's, or one of the words above. NULL with a line for the
 * operator in WHY when the listener or the audit cannot be had.
 */
struct berth *berth_open(struct event_base *base, struct harbours *harbours,
                         struct policy *policy, int activated,
                         struct strbuf *why);

/* The clients of OLD, who keeps those it has, come to BERTH from now on. */
void berth_inherit(struct berth *berth, struct berth *old);

/*
 * Have all ready so that berth_commit cannot fail: from then on POLICY judges
 * new requests, and what runs goes on under the policy it began with. The
 * listener's path must be the same. Returns 0; or a negative errno with WHY.
 */
int berth_prepare(struct berth *berth, struct policy *policy,
                  struct strbuf *why);
void berth_commit(struct berth *berth);
/* It stays as it is. */
void berth_forget(struct berth *berth);

/* Say in the log what it serves. */
void berth_log(const struct berth *berth);

/* No new clients; sessions end when their exchanges do, or NOW. */
void berth_stop(struct berth *berth, bool now);

/* With no sessions left. NULL is fine. */
void berth_free(struct berth *berth);
