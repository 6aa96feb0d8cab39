#pragma once

/*
 * "berth explain" has no engine to ask, so it answers in its place, and says
 * what it took for granted: what a request names is there and the runner's own,
 * images were pulled, changes succeed, and there are no containers yet. Who
 * explains can say otherwise of each.
 */

#include "proxy/exchange/request.h"

/* What an engine 26.1 has, if nobody says otherwise. */
enum { ASSUMED_API_MINOR = 45 };

struct assumptions {
    const struct container_rules *container; /* of the policy, or NULL */
    json_t *given; /* object: by question, what was said */
    json_t *made;  /* array: what was answered, in this order:
                      {"question": "GET /volumes/r1.data", "body": ...,
                       "status": 200, "reply": ..., "means": "..."} */
};

void assumptions_init(struct assumptions *assumptions);
void assumptions_fini(struct assumptions *assumptions);

/*
 * Say what is answered to a question: "GET /volumes/r1.data 404", and the reply
 * as JSON behind it, if there is one. 0, or -EINVAL.
 */
int assumptions_add(struct assumptions *assumptions, const char *text);

/*
 * Answer LOOKUP, which the runner of namespace NS gave rise to: *STATUS and
 * *REPLY, which the caller owns and which may be NULL. It is noted.
 */
void assume(struct assumptions *assumptions, const struct lookup *lookup,
            const char *ns, int *status, json_t **reply);
