#include "proxy/exchange/request.h"

#include <assert.h>
#include <errno.h>

#include "policy/base/json_size.h"
#include "policy/base/json_strict.h"
#include "policy/base/json_write.h"
#include "policy/docker/dockerfile.h"
#include "policy/docker/namespace.h"
#include "proxy/exchange/request_build.h"

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
    /* of which rewriting makes another */
    rq->tree_size = 2 * json_memory(rq->tree);
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

/* There is a verdict, whatever has not been asked yet. */
static void decide(struct request *rq)
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
    decide(rq);
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

static void write_it(struct request *rq, const struct policy *policy)
{
    decide(rq);
    if (rq->tree && request_operation(rq) == OP_CONTAINER_CREATE)
        request_share_label(&rq->share, rq->tree);
    if ((!rq->tree || write_body(rq)) && request_build_begin(rq, policy))
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

/* ---- its share of the engine ---- */

static struct share_request share_request_of(const struct request *rq,
                                             const struct policy *policy)
{
    return (struct share_request){
        .policy = policy,
        .match = &rq->match,
        .target = &rq->target,
        .body =
            rq->rewriting && rq->rewrite.draft ? rq->rewrite.draft : rq->tree,
        .ledger = rq->world.ledger,
        .on_turn = rq->world.on_turn,
        .arg = rq->world.arg,
    };
}

static uint64_t now_ms(const struct request *rq)
{
    return rq->world.ledger ? rq->world.now_ms(rq->world.arg) : 0;
}

/* What was to be done next is, or is not, done now. */
static void unpark(struct request *rq)
{
    lookups_fini(&rq->lookups);
    rq->lookups = rq->parked;
    rq->parked = (struct lookups){0};
}

/* It has its share: on with what it was about to do. */
static void go_on_with_share(struct request *rq, const struct policy *policy)
{
    unpark(rq);
    rq->has_changed = lookups_change(&rq->lookups);
    if (lookups_are_pending(&rq->lookups))
        rq->phase = PHASE_REWRITING;
    else
        write_it(rq, policy);
}

static void refuse_share(struct request *rq, const struct verdict *why)
{
    unpark(rq);
    rq->verdict = *why;
    decide(rq);
}

/* All questions that count what it wants, at once. */
static void ask_for_share(struct request *rq,
                          const struct share_request *request)
{
    size_t count = (size_t)__builtin_popcount(rq->share.open);
    struct verdict why;

    lookups_fini(&rq->lookups); /* of an earlier count */
    for (size_t i = 0; i < count; i++) {
        AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);

        if (request_share_put_question(&rq->share, request, i, &target))
            lookups_add(&rq->lookups, METHOD_GET, strbuf_str(&target));
    }
    if (rq->lookups.count == count)
        return;
    verdict_deny(&why, 403, "request.body", "",
                 "what the engine must be asked about this request is too "
                 "long");
    refuse_share(rq, &why);
}

static void take_share_step(struct request *rq, const struct policy *policy,
                            enum share_step step, const struct verdict *why)
{
    const struct share_request request = share_request_of(rq, policy);

    switch (step) {
    case SHARE_ASK:
        ask_for_share(rq, &request);
        return;
    case SHARE_WAIT:
        rq->waits = true;
        return;
    case SHARE_REFUSED:
        if (policy->mode == POLICY_ENFORCE || why->status != 403) {
            refuse_share(rq, why);
            return;
        }
        if (!rq->would_deny)
            rq->reported = *why;
        rq->would_deny = true;
        verdict_allow(&rq->verdict, "mode.report-only");
        break;
    case SHARE_DONE:
        break;
    }
    go_on_with_share(rq, policy);
}

/* Before anything is made for the request, and before it is sent. */
static void take_share(struct request *rq, const struct policy *policy)
{
    const struct share_request request = share_request_of(rq, policy);
    struct verdict why;

    rq->phase = PHASE_SHARING;
    rq->parked = rq->lookups;
    rq->lookups = (struct lookups){0};
    take_share_step(rq, policy,
                    request_share_begin(&rq->share, &request, now_ms(rq), &why),
                    &why);
}

/* All counts have come. */
static void take_counts(struct request *rq, const struct policy *policy)
{
    const struct share_request request = share_request_of(rq, policy);
    enum share_step step = SHARE_ASK;
    struct verdict why;

    for (size_t i = 0; step == SHARE_ASK && i < rq->lookups.count; i++)
        step = request_share_answered(
            &rq->share, &request, rq->lookups.items[i].status,
            rq->lookups.items[i].reply, now_ms(rq), &why);
    take_share_step(rq, policy, step, &why);
}

void request_turn(struct request *rq, const struct policy *policy)
{
    const struct share_request request = share_request_of(rq, policy);
    struct verdict why;

    if (!rq->waits)
        return;
    rq->waits = false;
    take_share_step(rq, policy,
                    request_share_turn(&rq->share, &request, now_ms(rq), &why),
                    &why);
}

void request_turn_is_late(struct request *rq, const struct policy *policy)
{
    struct verdict why;

    assert(rq->waits);
    rq->waits = false;
    verdict_deny(&why, 429, "namespace.limits.wait", "",
                 "others of this namespace were before it for longer than the "
                 "%u ms that namespace.limits.wait in the policy allows; try "
                 "again",
                 policy->limits.wait);
    refuse_share(rq, &why);
}

void request_leave(struct request *rq, enum ticket_end end)
{
    request_share_end(&rq->share, end, now_ms(rq));
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
        take_share(rq, policy);
    else
        decide(rq);
}

static void take_step(struct request *rq, const struct policy *policy,
                      enum rewrite_step step)
{
    switch (step) {
    case REWRITE_ASK:
        if (lookups_change(&rq->lookups) && !rq->share.begun)
            take_share(rq, policy);
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
    if (!has_comparison(rq)) {
        if (rq->share.begun)
            write_it(rq, policy);
        else
            take_share(rq, policy);
        return;
    }
    rq->phase = PHASE_COMPARING;
    if (ask_for_needs(rq, policy, true) && !request_asks(rq))
        compare(rq, policy);
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
        decide(rq);
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
    decide(rq);
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

static void go_on(struct request *rq, const struct policy *policy)
{
    switch (rq->phase) {
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
        take_counts(rq, policy);
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
    enum rewrite_step step;

    assert(rq->verdict.kind == VERDICT_ALLOW);
    rq->phase = PHASE_JUDGING;
    rq->rewrite.context = *context;
    if (world)
        rq->world = *world;
    rq->rewrite.context.lookups = &rq->lookups;
    if (!read_body(rq)) {
        decide(rq);
        return;
    }
    (policy->mode == POLICY_REPORT_ONLY ? judge_report : judge_request)(
        &policy->rules, &rq->match, &rq->target, rq->tree, &rq->judgement);
    if (rq->judgement.verdict.kind == VERDICT_ALLOW || rq->judgement.need_count)
        judge_fill_log(&policy->rules, &rq->match, rq->tree,
                       context->log_driver, &rq->judgement);
    if (rq->judgement.need_count == 0) {
        take_judgement(rq);
        if (rq->verdict.kind != VERDICT_ALLOW) {
            decide(rq);
            return;
        }
    } else if (!ask_for_needs(rq, policy, false)) {
        return;
    }
    if (look_up_images(rq, policy))
        rq->phase = PHASE_REWRITING;
    /* What isolation asks does not depend on what the judge asks; and as long
     * as something is asked, it changes nothing. */
    step = begin_rewriting(rq, policy);
    if (rq->phase == PHASE_REWRITING)
        take_step(rq, policy, step);
    else if (!request_asks(rq))
        go_on(rq, policy);
}

/* ---- replies ---- */

bool request_after(struct request *rq, int status)
{
    if (!rq->rewriting || rq->phase == PHASE_AFTER)
        return false;
    rq->phase = PHASE_AFTER;
    rewrite_after(&rq->rewrite, status);
    return request_asks(rq);
}

bool request_after_line(struct request *rq)
{
    if (!rq->rewriting)
        return false;
    rewrite_after_line(&rq->rewrite);
    return request_asks(rq);
}

bool request_finish(struct request *rq, struct str body)
{
    if (!rq->rewriting || rq->phase == PHASE_FINISH)
        return false;
    rq->phase = PHASE_FINISH;
    rewrite_finish(&rq->rewrite, body);
    return request_asks(rq);
}

bool request_abandon(struct request *rq)
{
    struct lookups *set = &rq->lookups;

    if (rq->rewriting && rq->phase == PHASE_AFTER && rewrite_owes(&rq->rewrite))
        return request_finish(rq, S(""));
    if (!rq->rewriting || rq->phase == PHASE_AFTER || rq->phase == PHASE_FINISH)
        return false;
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].state != LOOKUP_ANSWERED)
            lookups_answer(set, i, 0, NULL);
    }
    return request_after(rq, 503);
}

/* Only the create of a container has a place for warnings. */
static bool has_warnings(const struct request *rq, int status)
{
    return request_operation(rq) == OP_CONTAINER_CREATE && status == 201 &&
           json_array_size(rq->judgement.warnings) > 0;
}

void request_put_warnings(const struct request *rq, int status, json_t *reply)
{
    json_t *list = json_object_get(reply, "Warnings");

    if (!has_warnings(rq, status) || !json_is_object(reply))
        return;
    if (json_is_array(list))
        json_array_extend(list, rq->judgement.warnings);
    else
        json_object_set(reply, "Warnings", rq->judgement.warnings);
}

bool request_restores(const struct request *rq, int status)
{
    if (has_warnings(rq, status))
        return true;
    return rq->rewriting && rewrite_wants_reply(request_operation(rq), status);
}
