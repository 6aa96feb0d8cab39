#include "proxy/command.h"

#include <getopt.h>
#include <stdio.h>

#include "proxy/policy_file.h"

static const char usage[] =
    "usage: berth check FILE\n"
    "\n"
    "Say what is wrong with the policy in FILE (\"-\": standard input), with\n"
    "line and column; or print it as it would be in effect, with presets,\n"
    "defaults and environment filled in. Exit code 0 when it is good, else "
    "2.\n";

int command_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {NULL,   0,           NULL, 0  },
    };
    AUTO(strbuf_fini) struct strbuf text = STRBUF(8 * MIB);
    AUTO(strbuf_fini) struct strbuf warnings = STRBUF(64 * KIB);
    struct policy *policy;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        fputs(usage, option == 'h' ? stdout : stderr);
        return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    if (policy_file_load(argv[optind], NULL, 0, &policy, &text)) {
        fprintf(stderr, "%.*s", STR_FMT(strbuf_str(&text)));
        return EXIT_TROUBLE;
    }
    policy_put_effective(policy, &text);
    policy_put_warnings(policy, &warnings);
    printf("%.*s", STR_FMT(strbuf_str(&text)));
    fprintf(stderr, "%.*s", STR_FMT(strbuf_str(&warnings)));
    policy_unref(policy);
    return EXIT_OK;
}
