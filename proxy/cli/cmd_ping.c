#include "proxy/cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>

#include "policy/base/limits.h"
#include "proxy/cli/local_get.h"

enum {
    REPLY_MAX = 64 * KIB,
};

static const char usage[] =
    "usage: berth ping [unix:PATH]\n"
    "\n"
    "Does a berth answer on this socket, and the engine behind it? Says why\n"
    "if not. PATH is /run/berth/docker.sock unless given. Exit code 0 when "
    "the\n"
    "engine answers, else 1: a health check that needs no shell.\n";

/* What berth's answer says, or all of it when it is no answer of berth's. */
static void complain(const char *path, int status, struct strbuf *body)
{
    json_auto_t *reply = json_loads(strbuf_cstr(body), 0, NULL);
    const char *message = json_string_value(json_object_get(reply, "message"));

    fprintf(stderr, "berth: %s answers %d: %s\n", path, status,
            message ? message : strbuf_cstr(body));
}

static int ping(const char *path)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(REPLY_MAX);
    int status = 0;
    int r = local_get(path, S("/_ping"), &status, &body);

    if (r == -EAGAIN)
        fprintf(stderr,
                "berth: no answer on %s in time; berth's log says what it "
                "waits for\n",
                path);
    else if (r < 0)
        fprintf(stderr, "berth: nobody serves %s: %s\n", path, strerror(-r));
    else if (status != 200)
        complain(path, status, &body);
    return r < 0 || status != 200 ? EXIT_DENIED : EXIT_OK;
}

int command_ping(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {NULL,   0,           NULL, 0  },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        fputs(usage, option == 'h' ? stdout : stderr);
        return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
    }
    if (optind + 1 < argc) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    return ping(optind < argc ? socket_path(argv[optind])
                              : "/run/berth/docker.sock");
}
