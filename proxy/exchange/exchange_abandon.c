#include "proxy/exchange/exchange_private.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * A change that was asked for in full is let through although nobody waits
 * for its answer, as the engine itself would. But it ends what tells of its
 * progress (a build, a pull, a push) when its client goes away.
 */
static bool outlives_client(const struct exchange *ex)
{
    bool was_asked = ex->request_state == RQ_DONE ||
                     ex->request_state == RQ_HIJACK ||
                     ex->request_state == RQ_SHUT ||
                     (ex->request_state == RQ_HELD && exchange_is_complete(ex));

    return ex->conn->stream == STREAM_USED && was_asked &&
           !exchange_reply_is_over(ex) &&
           ex->rq.match.route->reply != REPLY_JSON_LINES &&
           operation_mutates(request_operation(&ex->rq));
}

bool exchange_undo(struct exchange *ex, const char *reason,
                   unsigned retry_after)
{
    if (!request_abandon(&ex->rq))
        return false;
    if (reason != ex->given_up.why) {
        free(ex->given_up.why);
        ex->given_up.why = xstrdup(reason);
    }
    ex->given_up.retry_after = retry_after;
    ex->given_up.state = GIVEN_UP_UNDOES;
    ex->conn->answers++; /* what was asked is not asked any more */
    exchange_let_go(ex);
    if (ex->request_state != RQ_ASK)
        exchange_enter(ex, RQ_ASK);
    return true;
}

void exchange_abandon(struct exchange *ex, const char *why,
                      unsigned retry_after)
{
    if (ex->given_up.state == GIVEN_UP_NOT) {
        ex->given_up.state = GIVEN_UP_AWAITS;
        ex->given_up.why = xstrdup(why ? why : "there is no way to the engine");
        ex->given_up.retry_after = retry_after;
    }
    lookups_drop_open(&ex->rq.lookups);
}

bool exchange_give_up(struct exchange *ex)
{
    char why[LIMIT_REASON];

    if (ex->given_up.state != GIVEN_UP_UNDOES &&
        exchange_undo(ex, ex->given_up.why, ex->given_up.retry_after))
        return true;
    if (ex->conn->client == CLIENT_GONE) {
        exchange_cut(ex, AUDIT_CLOSE_CLIENT_GONE);
        return false;
    }
    snprintf(why, sizeof(why), "%s", ex->given_up.why);
    exchange_answer(ex, 503, why, ex->given_up.retry_after,
                    AUDIT_CLOSE_LINK_DOWN);
    return false;
}

bool exchange_give_up_if_known(struct exchange *ex)
{
    return lookups_change(&ex->rq.lookups) || exchange_give_up(ex);
}

/* Has something been borrowed for it that has to be given back? */
static bool owes(const struct exchange *ex)
{
    return ex->request_state == RQ_DONE && ex->conn->stream == STREAM_USED &&
           rewrite_owes(&ex->rq.rewrite);
}

/*
 * A request that its client leaves before the engine has seen it: what was made
 * for it goes away again. While something is being made, whether it was is
 * known only from the answer.
 */
static void abandon(struct exchange *ex)
{
    if (ex->given_up.state == GIVEN_UP_UNDOES)
        return; /* it is at it */
    exchange_abandon(ex, "the client has left", 0);
    exchange_give_up_if_known(ex);
}

void exchange_client_gone(struct exchange *ex)
{
    ex->keep = false;
    if (ex->request_state == RQ_ASK || ex->request_state == RQ_READY ||
        ex->request_state == RQ_PAUSE || owes(ex))
        abandon(ex);
    else if (!outlives_client(ex))
        exchange_cut(ex, exchange_reply_is_over(ex) ? AUDIT_CLOSE_DONE
                                                    : AUDIT_CLOSE_CLIENT_GONE);
    else if (ex->tunnel)
        exchange_build_eof(ex, CLIENT);
    else if (ex->request_state == RQ_HIJACK)
        exchange_enter(ex, RQ_SHUT);
}
