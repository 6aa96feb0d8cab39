#pragma once

/*
 * A classic build: its context goes on while it comes, but for the Dockerfile,
 * which is read when all of it is there. Then the engine is asked about the
 * images that it is built from, and what is built follows:
 *
 *     request_build_judge   behind the judge
 *     request_build_begin   with the verdict
 *     request_build_filter  what the body goes through
 *     request_build_read    the body is over
 *     request_build_step    until REWRITE_DONE: rq->rewrite has questions
 *     request_build_finish  what is still to be sent
 */

#include "proxy/archive/body_filter.h"
#include "proxy/exchange/request.h"

struct request_build;

/*
 * RQ, any request, is allowed by the judge. If it is a build that would have to
 * be looked into and cannot, since it is BuildKit's: false, with the refusal in
 * rq->verdict.
 */
bool request_build_judge(struct request *rq, const struct policy *policy);

/*
 * RQ is allowed and not written yet: if it is a classic build in a namespace,
 * or under a policy that says what builds may take from elsewhere, make
 * rq->build, and change the query accordingly. False: rq->verdict is a refusal
 * now.
 */
bool request_build_begin(struct request *rq, const struct policy *policy);

/* Does POST /build know the classic builder alone? */
bool request_build_is_classic(const struct policy *policy);

/* Once: the filter for its body, to be freed by the caller after the rest was
 * called. NULL without rq->build. */
struct body_filter *request_build_filter(struct request *rq);

/* The body is over, and the filter has had its end. False: rq->verdict is a
 * refusal now. */
bool request_build_read(struct request *rq);

/* REWRITE_ASK: rq->rewrite has questions that are not answered. */
enum rewrite_step request_build_step(struct request *rq,
                                     const struct policy *policy);

/* Append what follows the body to OUT. False: rq->verdict is a refusal now. */
bool request_build_finish(struct request *rq, struct strbuf *out);

/* Always NULL. */
struct request_build *request_build_free(struct request_build *build);
