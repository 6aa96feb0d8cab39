#include "proxy/exchange/request_private.h"

#include <assert.h>
#include <errno.h>

#include "policy/docker/dockerfile.h"
#include "policy/docker/namespace.h"
#include "proxy/exchange/request_age.h"
#include "proxy/exchange/request_build.h"

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

/* ---- what only the engine knows ---- */

void request_decide(struct request *rq)
{
    lookups_drop_open(&rq->lookups);
    rq->phase = PHASE_DECIDED;
}

static int put_inspect(struct strbuf *out, const char *kind, struct str name)
{
    int r = strbuf_addf(out, "/%s/", kind);

    if (r == 0)
        r = target_put_segment(out, name);
    return r ? r : strbuf_addf(out, "/json");
}

/* Where the engine is asked for what NEED is about. */
static int put_need(struct strbuf *out, const struct request *rq,
                    const struct need *need)
{
    int r = -EINVAL;

    switch (need->kind) {
    case NEED_CONTAINER: /* as it is called on the engine by now */
        r = put_inspect(out, "containers", rq->match.params[0].value);
        break;
    case NEED_IMAGE:
    case NEED_OWN_IMAGE:
        r = put_inspect(out, "images", str_from(need->subject));
        break;
    case NEED_ENGINE:
        r = strbuf_addf(out, "/info");
        break;
    }
    return r;
}

/* Ask for the fact of the need at INDEX. False: the request is refused. */
static bool ask_for_need(struct request *rq, size_t index)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);

    if (put_need(&target, rq, &rq->judgement.needs[index]) == 0) {
        size_t at = lookups_get(&rq->lookups, strbuf_str(&target));

        rq->need_lookups[index] = at;
        if (at < rq->lookups.count)
            return true;
    }
    verdict_deny(&rq->verdict, 403, "request.body", "",
                 "what the engine must be asked about this request is too "
                 "long");
    request_decide(rq);
    return false;
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

/* Look up the image that NEED is about; asks when it is not known yet. */
static void look_up(struct request *rq, struct need *need)
{
    const json_t *inspected;
    bool own;

    rq->looking.context = rq->rewrite.context;
    if (rewrite_look_up_image(&rq->looking, str_from(need->subject), &inspected,
                              &own) == REWRITE_DONE)
        need->fact =
            (struct fact){.known = true, .inspected = inspected, .is_own = own};
}

/* All images that NEEDs are about. False: something is asked. */
static bool look_up_images(struct request *rq, const struct policy *policy)
{
    for (size_t i = 0; i < rq->judgement.need_count; i++) {
        if (is_looked_up(policy, &rq->judgement.needs[i]))
            look_up(rq, &rq->judgement.needs[i]);
    }
    return !request_asks(rq);
}

/* What the engine said about the need at INDEX. */
static void take_fact(struct request *rq, size_t index)
{
    const struct lookup *lookup = &rq->lookups.items[rq->need_lookups[index]];
    struct need *need = &rq->judgement.needs[index];

    need->fact = (struct fact){
        .known = lookup->status == 200 || lookup->status == 404,
        .inspected = lookup->status == 200 ? lookup->reply : NULL,
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

/* Is what refuses it what the judge has found? */
static bool is_judged(const struct request *rq)
{
    return rq->judgement.refused &&
           !strcmp(rq->verdict.rule, rq->judgement.verdict.rule);
}

void request_put_refusal(const struct request *rq, const struct policy *policy,
                         struct strbuf *out)
{
    const char *contact = policy->refusals.contact;
    int r = is_judged(rq) ? judgement_put_refusal(&rq->judgement, out)
                          : strbuf_addf(out, "%s", rq->verdict.reason);

    if (r == 0 && contact && rq->verdict.status == 403 && !rq->engine_words)
        strbuf_addf(out, "; %s", contact);
}

/* Can NEED only be met once it is known what is named? */
static bool compares(const struct need *need)
{
    return need->kind == NEED_CONTAINER;
}

static bool has_comparison(const struct request *rq)
{
    for (size_t i = 0; i < rq->judgement.need_count; i++) {
        if (compares(&rq->judgement.needs[i]))
            return true;
    }
    return false;
}

static bool ask_for_needs(struct request *rq, const struct policy *policy,
                          bool comparisons)
{
    for (size_t i = 0; i < rq->judgement.need_count; i++) {
        const struct need *need = &rq->judgement.needs[i];

        if (compares(need) == comparisons && !is_looked_up(policy, need) &&
            !ask_for_need(rq, i))
            return false;
    }
    return true;
}

/* All facts are there: what does the judge say? False: no. */
static bool settle_judgement(struct request *rq, const struct policy *policy)
{
    for (size_t i = 0; i < rq->judgement.need_count; i++)
        if (!is_looked_up(policy, &rq->judgement.needs[i]))
            take_fact(rq, i);
    judge_settle(&policy->rules, rq->tree, &rq->judgement);
    take_judgement(rq);
    return rq->verdict.kind == VERDICT_ALLOW;
}

/* ---- the phases ---- */

/* What hangs on facts has been judged by them before it is sent. */
static bool is_settled(struct request *rq)
{
    if (rq->judgement.need_count == 0 ||
        rq->judgement.verdict.kind == VERDICT_ALLOW)
        return true;
    verdict_deny(&rq->verdict, 403, "request.body", "",
                 "what this request needs was not settled, so berth does not "
                 "pass it");
    return false;
}

void request_write(struct request *rq, const struct policy *policy)
{
    request_decide(rq);
    if (!is_settled(rq))
        return;
    if (rq->tree && request_operation(rq) == OP_CONTAINER_CREATE)
        request_share_label(&rq->share, rq->tree);
    if (!rq->rewriting)
        request_age_raise(rq);
    if ((!rq->tree || request_body_write(rq)) &&
        request_build_begin(rq, policy))
        request_target_write(rq);
}

static void answer_with(struct request *rq, int status, json_t *answer)
{
    request_decide(rq);
    rq->answers = true;
    rq->answer_status = status;
    rq->answer = json_incref(answer);
    request_after(rq, status);
}

/* The request as it will be sent is held against what it is to change. */
static void compare(struct request *rq, const struct policy *policy)
{
    for (size_t i = 0; i < rq->judgement.need_count; i++) {
        const struct lookup *found = &rq->lookups.items[rq->need_lookups[i]];

        if (compares(&rq->judgement.needs[i]) && found->status == 404) {
            /* the engine's own words, in the runner's */
            json_auto_t *missing = json_deep_copy(found->reply);

            if (rq->rewriting)
                rewrite_reply(&rq->rewrite, 404, missing);
            answer_with(rq, 404, missing);
            return;
        }
    }
    if (settle_judgement(rq, policy))
        request_take_share(rq, policy);
    else
        request_decide(rq);
}

static void take_step(struct request *rq, const struct policy *policy,
                      enum rewrite_step step)
{
    switch (step) {
    case REWRITE_ASK:
        if (lookups_change(&rq->lookups) && !rq->share.begun)
            request_take_share(rq, policy);
        return;
    case REWRITE_REFUSED:
        rq->verdict = rq->rewrite.verdict;
        /* names are refused as by an engine; what is the policy's is not */
        rq->engine_words =
            !str_has_prefix(str_from(rq->verdict.rule), S("container."));
        request_decide(rq);
        request_after(rq, rq->verdict.status);
        return;
    case REWRITE_ANSWER:
        answer_with(rq, rq->rewrite.answer_status, rq->rewrite.answer);
        return;
    case REWRITE_DONE:
        break;
    }
    if (!has_comparison(rq)) {
        if (rq->share.begun)
            request_write(rq, policy);
        else
            request_take_share(rq, policy);
        return;
    }
    rq->phase = PHASE_COMPARING;
    if (ask_for_needs(rq, policy, true) && !request_asks(rq))
        compare(rq, policy);
}

bool request_goes_on(struct request *rq, const struct policy *policy)
{
    if (!rq->rewriting || rq->phase != PHASE_FINISH ||
        !rewrite_goes_on(&rq->rewrite))
        return false;
    rq->phase = PHASE_REWRITING;
    strbuf_clear(&rq->sent);
    take_step(rq, policy, rewrite_next(&rq->rewrite));
    return true;
}

static enum rewrite_step begin_rewriting(struct request *rq,
                                         const struct policy *policy)
{
    struct rewrite_context context = rq->rewrite.context;

    if (policy->isolation == POLICY_NO_ISOLATION)
        return REWRITE_DONE;
    rq->rewriting = true;
    return rewrite_begin(&rq->rewrite, &context, &rq->match, &rq->target,
                         &rq->tree);
}

/* What the policy made hang on facts is known: judged, unless an update has to
 * be compared first. */
static void go_on_judging(struct request *rq, const struct policy *policy)
{
    if (!look_up_images(rq, policy))
        return;
    if (!has_comparison(rq) && !settle_judgement(rq, policy)) {
        request_decide(rq);
        return;
    }
    rq->phase = PHASE_REWRITING;
    take_step(rq, policy,
              rq->rewriting ? rewrite_next(&rq->rewrite) : REWRITE_DONE);
}

/* Some refusals are an engine's, too. */
static void decide_build(struct request *rq)
{
    struct str rule = str_from(rq->verdict.rule);

    rq->engine_words =
        str_eq(rule, S(DOCKERFILE_RULE)) || str_eq(rule, S("namespace"));
    request_decide(rq);
}

static void go_on_building(struct request *rq, const struct policy *policy)
{
    switch (request_build_step(rq, policy)) {
    case REWRITE_ASK:
        return;
    case REWRITE_REFUSED:
        rq->verdict = rq->rewrite.verdict;
        break;
    case REWRITE_DONE:
    case REWRITE_ANSWER:
        break;
    }
    decide_build(rq);
}

void request_body_over(struct request *rq, const struct policy *policy)
{
    rq->phase = PHASE_BUILDING;
    if (request_build_read(rq))
        go_on_building(rq, policy);
    else
        decide_build(rq);
}

static void judge_it(struct request *rq, const struct policy *policy)
{
    enum rewrite_step step;

    rq->phase = PHASE_JUDGING;
    if (!request_age_settle(rq)) {
        request_decide(rq);
        return;
    }
    (policy->mode == POLICY_REPORT_ONLY ? judge_report : judge_request)(
        &policy->rules, &rq->match, &rq->target, rq->tree, &rq->judgement);
    rq->rewrite.context.binds = rq->judgement.binds;
    if (rq->judgement.verdict.kind == VERDICT_ALLOW || rq->judgement.need_count)
        judge_fill_log(&policy->rules, &rq->match, rq->tree,
                       rq->rewrite.context.log_driver, &rq->judgement);
    if (rq->judgement.need_count == 0) {
        take_judgement(rq);
        if (rq->verdict.kind != VERDICT_ALLOW ||
            !request_build_judge(rq, policy)) {
            request_decide(rq);
            return;
        }
    } else if (!ask_for_needs(rq, policy, false)) {
        return;
    }
    if (look_up_images(rq, policy)) {
        if (rq->judgement.need_count && !has_comparison(rq) &&
            !settle_judgement(rq, policy)) {
            request_decide(rq);
            return;
        }
        rq->phase = PHASE_REWRITING;
    }
    /* What isolation asks does not depend on what the judge asks; and as long
     * as something is asked, it changes nothing. */
    step = begin_rewriting(rq, policy);
    if (rq->phase == PHASE_REWRITING)
        take_step(rq, policy, step);
    else if (!request_asks(rq))
        go_on_judging(rq, policy);
}

static void go_on(struct request *rq, const struct policy *policy)
{
    switch (rq->phase) {
    case PHASE_DATING:
        request_age_answered(rq);
        judge_it(rq, policy);
        break;
    case PHASE_JUDGING:
        go_on_judging(rq, policy);
        break;
    case PHASE_REWRITING:
        take_step(rq, policy, rewrite_next(&rq->rewrite));
        break;
    case PHASE_COMPARING:
        compare(rq, policy);
        break;
    case PHASE_SHARING:
        request_take_counts(rq, policy);
        break;
    case PHASE_BUILDING:
        go_on_building(rq, policy);
        break;
    case PHASE_AFTER: /* what is done by now is not rewritten once more */
    case PHASE_FINISH:
        rewrite_follow(&rq->rewrite);
        break;
    case PHASE_READING:
    case PHASE_DECIDED:
        assert(!"nothing is asked in these phases");
    }
}

void request_answered(struct request *rq, const struct policy *policy,
                      size_t index, int status, json_t *reply)
{
    assert(request_asks(rq));
    lookups_answer(&rq->lookups, index, status, reply);
    if (!request_asks(rq))
        go_on(rq, policy);
}

void request_judge(struct request *rq, const struct policy *policy,
                   const struct rewrite_context *context,
                   const struct request_world *world)
{
    assert(rq->verdict.kind == VERDICT_ALLOW);
    rq->rewrite.context = *context;
    if (world)
        rq->world = *world;
    rq->rewrite.context.lookups = &rq->lookups;
    if (!request_body_read(rq)) {
        request_decide(rq);
        return;
    }
    rq->phase = PHASE_DATING;
    if (!request_age_asks(rq))
        judge_it(rq, policy);
}
