#include "proxy/command.h"

#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proxy/berth.h"
#include "proxy/listener.h"
#include "proxy/log.h"
#include "proxy/policy_file.h"
#include "proxy/session.h"
#include "proxy/upstream_new.h"

enum {
    POLICIES_MAX = 64,
    /* clients over the limit that are still told so, each for a moment */
    BUSY_CLIENTS = 64,
};

struct server {
    struct event_base *base;
    struct berth *berths;
    struct harbour *harbours;
    struct event *signals[4];
    struct event *drain; /* the end of our patience */
    bool stopping;
};

/* ---- coming up ---- */

static struct harbour *find_harbour(struct server *server,
                                    struct policy *policy)
{
    struct harbour *h;

    for (h = server->harbours; h; h = h->next) {
        if (upstream_config_eq(&h->policy->upstream, &policy->upstream))
            return h;
    }
    h = xcalloc(1, sizeof(*h));
    h->policy = policy_ref(policy);
    h->upstream = upstream_new(server->base, &h->policy->upstream);
    h->pool =
        pool_new(server->base, h->upstream, policy->upstream.spare_channels);
    h->engine = engine_new(server->base, h->upstream, h->pool);
    h->next = server->harbours;
    server->harbours = h;
    return h;
}

static void on_client(int fd, void *arg)
{
    struct berth *berth = arg;
    unsigned limit = berth->policy->listen.clients;

    if (berth->session_count >= limit + BUSY_CLIENTS)
        close(fd);
    else
        session_new(berth, fd, berth->session_count >= limit);
}

static void berth_free(struct berth *berth)
{
    listener_free(berth->listener);
    audit_sink_free(berth->audit);
    policy_unref(berth->policy);
    free(berth);
}

/* POLICY is handed over, also on failure. */
static int add_berth(struct server *server, struct policy *policy,
                     int activated)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct berth *berth = xcalloc(1, sizeof(*berth));
    int r;

    berth->base = server->base;
    berth->policy = policy;
    r = audit_sink_new(policy->audit.to, &berth->audit);
    if (r < 0)
        strbuf_addf(&why,
                    "cannot open the audit file %s: %s; audit.to must "
                    "name a place that this user may write to",
                    policy->audit.to, strerror(-r));
    else
        r = listener_new(server->base, &policy->listen, activated, on_client,
                         berth, &berth->listener, &why);
    if (r < 0) {
        fprintf(stderr, "berth: %s\n", strbuf_cstr(&why));
        berth_free(berth);
        return r;
    }
    berth->harbour = find_harbour(server, policy);
    berth->next = server->berths;
    server->berths = berth;
    log_info("serving %s on %s, engine at %s", policy->namespace,
             policy->listen.path, policy->upstream.url);
    return 0;
}

/* ---- going down ---- */

static void stop_if_empty(struct server *server)
{
    if (!server->stopping)
        return;
    for (struct berth *b = server->berths; b; b = b->next) {
        if (b->session_count)
            return;
    }
    event_base_loopbreak(server->base);
}

static void on_empty(struct berth *berth, void *arg)
{
    (void)berth;
    stop_if_empty(arg);
}

static void shut_sessions(struct server *server, bool now)
{
    for (struct berth *b = server->berths; b; b = b->next) {
        struct session *next;

        for (struct session *s = b->sessions; s; s = next) {
            next = session_next(s);
            session_shutdown(s, now);
        }
    }
}

static void on_drain_end(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd;
    (void)what;
    log_warn("the time for open exchanges is over");
    shut_sessions(server, true);
    stop_if_empty(server);
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
        b->listener = listener_free(b->listener);
        b->on_empty = on_empty;
        b->on_empty_arg = server;
        if (b->policy->timeouts.drain > longest)
            longest = b->policy->timeouts.drain;
    }
    log_info("stopping once open exchanges are over, or in %u ms", longest);
    event_add(server->drain,
              &(struct timeval){longest / 1000, longest % 1000 * 1000});
    shut_sessions(server, false);
    stop_if_empty(server);
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd;
    (void)what;
    for (struct berth *b = server->berths; b; b = b->next)
        audit_sink_reopen(b->audit);
    log_info("audit files opened anew");
}

/* ---- the command ---- */

/* Every client and every stream of a socket upstream is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

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
    struct berth *next_berth;
    struct harbour *next_harbour;

    shut_sessions(server, true);
    /* sessions free themselves in a turn of the loop */
    event_base_loop(server->base, EVLOOP_NONBLOCK);
    for (struct berth *b = server->berths; b; b = next_berth) {
        next_berth = b->next;
        berth_free(b);
    }
    for (struct harbour *h = server->harbours; h; h = next_harbour) {
        next_harbour = h->next;
        engine_free(h->engine);
        pool_free(h->pool);
        upstream_free(h->upstream);
        policy_unref(h->policy);
        free(h);
    }
    event_base_loop(server->base, EVLOOP_NONBLOCK);
    for (size_t i = 0; i < 3; i++) {
        if (server->signals[i])
            event_free(server->signals[i]);
    }
    if (server->drain)
        event_free(server->drain);
    event_base_free(server->base);
}

static void print_warnings(const struct policy *policy)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(64 * KIB);
    struct str rest, line;

    policy_put_warnings(policy, &text);
    rest = strbuf_str(&text);
    while (str_cut(rest, '\n', &line, &rest) || line.len)
        log_warn("policy of %s: %.*s", policy->namespace, STR_FMT(line));
}

/* Load the policy in PATH and serve it. */
static int serve_policy(struct server *server, const char *path,
                        const struct policy_override *overrides, size_t count,
                        int activated)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct policy *policy;
    int r = policy_file_load(path, overrides, count, &policy, &why);

    if (r) {
        fprintf(stderr, "%.*s", STR_FMT(strbuf_str(&why)));
        return r;
    }
    print_warnings(policy);
    return add_berth(server, policy, activated);
}

static const char usage[] =
    "usage: berth serve [--policy FILE]... [--listen unix:PATH]\n"
    "                   [--upstream URL] [--namespace NAME] [--verbose]\n"
    "\n"
    "Serve each policy's listener until SIGTERM. Without --policy: the preset\n"
    "compose-tests, the host name as namespace, and $BERTH_UPSTREAM or\n"
    "$DOCKER_HOST or the local engine as upstream.\n";

int command_serve(int argc, char **argv)
{
    static const struct option options[] = {
        {"policy",    required_argument, NULL, 'p'},
        {"listen",    required_argument, NULL, 'l'},
        {"upstream",  required_argument, NULL, 'u'},
        {"namespace", required_argument, NULL, 'n'},
        {"verbose",   no_argument,       NULL, 'v'},
        {"help",      no_argument,       NULL, 'h'},
        {NULL,        0,                 NULL, 0  },
    };
    struct policy_override overrides[3];
    const char *policies[POLICIES_MAX] = {NULL};
    size_t override_count = 0, policy_count = 0;
    struct server server = {0};
    int option, activated, r = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        const char *key = NULL, *value = optarg;

        switch (option) {
        case 'p':
            if (policy_count == POLICIES_MAX) {
                fprintf(stderr, "berth: %d policies at most\n", POLICIES_MAX);
                return EXIT_TROUBLE;
            }
            policies[policy_count++] = optarg;
            continue;
        case 'l':
            key = "listen.path";
            value = strncmp(optarg, "unix:", 5) ? optarg : optarg + 5;
            if (!strncmp(value, "//", 2))
                value += 2;
            break;
        case 'u':
            key = "upstream.url";
            break;
        case 'n':
            key = "namespace";
            break;
        case 'v':
            log_set_level(LOG_LEVEL_DEBUG);
            continue;
        case 'h':
            fputs(usage, stdout);
            return EXIT_OK;
        default:
            fputs(usage, stderr);
            return EXIT_TROUBLE;
        }
        if (override_count == 3) {
            fputs(usage, stderr);
            return EXIT_TROUBLE;
        }
        overrides[override_count++] = (struct policy_override){key, value};
    }
    if (optind < argc || (policy_count > 1 && override_count)) {
        fprintf(stderr, "berth: %s\n%s",
                optind < argc ? "too many arguments"
                              : "--listen, --upstream and --namespace go "
                                "with one policy",
                usage);
        return EXIT_TROUBLE;
    }
    raise_descriptor_limit();
    server.base = event_base_new();
    watch_signals(&server);
    activated = listener_activated();
    for (size_t i = 0; r == 0 && i < (policy_count ? policy_count : 1); i++)
        r = serve_policy(&server, policies[i], overrides, override_count,
                         (int)i < activated ? 3 + (int)i : -1);
    if (r == 0)
        event_base_dispatch(server.base);
    server_fini(&server);
    return r ? EXIT_TROUBLE : EXIT_OK;
}
