#include <stdio.h>
#include <string.h>

#include "proxy/base/version.h"
#include "proxy/cli/command.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"serve",   command_serve,
     "serve a policy's listener (what plain berth does)"                       },
    {"check",   command_check,   "say what is wrong with a policy, or print it"},
    {"explain", command_explain, "what a policy says to a request, and why"    },
    {"audit",   command_audit,   "print the record of calls, for people"       },
    {"learn",   command_learn,   "the smallest policy that allows a record"    },
    {"keygen",  command_keygen,  "make a key to log in to the Docker host with"},
    {"ping",    command_ping,    "does the engine answer through a berth?"     },
    {"status",  command_status,  "how a running berth is"                      },
    {"clean",   command_clean,   "remove what runners that are gone have left" },
    {"stdio",   command_stdio,
     "serve a client on standard input and output: for an SSH key"             },
};

static int help(FILE *out)
{
    fputs("usage: berth [COMMAND] [OPTION]...\n\n", out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        fprintf(out, "  berth %-8s  %s\n", commands[i].name, commands[i].help);
    fputs("\nberth COMMAND --help tells more. Exit codes: 0 good (explain: "
          "allowed; status:\nready), 1 denied (explain), not ready (status) or "
          "no engine (ping,\ncheck --connect), 2 wrong use or wrong policy.\n",
          out);
    return out == stdout ? EXIT_OK : EXIT_TROUBLE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        puts("berth " BERTH_VERSION "\nbuilt with " BERTH_BUILT_WITH);
        return EXIT_OK;
    }
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")))
        return help(stdout);
    if (argc == 1 || argv[1][0] == '-')
        return command_serve(argc, argv);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "berth: there is no command \"%s\"\n", argv[1]);
    return help(stderr);
}
