#pragma once

/*
 * One runner at work: a policy, the listener it is behind, the
 * backend its engine is in, and the clients there are.
 */

#include <event2/event.h>

#include "policy/isolation/own_ids.h"
#include "policy/judge/ledger.h"
#include "policy/record/audit_budget.h"
#include "proxy/companion_link/companion_link.h"
#include "proxy/exchange/connection.h"
#include "proxy/exchange/tunnel_share.h"
#include "proxy/files_link/files_link.h"
#include "proxy/metrics/counters.h"
#include "proxy/metrics/refusals.h"
#include "proxy/near/near.h"
#include "proxy/net/listener.h"
#include "proxy/server/ahead_wait.h"
#include "proxy/server/audit_sink.h"
#include "proxy/server/lease.h"
#include "proxy/server/runtime.h"

struct session;

struct frontend {
    struct runtime *runtime;
    /* of all its connections: sessions, ports, those of its companion */
    struct turn_group turns;
    struct memory_share memory;
    char *path; /* of the listener */
    struct policy *policy;
    struct backend *backend; /* while it has no host, one that leads nowhere */
    struct placement *placement; /* finds it, or NULL */
    struct event *patience; /* when clients are told that it has none yet */
    bool impatient;         /* they are */
    struct audit_sink *audit;
    int64_t match_steps;         /* that name filters may still take */
    uint64_t match_seen_us;      /* when they were last added to */
    struct audit_budget budget;  /* of records of what changes nothing */
    struct event *summary;       /* when what is not on record is summed up */
    struct claim *claim;         /* on its namespace, or NULL */
    struct own_ids *owned;       /* what is known to be the namespace's */
    struct ledger *ledger;       /* who takes how much of the engine */
    struct job_book *jobs;       /* whose job its things are of */
    struct tunnel_share *builds; /* what its builds have in common */
    struct ahead_wait *ahead;    /* the wait that goes with an attach */
    struct near *near;           /* its ports on the runner's localhost, or
                                    NULL: they go to the host */
    struct port_book ports;      /* the same, for requests */
    struct companion *companion; /* its sockets in containers, or NULL: what
                                    asks for docker.sock gets none */
    struct files *files;         /* what is copied for it, or NULL: nothing */
    struct lease *lease;         /* on its namespace, or NULL: nobody asks */
    struct reaper_host reaper;   /* others' leftovers go on its record; */
    struct reaper *reaped;       /* with whom it is */
    struct listener *listener;
    struct counters counters;
    struct refusals refusals; /* the last of them */
    struct session *sessions; /* linked by the sessions themselves */
    unsigned session_count;
    /* Told when the last session is gone. */
    void (*on_empty)(struct frontend *frontend, void *arg);
    /* Told when another process has taken its listener over. */
    void (*on_taken)(struct frontend *frontend, void *arg);
    void *on_empty_arg;       /* of both */
    struct frontend_end *end; /* while its leftovers are removed */
    bool had_clients;
    bool takes_over; /* from another process, and has not begun */
    bool succeeded;  /* another process serves its namespace, or will soon */
    struct {
        struct policy *policy; /* or NULL */
        struct audit_sink *audit;
        struct claim *claim;
    } prepared;
    struct frontend *next; /* its server's */
};

/* Clients over the limit that are still told so, each for a moment. */
enum { FRONTEND_BUSY_CLIENTS = 64 };

/* Where a new frontend's clients come from. */
enum {
    FRONTEND_LISTENS = -1, /* from a listener of its own */
    FRONTEND_INHERITS =
        -2, /* from another's, once frontend_inherit is called */
    FRONTEND_TAKES_OVER = -3, /* from another process's, once frontend_begin is
                                 called; if there is none, from its own */
};

/*
 * Open a frontend for POLICY (a reference is taken) on ACTIVATED, a listening
 * socket of systemd's, or one of the words above. NULL with a line for the
 * operator in WHY when the listener or the audit cannot be opened.
 */
struct frontend *frontend_open(struct runtime *runtime, struct policy *policy,
                               int activated, struct strbuf *why);

/* A frontend that takes a listener over does so; others have begun already. */
void frontend_begin(struct frontend *frontend);
/* Another process has taken its listener over: no new clients, and what the
 * namespace has is that process's. */
void frontend_yield(struct frontend *frontend);

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

/* May its requests go to the engine now? If not, *WHY is a sentence for their
 * client, good until the next turn of the loop. */
bool frontend_admits(const struct frontend *frontend, const char **why);

/* Put LINE on record. 0, or a negative errno, which is counted. */
int frontend_record(struct frontend *frontend, struct str line);

/*
 * The call of END changes nothing: has its listener's share of the record been
 * used up (audit_budget.h)? Then it is summed up with others.
 */
bool frontend_sums_up(struct frontend *frontend, const struct audit_facts *end);
/* Put on record what was summed up, if anything was. */
void frontend_put_summary(struct frontend *frontend);

/* The steps that its clients' name filters may still take, LIMIT_MATCH_RATE
 * more each second, and that many at most. */
int64_t *frontend_match_steps(struct frontend *frontend);

/* Say in the log what it serves. */
void frontend_log(const struct frontend *frontend);

/* Do its clients wait for its host, and not for long yet? */
bool frontend_is_placing(const struct frontend *frontend);
/* Has it one? */
bool frontend_has_host(const struct frontend *frontend);

/* No new clients; sessions end then. */
void frontend_stop(struct frontend *frontend, enum connection_end end);

/* Another may be serving its namespace from now on. */
void frontend_give_up(struct frontend *frontend);

/*
 * With no sessions left, and none to come: do with what the namespace leaves on
 * the engine what the policy says, for FRONTEND_END_MS at most, then call
 * ON_ENDED, from the event loop. False: there is nothing to do.
 */
enum { FRONTEND_END_MS = 60000 };
bool frontend_end(struct frontend *frontend,
                  void (*on_ended)(struct frontend *frontend, void *arg),
                  void *arg);
/* Break that off; ON_ENDED is not called. */
void frontend_end_cancel(struct frontend *frontend);

/* With no sessions left. NULL is fine. */
void frontend_free(struct frontend *frontend);

/* In frontend_host.c, for frontend.c alone. */

void frontend_host_init(struct frontend *frontend);
void frontend_host_fini(struct frontend *frontend);

/* Go to the host of its policy of now; of several, to the one that it is on, or
 * else to the one that is found. */
void frontend_find_host(struct frontend *frontend);
/* May POLICY be its policy? Where there were several hosts, or will be, the
 * namespace stays on the one it is on. 0, or a negative errno with WHY. */
int frontend_stays(const struct frontend *frontend, const struct policy *policy,
                   struct strbuf *why);
/* It has a host, and takes its clients: its ports, its companion and copied
 * files, as its policy of now has them. */
void frontend_reach_out(struct frontend *frontend);
