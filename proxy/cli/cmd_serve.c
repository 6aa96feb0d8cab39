#include "proxy/cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base/json_pool.h"
#include "proxy/base/log.h"
#include "proxy/server/server.h"

static const char usage[] =
    "usage: berth serve [--policy FILE]... [--listen unix:PATH]\n"
    "                   [--upstream URL] [--namespace NAME] [--verbose]\n"
    "                   [--take-over] [--share-namespace] [--no-sandbox]\n"
    "\n"
    "Serve each policy's listener until SIGTERM. A FILE that is a directory\n"
    "stands for all in it that end in .json. Without --policy: the preset\n"
    "compose-tests, the host name as namespace, and $BERTH_UPSTREAM or\n"
    "$DOCKER_HOST or the local engine as upstream. --take-over gets the\n"
    "sockets from a berth that serves them now, as soon as the engines "
    "answer;\n"
    "that one goes on for the clients it has, and ends. --share-namespace\n"
    "is for a runner that several processes serve: without, a namespace on an\n"
    "engine is served by one process of this machine. --no-sandbox is for\n"
    "debugging: the process then keeps what it does not need.\n";

const char *socket_path(const char *text)
{
    if (strncmp(text, "unix:", 5) != 0)
        return text;
    text += 5;
    return strncmp(text, "//", 2) == 0 ? text + 2 : text;
}

int command_serve(int argc, char **argv)
{
    static const struct option options[] = {
        {"policy",          required_argument, NULL, 'p'},
        {"listen",          required_argument, NULL, 'l'},
        {"upstream",        required_argument, NULL, 'u'},
        {"namespace",       required_argument, NULL, 'n'},
        {"verbose",         no_argument,       NULL, 'v'},
        {"take-over",       no_argument,       NULL, 't'},
        {"share-namespace", no_argument,       NULL, 'm'},
        {"no-sandbox",      no_argument,       NULL, 's'},
        {"help",            no_argument,       NULL, 'h'},
        {NULL,              0,                 NULL, 0  },
    };
    /* no more of either than there are arguments */
    struct policy_override *overrides =
        xcalloc((size_t)argc + 1, sizeof(*overrides));
    const char **files = xcalloc((size_t)argc + 1, sizeof(*files));
    struct server_config config = {.files = files, .overrides = overrides};
    int option, code = -1;

    json_pool_begin();
    while (code < 0 &&
           (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        struct policy_override *override = &overrides[config.override_count];

        switch (option) {
        case 'p':
            files[config.file_count++] = optarg;
            break;
        case 'l':
            *override =
                (struct policy_override){"listen.path", socket_path(optarg)};
            config.override_count++;
            break;
        case 'u':
            *override = (struct policy_override){"upstream.url", optarg};
            config.override_count++;
            break;
        case 'n':
            *override = (struct policy_override){"namespace", optarg};
            config.override_count++;
            break;
        case 'v':
            log_set_level(LOG_LEVEL_DEBUG);
            break;
        case 't':
            config.takes_over = true;
            break;
        case 'm':
            config.shares = true;
            break;
        case 's':
            config.unconfined = true;
            break;
        case 'h':
            fputs(usage, stdout);
            code = EXIT_OK;
            break;
        default:
            fputs(usage, stderr);
            code = EXIT_TROUBLE;
        }
    }
    if (code < 0 &&
        (optind < argc || (config.file_count > 1 && config.override_count))) {
        fprintf(stderr, "berth: %s\n%s",
                optind < argc ? "too many arguments"
                              : "--listen, --upstream and --namespace go "
                                "with one policy",
                usage);
        code = EXIT_TROUBLE;
    }
    if (code < 0) {
        code = server_run(&config) ? EXIT_TROUBLE : EXIT_OK;
    }
    free(overrides);
    free(files);
    return code;
}
