#include "policy/judge/judge.h"

#include "policy/judge/check.h"

static bool judge_body(struct judge *judge, const struct route *route,
                       json_t *body)
{
    const struct record *record = body_record(route->operation);
    struct place top = {.key = ""};

    if (!record)
        return (!body && route->body != BODY_JSON) ||
               judge_forbid(judge, "request.body", &top,
                            "berth does not know what the body of %s may "
                            "hold, so it cannot judge it",
                            operation_name(route->operation));
    if (!body)
        return route->body != BODY_JSON ||
               judge_refuse(judge, 400, "request.body", &top,
                            "%s needs a JSON body; send one",
                            operation_name(route->operation));
    if (!json_is_object(body))
        return judge_refuse(judge, 400, "request.body", &top,
                            "the body has to be a JSON object");
    return judge_record(judge, record, &top, body);
}

static void judge_all(const struct rules *rules,
                      const struct route_match *match, struct target *target,
                      json_t *body, struct judgement *out)
{
    struct judge judge = {
        .rules = rules,
        .match = match,
        .operation = match->route->operation,
        .target = target,
        .out = out,
    };

    if (!judge_query(&judge) || !judge_body(&judge, match->route, body) ||
        out->refused) {
        judgement_drop_needs(out); /* no answer would change it */
        return;
    }
    if (out->need_count)
        out->verdict = out->needs[0].otherwise;
    else
        verdict_allow(&out->verdict, "request");
}

void judge_request(const struct rules *rules, const struct route_match *match,
                   struct target *target, json_t *body, struct judgement *out)
{
    judgement_fini(out);
    judge_all(rules, match, target, body, out);
}

void judge_report(const struct rules *rules, const struct route_match *match,
                  struct target *target, json_t *body, struct judgement *out)
{
    judgement_fini(out);
    out->reports = true;
    judge_all(rules, match, target, body, out);
}

static bool is_good(const struct rules *rules, const struct need *need,
                    const json_t *body)
{
    const struct fact *fact = &need->fact;

    if (!fact->known)
        return false;
    switch (need->kind) {
    case NEED_CONTAINER:
        return update_is_within(&rules->container.limits, body,
                                json_object_get(fact->inspected, "HostConfig"));
    case NEED_IMAGE:
        return fact->is_own || image_is_listed(rules, fact->inspected);
    case NEED_OWN_IMAGE:
        return fact->is_own;
    case NEED_ENGINE:
        return engine_is_as_asked(need->subject, fact->inspected);
    }
    return false;
}

/* What the policy would have to list instead of the engine's own. */
static struct str lack_of(const struct need *need)
{
    struct str key, value;

    str_cut(str_from(need->subject), '=', &key, &value);
    return str_eq(key, S("CgroupVersion")) ? S("cgroup") : value;
}

/* What was good may need more words. */
static void complete(const struct rules *rules, const struct need *need,
                     json_t *body, struct judgement *judgement)
{
    struct judge judge = {.rules = rules, .out = judgement};
    struct place top = {.key = ""};

    if (need->kind == NEED_CONTAINER)
        complete_update(&judge, &top, body,
                        json_object_get(need->fact.inspected, "HostConfig"));
}

void judge_settle(const struct rules *rules, json_t *body,
                  struct judgement *judgement)
{
    for (size_t i = 0; i < judgement->need_count; i++) {
        const struct need *need = &judgement->needs[i];

        if (is_good(rules, need, body)) {
            complete(rules, need, body, judgement);
            continue;
        }
        judgement_refuse(judgement, &need->otherwise);
        if (need->kind == NEED_IMAGE)
            judgement_note_lack(judgement, need->otherwise.rule,
                                str_from(need->subject));
        else if (need->kind == NEED_ENGINE)
            judgement_note_lack(judgement, need->otherwise.rule, lack_of(need));
    }
    if (judgement->need_count && !judgement->refused)
        verdict_allow(&judgement->verdict, "request");
}
