#include "proxy/server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/berth.h"
#include "proxy/key_pair.h"
#include "proxy/log.h"
#include "proxy/policy_file.h"
#include "proxy/session.h"

enum { POLICIES_MAX = 64 };

struct server {
    const struct server_config *config;
    struct event_base *base;
    struct harbours harbours;
    struct berth *berths;  /* at work */
    struct berth *leaving; /* without a listener, until their sessions end */
    struct event *signals[3];
    struct event *drain; /* the end of our patience */
    bool stopping;
};

/* ---- policies ---- */

struct policies {
    struct policy *items[POLICIES_MAX];
    size_t count;
};

static void policies_fini(struct policies *all)
{
    for (size_t i = 0; i < all->count; i++)
        policy_unref(all->items[i]);
    all->count = 0;
}

/* Two listeners cannot share a path, nor two runners a namespace. */
static bool clash(const struct policies *all, const struct policy *policy,
                  struct strbuf *why)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct policy *other = all->items[i];

        if (!strcmp(other->listen.path, policy->listen.path))
            strbuf_addf(why,
                        "two policies have the same listen.path, %s; give "
                        "each its own\n",
                        policy->listen.path);
        else if (!strcmp(other->namespace, policy->namespace) &&
                 upstream_config_eq(&other->upstream, &policy->upstream))
            strbuf_addf(why,
                        "two policies have the same namespace, %s, on the "
                        "same engine; give each its own\n",
                        policy->namespace);
        else
            continue;
        return true;
    }
    return false;
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

/* All of them, or none. */
static int load_policies(const struct server_config *config,
                         struct policies *all, struct strbuf *why)
{
    size_t count = config->file_count ? config->file_count : 1;

    if (count > POLICIES_MAX) {
        strbuf_addf(why, "%d policies at most\n", POLICIES_MAX);
        return -E2BIG;
    }
    for (size_t i = 0; i < count; i++) {
        struct policy *policy;
        int r = policy_file_load(config->file_count ? config->files[i] : NULL,
                                 config->overrides, config->override_count,
                                 &policy, why);

        if (r == 0 && clash(all, policy, why)) {
            policy_unref(policy);
            r = -EEXIST;
        }
        if (r)
            return r;
        all->items[all->count++] = policy;
    }
    return ensure_keys(all, why);
}

static void log_lines(const char *what, struct str text)
{
    struct str line;

    while (text.len) {
        str_cut(text, '\n', &line, &text);
        if (line.len)
            log_warn("%s: %.*s", what, STR_FMT(line));
    }
}

static void log_warnings(const struct policies *all)
{
    for (size_t i = 0; i < all->count; i++) {
        AUTO(strbuf_fini) struct strbuf text = STRBUF(64 * KIB);

        policy_put_warnings(all->items[i], &text);
        log_lines(all->items[i]->namespace, strbuf_str(&text));
    }
}

/* ---- berths come and go ---- */

static void on_empty(struct berth *berth, void *arg);

static struct berth *find_berth(struct server *server, const char *path)
{
    for (struct berth *b = server->berths; b; b = b->next) {
        if (!strcmp(b->path, path))
            return b;
    }
    return NULL;
}

static int open_berth(struct server *server, struct policy *policy,
                      int activated, struct strbuf *why)
{
    struct berth *berth =
        berth_open(server->base, &server->harbours, policy, activated, why);

    if (!berth)
        return -1;
    berth->on_empty = on_empty;
    berth->on_empty_arg = server;
    berth->next = server->berths;
    server->berths = berth;
    return 0;
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

/* ---- signals ---- */

/* Another namespace on the same path is another berth. */
static bool is_wanted(const struct policies *all, const struct berth *berth)
{
    for (size_t i = 0; i < all->count; i++) {
        if (!strcmp(all->items[i]->listen.path, berth->path) &&
            !strcmp(all->items[i]->namespace, berth->policy->namespace))
            return true;
    }
    return false;
}

static void apply_policies(struct server *server, struct policies *all)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct berth *next;

    for (struct berth *b = server->berths; b; b = next) {
        next = b->next;
        if (!is_wanted(all, b))
            close_berth(server, b);
    }
    for (size_t i = 0; i < all->count; i++) {
        struct policy *policy = all->items[i];
        struct berth *berth = find_berth(server, policy->listen.path);
        int r = berth ? berth_change(berth, policy, &why)
                      : open_berth(server, policy, -1, &why);

        if (r < 0)
            log_error("reload of %s: %.*s", policy->namespace,
                      STR_FMT(strbuf_str(&why)));
        strbuf_clear(&why);
    }
}

/* A bad file changes nothing; the audit files are opened anew all the same. */
static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct server *server = arg;
    struct policies all = {.count = 0};

    (void)fd;
    (void)what;
    if (server->stopping)
        return;
    for (struct berth *b = server->berths; b; b = b->next)
        audit_sink_reopen(b->audit);
    if (load_policies(server->config, &all, &why)) {
        log_error("reload: the policies stay as they were, because:");
        log_lines("reload", strbuf_str(&why));
    } else {
        log_warnings(&all);
        apply_policies(server, &all);
        log_info("reload: done");
    }
    policies_fini(&all);
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
    struct berth *next;

    stop_all(server, true);
    /* sessions free themselves in a turn of the loop */
    event_base_loop(server->base, EVLOOP_NONBLOCK);
    for (struct berth *b = server->berths; b; b = next) {
        next = b->next;
        berth_free(b);
    }
    for (struct berth *b = server->leaving; b; b = next) {
        next = b->next;
        berth_free(b);
    }
    event_base_loop(server->base, EVLOOP_NONBLOCK);
    for (size_t i = 0; i < 3; i++)
        event_free(server->signals[i]);
    event_free(server->drain);
    event_base_free(server->base);
}

int server_run(const struct server_config *config)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct server server = {.config = config};
    struct policies all = {.count = 0};
    int r = load_policies(config, &all, &why), activated;

    server.base = server.harbours.base = event_base_new();
    watch_signals(&server);
    activated = listener_activated();
    if (r == 0)
        log_warnings(&all);
    for (size_t i = 0; r == 0 && i < all.count; i++)
        r = open_berth(&server, all.items[i],
                       (int)i < activated ? 3 + (int)i : -1, &why);
    policies_fini(&all);
    if (r == 0)
        event_base_dispatch(server.base);
    else
        fprintf(stderr, "berth: %.*s\n", STR_FMT(str_trim(strbuf_str(&why))));
    server_fini(&server);
    return r;
}
