#include "proxy/exchange/request.h"

#include <assert.h>
#include <errno.h>

#include "policy/base/json_strict.h"
#include "policy/base/json_write.h"
#include "policy/docker/namespace.h"
#include "policy/docker/tar_sniff.h"

/* The body as a tree, of which a new one is written. */
static bool read_body(struct request *rq)
{
    bool wanted = rq->match.route->body == BODY_JSON;
    int r;

    if (rq->collected.len == 0 && !wanted)
        return true;
    r = json_strict_parse(strbuf_str(&rq->collected), "", &rq->tree,
                          &rq->verdict);
    /* what is written anew is about as long as what came */
    strbuf_reserve(&rq->json, rq->collected.len);
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

/* An archive for a container: what has come of it decides. */
static bool sniff_body(struct request *rq)
{
    if (tar_is_compressed(strbuf_str(&rq->collected))) {
        verdict_deny(&rq->verdict, 415, "request.archive", "",
                     "an archive for a container is refused when it is "
                     "compressed, because an engine may unpack it with a "
                     "program of the container's; send the plain tar");
        return false;
    }
    rq->body = REQUEST_BODY_STREAM;
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

/* For the record, too: what the policy would need, rule by rule. */
static json_t *lacks_of(const struct judgement *judgement)
{
    json_t *all = json_object();

    for (size_t i = 0; i < judgement->lack_count; i++) {
        const struct lack *lack = &judgement->lacks[i];
        json_t *words = json_object_get(all, lack->rule);

        if (!words)
            json_object_set_new(all, lack->rule, words = json_array());
        json_array_append_new(words, json_string(lack->word));
    }
    return all;
}

/* ---- questions ---- */

static void decide(struct request *rq)
{
    rq->asks = false;
    rq->phase = PHASE_DECIDED;
}

static void refuse_to_ask(struct request *rq)
{
    verdict_deny(&rq->verdict, 403, "request.body", "",
                 "what the engine must be asked about this request is too "
                 "long");
    decide(rq);
}

static struct strbuf *new_question(struct request *rq, enum method method)
{
    rq->asks = true;
    rq->question.method = method;
    rq->question.changes = false;
    strbuf_clear(&rq->question.target);
    strbuf_clear(&rq->question.body);
    return &rq->question.target;
}

static int put_inspect(struct strbuf *out, const char *kind, struct str name)
{
    int r = strbuf_addf(out, "/%s/", kind);

    if (r == 0)
        r = target_put_segment(out, name);
    return r ? r : strbuf_addf(out, "/json");
}

static void ask_fact(struct request *rq, const struct policy *policy,
                     const struct need *need)
{
    struct strbuf *out = new_question(rq, METHOD_GET);
    int r = -EINVAL;

    switch (need->kind) {
    case NEED_COUNT: /* of the namespace's, where there are namespaces */
        r = strbuf_addf(out, "/containers/json?all=1");
        if (r == 0 && policy->isolation == POLICY_NAMESPACE)
            r = strbuf_addf(
                out,
                "&filters=%%7B%%22label%%22%%3A%%5B%%22" LABEL_NAMESPACE
                "%%3D%s%%22%%5D%%7D",
                policy->namespace);
        break;
    case NEED_CONTAINER: /* as it is called on the engine by now */
        r = put_inspect(out, "containers", rq->match.params[0].value);
        break;
    case NEED_IMAGE:
    case NEED_OWN_IMAGE:
        r = put_inspect(out, "images", str_from(need->subject));
        break;
    }
    if (r < 0)
        refuse_to_ask(rq);
}

/* The first of the rewrite's questions that has no answer yet, or their
 * number. */
static size_t open_ask(const struct rewrite *rw)
{
    size_t at = 0;

    while (at < rw->ask_count && rw->asks[at].answered)
        at++;
    return at;
}

static bool has_open_ask(const struct rewrite *rw)
{
    return open_ask(rw) < rw->ask_count;
}

static void ask_for_rewrite(struct request *rq, const struct rewrite *rw)
{
    const struct ask *ask = &rw->asks[open_ask(rw)];
    struct strbuf *out = new_question(rq, ask->method);

    assert(has_open_ask(rw));
    rq->question.changes = ask->changes;
    if (strbuf_add(out, str_from(ask->target)) ||
        (ask->body && json_write(&rq->question.body, ask->body)))
        refuse_to_ask(rq);
}

/* ---- the judge ---- */

/* In a namespace, an image is what its runner means by the name, not what the
 * engine does: what is another's must not be told from what is not there, so
 * neither may the verdict. */
static bool is_looked_up(const struct policy *policy, const struct need *need)
{
    return policy->isolation == POLICY_NAMESPACE &&
           (need->kind == NEED_IMAGE || need->kind == NEED_OWN_IMAGE);
}

/* Look up the image that NEED is about. False: something has to be asked. */
static bool look_up(struct request *rq, struct need *need)
{
    const json_t *inspected;
    bool own;

    rq->looking.context = rq->rewrite.context;
    switch (rewrite_look_up_image(&rq->looking, str_from(need->subject),
                                  &inspected, &own)) {
    case REWRITE_ASK:
        ask_for_rewrite(rq, &rq->looking);
        return false;
    case REWRITE_DONE:
        need->fact =
            (struct fact){.known = true, .inspected = inspected, .is_own = own};
        break;
    case REWRITE_REFUSED:
    case REWRITE_ANSWER:
        break; /* it stays unknown */
    }
    rq->asked++;
    return true;
}

static void take_fact(struct request *rq, const struct policy *policy,
                      int status, json_t *reply)
{
    struct need *need = &rq->judgement.needs[rq->asked];
    json_t *kept = status == 200 ? json_incref(reply) : NULL;

    rq->facts[rq->asked++] = kept;
    need->fact = (struct fact){
        .known = status == 200 || status == 404,
        .count =
            policy->isolation == POLICY_NAMESPACE
                ? namespace_count_containers(str_from(policy->namespace), kept)
                : json_array_size(kept),
        .inspected = kept,
    };
}

/* What the judge says in the end. */
static void take_judgement(struct request *rq)
{
    const struct judgement *judgement = &rq->judgement;

    if (judgement->verdict.kind == VERDICT_DENY) {
        rq->verdict = judgement->verdict; /* else what allowed to call it */
    } else if (judgement->would_deny) {
        rq->would_deny = true;
        rq->reported = judgement->reported;
        verdict_allow(&rq->verdict, "mode.report-only");
    }
    rq->changes = changes_of(judgement);
    rq->lacks = lacks_of(judgement);
}

/* Is there a need that can only be met once it is known what is named? */
static bool compares(const struct request *rq)
{
    return rq->asked < rq->judgement.need_count &&
           rq->judgement.needs[rq->asked].kind == NEED_CONTAINER;
}

/* ---- the phases ---- */

static void write_it(struct request *rq)
{
    decide(rq);
    if (!rq->tree || write_body(rq))
        write_target(rq);
}

static void answer_with(struct request *rq, int status, json_t *answer)
{
    decide(rq);
    rq->answers = true;
    rq->answer_status = status;
    rq->answer = json_incref(answer);
    request_after(rq, status);
}

static void go_on_rewriting(struct request *rq, const struct policy *policy,
                            enum rewrite_step step)
{
    switch (step) {
    case REWRITE_ASK:
        ask_for_rewrite(rq, &rq->rewrite);
        return;
    case REWRITE_REFUSED:
        rq->verdict = rq->rewrite.verdict;
        rq->engine_words = true;
        decide(rq);
        request_after(rq, rq->verdict.status);
        return;
    case REWRITE_ANSWER:
        answer_with(rq, rq->rewrite.answer_status, rq->rewrite.answer);
        return;
    case REWRITE_DONE:
        break;
    }
    if (!compares(rq)) {
        write_it(rq);
        return;
    }
    rq->phase = PHASE_COMPARING;
    ask_fact(rq, policy, &rq->judgement.needs[rq->asked]);
}

static void begin_rewriting(struct request *rq, const struct policy *policy)
{
    struct rewrite_context context = rq->rewrite.context;

    rq->phase = PHASE_REWRITING;
    if (policy->isolation == POLICY_NO_ISOLATION) {
        go_on_rewriting(rq, policy, REWRITE_DONE);
        return;
    }
    rq->rewriting = true;
    go_on_rewriting(rq, policy,
                    rewrite_begin(&rq->rewrite, &context, &rq->match,
                                  &rq->target, &rq->tree));
}

static void go_on_judging(struct request *rq, const struct policy *policy)
{
    struct judgement *judgement = &rq->judgement;

    if (compares(rq)) {
        begin_rewriting(rq, policy);
        return;
    }
    while (rq->asked < judgement->need_count) {
        struct need *need = &judgement->needs[rq->asked];

        if (!is_looked_up(policy, need)) {
            ask_fact(rq, policy, need);
            return;
        }
        if (!look_up(rq, need))
            return;
    }
    judge_settle(&policy->rules, rq->tree, judgement);
    take_judgement(rq);
    if (rq->verdict.kind == VERDICT_ALLOW)
        begin_rewriting(rq, policy);
    else
        decide(rq);
}

static void compare(struct request *rq, const struct policy *policy, int status,
                    json_t *reply)
{
    json_t *missing;

    take_fact(rq, policy, status, reply);
    if (status == 404) {
        /* the engine's own words, in the runner's */
        missing = json_deep_copy(reply);
        if (rq->rewriting)
            rewrite_reply(&rq->rewrite, status, missing);
        answer_with(rq, status, missing);
        json_decref(missing);
        return;
    }
    judge_settle(&policy->rules, rq->tree, &rq->judgement);
    take_judgement(rq);
    if (rq->verdict.kind == VERDICT_ALLOW)
        write_it(rq);
    else
        decide(rq);
}

void request_answered(struct request *rq, const struct policy *policy,
                      int status, json_t *reply)
{
    assert(rq->asks);
    rq->asks = false;
    switch (rq->phase) {
    case PHASE_JUDGING:
        if (is_looked_up(policy, &rq->judgement.needs[rq->asked]))
            rewrite_answer(&rq->looking, open_ask(&rq->looking), status,
                           json_incref(reply));
        else
            take_fact(rq, policy, status, reply);
        if (has_open_ask(&rq->looking))
            ask_for_rewrite(rq, &rq->looking);
        else
            go_on_judging(rq, policy);
        break;
    case PHASE_REWRITING:
        rewrite_answer(&rq->rewrite, open_ask(&rq->rewrite), status,
                       json_incref(reply));
        if (has_open_ask(&rq->rewrite)) /* all of them, before it goes on */
            ask_for_rewrite(rq, &rq->rewrite);
        else
            go_on_rewriting(rq, policy, rewrite_next(&rq->rewrite));
        break;
    case PHASE_COMPARING:
        compare(rq, policy, status, reply);
        break;
    case PHASE_AFTER:
    case PHASE_FINISH:
        /* what is done by now is not rewritten once more */
        rewrite_answer(&rq->rewrite, open_ask(&rq->rewrite), status,
                       json_incref(reply));
        if (has_open_ask(&rq->rewrite) ||
            rewrite_follow(&rq->rewrite) == REWRITE_ASK)
            ask_for_rewrite(rq, &rq->rewrite);
        break;
    case PHASE_READING:
    case PHASE_DECIDED:
        assert(!"nothing is asked in these phases");
    }
}

void request_judge(struct request *rq, const struct policy *policy,
                   const struct rewrite_context *context)
{
    assert(rq->verdict.kind == VERDICT_ALLOW);
    rq->phase = PHASE_JUDGING;
    rq->rewrite.context = *context;
    if (rq->body == REQUEST_BODY_SNIFF ? !sniff_body(rq) : !read_body(rq)) {
        decide(rq);
        return;
    }
    (policy->mode == POLICY_REPORT_ONLY ? judge_report : judge_request)(
        &policy->rules, &rq->match, &rq->target, rq->tree, &rq->judgement);
    if (rq->judgement.need_count) {
        go_on_judging(rq, policy);
        return;
    }
    take_judgement(rq);
    if (rq->verdict.kind == VERDICT_ALLOW)
        begin_rewriting(rq, policy);
    else
        decide(rq);
}

/* ---- replies ---- */

bool request_after(struct request *rq, int status)
{
    if (!rq->rewriting || rq->phase == PHASE_AFTER)
        return false;
    rq->phase = PHASE_AFTER;
    if (rewrite_after(&rq->rewrite, status) == REWRITE_ASK)
        ask_for_rewrite(rq, &rq->rewrite);
    return rq->asks;
}

bool request_after_line(struct request *rq)
{
    if (rq->rewriting && rewrite_after_line(&rq->rewrite) == REWRITE_ASK)
        ask_for_rewrite(rq, &rq->rewrite);
    return rq->asks;
}

bool request_finish(struct request *rq, struct str body)
{
    if (!rq->rewriting || rq->phase == PHASE_FINISH)
        return false;
    rq->phase = PHASE_FINISH;
    if (rewrite_finish(&rq->rewrite, body) == REWRITE_ASK)
        ask_for_rewrite(rq, &rq->rewrite);
    return rq->asks;
}

void request_note_answer(struct request *rq, int status, json_t *reply)
{
    rq->asks = false;
    if (rq->phase == PHASE_REWRITING)
        rewrite_answer(&rq->rewrite, open_ask(&rq->rewrite), status,
                       json_incref(reply));
}

bool request_abandon(struct request *rq)
{
    struct rewrite *rw = &rq->rewrite;

    if (rq->rewriting && rq->phase == PHASE_AFTER && rewrite_owes(rw))
        return request_finish(rq, S(""));
    if (!rq->rewriting || rq->phase == PHASE_AFTER || rq->phase == PHASE_FINISH)
        return false;
    rq->asks = false;
    for (size_t i = 0; i < rw->ask_count; i++) {
        if (!rw->asks[i].answered)
            rewrite_answer(rw, i, 0, NULL);
    }
    return request_after(rq, 503);
}

bool request_restores(const struct request *rq, int status)
{
    return rq->rewriting && rewrite_wants_reply(request_operation(rq), status);
}
