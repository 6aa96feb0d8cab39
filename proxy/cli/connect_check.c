#include "proxy/cli/connect_check.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "proxy/base/log.h"
#include "proxy/cli/connect_private.h"
#include "proxy/server/upstream_new.h"

static void on_change(struct stream *stream, void *arg)
{
    struct walk *w = arg;

    if (stream->state == STREAM_OPENING)
        return;
    if (stream->state == STREAM_CLOSED && stream->why) {
        walk_fail(w, stream->why);
        return;
    }
    walk_reach(w, STEP_ENGINE);
    stream_close(stream);
    w->stream = NULL;
    w->pool = pool_new(w->base, w->upstream);
    w->subrequest = subrequest_new(w->base, w->pool, METHOD_GET, S("/version"),
                                   S(""), walk_on_version, w);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct walk *w = arg;
    char text[80];

    (void)fd;
    (void)what;
    snprintf(text, sizeof(text), "no answer within %u ms",
             w->config->connect_timeout_ms);
    walk_fail(w, text);
}

static void open_stream(struct walk *w)
{
    unsigned ms = w->config->connect_timeout_ms;

    event_add(w->deadline, &(struct timeval){ms / 1000, ms % 1000 * 1000});
    w->stream = upstream_open(w->upstream, on_change, w);
}

static void on_status(struct upstream *upstream, void *arg)
{
    static const enum step step_of[] = {
        [UPSTREAM_PROXY] = STEP_PROXY,   [UPSTREAM_CONNECT] = STEP_TCP,
        [UPSTREAM_HANDSHAKE] = STEP_SSH, [UPSTREAM_HOST_KEY] = STEP_HOST_KEY,
        [UPSTREAM_LOGIN] = STEP_LOGIN,   [UPSTREAM_CHANNEL] = STEP_CHANNEL,
    };
    struct walk *w = arg;
    struct upstream_status status;

    upstream_get_status(upstream, &status);
    if (status.up && !w->stream && !w->pool) {
        walk_reach_hop(w, w->hop_count);
        walk_reach(w, STEP_CHANNEL);
        open_stream(w);
    } else if (!status.up) {
        walk_reach_hop(w, status.hops);
        walk_reach(w, step_of[status.stage]);
        walk_fail(w, status.why);
    }
}

/* The addresses of the host, as the link will find them again. */
static bool look_up(struct walk *w)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct proxy_config *proxy = walk_proxy(w);
    const char *host = proxy ? proxy->host : w->hops[0]->host;
    const char *what = proxy ? "proxy " : w->hop_count ? "jump host " : "";
    struct addrinfo *found;
    char address[NI_MAXHOST];
    int error = getaddrinfo(host, NULL, &hints, &found);

    if (error) {
        strbuf_addf(&w->addresses, "%s%s: %s", what, host, gai_strerror(error));
        walk_fail(w, strbuf_cstr(&w->addresses));
        return false;
    }
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof(address),
                        NULL, 0, NI_NUMERICHOST) == 0)
            strbuf_addf(&w->addresses, "%s%s", w->addresses.len ? ", " : "",
                        address);
    }
    freeaddrinfo(found);
    return true;
}

static void walk_fini(struct walk *w)
{
    if (w->upstream)
        w->upstream->on_status = NULL;
    subrequest_cancel(w->subrequest);
    connect_networks_free(w->networks);
    stream_close(w->stream);
    pool_free(w->pool);
    upstream_free(w->upstream);
    if (w->deadline)
        event_free(w->deadline);
    event_base_loop(w->base, EVLOOP_NONBLOCK); /* what frees itself later */
    event_base_free(w->base);
    strbuf_fini(&w->addresses);
}

static void find_hops(struct walk *w)
{
    const struct upstream_config *config;
    unsigned at;

    for (config = w->config->jump; config; config = config->jump)
        w->hop_count++;
    at = w->hop_count;
    for (config = w->config; config; config = config->jump)
        w->hops[at--] = config;
}

static bool walk_to(const struct policy *policy, size_t at, struct strings *ids)
{
    struct walk w = {
        .config = policy_host(policy, at),
        .ids = ids,
        .runner = policy->rules.container.runner,
        .port_address = policy->port_address,
        .base = event_base_new(),
        .addresses = STRBUF(LIMIT_STEP),
    };

    find_hops(&w);
    if (!walk_has_step(&w, STEP_NAME) || look_up(&w)) {
        walk_reach(&w, walk_has_step(&w, STEP_PROXY) ? STEP_PROXY
                       : walk_has_step(&w, STEP_TCP) ? STEP_TCP
                                                     : STEP_SOCKET);
        w.deadline = event_new(w.base, -1, 0, on_deadline, &w);
        w.upstream = upstream_new(w.base, w.config);
        w.upstream->on_status = on_status;
        w.upstream->status_arg = &w;
        if (w.config->kind != UPSTREAM_SSH)
            open_stream(&w);
        event_base_dispatch(w.base);
    }
    walk_fini(&w);
    return w.good;
}

bool connect_check(const struct policy *policy)
{
    AUTO(strings_fini) struct strings ids = {0};
    size_t count = policy_host_count(policy);
    bool good = true;

    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR); /* the steps say it all */
    for (size_t i = 0; i < count; i++) {
        if (count > 1)
            printf("%s%s%s\n", i ? "\n" : "", policy_host(policy, i)->url,
                   policy_host_is_drained(policy, i) ? " (drained)" : "");
        good &= walk_to(policy, i, count > 1 ? &ids : NULL);
    }
    return good;
}
