#pragma once

/*
 * The smallest policy that allows what an audit shows. Each call that passed is
 * judged once more, going by what is on record of it, by rules that allow next
 * to nothing; what these lack for it, and what berth found to be lacking then,
 * becomes part of the policy, and so does the operation.
 */

#include <jansson.h>

#include "policy/base/str.h"

struct learner;

/* REFUSED: learn from calls that were refused, too. */
struct learner *learner_new(bool refused);
void learner_free(struct learner *learner);

/* RECORD is one of the audit's; anything else teaches nothing. */
void learner_take(struct learner *learner, const json_t *record);

/*
 * The policy as a new reference: what BASE (an object, or NULL) says of where
 * to listen, of the engine, and the like, and what was learnt. Without a BASE,
 * it has the namespace of the records, and no upstream.
 */
json_t *learner_policy(const struct learner *learner, const json_t *base);

/*
 * What somebody should look at before using it, a line each: what gives the
 * host away, and what no policy allows. 0 or -ENOBUFS.
 */
int learner_put_warnings(const struct learner *learner, struct strbuf *out);

/* How many calls it was learnt from. */
size_t learner_count(const struct learner *learner);
