#include "proxy/exchange/request_private.h"

#include <errno.h>

#include "policy/base/json_size.h"
#include "policy/base/json_strict.h"
#include "policy/base/json_write.h"

bool request_body_read(struct request *rq)
{
    bool wanted = rq->match.route->body == BODY_JSON;
    int r;

    if (rq->collected.len == 0 && !wanted)
        return true;
    r = json_strict_parse(strbuf_str(&rq->collected), "", &rq->tree,
                          &rq->verdict);
    /* what is written anew is about as long as what came */
    strbuf_reserve(&rq->json, rq->collected.len);
    strbuf_fini(&rq->collected);
    if (r)
        return false;
    /* of which rewriting makes another */
    rq->tree_size = 2 * json_memory(rq->tree);
    /* To Go it is nothing, and the client of 20.10 commits with it. */
    if (json_is_null(rq->tree) && !wanted) {
        json_decref(rq->tree);
        rq->tree = NULL;
    }
    return true;
}

bool request_body_write(struct request *rq)
{
    if (json_write(&rq->json, rq->tree) == 0)
        return true;
    verdict_deny(&rq->verdict, 413, "request.body", "",
                 "the body, written anew, is too long");
    return false;
}

bool request_target_write(struct request *rq)
{
    int r = route_put_target(&rq->sent, &rq->match, &rq->target);

    if (r == -ENOBUFS)
        verdict_deny(&rq->verdict, 414, "request.path", "",
                     "the request target, written anew, is too long");
    else if (r < 0)
        verdict_deny(&rq->verdict, 400, "request.path", "",
                     "a name in the path cannot be written");
    return r == 0;
}
