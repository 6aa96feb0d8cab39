#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/config/setting_types.h"
#include "policy/docker/runner_name.h"
#include "proxy/base/log.h"
#include "proxy/base/policy_file.h"
#include "proxy/cli/command.h"
#include "proxy/cli/each_host.h"
#include "proxy/cli/local_get.h"
#include "proxy/server/cleaner.h"

static const char usage[] =
    "usage: berth clean --policy FILE [--namespace PATTERN]\n"
    "                   [--older-than AGE] [--dry-run] [--force]\n"
    "\n"
    "Remove what a runner that is gone has left on the engine: its "
    "containers,\n"
    "networks, volumes and images. Once; for cron and the like. Without\n"
    "--namespace it is the policy's own namespace, and AGE is nothing. A\n"
    "PATTERN may have \"*\" in it for any run of characters, and then AGE is "
    "the\n"
    "policy's leftovers.after: a namespace that has made something since "
    "stays,\n"
    "unless its lease (leftovers.lease) is over. One on which a berth has a "
    "lease\n"
    "stays, but for --force, and so does one that a berth serves on the "
    "policy's\n"
    "own socket. --dry-run says what would go. The policy also says where the "
    "engine is and where the\n"
    "record of each removal goes. Exit code 0, or 1 when something could not "
    "be\n"
    "removed.\n";

struct options {
    const char *policy, *pattern, *age;
    bool dry_run, force;
};

/* AGE as in a policy. */
static bool read_age(const char *text, uint64_t *ms)
{
    static const struct setting setting = {.key = "age",
                                           .type = SETTING_DURATION};
    json_auto_t *value = json_string(text);
    unsigned read;

    if (setting_read_scalar(&setting, value, str_from(text), &read) != 0)
        return false;
    *ms = read;
    return true;
}

/* Does a berth answer where the policy's does? */
static bool is_served(const struct policy *policy)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(64 * KIB);
    int status;

    return local_get(policy->listen.path, S("/_ping"), &status, &body) == 0;
}

struct cleaning {
    struct cleaner_config config;
    struct cleaner_result result;
    size_t count, missed; /* hosts */
};

/* One that cannot be asked does not keep the others from it. */
static void clean_host(const struct host_visit *visit, void *arg)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    struct cleaning *c = arg;

    c->count++;
    c->config.host = visit->config;
    if (visit->why)
        strbuf_addf(&why, "%s", visit->why);
    else if (cleaner_run(&c->config, &c->result, &why) == 0)
        return;
    fprintf(stderr, "berth: %s: %s\n", visit->config->url, strbuf_cstr(&why));
    c->missed++;
}

static int clean(const struct options *options, const struct policy *policy,
                 struct audit_sink *audit)
{
    AUTO(strbuf_fini) struct strbuf meant = STRBUF(LIMIT_POLICY_TEXT);
    bool met = options->pattern && strchr(options->pattern, '*');
    struct cleaning c = {.count = 0};

    c.config = (struct cleaner_config){
        .policy = policy,
        .audit = audit,
        .pattern = options->pattern,
        .spared = is_served(policy) ? policy->namespace : NULL,
        .age_ms = met ? policy->leftovers.after : 0,
        .age_always = options->age != NULL,
        .dry_run = options->dry_run,
        .force = options->force,
    };

    if (options->pattern && !met) {
        runner_name_put_meant(&meant, str_from(options->pattern));
        c.config.pattern = strbuf_cstr(&meant);
    }
    if (options->age && !read_age(options->age, &c.config.age_ms)) {
        fprintf(stderr, "berth: \"%s\" is no age; write one like \"6h\"\n",
                options->age);
        return EXIT_TROUBLE;
    }
    each_host(policy, clean_host, &c);
    if (c.missed == c.count)
        return EXIT_DENIED;
    printf("%u %s, %u could not be, %u namespaces stay\n", c.result.removed,
           options->dry_run ? "would be removed" : "removed", c.result.failed,
           c.result.spared);
    return c.result.failed || c.missed ? EXIT_DENIED : EXIT_OK;
}

static int run(const struct options *options)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct audit_sink *audit = NULL;
    struct policy *policy = NULL;
    int code = EXIT_TROUBLE;

    log_set_level(LOG_LEVEL_ERROR);
    if (policy_file_load(options->policy, NULL, 0, &policy, &why) != 0) {
        fprintf(stderr, "%s", strbuf_cstr(&why));
        return EXIT_TROUBLE;
    }
    if (policy->isolation != POLICY_NAMESPACE)
        fprintf(stderr, "berth: isolation: with \"none\" there is no namespace "
                        "whose things could be told from others'\n");
    else if (audit_sink_new(NULL, &policy->audit, &audit) < 0)
        fprintf(stderr, "berth: audit.to: %s cannot be written\n",
                policy->audit.to);
    else
        code = clean(options, policy, audit);
    audit_sink_free(audit);
    policy_unref(policy);
    return code;
}

int command_clean(int argc, char **argv)
{
    static const struct option known[] = {
        {"policy",     required_argument, NULL, 'p'},
        {"namespace",  required_argument, NULL, 'n'},
        {"older-than", required_argument, NULL, 'o'},
        {"dry-run",    no_argument,       NULL, 'd'},
        {"force",      no_argument,       NULL, 'f'},
        {"help",       no_argument,       NULL, 'h'},
        {NULL,         0,                 NULL, 0  },
    };
    struct options options = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'p')
            options.policy = optarg;
        else if (option == 'n')
            options.pattern = optarg;
        else if (option == 'o')
            options.age = optarg;
        else if (option == 'd')
            options.dry_run = true;
        else if (option == 'f')
            options.force = true;
        else {
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
        }
    }
    if (optind < argc || !options.policy) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    return run(&options);
}
