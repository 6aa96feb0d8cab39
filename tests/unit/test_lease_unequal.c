#include "tests/unit/unit.h"

#include <stdlib.h>

#include "proxy/base/log.h"
#include "proxy/upstream/subrequest.h"
#include "tests/unit/world_private.h"

/* Two berths of one namespace on one engine, of which one keeps leftovers and
 * so has no lease, and the other removes them; in a time of their own. */

enum { QUESTIONS = 16, TERM_S = 300 };

/* ---- what world_engine.c wants to know of berths ---- */

struct berth berths[WORLD_BERTHS];
struct world_result world_result;

bool berth_admits(const struct berth *berth)
{
    (void)berth;
    return false;
}

/* ---- questions on their way ---- */

struct subrequest {
    bool used;
    uint64_t at;
    enum method method;
    char *target, *body;
    subrequest_cb on_reply;
    void *arg;
};

static struct subrequest questions[QUESTIONS];

struct subrequest *subrequest_new(struct event_base *base, struct pool *pool,
                                  enum method method, struct str target,
                                  struct str body, subrequest_cb on_reply,
                                  void *arg)
{
    (void)base;
    (void)pool;
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (questions[i].used)
            continue;
        questions[i] = (struct subrequest){.used = true,
                                           .at = world_ms + 1 + any(20),
                                           .method = method,
                                           .target = xstr_dup(target),
                                           .body = xstr_dup(body),
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
        free(q->body);
        q->used = false;
    }
    return NULL;
}

void subrequest_filter(struct subrequest *q, struct list_filter *filter)
{
    (void)q;
    list_filter_free(filter);
}

static void *next_question(uint64_t before, uint64_t *at)
{
    struct subrequest *first = NULL;

    for (size_t i = 0; i < QUESTIONS; i++) {
        struct subrequest *q = &questions[i];

        if (q->used && q->at <= before && (!first || q->at < first->at))
            first = q;
    }
    if (first)
        *at = first->at;
    return first;
}

static void answer(void *question)
{
    struct subrequest *q = question;
    AUTO(strbuf_fini) struct strbuf body = STRBUF(MIB);
    json_auto_t *reply = NULL;
    const struct http_head head = {.status = (unsigned)engine_answer(
                                       q->method, q->target, q->body, &reply)};
    char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
    subrequest_cb on_reply = q->on_reply;
    void *arg = q->arg;

    strbuf_add(&body, str_from(text));
    free(text);
    subrequest_cancel(q);
    on_reply(&head, strbuf_str(&body), NULL, arg);
}

static void pass(uint64_t ms)
{
    world_pass(world_ms + ms, next_question, answer);
}

/* ---- the two ---- */

static struct lease *removes, *keeps;

static struct lease *serve(unsigned term_s, bool shares)
{
    const struct lease_config config = {
        .ns = "r1",
        .term_ms = term_s * 1000,
        .wait_ms = 30 * 1000,
        .shares = shares,
    };

    return lease_new(&config);
}

static bool admits(const struct lease *lease)
{
    const char *why;

    return lease_admits(lease, &why);
}

static int begin(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    world_time_begin(1);
    memset(&engine, 0, sizeof(engine));
    return 0;
}

static int end(void **state)
{
    (void)state;
    removes = lease_free(removes);
    keeps = lease_free(keeps);
    while (engine.count)
        engine_forget(&engine.objects[0]);
    return 0;
}

/* ---- what is seen ---- */

static void the_one_that_keeps_gives_way_when_it_comes_later(void **state)
{
    const char *why = "";

    (void)state;
    removes = serve(TERM_S, false);
    pass(10 * SECOND);
    keeps = serve(0, false);
    pass(3 * MINUTE);
    assert_false(lease_admits(keeps, &why));
    assert_true(lease_is_anothers(keeps));
    assert_non_null(strstr(why, "another berth serves this namespace"));
    assert_true(admits(removes));
    assert_false(lease_is_anothers(removes));
}

/* Or else all that it has goes when the other ends. */
static void and_when_it_was_there_before(void **state)
{
    (void)state;
    keeps = serve(0, false);
    pass(10 * MINUTE);
    assert_true(admits(keeps));
    removes = serve(TERM_S, false);
    pass(10 * MINUTE);
    assert_true(lease_is_anothers(keeps));
    assert_true(admits(removes));
    /* and serves on once the other is gone, and its last lease with it */
    removes = lease_free(removes);
    pass(10 * MINUTE);
    assert_true(admits(keeps));
    assert_int_equal(engine.count, 0);
}

static void what_one_that_was_killed_left_keeps_nobody(void **state)
{
    (void)state;
    removes = serve(TERM_S, false);
    pass(10 * SECOND);
    removes = lease_free(removes);
    keeps = serve(0, false);
    for (unsigned minute = 0; minute < 20; minute++) {
        pass(MINUTE);
        assert_true(admits(keeps));
    }
    assert_int_equal(engine.count, 0); /* nor is it for others to sweep */
}

static void both_serve_a_namespace_that_they_are_to_share(void **state)
{
    (void)state;
    removes = serve(TERM_S, true);
    pass(10 * SECOND);
    keeps = serve(0, true);
    pass(10 * SECOND);
    for (unsigned minute = 0; minute < 20; minute++) {
        pass(MINUTE);
        assert_true(admits(keeps));
        assert_true(admits(removes));
    }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_one_that_keeps_gives_way_when_it_comes_later),
        TEST(and_when_it_was_there_before),
        TEST(what_one_that_was_killed_left_keeps_nobody),
        TEST(both_serve_a_namespace_that_they_are_to_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
