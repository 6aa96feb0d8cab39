#include "proxy/cli/command.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proxy/base/policy_file.h"
#include "proxy/cli/local_get.h"

static const char usage[] =
    "usage: berth status --policy FILE | --socket PLACE [--json | --watch]\n"
    "\n"
    "Ask a running berth how it is, at the metrics.listen of the policy in "
    "FILE\n"
    "or at PLACE (a Unix socket's path, or ADDRESS:PORT). --json prints what "
    "it\n"
    "says as it is; --watch shows it anew every two seconds, until it is "
    "broken\n"
    "off. Exit code 0 when all links are up and the engines answer, "
    "1\n"
    "when not, 2 when nobody answers.\n";

#define STATUS_MAX (8 * MIB)

/* ---- printing ---- */

static long long number(const json_t *object, const char *key)
{
    return (long long)json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static void print_process(const json_t *p)
{
    const json_t *defence;
    size_t i;

    printf("berth %s (libssh2 %s, libevent %s), up %lld s, %.1f s of CPU\n",
           text(p, "version"), text(p, "libssh2"), text(p, "libevent"),
           number(p, "uptime_seconds"),
           json_number_value(json_object_get(p, "cpu_seconds")));
    printf("  memory %lld MiB, descriptors %lld of %lld, reloads %lld, refused "
           "%lld\n",
           number(p, "memory") >> 20, number(p, "descriptors"),
           number(p, "descriptors_limit"), number(p, "reloads"),
           number(p, "reloads_refused"));
    json_array_foreach(json_object_get(p, "defences"), i, defence)
    {
        printf("  %s\n", json_string_value(defence));
    }
}

static void print_engine(const json_t *e)
{
    bool up = json_is_true(json_object_get(e, "link_up"));

    printf("engine %s\n", text(e, "upstream"));
    if (up)
        printf("  link up, %s\n", json_is_true(json_object_get(e, "engine_up"))
                                      ? "the engine answers"
                                      : "but the engine does not answer");
    else
        printf("  link down: %s\n", text(e, "why"));
    if (*text(e, "engine_id"))
        printf("  its ID is %s\n", text(e, "engine_id"));
    printf("  links %lld; reconnects %lld; channels %lld; streams: %lld used, "
           "%lld idle, %lld opening, %lld waited for\n",
           number(e, "links"), number(e, "reconnects"), number(e, "channels"),
           number(e, "used"), number(e, "idle"), number(e, "opening"),
           number(e, "waiting"));
}

/* What clients wrote, harmless to a terminal and of one line. */
static void print_shown(const char *words)
{
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(16 * KIB);

    strbuf_add_visible(&shown, str_from(words));
    printf("%.*s", STR_FMT(strbuf_str(&shown)));
}

static void print_call(const json_t *call)
{
    printf("  runs for %.1f s: %s ",
           json_number_value(json_object_get(call, "seconds")),
           text(call, "operation"));
    print_shown(text(call, "path"));
    printf(", %lld bytes in, %lld out\n", number(call, "bytes_in"),
           number(call, "bytes_out"));
}

static void print_refusal(const json_t *refusal)
{
    struct str rest = str_from(text(refusal, "allow")), line;
    time_t last = (time_t)number(refusal, "time");
    char when[40];
    struct tm tm;

    gmtime_r(&last, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("  %s, %lld times, the last at %s: %s ", text(refusal, "verdict"),
           number(refusal, "count"), when, text(refusal, "operation"));
    print_shown(text(refusal, "path"));
    printf("\n    ");
    print_shown(text(refusal, "reason"));
    printf("\n");
    while (rest.len) {
        AUTO(strbuf_fini) struct strbuf entry = STRBUF(4 * KIB);

        str_cut(rest, '\n', &line, &rest);
        strbuf_add_visible(&entry, line);
        printf("    + %.*s\n", STR_FMT(strbuf_str(&entry)));
    }
}

/* Nothing of a runner that copies nothing. */
static void print_copies(const json_t *c)
{
    if (number(c, "rounds") == 0)
        return;
    printf("  copied %lld directories: %lld files (%lld bytes) to the engine, "
           "%lld (%lld bytes) back; removed %lld there, %lld here\n",
           number(c, "directories"), number(c, "files_out"),
           number(c, "bytes_out"), number(c, "files_in"), number(c, "bytes_in"),
           number(c, "removed_out"), number(c, "removed_in"));
    printf("  copies: %lld rounds, %lld failed; %lld files changed on both "
           "sides, %lld times one was left for later\n",
           number(c, "rounds"), number(c, "failed"), number(c, "conflicts"),
           number(c, "postponed"));
}

/* Nothing of a runner that publishes none; of UDP only where there was any. */
static void print_ports(const json_t *p)
{
    if (number(p, "listeners") || number(p, "carried") || number(p, "refused"))
        printf("  ports: %lld sockets, %lld connections; %lld carried, %lld "
               "refused\n",
               number(p, "listeners"), number(p, "connections"),
               number(p, "carried"), number(p, "refused"));
    if (number(p, "flows_carried") || number(p, "flows_refused"))
        printf("  ports of UDP: %lld clients; %lld carried, %lld refused; "
               "%lld datagrams in, %lld out, %lld lost\n",
               number(p, "flows"), number(p, "flows_carried"),
               number(p, "flows_refused"), number(p, "datagrams_in"),
               number(p, "datagrams_out"), number(p, "datagrams_lost"));
}

static void print_berth(const json_t *b)
{
    const json_t *requests = json_object_get(b, "requests");
    const json_t *open = json_object_get(b, "open"), *item;
    size_t i;

    printf("runner %s", text(b, "namespace"));
    if (strcmp(text(b, "runner"), text(b, "namespace")) != 0)
        printf(" (%s)", text(b, "runner"));
    printf(" on %s\n", text(b, "listener"));
    if (json_is_string(json_object_get(b, "host")))
        printf("  its host is %s\n", text(b, "host"));
    else
        printf("  it has no host yet\n");
    printf("  clients %lld of %lld; open: %lld requests, %lld streams, %lld "
           "tunnels\n",
           number(b, "clients"), number(b, "clients_limit"),
           number(open, "read") + number(open, "write"), number(open, "stream"),
           number(open, "upgrade"));
    if (*text(b, "lease"))
        printf("  lease: %s\n", text(b, "lease"));
    if (json_is_object(json_object_get(b, "objects"))) {
        const json_t *o = json_object_get(b, "objects");

        printf(
            "  has %lld containers, %lld networks, %lld volumes, %lld images "
            "(%lld bytes), %lld ports; %lld builds run\n",
            number(o, "containers"), number(o, "networks"),
            number(o, "volumes"), number(o, "images"), number(o, "image_bytes"),
            number(o, "ports"), number(b, "builds"));
    }
    print_ports(json_object_get(b, "ports"));
    print_copies(json_object_get(b, "copies"));
    printf("  requests: %lld allowed, %lld denied, %lld would be denied\n",
           number(requests, "allow"), number(requests, "deny"),
           number(requests, "would-deny"));
    printf("  bytes: %lld in, %lld out; asked the engine %lld times, knew %lld "
           "of %lld; audit records lost: %lld\n",
           number(b, "bytes_in"), number(b, "bytes_out"), number(b, "lookups"),
           number(b, "cache_hits"), number(b, "cache_requests"),
           number(b, "audit_failures"));
    json_array_foreach(json_object_get(b, "calls"), i, item)
    {
        print_call(item);
    }
    json_array_foreach(json_object_get(b, "refusals"), i, item)
    {
        print_refusal(item);
    }
}

static void print_all(const json_t *status)
{
    const json_t *item;
    size_t i;

    print_process(json_object_get(status, "process"));
    json_array_foreach(json_object_get(status, "engines"), i, item)
    {
        print_engine(item);
    }
    json_array_foreach(json_object_get(status, "berths"), i, item)
    {
        print_berth(item);
    }
}

/* ---- the command ---- */

/* How the status is shown. */
enum form { FORM_TEXT, FORM_JSON, FORM_WATCH };

/* Above what was there before, in the way of every terminal. */
#define CLEAR "\033[H\033[2J\033[3J"

enum { WATCH_S = 2 };

static int show_once(const char *place, enum form form)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(STATUS_MAX);
    json_auto_t *status = NULL;
    int code = 0, r = local_get(place, S("/status"), &code, &body);

    if (r == 0 && code == 200)
        status = json_loadb(body.ptr, body.len, 0, NULL);
    if (!status) {
        fprintf(stderr,
                "berth: no status from %s: %s; is berth running, with this "
                "place as metrics.listen?\n",
                place, r ? strerror(-r) : "what answers is none");
        return EXIT_TROUBLE;
    }
    if (form == FORM_WATCH)
        printf(CLEAR);
    if (form == FORM_JSON)
        printf("%.*s", STR_FMT(strbuf_str(&body)));
    else
        print_all(status);
    return json_is_true(json_object_get(status, "ready")) ? EXIT_OK
                                                          : EXIT_DENIED;
}

static int show(const char *place, enum form form)
{
    int code = show_once(place, form);

    /* one that is restarted answers again, but nobody reads a closed pipe */
    while (form == FORM_WATCH && fflush(stdout) == 0) {
        sleep(WATCH_S);
        code = show_once(place, form);
    }
    return code;
}

static int show_policys(const char *file, enum form form)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(8 * MIB);
    struct policy *policy;
    int code = EXIT_TROUBLE;

    if (policy_file_load(file, NULL, 0, &policy, &why)) {
        fprintf(stderr, "%.*s", STR_FMT(strbuf_str(&why)));
        return EXIT_TROUBLE;
    }
    if (policy->metrics.listen)
        code = show(policy->metrics.listen, form);
    else
        fprintf(stderr,
                "berth: %s has no metrics.listen; add it, like "
                "\"metrics\": {\"listen\": \"/run/berth/metrics.sock\"}\n",
                file);
    policy_unref(policy);
    return code;
}

int command_status(int argc, char **argv)
{
    static const struct option options[] = {
        {"policy", required_argument, NULL, 'p'},
        {"socket", required_argument, NULL, 's'},
        {"json",   no_argument,       NULL, 'j'},
        {"watch",  no_argument,       NULL, 'w'},
        {"help",   no_argument,       NULL, 'h'},
        {NULL,     0,                 NULL, 0  },
    };
    const char *file = NULL, *place = NULL;
    enum form form = FORM_TEXT;
    bool twice = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            file = optarg;
            break;
        case 's':
            place = optarg;
            break;
        case 'j':
        case 'w':
            twice = form != FORM_TEXT;
            form = option == 'j' ? FORM_JSON : FORM_WATCH;
            break;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
        }
    }
    if (optind < argc || !file == !place || twice) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    return file ? show_policys(file, form) : show(place, form);
}
