#pragma once

/*
 * A request whose client speaks an API version that its engine gave up
 * (policy/docker/older_client.h): before it is judged it is written in the
 * oldest version that the engine has, and its reply is put back.
 */

#include "proxy/exchange/request.h"

/* Has the engine to be asked first which versions it speaks? Then that is in
 * rq->lookups. */
bool request_age_asks(struct request *rq);
/* That was answered. */
void request_age_answered(struct request *rq);

/* False: the verdict is a refusal. */
bool request_age_settle(struct request *rq);

/*
 * A create that is judged, and that isolation writes no version for: the one
 * that it needs, so that what is read-only is so (older_client_read_only).
 */
void request_age_raise(struct request *rq);

/* Is there anything to be put back into a reply with STATUS? */
bool request_age_restores(const struct request *rq, int status);
/* The whole reply, or a line of it, in the client's names. */
void request_age_restore(const struct request *rq, int status, json_t *reply);
