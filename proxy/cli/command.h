#pragma once

/*
 * The commands of berth's command line. Each takes its own arguments (ARGV[0]
 * is its name) and returns the program's exit code.
 */

enum {
    EXIT_OK = 0,
    EXIT_DENIED = 1,  /* explain: the request would be refused; ping and check
                         --connect: no engine answers; status: not ready */
    EXIT_TROUBLE = 2, /* wrong use, wrong policy, no such file */
};

int command_serve(int argc, char **argv);
int command_check(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_learn(int argc, char **argv);
int command_keygen(int argc, char **argv);
int command_ping(int argc, char **argv);
int command_status(int argc, char **argv);
int command_clean(int argc, char **argv);
int command_stdio(int argc, char **argv);

/* The path in "unix:PATH", "unix:///PATH" or just the path. */
const char *socket_path(const char *text);
