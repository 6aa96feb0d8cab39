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
    struct event_base *base;
    struct harbours harbours;
    struct berth *berths;  /* at work */
    struct berth *leaving; /* without a listener, until their sessions end */
    struct event *signals[3];
    struct event *drain; /* the end of our patience */
    struct monitors monitors;
    struct sandbox sandbox;
    bool stopping;
};

/* ---- berths come and go ---- */

static void on_empty(struct berth *berth, void *arg);

static struct berth *find_berth(struct berth *berths, const char *path)
{
    for (struct berth *b = berths; b; b = b->next) {
        if (!strcmp(b->path, path))
            return b;
    }
    return NULL;
}

static void add_berth(struct server *server, struct berth *berth)
{
    berth->on_empty = on_empty;
    berth->on_empty_arg = server;
    berth->next = server->berths;
    server->berths = berth;
    berth_log(berth);
}

/* Those of LIST that have no sessions, or had none yet. */
static void free_berths(struct berth *list)
{
    struct berth *next;

    for (struct berth *b = list; b; b = next) {
        next = b->next;
        berth_free(b);
    }
}

static void unlink_berth(struct berth **list, struct berth *berth)
{
    while (*list && *list != berth)
        list = &(*list)->next;
    if (*list)
        *list = berth->next;
}

/* Freed when its last session is; in a turn of its own, for the session that
 * tells us is still on the stack. */
static void free_leaving(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    berth_free(arg);
}

static void maybe_end(struct server *server)
{
    if (!server->stopping)
        return;
    for (struct berth *b = server->berths; b; b = b->next) {
        if (b->session_count)
            return;
    }
    if (!server->leaving)
        event_base_loopbreak(server->base);
}

static void on_empty(struct berth *berth, void *arg)
{
    struct server *server = arg;

    for (struct berth *b = server->leaving; b; b = b->next) {
        if (b != berth)
            continue;
        unlink_berth(&server->leaving, berth);
        event_base_once(server->base, -1, EV_TIMEOUT, free_leaving, berth,
                        &(struct timeval){0, 0});
        break;
    }
    maybe_end(server);
}

static void close_berth(struct server *server, struct berth *berth)
{
    log_info("no longer serving %s on %s", berth->policy->namespace,
             berth->path);
    unlink_berth(&server->berths, berth);
    if (berth->session_count == 0) {
        berth_free(berth);
        return;
    }
    berth->next = server->leaving;
    server->leaving = berth;
    berth_stop(berth, false);
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
                         struct berth **fresh, struct strbuf *why)
{
    struct berth *old = find_berth(server->berths, policy->listen.path), *new;
    int r = old ? listener_try_access(old->listener, &policy->listen, why) : 0;

    if (r < 0)
        return r;
    if (old && !strcmp(old->policy->namespace, policy->namespace))
        return berth_prepare(old, policy, why);
    new = berth_open(server->base, &server->harbours, policy,
                     old ? BERTH_INHERITS : BERTH_LISTENS, why);
    if (!new)
        return -ECANCELED;
    new->next = *fresh;
    *fresh = new;
    return 0;
}

static void commit(struct server *server, struct berth *fresh)
{
    struct berth *next;

    for (struct berth *b = fresh; b; b = b->next) {
        struct berth *old = find_berth(server->berths, b->path);

        if (old)
            berth_inherit(b, old);
    }
    for (struct berth *b = server->berths; b; b = next) {
        next = b->next;
        if (b->prepared.policy)
            berth_commit(b);
        else
            close_berth(server, b);
    }
    for (struct berth *b = fresh; b; b = next) {
        next = b->next;
        add_berth(server, b);
    }
}

static int reload(struct server *server, struct strbuf *why)
{
    AUTO(policies_fini) struct policies all = {.count = 0};
    struct berth *fresh = NULL;
    int r = load(server, &all, why);

    for (size_t i = 0; r == 0 && i < all.count; i++)
        r = prepare_berth(server, all.items[i], &fresh, why);
    if (r == 0)
        r = monitors_prepare(&server->monitors, &all, why);
    if (r) {
        for (struct berth *b = server->berths; b; b = b->next)
            berth_forget(b);
        free_berths(fresh);
        return r;
    }
    policies_log_warnings(&all);
    descriptors_allow(&all);
    commit(server, fresh);
    monitors_commit(&server->monitors, &all);
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
    for (struct berth *b = server->berths; b; b = b->next)
        audit_sink_reopen(b->audit);
    if (reload(server, &why)) {
        log_error("reload: the policies stay as they were, because:");
        log_warn_lines("reload", strbuf_str(&why));
        server->monitors.reloads_refused++;
    } else {
        log_info("reload: done");
        server->monitors.reloads++;
    }
}

static void stop_all(struct server *server, bool now)
{
    for (struct berth *b = server->berths; b; b = b->next)
        berth_stop(b, now);
    for (struct berth *b = server->leaving; b; b = b->next)
        berth_stop(b, now);
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
        event_base_loopbreak(server->base);
        return;
    }
    server->stopping = true;
    for (struct berth *b = server->berths; b; b = b->next) {
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
    server->signals[0] = evsignal_new(server->base, SIGTERM, on_stop, server);
    server->signals[1] = evsignal_new(server->base, SIGINT, on_stop, server);
    server->signals[2] = evsignal_new(server->base, SIGHUP, on_hangup, server);
    for (size_t i = 0; i < 3; i++)
        event_add(server->signals[i], NULL);
    server->drain = event_new(server->base, -1, 0, on_drain_end, server);
}

static void server_fini(struct server *server)
{
    monitors_fini(&server->monitors);
    sandbox_fini(&server->sandbox);
    stop_all(server, true);
    /* sessions free themselves in a turn of the loop */
    event_base_loop(server->base, EVLOOP_NONBLOCK);
    free_berths(server->berths);
    free_berths(server->leaving);
    event_base_loop(server->base, EVLOOP_NONBLOCK);
    for (size_t i = 0; i < 3; i++)
        event_free(server->signals[i]);
    event_free(server->drain);
    event_base_free(server->base);
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
    server->monitors.defences = (const char *const *)server->sandbox.defences;
}

/* Open all that there is to serve. */
static int open_all(struct server *server, struct strbuf *why)
{
    AUTO(policies_fini) struct policies all = {.count = 0};
    int activated = listener_activated(), r = load(server, &all, why);

    if (r)
        return r;
    policies_log_warnings(&all);
    descriptors_allow(&all);
    for (size_t i = 0; i < all.count; i++) {
        struct berth *berth =
            berth_open(server->base, &server->harbours, all.items[i],
                       (int)i < activated ? 3 + (int)i : BERTH_LISTENS, why);

        if (!berth)
            return -ECANCELED;
        add_berth(server, berth);
    }
    r = monitors_prepare(&server->monitors, &all, why);
    if (r)
        return r;
    monitors_commit(&server->monitors, &all);
    confine(server, &all);
    return 0;
}

int server_run(const struct server_config *config)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct server server = {.config = config};
    int r;

    server.base = server.harbours.base = event_base_new();
    watch_signals(&server);
    monitors_init(&server.monitors, server.base, &server.berths);
    r = open_all(&server, &why);
    if (r == 0)
        event_base_dispatch(server.base);
    else
        fprintf(stderr, "berth: %.*s\n", STR_FMT(str_trim(strbuf_str(&why))));
    server_fini(&server);
    return r;
}
