#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/docker/namespace.h"
#include "proxy/base/log.h"
#include "proxy/net/srv_resolver.h"
#include "proxy/server/placement.h"
#include "proxy/upstream/subrequest.h"
#include "tests/unit/world_private.h"

/* Two engines in a time of their own (world_time.c). */

#define POLICY                                                                 \
    "{\"version\": 1, \"namespace\": \"r1\", \"upstream\": {\"url\": "         \
    "[\"unix:///a.sock\", \"unix:///b.sock\"]}, \"listen\": {\"path\": "       \
    "\"/run/berth.sock\"}}"

#define SRV_POLICY                                                             \
    "{\"version\": 1, \"namespace\": \"r1\", \"upstream\": {\"url\": "         \
    "\"tcp+srv://_docker._tcp.example.com\", \"plain_tcp\": true}, "           \
    "\"listen\": {\"path\": \"/run/berth.sock\"}}"

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

/* Port AT is that of number AT. */
struct backend *backend_get_target(struct backends *all, struct policy *policy,
                                   size_t at, const char *host, unsigned port)
{
    (void)host;
    backend_get(all, policy, at);
    if (port == 0)
        return NULL;
    hosts[port - 1].backend.config = policy_host(policy, at);
    hosts[port - 1].upstream.ops = hosts[at].upstream.ops;
    hosts[port - 1].backend.upstream = &hosts[port - 1].upstream;
    hosts[port - 1].backend.pool = &hosts[port - 1].pool;
    return &hosts[port - 1].backend;
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

/* ---- in place of a name server ---- */

struct srv_resolver {
    struct event *event;
    srv_resolver_cb done;
    void *arg;
};

static struct srv_answer records;

static void on_records(evutil_socket_t fd, short what, void *arg)
{
    struct srv_resolver *r = arg;
    struct srv_resolver told = *r;

    (void)fd;
    (void)what;
    srv_resolver_cancel(r);
    told.done(&records, told.arg);
}

struct srv_resolver *srv_resolver_start(struct event_base *base,
                                        const char *name, srv_resolver_cb done,
                                        void *arg)
{
    struct srv_resolver *r = xcalloc(1, sizeof(*r));

    assert_string_equal(name, "_docker._tcp.example.com");
    *r = (struct srv_resolver){.done = done, .arg = arg};
    r->event = event_new(base, -1, 0, on_records, r);
    event_add(r->event, &(struct timeval){0, 5000});
    return r;
}

struct srv_resolver *srv_resolver_cancel(struct srv_resolver *r)
{
    if (r)
        event_free(r->event);
    free(r);
    return NULL;
}

/* They tell the first COUNT hosts. */
static void tell(size_t count)
{
    records = (struct srv_answer){.count = count};
    for (size_t i = 0; i < count; i++)
        records.targets[i] = (struct srv_target){
            .weight = 1, .port = (unsigned)i + 1, .host = "h"};
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

static void start_with(const char *text)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4 * KIB);
    const struct policy_source source = {.text = str_from(text),
                                         .name = "test"};
    static struct runtime runtime;
    struct policy *policy;

    if (policy_load(&source, &policy, &why) != 0)
        fail_msg("%s", strbuf_cstr(&why));
    placement = placement_new(&runtime, policy, on_placed, on_why, NULL);
    policy_unref(policy);
}

static void start(void)
{
    start_with(POLICY);
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

static void hosts_of_records_are_asked_like_others(void **state)
{
    (void)state;
    hosts[1].has = true;
    tell(2);
    start_with(SRV_POLICY);
    pass(20 * SECOND);
    assert_int_equal(placed, 0); /* the policy's */
    assert_null(placement);
}

static void records_are_asked_for_until_there_are_some(void **state)
{
    (void)state;
    tell(0);
    start_with(SRV_POLICY);
    pass(20 * SECOND);
    assert_int_equal(placed, HOSTS);
    assert_non_null(strstr(said, "there are no SRV records of that name"));
    snprintf(records.why, sizeof(records.why), "no name server answers");
    pass(20 * SECOND);
    assert_int_equal(placed, HOSTS);
    assert_non_null(strstr(said, "no name server answers"));
    tell(1);
    pass(20 * SECOND);
    assert_int_equal(placed, 0);
}

static void one_that_is_down_may_go_from_the_records(void **state)
{
    (void)state;
    hosts[1].is_down = true;
    tell(2);
    start_with(SRV_POLICY);
    pass(60 * SECOND);
    assert_int_equal(placed, HOSTS);
    /* no answer changes nothing */
    snprintf(records.why, sizeof(records.why), "no name server answers");
    pass(60 * SECOND);
    assert_int_equal(placed, HOSTS);
    tell(1);
    pass(60 * SECOND);
    assert_int_equal(placed, 0);
}

static void records_that_make_no_sense_are_waited_for(void **state)
{
    (void)state;
    tell(2);
    records.targets[1].port = 0;
    start_with(SRV_POLICY);
    pass(60 * SECOND);
    assert_int_equal(placed, HOSTS);
    assert_non_null(strstr(said, "a host that has no name"));
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
        cmocka_unit_test_setup_teardown(hosts_of_records_are_asked_like_others,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            records_are_asked_for_until_there_are_some, begin, end),
        cmocka_unit_test_setup_teardown(
            one_that_is_down_may_go_from_the_records, begin, end),
        cmocka_unit_test_setup_teardown(
            records_that_make_no_sense_are_waited_for, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
