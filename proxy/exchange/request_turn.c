#include "proxy/exchange/request_private.h"

#include <assert.h>

static struct share_request share_request_of(const struct request *rq,
                                             const struct policy *policy)
{
    return (struct share_request){
        .policy = policy,
        .match = &rq->match,
        .target = &rq->target,
        .body =
            rq->rewriting && rq->rewrite.draft ? rq->rewrite.draft : rq->tree,
        .owned = rq->rewriting ? rq->rewrite.context.owned : NULL,
        .ledger = rq->world.ledger,
        .on_turn = rq->world.on_turn,
        .arg = rq->world.arg,
    };
}

static uint64_t now_ms(const struct request *rq)
{
    return rq->world.ledger ? rq->world.now_ms(rq->world.arg) : 0;
}

/* What was to be done next is, or is not, done now. */
static void unpark(struct request *rq)
{
    lookups_fini(&rq->lookups);
    rq->lookups = rq->parked;
    rq->parked = (struct lookups){0};
}

/* It has its share: on with what it was about to do. */
static void go_on_with_share(struct request *rq, const struct policy *policy)
{
    unpark(rq);
    rq->has_changed = lookups_change(&rq->lookups);
    if (lookups_are_pending(&rq->lookups))
        rq->phase = PHASE_REWRITING;
    else
        request_write(rq, policy);
}

static void refuse_share(struct request *rq, const struct verdict *why)
{
    unpark(rq);
    rq->verdict = *why;
    request_decide(rq);
}

/* All questions that count what it wants, at once. */
static void ask_for_share(struct request *rq,
                          const struct share_request *request)
{
    size_t count = (size_t)__builtin_popcount(rq->share.open);
    struct verdict why;

    lookups_fini(&rq->lookups); /* of an earlier count */
    for (size_t i = 0; i < count; i++) {
        AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);

        if (request_share_put_question(&rq->share, request, i, &target))
            lookups_add(&rq->lookups, METHOD_GET, strbuf_str(&target));
    }
    if (rq->lookups.count == count)
        return;
    verdict_deny(&why, 403, "request.body", "",
                 "what the engine must be asked about this request is too "
                 "long");
    refuse_share(rq, &why);
}

static void take_share_step(struct request *rq, const struct policy *policy,
                            enum share_step step, const struct verdict *why)
{
    const struct share_request request = share_request_of(rq, policy);

    switch (step) {
    case SHARE_ASK:
        ask_for_share(rq, &request);
        return;
    case SHARE_WAIT:
        rq->waits = true;
        return;
    case SHARE_REFUSED:
        if (policy->mode == POLICY_ENFORCE || why->status != 403) {
            refuse_share(rq, why);
            return;
        }
        if (!rq->would_deny)
            rq->reported = *why;
        rq->would_deny = true;
        verdict_allow(&rq->verdict, "mode.report-only");
        break;
    case SHARE_DONE:
        break;
    }
    go_on_with_share(rq, policy);
}

void request_take_share(struct request *rq, const struct policy *policy)
{
    const struct share_request request = share_request_of(rq, policy);
    struct verdict why;

    rq->phase = PHASE_SHARING;
    rq->parked = rq->lookups;
    rq->lookups = (struct lookups){0};
    take_share_step(rq, policy,
                    request_share_begin(&rq->share, &request, now_ms(rq), &why),
                    &why);
}

void request_take_counts(struct request *rq, const struct policy *policy)
{
    const struct share_request request = share_request_of(rq, policy);
    enum share_step step = SHARE_ASK;
    struct verdict why;

    for (size_t i = 0; step == SHARE_ASK && i < rq->lookups.count; i++)
        step = request_share_answered(
            &rq->share, &request, rq->lookups.items[i].status,
            rq->lookups.items[i].reply, now_ms(rq), &why);
    take_share_step(rq, policy, step, &why);
}

void request_turn(struct request *rq, const struct policy *policy)
{
    const struct share_request request = share_request_of(rq, policy);
    struct verdict why;

    if (!rq->waits)
        return;
    rq->waits = false;
    take_share_step(rq, policy,
                    request_share_turn(&rq->share, &request, now_ms(rq), &why),
                    &why);
}

void request_turn_is_late(struct request *rq, const struct policy *policy)
{
    struct verdict why;

    assert(rq->waits);
    rq->waits = false;
    verdict_deny(&why, 429, "namespace.limits.wait", "",
                 "others of this namespace were before it for longer than the "
                 "%u ms that namespace.limits.wait in the policy allows; try "
                 "again",
                 policy->limits.wait);
    refuse_share(rq, &why);
}

void request_leave(struct request *rq, enum ticket_end end)
{
    request_share_end(&rq->share, end, now_ms(rq));
}
