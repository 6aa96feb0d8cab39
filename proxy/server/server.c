#include "proxy/server/server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/base/log.h"
#include "proxy/sandbox/sandbox.h"
#include "proxy/server/fd_limit.h"
#include "proxy/server/metrics_feed.h"
#include "proxy/ssh/key_pair.h"

struct server {
    const struct server_config *config;
    struct runtime runtime;
    struct frontend *frontends; /* at work */
    struct frontend *leaving; /* without a listener, until their sessions end */
    struct event *signals[3];
    struct event *drain; /* the end of our patience */
    struct metrics_feed metrics_feed;
    struct sandbox sandbox;
    bool stopping;
    bool ending;   /* and the last client is gone */
    unsigned ends; /* frontends whose leftovers are being removed */
};

/* ---- berths come and go ---- */

static void on_empty(struct frontend *frontend, void *arg);

static struct frontend *find_berth(struct frontend *frontends, const char *path)
{
    for (struct frontend *b = frontends; b; b = b->next) {
        if (!strcmp(b->path, path))
            return b;
    }
    return NULL;
}

static void add_berth(struct server *server, struct frontend *frontend)
{
    frontend->on_empty = on_empty;
    frontend->on_empty_arg = server;
    frontend->next = server->frontends;
    server->frontends = frontend;
    frontend_log(frontend);
}

/* Those of LIST that have no sessions, or had none yet. */
static void free_berths(struct frontend *list)
{
    struct frontend *next;

    for (struct frontend *b = list; b; b = next) {
        next = b->next;
        frontend_free(b);
    }
}

static void unlink_berth(struct frontend **list, struct frontend *frontend)
{
    while (*list && *list != frontend)
        list = &(*list)->next;
    if (*list)
        *list = frontend->next;
}

/* Freed when its last session is; in a turn of its own, for the session that
 * tells us is still on the stack. */
static void free_leaving(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    frontend_free(arg);
}

static void maybe_end(struct server *server);

static void on_stopped(struct frontend *frontend, void *arg)
{
    struct server *server = arg;

    (void)frontend;
    server->ends--;
    maybe_end(server);
}

/* All clients are gone: leave the engines as the policies say. */
static void begin_to_end(struct server *server)
{
    server->ending = true;
    for (struct frontend *b = server->frontends; b; b = b->next)
        server->ends += frontend_end(b, on_stopped, server);
}

static void maybe_end(struct server *server)
{
    if (!server->stopping)
        return;
    for (struct frontend *b = server->frontends; b; b = b->next) {
        if (b->session_count)
            return;
    }
    if (!server->ending)
        begin_to_end(server);
    if (!server->leaving && !server->ends)
        event_base_loopbreak(server->runtime.base);
}

/* Does another frontend serve the same namespace by now? */
static bool is_succeeded(const struct server *server,
                         const struct frontend *frontend)
{
    for (struct frontend *b = server->frontends; b; b = b->next) {
        if (!strcmp(b->policy->namespace, frontend->policy->namespace))
            return true;
    }
    return false;
}

static void on_left(struct frontend *frontend, void *arg)
{
    struct server *server = arg;

    unlink_berth(&server->leaving, frontend);
    frontend_free(frontend);
    maybe_end(server);
}

/* FRONTEND, which leaves, has no clients any more. */
static void let_go(struct server *server, struct frontend *frontend)
{
    if (!is_succeeded(server, frontend) &&
        frontend_end(frontend, on_left, server))
        return;
    unlink_berth(&server->leaving, frontend);
    event_base_once(server->runtime.base, -1, EV_TIMEOUT, free_leaving,
                    frontend, &(struct timeval){0, 0});
}

static void on_empty(struct frontend *frontend, void *arg)
{
    struct server *server = arg;

    for (struct frontend *b = server->leaving; b; b = b->next) {
        if (b == frontend) {
            let_go(server, frontend);
            break;
        }
    }
    maybe_end(server);
}

/* FRONTEND is not among the others any more, but its successor is, if it has
 * one. */
static void close_berth(struct server *server, struct frontend *frontend)
{
    log_info("no longer serving %s on %s", frontend->policy->namespace,
             frontend->path);
    frontend->next = server->leaving;
    server->leaving = frontend;
    frontend_stop(frontend, false);
    if (frontend->session_count == 0)
        let_go(server, frontend);
}

/* NAMESPACE is served anew: what one that leaves is about to remove is in use
 * again. */
static void spare_leftovers(struct server *server, const char *namespace)
{
    struct frontend *next;

    for (struct frontend *b = server->leaving; b; b = next) {
        next = b->next;
        if (!b->end || strcmp(b->policy->namespace, namespace) != 0)
            continue;
        unlink_berth(&server->leaving, b);
        frontend_free(b);
    }
}

/* ---- reload: all of it, or nothing ---- */

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

static int load(const struct server *server, struct policies *all,
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
    struct frontend *old = find_berth(server->frontends, policy->listen.path),
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
        struct frontend *old = find_berth(server->frontends, b->path);

        if (old)
            frontend_inherit(b, old);
    }
    for (struct frontend *b = server->frontends; b; b = next) {
        next = b->next;
        if (b->prepared.policy) {
            frontend_commit(b);
            continue;
        }
        unlink_berth(&server->frontends, b);
        b->next = closing;
        closing = b;
    }
    for (struct frontend *b = fresh; b; b = next) {
        next = b->next;
        spare_leftovers(server, b->policy->namespace);
        add_berth(server, b);
    }
    for (struct frontend *b = closing; b; b = next) {
        next = b->next;
        close_berth(server, b);
    }
}

static int reload(struct server *server, struct strbuf *why)
{
    AUTO(policies_fini) struct policies all = {.count = 0};
    struct frontend *fresh = NULL;
    int r = load(server, &all, why);

    for (size_t i = 0; r == 0 && i < all.count; i++)
        r = prepare_berth(server, all.items[i], &fresh, why);
    if (r == 0)
        r = metrics_feed_prepare(&server->metrics_feed, &all, why);
    if (r) {
        for (struct frontend *b = server->frontends; b; b = b->next)
            frontend_forget(b);
        free_berths(fresh);
        return r;
    }
    policies_log_warnings(&all);
    fd_limit_allow(&all);
    commit(server, fresh);
    metrics_feed_commit(&server->metrics_feed, &all);
    return 0;
}

/* ---- signals ---- */

/* A bad file changes nothing; the audit files are opened anew all the same. */
static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct server *server = arg;

    (void)fd;
    (void)what;
    if (server->stopping)
        return;
    for (struct frontend *b = server->frontends; b; b = b->next)
        audit_sink_reopen(b->audit);
    if (reload(server, &why)) {
        log_error("reload: the policies stay as they were, because:");
        log_warn_lines("reload", strbuf_str(&why));
        server->metrics_feed.reloads_refused++;
    } else {
        log_info("reload: done");
        server->metrics_feed.reloads++;
    }
}

static void stop_all(struct server *server, bool now)
{
    for (struct frontend *b = server->frontends; b; b = b->next)
        frontend_stop(b, now);
    for (struct frontend *b = server->leaving; b; b = b->next)
        frontend_stop(b, now);
}

static void on_drain_end(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd;
    (void)what;
    log_warn("the time for open exchanges is over");
    stop_all(server, true);
    maybe_end(server);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    unsigned longest = 0;

    (void)fd;
    (void)what;
    if (server->stopping) {
        log_warn("stopping at once");
        event_base_loopbreak(server->runtime.base);
        return;
    }
    server->stopping = true;
    for (struct frontend *b = server->frontends; b; b = b->next) {
        if (b->policy->timeouts.drain > longest)
            longest = b->policy->timeouts.drain;
    }
    log_info("stopping once open exchanges are over, or in %u ms", longest);
    event_add(server->drain,
              &(struct timeval){longest / 1000, longest % 1000 * 1000});
    stop_all(server, false);
    maybe_end(server);
}

/* ---- the whole of it ---- */

static void watch_signals(struct server *server)
{
    signal(SIGPIPE, SIG_IGN);
    server->signals[0] =
        evsignal_new(server->runtime.base, SIGTERM, on_stop, server);
    server->signals[1] =
        evsignal_new(server->runtime.base, SIGINT, on_stop, server);
    server->signals[2] =
        evsignal_new(server->runtime.base, SIGHUP, on_hangup, server);
    for (size_t i = 0; i < 3; i++)
        event_add(server->signals[i], NULL);
    server->drain =
        event_new(server->runtime.base, -1, 0, on_drain_end, server);
}

static void server_fini(struct server *server)
{
    metrics_feed_fini(&server->metrics_feed);
    sandbox_fini(&server->sandbox);
    stop_all(server, true);
    /* sessions free themselves in a turn of the loop */
    runtime_settle(&server->runtime);
    free_berths(server->frontends);
    free_berths(server->leaving);
    for (size_t i = 0; i < 3; i++)
        event_free(server->signals[i]);
    event_free(server->drain);
    runtime_fini(&server->runtime);
}

/* Before the first client is served. */
static void confine(struct server *server, const struct policies *all)
{
    const struct server_config *config = server->config;
    const char *why_not =
        config->unconfined ? "--no-sandbox says so" : sandbox_impossible();

    if (why_not)
        sandbox_leave_out(&server->sandbox, why_not);
    else
        sandbox_enter(&server->sandbox, config->files, config->file_count, all);
    sandbox_log(&server->sandbox);
    server->metrics_feed.defences =
        (const char *const *)server->sandbox.defences;
}

/* Open all that there is to serve. */
static int open_all(struct server *server, struct strbuf *why)
{
    AUTO(policies_fini) struct policies all = {.count = 0};
    int activated = listener_activated(), r = load(server, &all, why);

    if (r)
        return r;
    policies_log_warnings(&all);
    fd_limit_allow(&all);
    for (size_t i = 0; i < all.count; i++) {
        struct frontend *frontend = frontend_open(
            &server->runtime, all.items[i],
            (int)i < activated ? 3 + (int)i : FRONTEND_LISTENS, why);

        if (!frontend)
            return -ECANCELED;
        add_berth(server, frontend);
    }
    r = metrics_feed_prepare(&server->metrics_feed, &all, why);
    if (r)
        return r;
    metrics_feed_commit(&server->metrics_feed, &all);
    confine(server, &all);
    return 0;
}

int server_run(const struct server_config *config)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct server server = {.config = config};
    int r;

    runtime_init(&server.runtime);
    server.runtime.claims_namespaces = !config->shares;
    server.runtime.listens = true;
    watch_signals(&server);
    metrics_feed_init(&server.metrics_feed, server.runtime.base,
                      &server.frontends);
    r = open_all(&server, &why);
    if (r == 0)
        event_base_dispatch(server.runtime.base);
    else
        fprintf(stderr, "berth: %.*s\n", STR_FMT(str_trim(strbuf_str(&why))));
    server_fini(&server);
    return r;
}
