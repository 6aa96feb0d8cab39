#include "proxy/cli/connect_check.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "proxy/base/log.h"
#include "proxy/cli/connect_private.h"
#include "proxy/cli/each_host.h"
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

static bool walk_to(const struct policy *policy,
                    const struct upstream_config *config, struct strings *ids)
{
    struct walk w = {
        .config = config,
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

struct checking {
    const struct policy *policy;
    struct strings ids;
    unsigned count;
    bool good;
};

static void print_host(const struct checking *c, const struct host_visit *v)
{
    bool drained = policy_is_drained(c->policy, v->config) ||
                   policy_is_drained(c->policy, v->of);

    printf("%s%s%s\n", c->count ? "\n" : "", v->config->url,
           drained ? " (drained)" : "");
    if (v->target)
        walk_say("ok", STEP_NAME, "%s: SRV record of priority %u, weight %u",
                 v->of->host, v->target->priority, v->target->weight);
}

static void check_host(const struct host_visit *v, void *arg)
{
    struct checking *c = arg;
    bool several = policy_is_placed(c->policy);

    if (several)
        print_host(c, v);
    if (v->why)
        walk_say("FAIL", STEP_NAME, "%s: %s", v->of->host, v->why);
    c->good &=
        !v->why && walk_to(c->policy, v->config, several ? &c->ids : NULL);
    c->count++;
}

bool connect_check(const struct policy *policy)
{
    struct checking checking = {.policy = policy, .good = true};

    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR); /* the steps say it all */
    each_host(policy, check_host, &checking);
    strings_fini(&checking.ids);
    return checking.good;
}
