#include "proxy/exchange/request.h"

#include "policy/docker/namespace.h"
#include "proxy/exchange/request_age.h"

bool request_after(struct request *rq, int status)
{
    if (!rq->rewriting || rq->phase == PHASE_AFTER)
        return false;
    rq->phase = PHASE_AFTER;
    rewrite_after(&rq->rewrite, status);
    return request_asks(rq);
}

bool request_after_line(struct request *rq)
{
    if (!rq->rewriting)
        return false;
    rewrite_after_line(&rq->rewrite);
    return request_asks(rq);
}

bool request_finish(struct request *rq, struct str body)
{
    if (!rq->rewriting || rq->phase == PHASE_FINISH)
        return false;
    rq->phase = PHASE_FINISH;
    rewrite_finish(&rq->rewrite, body);
    return request_asks(rq);
}

bool request_abandon(struct request *rq)
{
    struct lookups *set = &rq->lookups;

    if (rq->rewriting && rq->phase == PHASE_AFTER && rewrite_owes(&rq->rewrite))
        return request_finish(rq, S(""));
    if (!rq->rewriting || rq->phase == PHASE_AFTER || rq->phase == PHASE_FINISH)
        return false;
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].state != LOOKUP_ANSWERED)
            lookups_answer(set, i, 0, NULL);
    }
    return request_after(rq, 503);
}

/* Only the create of a container has a place for warnings. */
static bool has_warnings(const struct request *rq, int status)
{
    return request_operation(rq) == OP_CONTAINER_CREATE && status == 201 &&
           json_array_size(rq->judgement.warnings) +
                   json_array_size(rq->rewrite.warnings) >
               0;
}

void request_put_warnings(const struct request *rq, int status, json_t *reply)
{
    json_t *list = json_object_get(reply, "Warnings");

    if (!has_warnings(rq, status) || !json_is_object(reply))
        return;
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(reply, "Warnings", list);
    }
    json_array_extend(list, rq->judgement.warnings);
    json_array_extend(list, rq->rewrite.warnings);
}

bool request_restores(const struct request *rq, int status)
{
    if (has_warnings(rq, status) || request_age_restores(rq, status))
        return true;
    return request_rewrites(rq) &&
           (rewrite_wants_reply(request_operation(rq), status) ||
            rewrite_reads_reply(&rq->rewrite));
}
