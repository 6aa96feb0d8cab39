#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/docker/namespace.h"
#include "proxy/base/log.h"
#include "proxy/server/placement.h"
#include "proxy/upstream/subrequest.h"
#include "tests/unit/world_private.h"

/* Two engines in a time of their own (world_time.c). */

#define POLICY                                                                 \
    "{\"version\": 1, \"namespace\": \"r1\", \"upstream\": {\"url\": "         \
    "[\"unix:///a.sock\", \"unix:///b.sock\"]}, \"listen\": {\"path\": "       \
    "\"/run/berth.sock\"}}"

enum { HOSTS = 2, QUESTIONS = 16 };

static struct host {
    struct backend backend;
    struct upstream upstream;
    struct pool pool;
    bool is_down;
    bool has;         /* something of r1 */
    uint64_t slow_ms; /* each answer takes so long */
} hosts[HOSTS];

struct subrequest {
    bool used;
    struct host *host;
    uint64_t at;
    char *target;
    subrequest_cb on_reply;
    void *arg;
};

static struct subrequest questions[QUESTIONS];
static size_t placed; /* HOSTS: nowhere */
static char said[LIMIT_ERROR_TEXT + 1];

/* ---- in place of backends and what they ask ---- */

static void status(const struct upstream *upstream,
                   struct upstream_status *status)
{
    const struct host *host =
        (const struct host *)((const char *)upstream -
                              offsetof(struct host, upstream));

    *status = (struct upstream_status){
        .up = !host->is_down, .why = "it is down", .retry_ms = host->is_down};
}

struct backend *backend_get(struct backends *all, struct policy *policy,
                            size_t at)
{
    static const struct upstream_ops ops = {.status = status};
    struct host *host = &hosts[at];

    (void)all;
    host->upstream.ops = &ops;
    host->backend.upstream = &host->upstream;
    host->backend.pool = &host->pool;
    host->backend.config = policy_host(policy, at);
    return &host->backend;
}

struct backend *backend_ref(struct backend *backend)
{
    return backend;
}

struct backend *backend_unref(struct backend *backend)
{
    (void)backend;
    return NULL;
}

const char *backend_url(const struct backend *backend)
{
    return backend->config->url;
}

struct subrequest *subrequest_new(struct event_base *base, struct pool *pool,
                                  enum method method, struct str target,
                                  struct str body, subrequest_cb on_reply,
                                  void *arg)
{
    struct host *host =
        (struct host *)((char *)pool - offsetof(struct host, pool));

    (void)base;
    (void)method;
    (void)body;
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (questions[i].used)
            continue;
        questions[i] = (struct subrequest){.used = true,
                                           .host = host,
                                           .at = world_ms + host->slow_ms,
                                           .target = xstr_dup(target),
                                           .on_reply = on_reply,
                                           .arg = arg};
        return &questions[i];
    }
    abort();
}

struct subrequest *subrequest_cancel(struct subrequest *q)
{
    if (q) {
        free(q->target);
        q->used = false;
    }
    return NULL;
}

void subrequest_filter(struct subrequest *q, struct list_filter *filter)
{
    (void)q;
    list_filter_free(filter);
}

static const char *answer_of(const struct subrequest *q)
{
    if (!strcmp(q->target, "/info"))
        return q->host == &hosts[0] ? "{\"ID\": \"A\"}" : "{\"ID\": \"B\"}";
    if (strncmp(q->target, "/volumes", 8) != 0)
        return "[]";
    if (!q->host->has || !strstr(q->target, LABEL_NAMESPACE))
        return "{\"Volumes\": []}";
    return "{\"Volumes\": [{\"Name\": \"r1.data\", \"Labels\": "
           "{\"" LABEL_NAMESPACE "\": \"r1\"}}]}";
}

static void answer(void *question)
{
    struct subrequest *q = question;
    const struct http_head head = {.status = 200};
    struct subrequest told = *q;
    const char *text = answer_of(q);

    subrequest_cancel(q);
    told.on_reply(&head, str_from(text), NULL, told.arg);
}

/* ---- the course of events ---- */

static void *next_question(uint64_t before, uint64_t *at)
{
    struct subrequest *first = NULL;

    for (size_t i = 0; i < QUESTIONS; i++) {
        struct subrequest *q = &questions[i];

        if (q->used && !q->host->is_down && q->at <= before &&
            (!first || q->at < first->at))
            first = q;
    }
    if (first)
        *at = first->at;
    return first;
}

static void pass(uint64_t ms)
{
    world_pass(world_ms + ms, next_question, answer);
}

static struct placement *placement;

static void on_placed(struct backend *backend, size_t at, void *arg)
{
    (void)backend;
    (void)arg;
    placement = NULL;
    placed = at;
}

static void on_why(const char *why, void *arg)
{
    (void)arg;
    snprintf(said, sizeof(said), "%s", why);
}

static int begin(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    world_time_begin(1);
    memset(hosts, 0, sizeof(hosts));
    placed = HOSTS;
    said[0] = '\0';
    return 0;
}

static void start(void)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    const struct policy_source source = {.text = S(POLICY), .name = "test"};
    static struct runtime runtime;
    struct policy *policy;

    if (policy_load(&source, &policy, &why) != 0)
        fail_msg("%s", strbuf_cstr(&why));
    placement = placement_new(&runtime, policy, on_placed, on_why, NULL);
    policy_unref(policy);
}

static int end(void **state)
{
    (void)state;
    placement = placement_free(placement);
    return 0;
}

static void what_is_on_two_hosts_stays_refused(void **state)
{
    (void)state;
    hosts[0].has = hosts[1].has = true;
    hosts[0].slow_ms = 30; /* the other one is always heard first */
    start();
    pass(60 * SECOND);
    assert_int_equal(placed, HOSTS);
    assert_non_null(strstr(said, "lives on one host only"));
    /* nor does the loss of one make the other its home */
    hosts[0].is_down = true;
    pass(60 * SECOND);
    assert_int_equal(placed, HOSTS);
    /* until it is on one of them only */
    hosts[0].is_down = false;
    hosts[1].has = false;
    pass(60 * SECOND);
    assert_int_equal(placed, 0);
}

static void a_slow_engine_is_heard_to_the_end(void **state)
{
    (void)state;
    hosts[1].has = true;
    hosts[0].slow_ms = hosts[1].slow_ms = 4 * SECOND;
    start();
    pass(60 * SECOND);
    assert_int_equal(placed, 1);
}

static void one_that_is_down_is_waited_for(void **state)
{
    (void)state;
    hosts[0].is_down = true;
    start();
    pass(60 * SECOND);
    assert_int_equal(placed, HOSTS);
    assert_non_null(strstr(said, "it is not known whether r1 has something"));
    hosts[0].is_down = false;
    hosts[0].has = true;
    pass(20 * SECOND);
    assert_int_equal(placed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_on_two_hosts_stays_refused,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_slow_engine_is_heard_to_the_end,
                                        begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_down_is_waited_for, begin,
                                        end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
