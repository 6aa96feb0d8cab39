#include "proxy/cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/base/log.h"
#include "proxy/base/policy_file.h"
#include "proxy/cli/stdio_relay.h"
#include "proxy/sandbox/sandbox.h"
#include "proxy/server/frontend.h"
#include "proxy/server/session.h"

static const char usage[] =
    "usage: berth stdio --policy FILE\n"
    "\n"
    "Serve one client on standard input and output, under a policy. For the\n"
    "Docker host, as the command= of an SSH key: whoever has the key can do "
    "no\n"
    "more than the policy says. What the client wants to run there is not "
    "run.\n";

/* What "docker -H ssh://" and a berth on the other side ask for ends so. */
static const struct str dial_stdio = STR("system dial-stdio");

struct stdio {
    struct runtime runtime;
    struct frontend *frontend;
    struct stdio_relay *relay;
    struct event *stop;
    struct sandbox sandbox;
    bool idle; /* no session */
    bool told; /* and no more output */
};

/*
 * Did an SSH client ask for what we do? It gets nothing else, whatever it
 * wants, but it should learn so, instead of waiting for a shell.
 */
static bool is_wanted(void)
{
    const char *command = getenv("SSH_ORIGINAL_COMMAND");
    struct str wanted = str_from(command ? command : "");

    if (!getenv("SSH_CONNECTION"))
        return true;
    return wanted.len >= dial_stdio.len &&
           str_eq(str_from_index(wanted, wanted.len - dial_stdio.len),
                  dial_stdio);
}

/* Where the client is, for the record. */
static char *origin(void)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(256);
    const char *connection = getenv("SSH_CONNECTION");
    struct str host, port, rest;

    if (!connection)
        return xstrdup("stdio");
    str_cut(str_from(connection), ' ', &host, &rest);
    str_cut(rest, ' ', &port, &rest);
    strbuf_addf(&text, "ssh from %.*s port %.*s", STR_FMT(str_head(host, 64)),
                STR_FMT(str_head(port, 8)));
    return xstr_dup(strbuf_str(&text));
}

static void maybe_end(struct stdio *s)
{
    if (s->idle && s->told)
        event_base_loopbreak(s->runtime.base);
}

static void on_empty(struct frontend *frontend, void *arg)
{
    struct stdio *s = arg;

    (void)frontend;
    s->idle = true;
    maybe_end(s);
}

static void on_told(void *arg)
{
    struct stdio *s = arg;

    s->told = true;
    maybe_end(s);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct stdio *s = arg;

    (void)fd;
    (void)what;
    frontend_stop(s->frontend, true);
}

/* Nothing of it is for the client's eyes. */
static void confine(struct stdio *s, const char *path, struct policy *policy)
{
    const struct policies all = {.items = {policy}, .count = 1};

    if (!sandbox_impossible())
        sandbox_enter(&s->sandbox, &path, 1, &all);
}

static int serve(struct stdio *s, const char *path, struct policy *policy,
                 struct strbuf *why)
{
    int pair[2];

    runtime_init(&s->runtime);
    s->frontend = frontend_open(&s->runtime, policy, FRONTEND_INHERITS, why);
    if (!s->frontend)
        return -EIO;
    free(s->frontend->path);
    s->frontend->path = origin();
    s->frontend->on_empty = on_empty;
    s->frontend->on_empty_arg = s;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   pair) < 0) {
        strbuf_addf(why, "no socket: %s", strerror(errno));
        return -EMFILE;
    }
    signal(SIGPIPE, SIG_IGN);
    s->stop = evsignal_new(s->runtime.base, SIGTERM, on_stop, s);
    event_add(s->stop, NULL);
    session_new(s->frontend, pair[0], false);
    s->relay = stdio_relay_new(s->runtime.base, STDIN_FILENO, STDOUT_FILENO,
                               pair[1], on_told, s);
    confine(s, path, policy);
    event_base_dispatch(s->runtime.base);
    return 0;
}

static void stdio_fini(struct stdio *s)
{
    sandbox_fini(&s->sandbox);
    stdio_relay_free(s->relay);
    frontend_free(s->frontend);
    if (s->stop)
        event_free(s->stop);
    runtime_fini(&s->runtime);
}

/* Standard output is the client's, so nothing else may go there. */
static bool is_usable(const struct policy *policy, struct strbuf *why)
{
    bool clash = policy->audit.to && !strcmp(policy->audit.to, "stdout");

    if (clash)
        strbuf_addf(why, "audit.to: standard output is the client's here; "
                         "write a file or \"syslog\"");
    else if (isatty(STDIN_FILENO))
        strbuf_addf(why, "this speaks the Docker API on standard input, which "
                         "is a terminal; use docker -H ssh://");
    return why->len == 0;
}

static int run(const char *path)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct policy *policy = NULL;
    struct stdio s = {0};
    int r = policy_file_load(path, NULL, 0, &policy, &why);

    log_set_level(LOG_LEVEL_WARN); /* the client may see it */
    if (r == 0 && !is_usable(policy, &why))
        r = -EINVAL;
    if (r == 0) {
        policy_serve_one(policy);
        r = serve(&s, path, policy, &why);
        stdio_fini(&s);
    }
    if (r)
        fprintf(stderr, "berth: %.*s\n", STR_FMT(str_trim(strbuf_str(&why))));
    policy_unref(policy);
    return r ? EXIT_TROUBLE : EXIT_OK;
}

int command_stdio(int argc, char **argv)
{
    static const struct option options[] = {
        {"policy", required_argument, NULL, 'p'},
        {"help",   no_argument,       NULL, 'h'},
        {NULL,     0,                 NULL, 0  },
    };
    const char *path = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p') {
            path = optarg;
            continue;
        }
        fputs(usage, option == 'h' ? stdout : stderr);
        return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
    }
    if (!path || optind < argc) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    if (!is_wanted()) {
        fputs("berth: this account only speaks the Docker API; use docker -H "
              "ssh://\n",
              stderr);
        return EXIT_DENIED;
    }
    return run(path);
}
