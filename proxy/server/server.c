#include "proxy/server/server_private.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/base/log.h"
#include "proxy/server/fd_limit.h"

/* ---- berths come and go ---- */

static void on_empty(struct frontend *frontend, void *arg);
static void on_taken(struct frontend *frontend, void *arg);

struct frontend *server_find(struct frontend *frontends, const char *path)
{
    for (struct frontend *b = frontends; b; b = b->next) {
        if (!strcmp(b->path, path))
            return b;
    }
    return NULL;
}

void server_add(struct server *server, struct frontend *frontend)
{
    frontend->on_empty = on_empty;
    frontend->on_taken = on_taken;
    frontend->on_empty_arg = server;
    frontend->next = server->frontends;
    server->frontends = frontend;
    frontend_log(frontend);
}

void server_free_all(struct frontend *list)
{
    struct frontend *next;

    for (struct frontend *b = list; b; b = next) {
        next = b->next;
        frontend_free(b);
    }
}

void server_unlink(struct frontend **list, struct frontend *frontend)
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
    return frontend->succeeded;
}

static void on_left(struct frontend *frontend, void *arg)
{
    struct server *server = arg;

    server_unlink(&server->leaving, frontend);
    frontend_free(frontend);
    maybe_end(server);
}

/* FRONTEND, which leaves, has no clients any more. */
static void let_go(struct server *server, struct frontend *frontend)
{
    if (!is_succeeded(server, frontend) &&
        frontend_end(frontend, on_left, server))
        return;
    server_unlink(&server->leaving, frontend);
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

void server_close(struct server *server, struct frontend *frontend)
{
    log_info("no longer serving %s on %s", frontend->policy->namespace,
             frontend->path);
    frontend->next = server->leaving;
    server->leaving = frontend;
    frontend_stop(frontend,
                  frontend->succeeded ? END_AFTER_NEXT : END_AFTER_THIS);
    if (frontend->session_count == 0)
        let_go(server, frontend);
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
    if (server_reload(server, &why)) {
        log_error("reload: the policies stay as they were, because:");
        log_warn_lines("reload", strbuf_str(&why));
        server->metrics_feed.reloads_refused++;
    } else {
        log_info("reload: done");
        server->metrics_feed.reloads++;
    }
}

static void stop_all(struct server *server, enum connection_end end)
{
    for (struct frontend *b = server->frontends; b; b = b->next)
        frontend_stop(b, end);
    for (struct frontend *b = server->leaving; b; b = b->next)
        frontend_stop(b, end);
}

static void on_drain_end(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd;
    (void)what;
    log_warn("the time for open exchanges is over");
    stop_all(server, END_NOW);
    maybe_end(server);
}

static unsigned longest_drain(const struct frontend *list, unsigned longest)
{
    for (const struct frontend *b = list; b; b = b->next) {
        if (b->policy->timeouts.drain > longest)
            longest = b->policy->timeouts.drain;
    }
    return longest;
}

static void stop(struct server *server, enum connection_end end)
{
    unsigned longest =
        longest_drain(server->leaving, longest_drain(server->frontends, 0));

    server->stopping = true;
    takeover_end(&server->takeover);
    log_info("stopping once open exchanges are over, or in %u ms", longest);
    event_add(server->drain,
              &(struct timeval){longest / 1000, longest % 1000 * 1000});
    stop_all(server, end);
    maybe_end(server);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd;
    (void)what;
    if (server->told_to) {
        log_warn("stopping at once");
        event_base_loopbreak(server->runtime.base);
        return;
    }
    server->told_to = true;
    if (!server->stopping) /* as it is when all its listeners were taken over */
        stop(server, END_AFTER_THIS);
}

/* The same, but another berth comes in its place: nothing is removed. */
static void on_restart(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    for (struct frontend *b = server->frontends; b; b = b->next)
        b->succeeded = true;
    on_stop(fd, what, server);
}

/* ---- from one process to the next ---- */

static void on_taken(struct frontend *frontend, void *arg)
{
    struct server *server = arg;

    server_unlink(&server->frontends, frontend);
    frontend_yield(frontend);
    server_close(server, frontend);
    if (!server->frontends && !server->stopping)
        stop(server, END_AFTER_NEXT);
}

static void on_no_engine(void *arg)
{
    struct server *server = arg;

    server->failed = true;
    event_base_loopbreak(server->runtime.base);
}

/* ---- the whole of it ---- */

static void watch_signals(struct server *server)
{
    static const struct {
        int number;
        event_callback_fn on_signal;
    } signals[SIGNALS] = {
        {SIGTERM, on_stop   },
        {SIGINT,  on_stop   },
        {SIGUSR1, on_restart},
        {SIGHUP,  on_hangup },
    };

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SIGNALS; i++) {
        server->signals[i] =
            evsignal_new(server->runtime.base, signals[i].number,
                         signals[i].on_signal, server);
        event_add(server->signals[i], NULL);
    }
    server->drain =
        event_new(server->runtime.base, -1, 0, on_drain_end, server);
}

static void server_fini(struct server *server)
{
    metrics_feed_fini(&server->metrics_feed);
    sandbox_fini(&server->sandbox);
    stop_all(server, END_NOW);
    /* sessions free themselves in a turn of the loop */
    runtime_settle(&server->runtime);
    server_free_all(server->frontends);
    server_free_all(server->leaving);
    for (size_t i = 0; i < SIGNALS; i++)
        event_free(server->signals[i]);
    event_free(server->drain);
    takeover_fini(&server->takeover);
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
    const int where =
        server->config->takes_over ? FRONTEND_TAKES_OVER : FRONTEND_LISTENS;
    int activated = listener_activated(), r = server_load(server, &all, why);

    if (r)
        return r;
    policies_log_warnings(&all);
    fd_limit_allow(&all);
    for (size_t i = 0; i < all.count; i++) {
        struct frontend *frontend =
            frontend_open(&server->runtime, all.items[i],
                          (int)i < activated ? 3 + (int)i : where, why);

        if (!frontend)
            return -ECANCELED;
        server_add(server, frontend);
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
                      &server.frontends, config->takes_over);
    r = open_all(&server, &why);
    if (r == 0) {
        takeover_begin(&server.takeover, server.runtime.base, &server.frontends,
                       &server.metrics_feed, on_no_engine, &server);
        event_base_dispatch(server.runtime.base);
        r = server.failed ? -EHOSTUNREACH : 0;
    } else {
        fprintf(stderr, "berth: %.*s\n", STR_FMT(str_trim(strbuf_str(&why))));
    }
    server_fini(&server);
    return r;
}
