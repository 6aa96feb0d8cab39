#pragma once

/*
 * What the files of a verdict share: request_verdict.c goes through the phases,
 * request_turn.c has the one in which the request takes its share of the
 * engine, request_body.c reads and writes what is judged.
 */

#include "proxy/exchange/request.h"

/* There is a verdict, whatever has not been asked yet. */
void request_decide(struct request *rq);

/* It is allowed, and has its share: write what goes to the engine. */
void request_write(struct request *rq, const struct policy *policy);

/* In request_body.c. False: rq->verdict is a refusal now. */

/* The collected body becomes a tree, of which a new one is written. */
bool request_body_read(struct request *rq);
bool request_body_write(struct request *rq);
bool request_target_write(struct request *rq);

/* In request_turn.c. */

/* Before anything is made for the request, and before it is sent. */
void request_take_share(struct request *rq, const struct policy *policy);
/* All counts have come. */
void request_take_counts(struct request *rq, const struct policy *policy);
