#include "proxy/cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/ssh/key_pair.h"

static const char usage[] =
    "usage: berth keygen FILE\n"
    "\n"
    "Make an ed25519 key for berth to log in to the Docker host with: the\n"
    "private half in FILE, the public one in FILE.pub. Says how to have it "
    "let\n"
    "in there. Exit code 0, or 2 when there is such a file already, or none\n"
    "can be made. (upstream.generate_identity in a policy does the same when\n"
    "berth starts.)\n";

int command_keygen(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {NULL,   0,           NULL, 0  },
    };
    AUTO(strbuf_fini) struct strbuf comment = STRBUF(256);
    AUTO(strbuf_fini) struct strbuf public = STRBUF(4 * KIB);
    AUTO(strbuf_fini) struct strbuf advice = STRBUF(16 * KIB);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(16 * KIB);
    char host[128] = "";
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        fputs(usage, option == 'h' ? stdout : stderr);
        return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    gethostname(host, sizeof(host) - 1);
    strbuf_addf(&comment, "berth-%s", host);
    if (key_pair_make(argv[optind], strbuf_cstr(&comment), &public, &why) < 0) {
        fprintf(stderr, "berth: %.*s\n", STR_FMT(strbuf_str(&why)));
        return EXIT_TROUBLE;
    }
    key_pair_put_advice(&advice, strbuf_cstr(&public), "/var/run/docker.sock");
    printf("made %s, which stays here, and %s.pub; %.*s", argv[optind],
           argv[optind], STR_FMT(strbuf_str(&advice)));
    return EXIT_OK;
}
