#include <stdlib.h>

#include "proxy/upstream/subrequest.h"

struct subrequest *subrequest_new_json(struct event_base *base,
                                       struct pool *pool, enum method method,
                                       struct str target, json_t *body,
                                       subrequest_cb on_reply, void *arg)
{
    char *text = json_dumps(body, JSON_COMPACT);
    struct subrequest *request = subrequest_new(base, pool, method, target,
                                                str_from(text), on_reply, arg);

    free(text);
    json_decref(body);
    return request;
}
