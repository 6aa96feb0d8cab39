#include "proxy/server/server_private.h"

#include <errno.h>
#include <stdio.h>

#include "proxy/base/log.h"
#include "proxy/server/fd_limit.h"
#include "proxy/ssh/key_pair.h"

/* NAMESPACE is served anew: what one that leaves is about to remove is in use
 * again. */
static void spare_leftovers(struct server *server, const char *namespace)
{
    struct frontend *next;

    for (struct frontend *b = server->leaving; b; b = next) {
        next = b->next;
        if (!b->end || strcmp(b->policy->namespace, namespace) != 0)
            continue;
        server_unlink(&server->leaving, b);
        frontend_free(b);
    }
}

/* The keys that policies want to be made are there from now on. */
static int ensure_keys(const struct policies *all, struct strbuf *why)
{
    for (size_t i = 0; i < all->count; i++) {
        AUTO(strbuf_fini) struct strbuf advice = STRBUF(16 * KIB);
        int r = key_pair_ensure(all->items[i], &advice, why);

        if (r < 0)
            return r;
        /* to be copied from here, so not in the log's quotes */
        fprintf(stderr, "%.*s", STR_FMT(strbuf_str(&advice)));
    }
    return 0;
}

int server_load(const struct server *server, struct policies *all,
                struct strbuf *why)
{
    const struct server_config *config = server->config;
    int r = policies_load(config->files, config->file_count, config->overrides,
                          config->override_count, all, why);

    if (r == 0 && !sandbox_admits(&server->sandbox, all, why))
        r = -EACCES;
    return r ? r : ensure_keys(all, why);
}

/* What POLICY needs: its berth made ready, or a new one on top of FRESH. (With
 * another namespace on the same path it is another berth.) */
static int prepare_berth(struct server *server, struct policy *policy,
                         struct frontend **fresh, struct strbuf *why)
{
    struct frontend *old = server_find(server->frontends, policy->listen.path),
                    *new;
    int r = old ? listener_try_access(old->listener, &policy->listen, why) : 0;

    if (r < 0)
        return r;
    if (old && !strcmp(old->policy->namespace, policy->namespace))
        return frontend_prepare(old, policy, why);
    new = frontend_open(&server->runtime, policy,
                        old ? FRONTEND_INHERITS : FRONTEND_LISTENS, why);
    if (!new)
        return -ECANCELED;
    new->next = *fresh;
    *fresh = new;
    return 0;
}

static void commit(struct server *server, struct frontend *fresh)
{
    struct frontend *closing = NULL, *next;

    for (struct frontend *b = fresh; b; b = b->next) {
        struct frontend *old = server_find(server->frontends, b->path);

        if (old)
            frontend_inherit(b, old);
    }
    for (struct frontend *b = server->frontends; b; b = next) {
        next = b->next;
        if (b->prepared.policy) {
            frontend_commit(b);
            continue;
        }
        server_unlink(&server->frontends, b);
        b->next = closing;
        closing = b;
    }
    for (struct frontend *b = fresh; b; b = next) {
        next = b->next;
        spare_leftovers(server, b->policy->namespace);
        server_add(server, b);
    }
    for (struct frontend *b = closing; b; b = next) {
        next = b->next;
        server_close(server, b);
    }
}

/* What is not served yet cannot be changed, nor given to another. */
static int refuse_takeover(const struct server *server, struct strbuf *why)
{
    for (const struct frontend *b = server->frontends; b; b = b->next) {
        if (!b->takes_over)
            continue;
        strbuf_addf(why, "the listener %s is being taken over: reload later",
                    b->path);
        return -EBUSY;
    }
    return 0;
}

int server_reload(struct server *server, struct strbuf *why)
{
    AUTO(policies_fini) struct policies all = {.count = 0};
    struct frontend *fresh = NULL;
    int r = refuse_takeover(server, why);

    if (r == 0)
        r = server_load(server, &all, why);
    for (size_t i = 0; r == 0 && i < all.count; i++)
        r = prepare_berth(server, all.items[i], &fresh, why);
    if (r == 0)
        r = metrics_feed_prepare(&server->metrics_feed, &all, why);
    if (r) {
        for (struct frontend *b = server->frontends; b; b = b->next)
            frontend_forget(b);
        server_free_all(fresh);
        return r;
    }
    policies_log_warnings(&all);
    fd_limit_allow(&all);
    commit(server, fresh);
    metrics_feed_commit(&server->metrics_feed, &all);
    return 0;
}
