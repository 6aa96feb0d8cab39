#include "proxy/cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/base/policy_file.h"
#include "proxy/cli/connect_check.h"

static const char usage[] =
    "usage: berth check [--connect] FILE\n"
    "\n"
    "Say what is wrong with the policy in FILE (\"-\": standard input), with\n"
    "line and column; or print it as it would be in effect, with presets,\n"
    "defaults and environment filled in, and what the runner is called on the\n"
    "engine where that is not its own name. With --connect, go the way to the\n"
    "engine that it tells instead, and say at which step it ends, and why.\n"
    "Exit code 0 when all is good, 1 when the engine is not reached, 2 when "
    "the\npolicy is wrong.\n";

static int connect_it(const struct policy *policy)
{
    return connect_check(policy) ? EXIT_OK : EXIT_DENIED;
}

/* What was read in OpenSSH's files, and is of no use here. */
static void tell_not_followed(const struct upstream_config *config)
{
    for (; config; config = config->jump)
        for (size_t i = 0; i < config->not_followed.count; i++) {
            AUTO(strbuf_fini) struct strbuf line = STRBUF(64 * KIB);

            strbuf_add_visible(&line, str_from(config->not_followed.items[i]));
            fprintf(stderr, "%.*s\n", STR_FMT(strbuf_str(&line)));
        }
}

/* Directories that berth copies, as the user that it is to run as. */
static void tell_copied(const struct policy *policy)
{
    const struct objects *mounts = &policy->rules.container.mounts;
    const struct mount_rule *rules = mounts->items;

    for (size_t i = 0; i < mounts->count; i++) {
        bool written = rules[i].mode == MOUNT_READ_WRITE;
        int wanted = R_OK | X_OK | (written ? W_OK : 0);

        if (rules[i].by == MOUNT_BY_COPY && access(rules[i].source, wanted) < 0)
            fprintf(stderr,
                    "container.mounts[%zu]: %s is copied by berth's own user, "
                    "and this one may not read%s it: %s\n",
                    i, rules[i].source, written ? " and write" : "",
                    strerror(errno));
    }
}

static int print_it(const struct policy *policy)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(8 * MIB);
    AUTO(strbuf_fini) struct strbuf warnings = STRBUF(64 * KIB);

    policy_put_effective(policy, &text);
    policy_put_warnings(policy, &warnings);
    printf("%.*s", STR_FMT(strbuf_str(&text)));
    fprintf(stderr, "%.*s", STR_FMT(strbuf_str(&warnings)));
    tell_copied(policy);
    for (size_t i = 0; i < policy_host_count(policy); i++)
        tell_not_followed(policy_host(policy, i));
    return EXIT_OK;
}

/* The runner's name and its namespace, if they are two. */
static void show_namespace(const struct policy *policy)
{
    if (strcmp(policy->runner, policy->namespace) != 0)
        fprintf(stderr, "namespace: \"%s\" is \"%s\" on the engine\n",
                policy->runner, policy->namespace);
}

int command_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"connect", no_argument, NULL, 'c'},
        {"help",    no_argument, NULL, 'h'},
        {NULL,      0,           NULL, 0  },
    };
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    int (*act)(const struct policy *) = print_it;
    struct policy *policy;
    int option, code;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c') {
            act = connect_it;
            continue;
        }
        fputs(usage, option == 'h' ? stdout : stderr);
        return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    if (policy_file_load(argv[optind], NULL, 0, &policy, &why)) {
        fprintf(stderr, "%.*s", STR_FMT(strbuf_str(&why)));
        return EXIT_TROUBLE;
    }
    show_namespace(policy);
    code = act(policy);
    policy_unref(policy);
    return code;
}
