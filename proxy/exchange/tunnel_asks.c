#include "proxy/exchange/tunnel_private.h"

#include <stdlib.h>

#include "policy/docker/own_tag.h"

static void job_free(struct tunnel_judge *judge, struct job *job)
{
    TAILQ_REMOVE(&judge->jobs, job, link);
    free(job->target);
    free(job);
}

void tunnel_images_unref(struct shared_images *images)
{
    if (!images || --images->refs)
        return;
    build_images_free(images->images);
    free(images);
}

static void ask_now(struct tunnel_judge *judge)
{
    judge->asked_at = judge->numbers;
    if (judge->host.ledger)
        ledger_mark(judge->host.ledger, &judge->seen);
}

/* The first job becomes the question. */
static void ask_next(struct tunnel_judge *judge)
{
    judge->push_waits = 0;
    ask_now(judge);
}

static struct job *add_job(struct tunnel_judge *judge, enum job_kind kind,
                           struct judged *judged, char *target)
{
    struct job *job = xcalloc(1, sizeof(*job));
    bool first = TAILQ_EMPTY(&judge->jobs);

    *job = (struct job){.kind = kind,
                        .judged = judged,
                        .number = ++judge->numbers,
                        .target = target};
    TAILQ_INSERT_TAIL(&judge->jobs, job, link);
    if (first)
        ask_next(judge);
    return job;
}

bool tunnel_judge_asks(const struct tunnel_judge *judge)
{
    return !TAILQ_EMPTY(&judge->jobs);
}

void tunnel_judge_look_up(const struct tunnel_judge *judge, struct lookups *set)
{
    static const enum method methods[] = {
        [JOB_STORE] = METHOD_GET,
        [JOB_IMAGES] = METHOD_GET,
        [JOB_ANCHOR] = METHOD_POST,
        [JOB_UNTAG] = METHOD_DELETE,
    };
    const struct job *job = TAILQ_FIRST(&judge->jobs);
    struct str target = job->target              ? str_from(job->target)
                        : job->kind == JOB_STORE ? S("/info")
                                                 : S("/images/json");
    struct lookup *lookup = lookups_add(set, methods[job->kind], target);

    lookup->changes = methods[job->kind] != METHOD_GET;
}

/* containerd's snapshotters say so in the driver's status. */
static bool keeps_with_containerd(const json_t *info)
{
    const json_t *pair;
    size_t i;

    json_array_foreach(json_object_get(info, "DriverStatus"), i, pair)
    {
        const char *key = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));

        if (key && value && strcmp(key, "driver-type") == 0)
            return str_has_prefix(str_from(value),
                                  S("io.containerd.snapshotter."));
    }
    return false;
}

static void take_store(struct tunnel_judge *judge, const json_t *info)
{
    judge->view.containerd_store = keeps_with_containerd(info);
    tunnel_share_set_store(judge->host.share, judge->host.engine,
                           judge->view.containerd_store);
}

/* JUDGED waits for nothing any more; its message is judged again. */
static void go_on(struct judged *judged, enum judged_step step)
{
    judged->step = step;
    grpc_call_resume(judged->call);
}

/* All calls that waited when the list was asked for get it. */
static void take_images(struct tunnel_judge *judge, struct build_images *list,
                        const json_t *reply)
{
    struct shared_images *images = xcalloc(1, sizeof(*images));
    struct job *job, *next;

    images->images = list;
    images->seen = judge->seen;
    share_count_images(judge->view.ns, reply, &images->used);
    images->refs = 1;
    for (job = TAILQ_FIRST(&judge->jobs); job; job = next) {
        struct judged *judged = job->judged;

        next = TAILQ_NEXT(job, link);
        if (job->kind != JOB_IMAGES || job->number > judge->asked_at)
            continue;
        job_free(judge, job);
        if (!judged)
            continue;
        images->refs++;
        tunnel_images_unref(judged->images);
        judged->images = images;
        build_call_images(judged->build, list);
        judged->step = JUDGED_KNOWS;
    }
    tunnel_images_unref(images);
}

static void resume_all(struct tunnel_judge *judge, struct judged **waited,
                       size_t count, enum judged_step step)
{
    (void)judge;
    for (size_t i = 0; i < count; i++)
        go_on(waited[i], step);
}

/* The calls that wait for JOB, or for the same answer. */
static size_t waiting_for(struct tunnel_judge *judge, const struct job *job,
                          struct judged **waited)
{
    struct job *other;
    size_t count = 0;

    TAILQ_FOREACH(other, &judge->jobs, link)
    {
        bool same = other == job ||
                    (job->kind == JOB_STORE && other->kind == JOB_STORE) ||
                    (job->kind == JOB_IMAGES && other->kind == JOB_IMAGES &&
                     other->number <= judge->asked_at);

        if (same && other->judged && count < LIMIT_GRPC_STREAMS)
            waited[count++] = other->judged;
    }
    return count;
}

static bool has_job(const struct tunnel_judge *judge,
                    const struct judged *judged)
{
    const struct job *job;

    TAILQ_FOREACH(job, &judge->jobs, link)
    {
        if (job->judged == judged)
            return true;
    }
    return false;
}

static void stores_free(struct tunnel_judge *judge)
{
    struct job *job, *next;

    for (job = TAILQ_FIRST(&judge->jobs); job; job = next) {
        next = TAILQ_NEXT(job, link);
        if (job->kind == JOB_STORE)
            job_free(judge, job);
    }
}

void tunnel_judge_answered(struct tunnel_judge *judge, int status,
                           const json_t *reply)
{
    struct judged *waited[LIMIT_GRPC_STREAMS];
    struct job *job = TAILQ_FIRST(&judge->jobs);
    struct build_images *list = NULL;
    bool good = status == 200 && reply;
    enum judged_step step = JUDGED_KNOWS;
    size_t count;

    assert(job);
    if (job->kind == JOB_IMAGES && good)
        list = build_images_new(judge->view.ns, reply);
    if (list && build_images_have_push(list) &&
        judge->push_waits++ < LIMIT_BUILD_PUSH_WAITS) {
        build_images_free(list);
        ask_now(judge);
        return; /* and it is asked again */
    }
    count = waiting_for(judge, job, waited);
    switch (job->kind) {
    case JOB_STORE:
        if (good)
            take_store(judge, reply);
        else
            step = JUDGED_FAILED;
        stores_free(judge);
        break;
    case JOB_IMAGES:
        if (list)
            take_images(judge, list, reply);
        else
            step = JUDGED_FAILED;
        // NOLINTBEGIN(clang-analyzer-unix.Malloc): TAILQ_REMOVE took it out
        while (!list && (job = TAILQ_FIRST(&judge->jobs)) &&
               job->kind == JOB_IMAGES && job->number <= judge->asked_at)
            job_free(judge, job);
        // NOLINTEND(clang-analyzer-unix.Malloc)
        break;
    case JOB_ANCHOR: /* what fails leaves a name too many, which is harmless */
    case JOB_UNTAG:
        job_free(judge, job);
        step = count && has_job(judge, waited[0]) ? JUDGED_ENDS : JUDGED_OVER;
        break;
    }
    /* what is asked next is for those, too, who find on that they must wait */
    if (step != JUDGED_ENDS)
        resume_all(judge, waited, count, step);
    ask_next(judge);
}

/* ---- what has to be asked ---- */

/* Does a Solve wait for what it depends on? */
static bool solve_waits(const struct tunnel_judge *judge)
{
    const struct job *job;

    TAILQ_FOREACH(job, &judge->jobs, link)
    {
        if (job->judged && job->judged->method->id == RPC_SOLVE &&
            job->judged->step == JUDGED_ASKS)
            return true;
    }
    return false;
}

/*
 * BuildKit waits only three to six seconds for the build that a call of a
 * frontend's or a Status belongs to, from when it gets that call
 * (frontend/gateway/forwarder, solver/jobs.go: Get): it must not get it long
 * before the Solve. Clients send both at once, so a Status that comes first
 * asks for what its Solve will ask for (needs_images), and finds it waiting.
 */
static bool is_ahead_of_solve(const struct judged *judged)
{
    return (judged->method->scoped || judged->method->id == RPC_STATUS) &&
           solve_waits(judged->judge);
}

bool tunnel_ask_before(struct judged *judged)
{
    struct tunnel_judge *judge = judged->judge;
    bool containerd;

    if (is_ahead_of_solve(judged)) {
        struct job *job = add_job(judge, JOB_IMAGES, judged, NULL);

        if (judged->method->id == RPC_STATUS)
            job->number = 0; /* names no image: any list lets it go on */
        judged->step = JUDGED_ASKS;
        return true;
    }
    if (!judged->method->needs_images)
        return false;
    if (!tunnel_share_knows_store(judge->host.share, judge->host.engine,
                                  &containerd)) {
        add_job(judge, JOB_STORE, judged, NULL);
    } else if (!judged->images && judge->view.ns.len) {
        judge->view.containerd_store = containerd;
        add_job(judge, JOB_IMAGES, judged, NULL);
    } else {
        return false;
    }
    judged->step = JUDGED_ASKS;
    return true;
}

/* POST /images/IMAGE/tag, with its own anchor. */
static void add_anchor(struct judged *judged, struct str image)
{
    struct tunnel_judge *judge = judged->judge;
    AUTO(strbuf_fini) struct strbuf name = STRBUF(4 * KIB);
    AUTO(strbuf_fini) struct strbuf target = STRBUF(4 * KIB);
    struct str repo, tag;

    if (own_anchor_put(&name, judge->view.ns, image) != 0)
        return;
    (void)str_cut(strbuf_str(&name), ':', &repo, &tag);
    strbuf_addf(&target, "/images/%.*s/tag?repo=%.*s&tag=%.*s", STR_FMT(image),
                STR_FMT(repo), STR_FMT(tag));
    add_job(judge, JOB_ANCHOR, judged, xstr_dup(strbuf_str(&target)));
}

bool tunnel_ask_after(struct judged *judged)
{
    struct build_after after = build_after(judged->build);
    AUTO(strbuf_fini) struct strbuf target = STRBUF(4 * KIB);

    for (size_t i = 0; build_replaced(judged->build, i).len; i++)
        add_anchor(judged, build_replaced(judged->build, i));
    if (after.anchor.len) {
        if (after.image.len)
            add_anchor(judged, after.image);
        strbuf_addf(&target, "/images/%.*s?noprune=1", STR_FMT(after.anchor));
        add_job(judged->judge, JOB_UNTAG, judged,
                xstr_dup(strbuf_str(&target)));
    }
    if (!has_job(judged->judge, judged))
        return false;
    judged->step = JUDGED_ENDS;
    return true;
}

void tunnel_asks_forget(struct judged *judged)
{
    struct job *job;

    TAILQ_FOREACH(job, &judged->judge->jobs, link)
    {
        if (job->judged == judged)
            job->judged = NULL;
    }
}

void tunnel_asks_fini(struct tunnel_judge *judge)
{
    struct job *job;

    while ((job = TAILQ_FIRST(&judge->jobs)))
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE took it out
        job_free(judge, job);
}
