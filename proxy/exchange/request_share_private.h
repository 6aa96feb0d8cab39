#pragma once

/* What request_share.c (the way to a verdict) and request_share_ask.c
 * (questions and answers) share. */

#include "proxy/exchange/request_share.h"

static inline enum operation
share_operation(const struct share_request *request)
{
    return request->match->route->operation;
}

/* Empty: all of the engine is meant. */
static inline struct str share_namespace(const struct share_request *request)
{
    return request->policy->isolation == POLICY_NAMESPACE
               ? str_from(request->policy->namespace)
               : S("");
}

/* The question that is answered next, or 0. */
static inline unsigned share_first_open(const struct request_share *share)
{
    return share->open & -share->open;
}

/* The answer to that one: REPLY, or NULL when there is no such thing. */
void share_take_answer(struct request_share *share,
                       const struct share_request *request, json_t *reply);
