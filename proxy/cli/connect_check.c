#include "proxy/cli/connect_check.h"

#include <event2/event.h>
#include <jansson.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "policy/config/host_path.h"
#include "policy/docker/engine_fault.h"
#include "policy/docker/target.h"
#include "policy/isolation/runner_mount.h"
#include "proxy/base/log.h"
#include "proxy/cli/connect_networks.h"
#include "proxy/server/upstream_new.h"
#include "proxy/upstream/subrequest.h"

#define LIMIT_STEP 4096

enum step {
    STEP_NAME,
    STEP_PROXY,
    STEP_TCP,
    STEP_SOCKET,
    STEP_SSH,
    STEP_HOST_KEY,
    STEP_LOGIN,
    STEP_CHANNEL,
    STEP_ENGINE,
    STEP_API,
    STEP_ID,
    STEP_RUNNER, /* this and what follows are never in the way */
    STEP_PORTS,
    STEP_END,
};

#define BIT(n) (1U << (n))
#define UNIX   BIT(UPSTREAM_UNIX)
#define TCP    BIT(UPSTREAM_TCP)
#define SSH    BIT(UPSTREAM_SSH)

static const struct {
    const char *name;
    unsigned kinds;     /* the upstreams that have this step */
    const char *remedy; /* where the reason alone does not say */
} steps[] = {
    [STEP_NAME] = {"name",     TCP | SSH,
                   "see upstream.url, and how this machine resolves names"                },
    [STEP_PROXY] = {"proxy",    SSH,              NULL                                     },
    [STEP_TCP] = {"TCP",      TCP | SSH,
                   "does it listen there, on this port, and does a firewall "
                  "let this machine through?"                                             },
    [STEP_SOCKET] = {"socket",   UNIX,
                   "is the engine running, and may this user use its "
                     "socket?"                                                            },
    [STEP_SSH] = {"SSH",      SSH,              "is it an SSH server that answers there?"},
    [STEP_HOST_KEY] = {"host key", SSH,              NULL                                     },
    [STEP_LOGIN] = {"login",    SSH,              NULL                                     },
    [STEP_CHANNEL] = {"channel",  SSH,              NULL                                     },
    [STEP_ENGINE] = {"engine",   UNIX | TCP | SSH,
                   "is it a Docker engine, and does it work over there?"                  },
    [STEP_API] = {"API",      UNIX | TCP | SSH, NULL                                     },
    [STEP_ID] = {"ID",       0,                NULL                                     },
    [STEP_RUNNER] = {"runner",   0,                NULL                                     },
    [STEP_PORTS] = {"ports",    0,                NULL                                     },
};

struct walk {
    const struct upstream_config *config;
    struct strings *ids;      /* of the hosts before; NULL: there is but one */
    const char *runner;       /* its own container on the engine, or NULL */
    const char *port_address; /* or "": nothing goes to the runner */
    /* the jump hosts in their order, and CONFIG behind them */
    const struct upstream_config *hops[LIMIT_JUMPS + 1];
    unsigned hop_count; /* of jump hosts */
    unsigned hop;       /* where it is */
    struct event_base *base;
    struct upstream *upstream;
    struct event *deadline; /* of what comes behind the link */
    struct stream *stream;
    struct pool *pool;
    struct subrequest *subrequest;
    struct connect_networks *networks;
    enum step at;
    struct strbuf addresses;
    bool good;
};

/* The proxy before the first host, or NULL. */
static const struct proxy_config *proxy_of(const struct walk *w)
{
    const struct proxy_config *proxy = &w->hops[0]->proxy;

    return w->hop == 0 && proxy->kind != PROXY_NONE ? proxy : NULL;
}

static bool has_step(const struct walk *w, enum step step)
{
    if (step == STEP_PROXY && !proxy_of(w))
        return false;
    return steps[step].kinds & BIT(w->config->kind);
}

static void say(const char *word, enum step step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const char *word, enum step step, const char *format, ...)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_STEP);
    AUTO(strbuf_fini) struct strbuf line = STRBUF(4 * LIMIT_STEP);
    va_list args;

    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    strbuf_add_visible(&line, strbuf_str(&text));
    printf("%-4s  %-8s  %.*s\n", word, steps[step].name,
           STR_FMT(strbuf_str(&line)));
}

static void fail(struct walk *w, const char *why)
{
    const char *remedy = steps[w->at].remedy;

    say("FAIL", w->at, "%s%s%s", why, remedy ? "; " : "", remedy ? remedy : "");
    event_base_loopbreak(w->base);
}

/* What is worth knowing of a step that went well. */
static void pass(const struct walk *w, enum step step)
{
    const struct upstream_config *config = w->hops[w->hop];
    bool jump = w->hop < w->hop_count;
    const char *before = jump ? "jump host " : "";
    const char *host = jump ? config->host : "";
    const char *colon = jump ? ": " : "";
    const struct proxy_config *proxy = proxy_of(w);

    switch (step) {
    case STEP_NAME:
        if (proxy)
            say("ok", step, "proxy %s: %.*s", proxy->host,
                STR_FMT(strbuf_str(&w->addresses)));
        else
            say("ok", step, "%s%s: %.*s", before, config->host,
                STR_FMT(strbuf_str(&w->addresses)));
        break;
    case STEP_PROXY:
        say("ok", step, "port %u, and it lets us in", proxy->port);
        break;
    case STEP_TCP:
        say("ok", step, "%s%s%sport %u%s", before, host, colon, config->port,
            proxy ? ", as the proxy says" : "");
        break;
    case STEP_LOGIN:
        say("ok", step, "%s%s%sas %s", before, host, colon, config->user);
        break;
    case STEP_SOCKET:
    case STEP_CHANNEL:
        say("ok", step, "to %s", config->path);
        break;
    case STEP_SSH:
        say("ok", step, "%s%s%skeys are exchanged", before, host, colon);
        break;
    case STEP_HOST_KEY:
        say("ok", step, "%s%s%sis the one that is trusted", before, host,
            colon);
        break;
    case STEP_ENGINE:
    case STEP_API:
    case STEP_ID:
    case STEP_RUNNER:
    case STEP_PORTS:
    case STEP_END:
        break; /* told by the engine's answer */
    }
}

/* All steps before STEP went well. */
static void reach(struct walk *w, enum step step)
{
    for (; w->at < step; w->at++) {
        if (has_step(w, w->at))
            pass(w, w->at);
    }
}

/* COUNT jump hosts are behind us. */
static void reach_hop(struct walk *w, unsigned count)
{
    for (; w->hop < count && w->hop < w->hop_count; w->hop++) {
        reach(w, STEP_CHANNEL);
        w->at = STEP_TCP; /* it looks up the name of the next */
    }
}

static unsigned minor_of(const char *version)
{
    struct str major, minor;
    uint64_t number;

    if (!version || !str_cut(str_from(version), '.', &major, &minor) ||
        !str_eq(major, S("1")) || str_to_u64(minor, &number) < 0 ||
        number > 1000)
        return 0;
    return (unsigned)number;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "?";
}

/* What is known of a number says little of a distribution's package of it. */
static void tell_faults(const json_t *component)
{
    AUTO(strbuf_fini) struct strbuf ids = STRBUF(LIMIT_STEP);
    const char *name = text_of(component, "Name");
    const char *version = text_of(component, "Version");
    const char *commit =
        text_of(json_object_get(component, "Details"), "GitCommit");
    bool packaged = engine_fault_is_packaged(str_from(version)) ||
                    engine_fault_is_packaged(str_from(commit));
    const struct engine_fault *fault = NULL;

    while (
        (fault = engine_fault_next(fault, str_from(name), str_from(version)))) {
        if (packaged)
            strbuf_addf(&ids, "%s%s", ids.len ? ", " : "", fault->id);
        else
            say("warn", STEP_ENGINE, "%s %s has %s, unless it was patched: %s",
                name, version, fault->id, fault->what);
    }
    if (ids.len)
        say("note", STEP_ENGINE,
            "%s %s is a distribution's package, whose fixes do not show in its "
            "number: see its security tracker for %.*s",
            name, version, STR_FMT(strbuf_str(&ids)));
}

/* Nobody listens on port 1: what matters is who says so. */
static void on_port(struct stream *stream, void *arg)
{
    struct walk *w = arg;

    if (stream->state == STREAM_OPENING)
        return;
    if (stream->why && strstr(stream->why, "prohibited"))
        say("warn", STEP_PORTS,
            "ports that containers publish are not reached: the SSH server "
            "does not permit %s; run deploy/host-setup.sh there with --ports "
            "%s",
            w->port_address, w->port_address);
    else
        say("ok", STEP_PORTS, "on %s over there", w->port_address);
    event_base_loopbreak(w->base);
}

static void try_ports(struct walk *w)
{
    w->stream = upstream_open_port(w->upstream, w->port_address, 1, on_port, w);
    if (!w->stream)
        event_base_loopbreak(w->base);
}

/* ---- the runner's own container ---- */

/* What of it the jobs can have. */
static void tell_mounts(const struct walk *w, const json_t *mounts)
{
    AUTO(strbuf_fini) struct strbuf all = STRBUF(LIMIT_STEP);
    const json_t *mount;
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        const char *source = text_of(mount, "Source");

        strbuf_addf(&all, "%s%s", i ? ", " : "", text_of(mount, "Destination"));
        if (path_is_engine_socket(str_from(source)))
            say("warn", STEP_RUNNER,
                "%s mounts %s: who has the engine's own socket needs no berth, "
                "and owns the host",
                w->runner, source);
    }
    if (all.len)
        say("ok", STEP_RUNNER, "%s mounts %.*s", w->runner,
            STR_FMT(strbuf_str(&all)));
    else
        say("warn", STEP_RUNNER,
            "%s mounts nothing, so there is nothing in it that a job can mount",
            w->runner);
}

static void try_ports_if_any(struct walk *w)
{
    if (!*w->port_address)
        event_base_loopbreak(w->base);
    else
        try_ports(w);
}

static void on_runner(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    struct walk *w = arg;
    AUTO(json_decrefp)
    json_t *runner = head ? json_loadb(body.ptr, body.len, 0, NULL) : NULL;

    w->subrequest = NULL;
    if (!head)
        say("warn", STEP_RUNNER, "%s", why);
    else if (head->status != 200 ||
             !runner_is_named(runner, str_from(w->runner)) ||
             !runner_is_foreign(runner))
        say("warn", STEP_RUNNER,
            "the engine has no container %s, or a runner has made it: see "
            "container.runner; nothing that is \"by\": \"container\" can be "
            "mounted",
            w->runner);
    else
        tell_mounts(w, json_object_get(runner, "Mounts"));
    try_ports_if_any(w);
}

static void look_at_runner(struct walk *w)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_STEP);

    strbuf_add(&path, S("/containers/"));
    target_put_segment(&path, str_from(w->runner));
    strbuf_add(&path, S("/json"));
    w->subrequest = subrequest_new(w->base, w->pool, METHOD_GET,
                                   strbuf_str(&path), S(""), on_runner, w);
}

static void on_networks(bool good, void *arg)
{
    struct walk *w = arg;

    w->networks = NULL;
    w->good = good;
    if (w->runner)
        look_at_runner(w);
    else
        try_ports_if_any(w);
}

static bool has(const struct strings *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!strcmp(list->items[i], word))
            return true;
    }
    return false;
}

/* One that does not tell its ID can do no worse than be taken for another. */
static void on_info(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    AUTO(strbuf_fini) struct strbuf other = STRBUF(LIMIT_REASON);
    struct walk *w = arg;
    json_auto_t *info = head && head->status == 200
                            ? json_loadb(body.ptr, body.len, 0, NULL)
                            : NULL;
    const char *id = json_string_value(json_object_get(info, "ID"));
    const struct strings *wanted = &w->config->engines;

    (void)why;
    w->subrequest = NULL;
    w->at = STEP_ID;
    if (wanted->count && !(id && has(wanted, id))) {
        strbuf_addf(&other,
                    "it is another engine (%.127s) than %s upstream.engine "
                    "names%s%s",
                    id ? id : "it tells no ID",
                    wanted->count == 1 ? "the one that" : "those that",
                    wanted->count == 1 ? ", " : "",
                    wanted->count == 1 ? wanted->items[0] : "");
        fail(w, strbuf_cstr(&other));
        return;
    }
    if (!id && w->ids) {
        fail(w, "it tells no ID, without which it cannot be told from others");
        return;
    }
    if (w->ids && has(w->ids, id)) {
        fail(w, "it is the engine of a host before; let upstream.url name it "
                "once");
        return;
    }
    if (w->ids)
        strings_add(w->ids, str_from(id));
    if (id)
        say("ok", STEP_ID, "%s, for upstream.engine", id);
    w->good = true;
    w->networks = connect_networks_new(w->base, w->pool, info, on_networks, w);
}

static void judge_version(struct walk *w, const json_t *version)
{
    const json_t *components = json_object_get(version, "Components");
    unsigned newest = minor_of(text_of(version, "ApiVersion"));
    unsigned oldest = minor_of(text_of(version, "MinAPIVersion"));

    if (newest == 0) {
        fail(w, "what answers tells no version of an engine");
        return;
    }
    say("ok", STEP_ENGINE, "%s on %s/%s, Linux %s", text_of(version, "Version"),
        text_of(version, "Os"), text_of(version, "Arch"),
        text_of(version, "KernelVersion"));
    w->at = STEP_API;
    if (newest < API_MINOR_OLDEST) {
        fail(w, "the engine is too old: berth needs API 1.24, which came "
                "with Docker 1.12");
        return;
    }
    say(oldest > API_MINOR_NEWEST ? "warn" : "ok", STEP_API,
        "1.%u down to 1.%u; berth knows 1.%d down to 1.%d", newest, oldest,
        API_MINOR_NEWEST, API_MINOR_OLDEST);
    for (size_t i = 0; i < json_array_size(components); i++)
        tell_faults(json_array_get(components, i));
    w->subrequest = subrequest_new(w->base, w->pool, METHOD_GET, S("/info"),
                                   S(""), on_info, w);
}

static void on_version(const struct http_head *head, struct str body,
                       const char *why, void *arg)
{
    struct walk *w = arg;
    char text[80];

    w->subrequest = NULL;
    if (!head) {
        fail(w, why);
    } else if (head->status != 200) {
        snprintf(text, sizeof(text), "it answers with status %u",
                 (unsigned)head->status);
        fail(w, text);
    } else {
        json_auto_t *version = json_loadb(body.ptr, body.len, 0, NULL);

        judge_version(w, version);
    }
}

static void on_change(struct stream *stream, void *arg)
{
    struct walk *w = arg;

    if (stream->state == STREAM_OPENING)
        return;
    if (stream->state == STREAM_CLOSED && stream->why) {
        fail(w, stream->why);
        return;
    }
    reach(w, STEP_ENGINE);
    stream_close(stream);
    w->stream = NULL;
    w->pool = pool_new(w->base, w->upstream);
    w->subrequest = subrequest_new(w->base, w->pool, METHOD_GET, S("/version"),
                                   S(""), on_version, w);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct walk *w = arg;
    char text[80];

    (void)fd;
    (void)what;
    snprintf(text, sizeof(text), "no answer within %u ms",
             w->config->connect_timeout_ms);
    fail(w, text);
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
        reach_hop(w, w->hop_count);
        reach(w, STEP_CHANNEL);
        open_stream(w);
    } else if (!status.up) {
        reach_hop(w, status.hops);
        reach(w, step_of[status.stage]);
        fail(w, status.why);
    }
}

/* The addresses of the host, as the link will find them again. */
static bool look_up(struct walk *w)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct proxy_config *proxy = proxy_of(w);
    const char *host = proxy ? proxy->host : w->hops[0]->host;
    const char *what = proxy ? "proxy " : w->hop_count ? "jump host " : "";
    struct addrinfo *found;
    char address[NI_MAXHOST];
    int error = getaddrinfo(host, NULL, &hints, &found);

    if (error) {
        strbuf_addf(&w->addresses, "%s%s: %s", what, host, gai_strerror(error));
        fail(w, strbuf_cstr(&w->addresses));
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
    if (!has_step(&w, STEP_NAME) || look_up(&w)) {
        reach(&w, has_step(&w, STEP_PROXY) ? STEP_PROXY
                  : has_step(&w, STEP_TCP) ? STEP_TCP
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
