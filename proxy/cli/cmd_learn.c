#include "proxy/cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/limits.h"
#include "policy/record/learn.h"
#include "proxy/base/policy_file.h"
#include "proxy/cli/audit_file.h"

static const char usage[] =
    "usage: berth learn [--policy FILE] [--refused] AUDIT-FILE\n"
    "\n"
    "Write the smallest policy that allows what the audit shows. What it "
    "takes\n"
    "of the host, and what no policy allows, is told on standard error. A\n"
    "runner shows all that it needs under a policy with \"mode\":\n"
    "\"report-only\" and wide operations.\n"
    "\n"
    "  --policy FILE   take namespace, upstream, audit and the like from "
    "there\n"
    "  --refused       learn from calls that were refused, too\n";

static bool take(const json_t *record, void *arg)
{
    learner_take(arg, record);
    return true;
}

/* The policy FILE as it was written, or NULL, and that was told. */
static json_t *read_base(const char *file)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_POLICY);
    json_error_t error;
    json_t *base;
    int r = file_read(file, &text);

    if (r < 0) {
        fprintf(stderr, "berth: %s: %s\n", file, strerror(-r));
        return NULL;
    }
    base = json_loadb(text.ptr, text.len, 0, &error);
    if (!json_is_object(base)) {
        fprintf(stderr, "berth: %s: this is no policy\n", file);
        json_decref(base);
        return NULL;
    }
    return base;
}

static void write_down(const struct learner *learner, const json_t *base)
{
    AUTO(strbuf_fini) struct strbuf warnings = STRBUF(MIB);
    AUTO(json_decrefp) json_t *policy = learner_policy(learner, base);
    char *text = json_dumps(policy, JSON_INDENT(2));

    puts(text);
    free(text);
    learner_put_warnings(learner, &warnings);
    fprintf(stderr, "berth: learnt from %zu calls%s\n%.*s",
            learner_count(learner), warnings.len ? "; look at these:" : "",
            STR_FMT(strbuf_str(&warnings)));
}

static int learn(const char *file, const char *base_file, bool refused)
{
    AUTO(json_decrefp) json_t *base = base_file ? read_base(base_file) : NULL;
    struct learner *learner;
    long bad;

    if (base_file && !base)
        return EXIT_TROUBLE;
    learner = learner_new(refused);
    bad = audit_file_read(file, false, take, learner);
    if (bad < 0)
        fprintf(stderr, "berth: %s: %s\n", file, strerror((int)-bad));
    else if (learner_count(learner) == 0)
        fprintf(stderr, "berth: %s: there is no call to learn from\n", file);
    else
        write_down(learner, base);
    if (bad > 0)
        fprintf(stderr, "berth: %s: %ld lines are no records\n", file, bad);
    bad = bad < 0 || learner_count(learner) == 0;
    learner_free(learner);
    return bad ? EXIT_TROUBLE : EXIT_OK;
}

int command_learn(int argc, char **argv)
{
    static const struct option options[] = {
        {"policy",  required_argument, NULL, 'p'},
        {"refused", no_argument,       NULL, 'r'},
        {"help",    no_argument,       NULL, 'h'},
        {NULL,      0,                 NULL, 0  },
    };
    const char *base = NULL;
    bool refused = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            base = optarg;
            break;
        case 'r':
            refused = true;
            break;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
        }
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    return learn(argv[optind], base, refused);
}
