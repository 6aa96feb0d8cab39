#include "proxy/cli/connect_networks.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/docker/address_pools.h"
#include "proxy/upstream/subrequest.h"

struct connect_networks {
    void (*on_done)(bool good, void *arg);
    void *arg;
    struct subrequest *question;
    json_t *info; /* the engine's, or NULL */
};

static bool tell(int left)
{
    if (left > 0)
        printf("ok    networks  there are addresses for %s%d more\n",
               left == ADDRESS_POOLS_MANY ? "at least " : "", left);
    else if (left == 0)
        printf("FAIL  networks  the engine has no range of addresses left for "
               "another network: remove networks that nobody uses (docker "
               "network prune), or give it more \"default-address-pools\" in "
               "its daemon.json\n");
    return left != 0;
}

static void on_networks(const struct http_head *head, struct str body,
                        const char *why, void *arg)
{
    struct connect_networks *n = arg;
    json_auto_t *networks = head && head->status == 200
                                ? json_loadb(body.ptr, body.len, 0, NULL)
                                : NULL;
    void (*on_done)(bool good, void *arg) = n->on_done;
    void *done_arg = n->arg;
    bool good = tell(address_pools_left(n->info, networks));

    (void)why;
    n->question = NULL;
    connect_networks_free(n);
    on_done(good, done_arg);
}

struct connect_networks *
connect_networks_new(struct event_base *base, struct pool *pool, json_t *info,
                     void (*on_done)(bool good, void *arg), void *arg)
{
    struct connect_networks *n = xcalloc(1, sizeof(*n));

    n->info = json_incref(info);
    n->on_done = on_done;
    n->arg = arg;
    n->question = subrequest_new(base, pool, METHOD_GET, S("/networks"), S(""),
                                 on_networks, n);
    return n;
}

struct connect_networks *connect_networks_free(struct connect_networks *n)
{
    if (!n)
        return NULL;
    subrequest_cancel(n->question);
    json_decref(n->info);
    free(n);
    return NULL;
}
