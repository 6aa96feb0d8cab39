#include "tests/unit/world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/docker/lease_name.h"
#include "policy/docker/namespace.h"
#include "policy/isolation/push_lock.h"
#include "proxy/upstream/subrequest.h"

enum { QUESTIONS = 1024, DEAD_AFTER_S = 30 };

struct berth berths[WORLD_BERTHS];
struct world_result world_result;
static const struct world_rules *rules;

/* ---- questions on their way ---- */

struct subrequest {
    bool used, canceled;
    struct pool *pool;
    uint64_t at;  /* when it comes to the engine, or its answer back */
    bool carried; /* to the engine */
    bool lost;    /* its link: nobody hears the answer */
    enum method method;
    char *target, *body;
    int status;
    json_t *reply;
    subrequest_cb on_reply;
    void *arg;
};

static struct subrequest questions[QUESTIONS];

/* It was given up: what is asked now never leaves. */
static bool is_dead(const struct pool *pool)
{
    return pool->frozen && world_ms - pool->frozen_ms > DEAD_AFTER_S * SECOND;
}

/* An engine may hang with a container, and answer all else. */
static uint64_t delay_of(enum method method)
{
    if (rules->hangs && method == METHOD_GET && any(100) == 0)
        return 100 * HOUR;
    return 1 + any(any(8) ? 20 : 3 * SECOND);
}

struct subrequest *subrequest_new(struct event_base *base, struct pool *pool,
                                  enum method method, struct str target,
                                  struct str body, subrequest_cb on_reply,
                                  void *arg)
{
    (void)base;
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct subrequest *q = &questions[i];

        if (q->used)
            continue;
        *q = (struct subrequest){
            .used = true,
            .lost = is_dead(pool),
            .carried = is_dead(pool),
            .pool = pool,
            .at = world_ms + delay_of(method),
            .method = method,
            .target = xstr_dup(target),
            .body = xstr_dup(body),
            .on_reply = on_reply,
            .arg = arg,
        };
        return q;
    }
    abort();
}

struct subrequest *subrequest_cancel(struct subrequest *q)
{
    if (q)
        q->canceled = true; /* what was sent comes to the engine yet */
    return NULL;
}

void subrequest_filter(struct subrequest *q, struct list_filter *filter)
{
    (void)q;
    list_filter_free(filter);
}

static void end_question(struct subrequest *q)
{
    free(q->target);
    free(q->body);
    json_decref(q->reply);
    *q = (struct subrequest){.used = false};
}

static void tell(struct subrequest *q)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(4 * MIB);
    struct http_head head = {.status = (unsigned)q->status};
    char *text = q->reply ? json_dumps(q->reply, JSON_COMPACT) : NULL;
    struct subrequest told = *q;

    strbuf_add(&body, str_from(text));
    free(text);
    world_skew_ms = q->pool->skew_ms;
    if (!q->canceled)
        told.on_reply(q->lost ? NULL : &head, strbuf_str(&body),
                      "the link was lost", told.arg);
    end_question(q);
}

/* One that comes when all has been swept is left over, and for "berth clean" to
 * find by its age. */
static bool makes_object(const struct subrequest *q)
{
    return q->method == METHOD_POST && !strstr(q->body, LABEL_LEASE);
}

/* A link that does not answer is given up: its waiters are told; what was on
 * its way may come to the engine long after. */
static void lose(struct subrequest *q)
{
    subrequest_cb on_reply = q->on_reply;
    void *arg = q->arg;

    if (q->canceled)
        return;
    q->canceled = true;
    if (any(2) == 0 || makes_object(q))
        q->carried = true; /* it never will */
    world_skew_ms = q->pool->skew_ms;
    on_reply(NULL, S(""), "the link was lost", arg);
}

static bool is_held_up(const struct subrequest *q)
{
    return !q->lost && (engine.stopped || q->pool->frozen);
}

static void go_on(void *question)
{
    struct subrequest *q = question;

    if (q->carried) {
        tell(q);
        return;
    }
    q->status = engine_answer(q->method, q->target, q->body, &q->reply);
    q->carried = true;
    q->at = world_ms + 1 + any(20);
}

/* ---- berths ---- */

static int audit(void *arg, struct str line)
{
    (void)arg;
    (void)line;
    return 0;
}

static void start(struct berth *berth)
{
    const struct lease_config config = {
        .base = NULL,
        .pool = &berth->pool,
        .ns = berth->ns,
        .term_ms = rules->term_s * 1000,
        .wait_ms = 30 * 1000,
        .audit = audit,
    };

    berth->alive = true;
    berth->pool = (struct pool){.frozen = false};
    if (rules->lives_s) {
        berth->pool.skew_ms = any(1000 * HOUR);
        berth->ends_ms = world_ms + any(rules->lives_s * SECOND);
    }
    world_skew_ms = berth->pool.skew_ms;
    berth->lease = lease_new(&config);
    berth->reaper = reaper_new(NULL, &berth->pool);
    berth->host = (struct reaper_host){
        .ns = berth->ns, .term_ms = config.term_ms, .audit = audit};
    reaper_join(berth->reaper, &berth->host);
}

/* It sends and hears no more; what is on the way goes on. */
static void kill_berth(struct berth *berth)
{
    if (!berth->alive)
        return;
    berth->alive = false;
    reaper_leave(berth->reaper, &berth->host);
    berth->reaper = reaper_free(berth->reaper);
    berth->lease = lease_free(berth->lease);
    berth->pool.frozen = false;
    world_result.kills++;
}

bool berth_admits(const struct berth *berth)
{
    uint64_t before = world_skew_ms;
    const char *why;
    bool admits;

    world_skew_ms = berth->pool.skew_ms;
    admits = lease_admits(berth->lease, &why);
    world_skew_ms = before;
    return admits;
}

static void on_made(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    (void)head;
    (void)body;
    (void)why;
    (void)arg;
}

#define OF_IMAGE                                                               \
    "sha256:"                                                                  \
    "0123456789012345678901234567890123456789012345678901234567890123"

static void ask_engine(struct berth *berth, const char *target,
                       const struct strbuf *body)
{
    world_result.created++;
    subrequest_new(NULL, &berth->pool, METHOD_POST, str_from(target),
                   strbuf_str(body), on_made, NULL);
}

/* A step of a build, which is on the runner's bridge, and whose engine was
 * killed. */
static void build(struct berth *berth)
{
    AUTO(strbuf_fini) struct strbuf network = STRBUF(KIB);
    AUTO(strbuf_fini) struct strbuf step = STRBUF(KIB);

    strbuf_addf(&network,
                "{\"Name\": \"%s." BRIDGE_NAME
                "\", \"Labels\": {\"" LABEL_NAMESPACE "\": \"%s\"}}",
                berth->ns, berth->ns);
    ask_engine(berth, "/networks/create", &network);
    strbuf_addf(&step,
                "{\"Name\": \"busy_%s_%u\", \"HostConfig\": "
                "{\"NetworkMode\": \"%s." BRIDGE_NAME "\"}}",
                berth->ns, (unsigned)any(1000), berth->ns);
    ask_engine(berth, "/containers/create", &step);
}

/* A push that did not come to its end. */
static void push(struct berth *berth)
{
    AUTO(strbuf_fini) struct strbuf lock = STRBUF(KIB);

    strbuf_addf(&lock,
                "{\"Name\": \"" PUSH_LOCK_NAME "%u\", \"Labels\": {"
                "\"" LABEL_PUSH "\": \"r.example/app:1\", \"" LABEL_PUSH_BY
                "\": \"%s\", \"" LABEL_PUSH_OF "\": \"" OF_IMAGE
                "\", \"" LABEL_PUSHED "\": \"\"}}",
                (unsigned)any(1000), berth->ns);
    ask_engine(berth, "/containers/create", &lock);
}

static void make(struct berth *berth)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(KIB);
    bool is_volume = any(3) == 0;

    strbuf_addf(&body,
                "{\"Name\": \"%s.%s%u\", \"Labels\": {\"" LABEL_NAMESPACE
                "\": \"%s\"}}",
                berth->ns, is_volume ? "data" : "c",
                (unsigned)any(is_volume ? 3 : 1000), berth->ns);
    ask_engine(berth, is_volume ? "/volumes/create" : "/containers/create",
               &body);
}

/* What a job does. */
static void use(struct berth *berth)
{
    if (!berth->alive)
        return;
    if (!berth_admits(berth)) {
        world_result.refused++;
        return;
    }
    switch (any(10)) {
    case 0:
        build(berth);
        break;
    case 1:
        push(berth);
        break;
    default:
        make(berth);
    }
    if (rules->companions && any(10) == 0)
        berth->companion = (struct companion_sim){true, true, 0, world_ms};
}

static void beat(void)
{
    for (size_t i = 0; i < WORLD_BERTHS; i++) {
        struct berth *berth = &berths[i];
        struct companion_sim *companion = &berth->companion;

        if (engine.stopped)
            continue;
        if (berth->alive && !berth->pool.frozen)
            companion->heard_ms = world_ms;
        if (world_ms - companion->heard_ms > rules->term_s * SECOND)
            companion->running = false;
        if (is_dead(&berth->pool)) {
            for (size_t at = 0; at < QUESTIONS; at++) {
                if (questions[at].used && questions[at].pool == &berth->pool)
                    lose(&questions[at]);
            }
        }
    }
}

/* ---- what goes wrong ---- */

static uint64_t thaw_ms[WORLD_BERTHS], resume_ms, still_ms, right_ms;

static void go_wrong(void)
{
    size_t at = (size_t)any(WORLD_BERTHS);
    struct berth *berth = &berths[at];

    switch (any(9)) {
    case 0:
        kill_berth(berth);
        break;
    case 8:
        if (berth->companion.running) /* it does not come back by itself */
            berth->companion.code = 137;
        berth->companion.running = false;
        break;
    case 1:
        if (!berth->alive)
            start(berth);
        break;
    case 2:
        for (unsigned i = 0; rules->storms && i < 5; i++) {
            kill_berth(berth);
            start(berth);
        }
        break;
    case 3:
        if (!rules->freezes || !berth->alive || berth->pool.frozen)
            break;
        berth->pool.frozen = true;
        berth->pool.frozen_ms = world_ms;
        /* no longer than what is on its way may last: TCP gives it up */
        thaw_ms[at] = world_ms + any(any(2) ? 2 * MINUTE : 15 * MINUTE);
        world_result.freezes++;
        break;
    case 4:
        if (!rules->clock_jumps)
            break;
        engine.offset_s += (int64_t)any(4 * 3600) - 2 * 3600;
        world_result.jumps++;
        break;
    case 5:
        if (!rules->engine_stops || engine.stopped || any(3))
            break;
        engine.stopped = true;
        resume_ms = world_ms + any(20 * MINUTE);
        still_ms = any(2) ? 0 : resume_ms - world_ms; /* its clock, too */
        world_result.stops++;
        break;
    default:
        break;
    }
}

static void go_right(void)
{
    if (engine.stopped && world_ms >= resume_ms) {
        engine.stopped = false;
        engine.offset_s -= (int64_t)(still_ms / 1000);
        right_ms = world_ms + any(5 * MINUTE);
    }
    if (still_ms && !engine.stopped && world_ms >= right_ms) {
        engine.offset_s += (int64_t)(still_ms / 1000);
        still_ms = 0;
    }
    for (size_t i = 0; i < WORLD_BERTHS; i++) {
        if (berths[i].pool.frozen && world_ms >= thaw_ms[i])
            berths[i].pool.frozen = false;
    }
}

/* ---- those that do not live long ---- */

enum { LAST_LOOK_MS = 2000 };

/* Of the first COUNT. Half of them end well, as far as others' leases go, and
 * are given time for a last look. */
static void come_and_go(size_t count)
{
    for (size_t i = 0; rules->lives_s && i < count; i++) {
        struct berth *berth = &berths[i];

        if (!berth->alive && any(rules->lives_s / 2) == 0)
            start(berth);
        else if (berth->alive && world_ms >= berth->ends_ms)
            kill_berth(berth);
        else if (berth->alive && world_ms + LAST_LOOK_MS >= berth->ends_ms &&
                 any(2))
            reaper_hurry(berth->reaper);
    }
}

/* ---- the course of events ---- */

static void *next_question(uint64_t before, uint64_t *at)
{
    struct subrequest *first = NULL;

    for (size_t i = 0; i < QUESTIONS; i++) {
        struct subrequest *q = &questions[i];

        if (q->used && q->at <= before && !is_held_up(q) &&
            (!first || q->at < first->at))
            first = q;
    }
    if (first)
        *at = first->at;
    return first;
}

static void begin(uint64_t seed)
{
    world_time_begin(seed);
    memset(&engine, 0, sizeof(engine));
    memset(berths, 0, sizeof(berths));
    world_result = (struct world_result){.kills = 0};
    resume_ms = still_ms = right_ms = 0;
    for (size_t i = 0; i < WORLD_BERTHS; i++) {
        snprintf(berths[i].ns, sizeof(berths[i].ns), "r%zu", i);
        start(&berths[i]);
    }
}

static void finish(void)
{
    size_t used = 0;

    for (size_t i = 0; i < WORLD_BERTHS; i++)
        kill_berth(&berths[i]);
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (questions[i].used)
            end_question(&questions[i]);
    }
    while (engine.count) {
        const struct sim_object *object = &engine.objects[0];
        const char *ns = object->lease ? object->lease : world_owner(object);

        if (ns && strcmp(ns, berths[0].ns) != 0 &&
            used < sizeof(world_result.left) - 1)
            used += (size_t)snprintf(world_result.left + used,
                                     sizeof(world_result.left) - used, "%s ",
                                     object->name);
        engine_forget(&engine.objects[0]);
    }
}

struct world_result world_run(uint64_t seed, const struct world_rules *given)
{
    uint64_t end, time;

    rules = given;
    begin(seed);
    for (end = world_ms + rules->hours * HOUR; world_ms < end;) {
        world_pass(world_ms + SECOND, next_question, go_on);
        go_right();
        beat();
        come_and_go(WORLD_BERTHS);
        if (any(4) == 0)
            use(&berths[any(WORLD_BERTHS)]);
        if (any(60) == 0)
            go_wrong();
    }
    /* one is left: after a while nothing of the others is */
    for (size_t i = 1; i < WORLD_BERTHS; i++)
        kill_berth(&berths[i]);
    if (!berths[0].alive)
        start(&berths[0]);
    berths[0].pool.frozen = engine.stopped = false;
    time = 3 * HOUR + 4 * rules->term_s * SECOND;
    for (end = world_ms + (rules->lives_s ? 2 : 1) * time; world_ms < end;) {
        world_pass(world_ms + SECOND, next_question, go_on);
        beat();
        if (world_ms < end - time)
            come_and_go(2);
        else
            come_and_go(1);
        if (world_ms == end - time)
            kill_berth(&berths[1]);
    }
    finish();
    return world_result;
}
