#pragma once

/*
 * The judge of a BuildKit tunnel: policy/build for what is in a call, and what
 * must be asked of the engine for it, one lookup after the other.
 *
 * - Before a message that may name images: which own tags there are (GET
 *   /images/json), anew for each, since another connection may have made some.
 *   While somebody pushes, the list is asked for again, LIMIT_BUILD_PUSH_WAITS
 *   times at most. Once for each engine: how it keeps images (GET /info).
 * - Before the reply to a Solve goes to its client: what was built gets its
 *   lasting name, and the one that was made up for it goes.
 */

#include <jansson.h>

#include "policy/build/build.h"
#include "policy/config/policy.h"
#include "policy/docker/lookup.h"
#include "policy/judge/ledger.h"
#include "proxy/exchange/tunnel_share.h"
#include "proxy/grpc/grpc_judge.h"

/* What is put on record of a call. */
struct tunnel_event {
    struct str path;               /* of the method */
    const struct verdict *verdict; /* allows it; or the refusal */
    bool would_deny;               /* report-only: VERDICT was let pass */
    const json_t *facts;           /* what is in the call, or NULL */
};

struct tunnel_judge_host {
    const struct policy *policy;
    struct str engine; /* its version; outlives the judge */
    struct tunnel_share *share;
    uint64_t (*random)(void *arg);
    struct ledger *ledger; /* NULL: nobody else asks */
    uint64_t (*now_ms)(void *arg);
    /* As grpc_judge.has_room. */
    bool (*has_room)(void *arg, size_t more);
    /* 0, or a negative errno. */
    int (*record)(void *arg, const struct tunnel_event *event);
    void *arg;
};

struct tunnel_judge;

/* HOST's members are copied; what they point to outlives the judge. */
struct tunnel_judge *tunnel_judge_new(const struct tunnel_judge_host *host);
/* After the tunnel that it judges. Always NULL. */
struct tunnel_judge *tunnel_judge_free(struct tunnel_judge *judge);

/* For grpc_tunnel_new, with a tunnel_judge as its argument. */
extern const struct grpc_judge tunnel_grpc_judge;

/* Is there something to ask the engine? Then add it to SET; it is the same
 * until it is answered. */
bool tunnel_judge_asks(const struct tunnel_judge *judge);
void tunnel_judge_look_up(const struct tunnel_judge *judge,
                          struct lookups *set);
/* STATUS 0: it could not be asked. REPLY may be NULL. */
void tunnel_judge_answered(struct tunnel_judge *judge, int status,
                           const json_t *reply);

/*
 * The heads of POST /session, or the metadata of Control.Session, for the
 * engine: those of HEADS that belong to a session, written anew into OUT, names
 * in lower case. *ID becomes the session's, which is open from then on, and has
 * to be closed and freed; or false, with the refusal in WHY.
 */
bool tunnel_judge_session(struct tunnel_judge *judge,
                          const struct h2_fields *heads, struct h2_fields *out,
                          char **id, struct verdict *why);
void tunnel_judge_session_over(struct tunnel_judge *judge, char *id);
