/*
 * How much CPU it takes to read, judge and write one ordinary create of some
 * 6 KiB, what the CLI sends for a job container with a usual environment:
 *     build/tests/bench/bench_judge tests/bench/create.json [ROUNDS]
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "policy/base/json_strict.h"
#include "policy/base/json_write.h"
#include "policy/judge/judge.h"

static const char policy[] =
    "{\"container\": {\"mounts\": [{\"source\": \"/home/runner/_work\","
    " \"host\": \"/srv/runners/r1/_work\", \"mode\": \"rw\"}],"
    " \"limits\": {\"memory\": \"4g\", \"cpus\": 2, \"pids\": 1024}},"
    " \"images\": {\"registries\": [\"docker.io\", \"ghcr.io/acme\"]}}";

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

struct times {
    double read, judge, write;
};

static void once(const struct rules *rules, struct str body,
                 struct times *times)
{
    static struct judgement judgement;
    AUTO(target_fini) struct target target;
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_JSON_BODY);
    struct route_match match;
    struct verdict why;
    double start, parsed, judged;
    json_t *tree = NULL;

    target_init(&target);
    if (target_parse(&target, S("/v1.45/containers/create?name=job"), &why) ||
        route_find(METHOD_POST, &target, &match))
        abort();
    start = now();
    if (json_strict_parse(body, "", &tree, &why) != 0)
        abort();
    parsed = now();
    judge_request(rules, &match, &target, tree, &judgement);
    if (judgement.verdict.kind != VERDICT_ALLOW) {
        fprintf(stderr, "%s\n", judgement.verdict.reason);
        abort();
    }
    judged = now();
    if (json_write(&out, tree) != 0)
        abort();
    json_decref(tree);
    times->write = now() - judged;
    times->judge = judged - parsed;
    times->read = parsed - start;
    judgement_fini(&judgement);
}

static void read_file(const char *path, struct strbuf *out)
{
    FILE *file = fopen(path, "r");
    size_t room = out->max;

    if (!file) {
        perror(path);
        exit(1);
    }
    strbuf_commit(out, fread(strbuf_reserve(out, room), 1, room, file));
    fclose(file);
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : 20000;
    AUTO(strbuf_fini) struct strbuf body = STRBUF(MIB);
    struct environment environment = {0};
    struct problems problems = {0};
    struct rules rules = {0};
    json_auto_t *root = json_loads(policy, 0, NULL);
    struct layer layer = {.name = "policy", .root = root};
    double *all, *judged, *written;

    if (argc < 2) {
        fprintf(stderr, "usage: bench_judge FILE [ROUNDS]\n");
        return 1;
    }
    if (rounds < 1)
        rounds = 1;
    all = xcalloc((size_t)rounds, sizeof(*all));
    judged = xcalloc((size_t)rounds, sizeof(*judged));
    written = xcalloc((size_t)rounds, sizeof(*written));
    settings_read(&rules_shape, &rules, &layer, 1, &environment, &problems);
    read_file(argv[1], &body);
    for (int i = 0; i < rounds; i++) {
        struct times times;

        once(&rules, strbuf_str(&body), &times);
        all[i] = times.read + times.judge + times.write;
        judged[i] = times.judge;
        written[i] = times.write;
    }
    qsort(all, (size_t)rounds, sizeof(*all), compare);
    qsort(judged, (size_t)rounds, sizeof(*judged), compare);
    qsort(written, (size_t)rounds, sizeof(*written), compare);
    printf("%zu bytes: judged in %.1f us, written in %.1f us (p50); with "
           "reading it %.1f us (p50), %.1f us (p99)\n",
           body.len, 1e6 * judged[rounds / 2], 1e6 * written[rounds / 2],
           1e6 * all[rounds / 2], 1e6 * all[rounds * 99 / 100]);
    free(written);
    free(all);
    free(judged);
    problems_fini(&problems);
    settings_fini(&rules_shape, &rules);
    return 0;
}
