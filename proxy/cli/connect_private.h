#pragma once

/*
 * What the files of "check --connect" share: connect_check.c goes the way to
 * the engine, connect_engine.c asks it what it is, connect_steps.c tells of
 * each step.
 */

#include <event2/event.h>

#include "policy/config/policy.h"
#include "proxy/cli/connect_networks.h"
#include "proxy/upstream/subrequest.h"

#define LIMIT_STEP 4096

enum step {
    STEP_NAME,
    STEP_PROXY,
    STEP_TCP,
    STEP_SOCKET,
    STEP_SSH,
    STEP_HOST_KEY,
    STEP_LOGIN,
    STEP_CHANNEL,
    STEP_ENGINE,
    STEP_API,
    STEP_ID,
    STEP_RUNNER, /* this and what follows are never in the way */
    STEP_PORTS,
    STEP_END,
};

struct walk {
    const struct upstream_config *config;
    struct strings *ids;      /* of the hosts before; NULL: there is but one */
    const char *runner;       /* its own container on the engine, or NULL */
    const char *port_address; /* or "": nothing goes to the runner */
    /* the jump hosts in their order, and CONFIG behind them */
    const struct upstream_config *hops[LIMIT_JUMPS + 1];
    unsigned hop_count; /* of jump hosts */
    unsigned hop;       /* where it is */
    struct event_base *base;
    struct upstream *upstream;
    struct event *deadline; /* of what comes behind the link */
    struct stream *stream;
    struct pool *pool;
    struct subrequest *subrequest;
    struct connect_networks *networks;
    enum step at;
    struct strbuf addresses;
    bool good;
};

/* The proxy before the first host, or NULL. */
const struct proxy_config *walk_proxy(const struct walk *w);

/* Is STEP on the way? */
bool walk_has_step(const struct walk *w, enum step step);

/* Print what there is to say of STEP; WORD: "ok", "warn", "note" or "FAIL". */
void walk_say(const char *word, enum step step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The step that it is at went wrong: the walk is over. */
void walk_fail(struct walk *w, const char *why);

/* All steps before STEP went well. */
void walk_reach(struct walk *w, enum step step);
/* COUNT jump hosts are behind us. */
void walk_reach_hop(struct walk *w, unsigned count);

/* The engine's answer to GET /version; all else is asked then. */
void walk_on_version(const struct http_head *head, struct str body,
                     const char *why, void *arg);
