#include "proxy/cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/base/limits.h"
#include "policy/docker/operation_word.h"
#include "policy/docker/runner_name.h"
#include "policy/record/audit_verify.h"
#include "policy/record/audit_view.h"
#include "proxy/cli/audit_file.h"

static const char usage[] =
    "usage: berth audit [-f] [FILTER]... FILE\n"
    "       berth audit --verify FILE...\n"
    "\n"
    "Print the audit in FILE (\"-\": standard input), a line for each call "
    "that\n"
    "is over. With -f, go on as it grows.\n"
    "\n"
    "  --namespace NAME    of this runner\n"
    "  --operation WORDS   as in a policy, with commas: exec,ContainerCreate\n"
    "  --verdict WORD      allow, deny or would-deny\n"
    "  --container REF     that name this container (or network, volume, ...)\n"
    "  --job VALUE         for this CI job, by a value that audit.job put on "
    "record\n"
    "  --since, --until T  2026-01-31T12:00 (UTC), or so long ago: 30m, 24h\n"
    "  --decisions         and a line for each call that begins\n"
    "\n"
    "With --verify, say what was changed in, taken out of, put into or moved\n"
    "within a record that audit.chain made: all its files, the oldest first.\n"
    "Exit code 0 when nothing was, else 1.\n";

static bool print(const json_t *record, void *arg)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(LIMIT_AUDIT_LINE);
    const struct audit_filter *filter = arg;

    if (!audit_filter_takes(filter, record))
        return true;
    if (audit_view_put(&line, record) < 0)
        strbuf_add(&line, S("...\n"));
    fwrite(line.ptr, 1, line.len, stdout);
    return fflush(stdout) == 0; /* nobody reads on: no need to go on */
}

/* Seconds of a time like "30m"; or -1 for other words. */
static long ago(const char *text)
{
    static const struct {
        char unit;
        long seconds;
    } units[] = {
        {'s', 1    },
        {'m', 60   },
        {'h', 3600 },
        {'d', 86400}
    };
    size_t len = strlen(text);
    uint64_t number;

    if (len < 2 || str_to_u64(str_of(text, len - 1), &number) < 0 ||
        number > 100000)
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (text[len - 1] == units[i].unit)
            return (long)number * units[i].seconds;
    }
    return -1;
}

/* TEXT as records write a time, or NULL when it is none; the caller's. */
static char *moment(const char *text)
{
    long seconds = ago(text);
    char stamp[40];
    struct tm tm;
    time_t then;

    if (seconds < 0)
        return text[0] && text[strspn(text, "0123456789-:.TZ")] == '\0'
                   ? xstrdup(text)
                   : NULL;
    then = time(NULL) - seconds;
    gmtime_r(&then, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    return xstrdup(stamp);
}

static bool operations_are_good(struct str words)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    struct str word;

    while (words.len) {
        str_cut(words, ',', &word, &words);
        if (operation_word_check(word, &why))
            continue;
        fprintf(stderr, "berth: --operation: \"%.*s\" %.*s\n", STR_FMT(word),
                STR_FMT(strbuf_str(&why)));
        return false;
    }
    return true;
}

static bool is_verdict(const char *word)
{
    return !word || !strcmp(word, "allow") || !strcmp(word, "deny") ||
           !strcmp(word, "would-deny");
}

static int show(const char *path, bool follow, struct audit_filter *filter)
{
    long bad = audit_file_read(path, follow, print, filter);

    if (bad < 0)
        fprintf(stderr, "berth: %s: %s\n", path, strerror((int)-bad));
    else if (bad > 0)
        fprintf(stderr, "berth: %s: %ld lines are no records\n", path, bad);
    return bad < 0 ? EXIT_TROUBLE : EXIT_OK;
}

/* ---- --verify ---- */

static void print_fault(struct str text, void *arg)
{
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(16 * KIB);

    (void)arg;
    strbuf_add_visible(&shown, text);
    printf("%.*s\n", STR_FMT(strbuf_str(&shown)));
}

static bool verify_line(struct str line, void *arg)
{
    return audit_verify_line(arg, line) == 0;
}

static int print_result(const struct audit_verify_result *result)
{
    if (result->first == 0) {
        printf("no line of %zu is in a chain\n", result->lines);
        return EXIT_DENIED;
    }
    if (result->unchained)
        printf("%zu lines before the first of the chain are in none\n",
               result->unchained);
    printf("%zu lines, from %llu to %llu of the record: %zu faults\n",
           result->lines - result->unchained, (unsigned long long)result->first,
           (unsigned long long)result->last.line, result->faults);
    printf("the last line's hash is %s\n", result->last.hash);
    return result->faults ? EXIT_DENIED : EXIT_OK;
}

static int verify(char *const *paths)
{
    struct audit_verify *v = audit_verify_new(print_fault, NULL);
    struct audit_verify_result result;
    int code = EXIT_OK;

    for (; *paths && code == EXIT_OK; paths++) {
        int r = audit_verify_file(v, *paths);

        if (r == 0)
            r = audit_file_read_lines(*paths, verify_line, v);
        if (r == 0)
            continue;
        fprintf(stderr, "berth: %s: %s\n", *paths,
                r == -ENOBUFS ? "that is more than can be verified in one go"
                              : strerror(-r));
        code = EXIT_TROUBLE;
    }
    if (code == EXIT_OK) {
        result = audit_verify_end(v);
        code = print_result(&result);
    }
    audit_verify_free(v);
    return code;
}

int command_audit(int argc, char **argv)
{
    static const struct option options[] = {
        {"namespace", required_argument, NULL, 'n'},
        {"operation", required_argument, NULL, 'o'},
        {"verdict",   required_argument, NULL, 'v'},
        {"container", required_argument, NULL, 'c'},
        {"job",       required_argument, NULL, 'j'},
        {"since",     required_argument, NULL, 's'},
        {"until",     required_argument, NULL, 'u'},
        {"decisions", no_argument,       NULL, 'd'},
        {"verify",    no_argument,       NULL, 'V'},
        {"help",      no_argument,       NULL, 'h'},
        {NULL,        0,                 NULL, 0  },
    };
    AUTO(strbuf_fini) struct strbuf namespace_ = STRBUF(LIMIT_POLICY_TEXT);
    const char *since = NULL, *until = NULL;
    struct audit_filter filter = {0};
    char *from = NULL, *to = NULL;
    bool follow = false, verifies = false;
    int option, code = EXIT_TROUBLE;

    while ((option = getopt_long(argc, argv, "f", options, NULL)) != -1) {
        switch (option) {
        case 'n':
            strbuf_clear(&namespace_);
            runner_name_put_meant(&namespace_, str_from(optarg));
            filter.namespace_ = strbuf_cstr(&namespace_);
            break;
        case 'o':
            filter.operations = str_from(optarg);
            break;
        case 'v':
            filter.verdict = optarg;
            break;
        case 'c':
            filter.container = optarg;
            break;
        case 'j':
            filter.job = optarg;
            break;
        case 's':
            since = optarg;
            break;
        case 'u':
            until = optarg;
            break;
        case 'd':
            filter.decisions = true;
            break;
        case 'f':
            follow = true;
            break;
        case 'V':
            verifies = true;
            break;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
        }
    }
    filter.since = from = since ? moment(since) : NULL;
    filter.until = to = until ? moment(until) : NULL;
    if (verifies ? optind == argc : optind + 1 != argc)
        fputs(usage, stderr);
    else if (verifies)
        code = verify(argv + optind);
    else if ((since && !from) || (until && !to))
        fprintf(stderr,
                "berth: \"%s\" is no time; write one like "
                "2026-01-31T12:00, or 30m, 24h, 7d\n",
                since && !from ? since : until);
    else if (!is_verdict(filter.verdict))
        fprintf(stderr, "berth: --verdict is allow, deny or would-deny\n");
    else if (operations_are_good(filter.operations))
        code = show(argv[optind], follow, &filter);
    free(from);
    free(to);
    return code;
}
