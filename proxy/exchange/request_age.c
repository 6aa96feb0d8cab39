#include "proxy/exchange/request_age.h"

#include "policy/docker/older_client.h"

bool request_age_asks(struct request *rq)
{
    return rq->world.asks_oldest && rq->target.versioned &&
           lookups_add(&rq->lookups, METHOD_GET, S("/version"));
}

void request_age_answered(struct request *rq)
{
    const struct lookup *asked = &rq->lookups.items[0];

    rq->world.oldest =
        engine_oldest_minor(asked->status == 200 ? asked->reply : NULL);
    lookups_fini(&rq->lookups);
    rq->lookups = (struct lookups){0};
}

bool request_age_settle(struct request *rq)
{
    unsigned client = rq->target.minor;

    if (!rq->target.versioned || client >= rq->world.oldest)
        return true;
    rq->client_minor = client;
    if (older_client_request(request_operation(rq), client, rq->world.oldest,
                             &rq->target, rq->tree) == 0)
        return true;
    verdict_deny(&rq->verdict, 414, "request.path", "",
                 "the request target, written in API version 1.%u, is too "
                 "long",
                 rq->world.oldest);
    return false;
}

void request_age_raise(struct request *rq)
{
    unsigned least, client = rq->target.minor;

    if (request_operation(rq) != OP_CONTAINER_CREATE || !rq->tree ||
        !rq->target.versioned) /* else it is the engine's newest */
        return;
    least = older_client_read_only(rq->tree, rq->rewrite.context.engine_minor);
    if (client < least) /* which adds nothing to a query */
        older_client_request(OP_CONTAINER_CREATE, client, least, &rq->target,
                             rq->tree);
}

/* Whoever holds its own version against what the engine says it speaks finds
 * what berth speaks. */
static bool is_version(const struct request *rq)
{
    return request_operation(rq) == OP_SYSTEM_VERSION &&
           rq->world.oldest > API_MINOR_OLDEST;
}

static void lower_oldest(json_t *version)
{
    json_t *component, *details;
    size_t i;

    if (json_object_get(version, "MinAPIVersion"))
        json_object_set_new(version, "MinAPIVersion",
                            json_sprintf("1.%d", API_MINOR_OLDEST));
    json_array_foreach(json_object_get(version, "Components"), i, component)
    {
        details = json_object_get(component, "Details");
        if (json_object_get(details, "MinAPIVersion"))
            json_object_set_new(details, "MinAPIVersion",
                                json_sprintf("1.%d", API_MINOR_OLDEST));
    }
}

bool request_age_restores(const struct request *rq, int status)
{
    return status < 400 &&
           (is_version(rq) ||
            (rq->client_minor &&
             older_client_wants_reply(request_operation(rq), rq->client_minor,
                                      rq->world.oldest)));
}

void request_age_restore(const struct request *rq, int status, json_t *reply)
{
    if (!request_age_restores(rq, status))
        return;
    if (is_version(rq))
        lower_oldest(reply);
    else
        older_client_reply(request_operation(rq), rq->client_minor,
                           rq->world.oldest, reply);
}
