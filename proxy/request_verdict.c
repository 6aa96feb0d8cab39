#include "proxy/request.h"

#include <assert.h>
#include <errno.h>

#include "policy/json_strict.h"
#include "policy/json_write.h"
#include "policy/namespace.h"

/* The body as a tree, of which a new one is written. */
static bool read_body(struct request *rq)
{
    bool wanted = rq->match.route->body == BODY_JSON;
    int r;

    if (rq->collected.len == 0 && !wanted)
        return true;
    r = json_strict_parse(strbuf_str(&rq->collected), "", &rq->tree,
                          &rq->verdict);
    strbuf_fini(&rq->collected);
    if (r)
        return false;
    /* To Go it is nothing, and the client of 20.10 commits with it. */
    if (json_is_null(rq->tree) && !wanted) {
        json_decref(rq->tree);
        rq->tree = NULL;
    }
    return true;
}

static bool write_body(struct request *rq)
{
    if (json_write(&rq->json, rq->tree) == 0)
        return true;
    verdict_deny(&rq->verdict, 413, "request.body", "",
                 "the body, written anew, is too long");
    return false;
}

static bool write_target(struct request *rq)
{
    int r = route_put_target(&rq->sent, &rq->match, &rq->target);

    if (r == -ENOBUFS)
        verdict_deny(&rq->verdict, 414, "request.path", "",
                     "the request target, written anew, is too long");
    else if (r < 0)
        verdict_deny(&rq->verdict, 400, "request.path", "",
                     "a name in the path cannot be written");
    return r == 0;
}

/* For the record: where the body was changed, and how. */
static json_t *changes_of(const struct judgement *judgement)
{
    json_t *all = json_array();

    for (size_t i = 0; i < judgement->change_count; i++) {
        const struct change *change = &judgement->changes[i];
        json_t *row = json_object();

        json_object_set_new(row, "what",
                            json_string(change_kind_name(change->kind)));
        json_object_set_new(row, "where", json_string(change->place));
        json_array_append_new(all, row);
    }
    return all;
}

/* The question that the need AT wants answered. */
static int put_question(struct strbuf *out, const struct request *rq,
                        const struct policy *policy, const struct need *need)
{
    int r = -EINVAL;

    strbuf_clear(out);
    switch (need->kind) {
    case NEED_COUNT:
        return strbuf_addf(out,
                           "/containers/json?all=1&filters="
                           "%%7B%%22label%%22%%3A%%5B%%22" LABEL_NAMESPACE
                           "%%3D%s%%22%%5D%%7D",
                           policy->namespace);
    case NEED_CONTAINER:
        r = strbuf_addf(out, "/containers/");
        if (r == 0)
            r = target_put_segment(out, rq->match.params[0].value);
        break;
    case NEED_IMAGE:
    case NEED_OWN_IMAGE:
        r = strbuf_addf(out, "/images/");
        if (r == 0)
            r = target_put_segment(out, str_from(need->subject));
        break;
    }
    return r ? r : strbuf_addf(out, "/json");
}

/* Is the image that was inspected one of this namespace's own making? */
static bool is_own_image(const json_t *image, const struct policy *policy)
{
    const char *owner = json_string_value(json_object_get(
        json_object_get(json_object_get(image, "Config"), "Labels"),
        LABEL_NAMESPACE));

    return owner && !strcmp(owner, policy->namespace);
}

static void take_fact(struct request *rq, const struct policy *policy,
                      int status, const json_t *reply)
{
    struct need *need = &rq->judgement.needs[rq->asked];
    json_t *kept = status == 200 ? json_deep_copy(reply) : NULL;

    rq->facts[rq->asked++] = kept;
    need->fact = (struct fact){
        .known = status == 200 || status == 404,
        .count = json_array_size(kept),
        .inspected = kept,
        .is_own = is_own_image(kept, policy),
    };
}

static bool is_counted(const struct judgement *judgement)
{
    for (size_t i = 0; i < judgement->need_count; i++) {
        if (judgement->needs[i].kind == NEED_COUNT)
            return true;
    }
    return false;
}

/* A container that counts says whose it is, or the next count would miss it. */
static void put_owner(struct request *rq, const struct policy *policy)
{
    json_t *labels;

    if (!is_counted(&rq->judgement))
        return;
    labels = json_object_get(rq->tree, "Labels");
    if (!labels) {
        labels = json_object();
        json_object_set_new(rq->tree, "Labels", labels);
    }
    json_object_set_new(labels, LABEL_NAMESPACE,
                        json_string(policy->namespace));
}

/*
 * The policy only reports: let pass what it refuses, as it was before the
 * judge laid hands on it. What is malformed stays refused, for it may mean
 * one thing here and another to the engine.
 */
static void report_only(struct request *rq)
{
    struct verdict why;

    if (rq->verdict.kind == VERDICT_ALLOW || rq->verdict.status != 403)
        return;
    rq->would_deny = true;
    rq->reported = rq->verdict;
    json_decref(rq->tree);
    rq->tree = rq->unjudged;
    rq->unjudged = NULL;
    target_fini(&rq->target);
    target_init(&rq->target);
    if (target_parse(&rq->target, rq->raw_target, &why) ||
        route_find(rq->match.route->method, &rq->target, &rq->match))
        assert(!"it was parsed before");
    verdict_allow(&rq->verdict, "mode.report-only");
}

static void conclude(struct request *rq, const struct policy *policy)
{
    if (rq->judgement.verdict.kind == VERDICT_DENY)
        rq->verdict = rq->judgement.verdict; /* else what allowed to call it */
    if (policy->mode == POLICY_REPORT_ONLY)
        report_only(rq);
    if (!rq->would_deny)
        rq->changes = changes_of(&rq->judgement);
    if (rq->verdict.kind != VERDICT_ALLOW)
        return;
    put_owner(rq, policy);
    if (!rq->tree || write_body(rq))
        write_target(rq);
}

/* The next question; without one, the verdict. */
static void proceed(struct request *rq, const struct policy *policy)
{
    struct judgement *judgement = &rq->judgement;

    strbuf_clear(&rq->question);
    if (rq->asked < judgement->need_count) {
        if (put_question(&rq->question, rq, policy,
                         &judgement->needs[rq->asked]) < 0)
            verdict_deny(&judgement->verdict, 403, "request.body", "",
                         "what the engine must be asked about this request is "
                         "too long");
        else
            return;
        strbuf_clear(&rq->question);
    } else {
        judge_settle(&policy->rules, rq->tree, judgement);
    }
    conclude(rq, policy);
}

void request_answered(struct request *rq, const struct policy *policy,
                      int status, const json_t *reply)
{
    take_fact(rq, policy, status, reply);
    proceed(rq, policy);
}

void request_judge(struct request *rq, const struct policy *policy)
{
    assert(rq->verdict.kind == VERDICT_ALLOW);
    if (!read_body(rq))
        return;
    if (policy->mode == POLICY_REPORT_ONLY)
        rq->unjudged = json_deep_copy(rq->tree);
    judge_request(&policy->rules, &rq->match, &rq->target, rq->tree,
                  &rq->judgement);
    proceed(rq, policy);
}
