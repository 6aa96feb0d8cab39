/*
 * The input is "METHOD TARGET\nBODY\nANSWERS": a request of a runner in
 * namespace "r1", and what an engine answers, one JSON value a line, to each
 * question in turn and then to the request.
 *
 * Properties: it comes to an end; what is sent, and what is asked for before,
 * names nothing of another namespace (tests/kept.h); and no reply shows a thing
 * that is labelled as another's, a label of ours, or the namespace in front of
 * a name.
 */

#include <assert.h>
#include <stdlib.h>

#include "policy/base/json_strict.h"
#include "policy/docker/reference.h"
#include "policy/isolation/rewrite.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/isolation_oracle.h"

enum { ROUNDS = 16 };

static json_t *next_answer(struct str *answers)
{
    struct str line;

    str_cut(*answers, '\n', &line, answers);
    return reply_json_parse(line);
}

/* What is changed ahead of a request is the namespace's own, too. */
static void check_change(const struct rewrite_context *context,
                         const struct lookup *ask)
{
    AUTO(target_fini) struct target target;
    struct route_match match;
    struct verdict why;
    int r;

    target_init(&target);
    r = target_parse(&target, str_from(ask->target), &why);
    assert(r == 0);
    r = route_find(ask->method, &target, &match);
    assert(r == 0);
    assert(
        !kept_wrong(context->ns, context->owned, &match, &target, ask->body));
}

static enum rewrite_step converse(struct rewrite *rw, enum rewrite_step step,
                                  struct str *answers)
{
    for (int round = 0; step == REWRITE_ASK; round++) {
        assert(round < ROUNDS);
        struct lookups *set = rw->context.lookups;

        for (size_t i = 0; i < set->count; i++) {
            if (set->items[i].state != LOOKUP_ANSWERED) {
                json_t *reply = next_answer(answers);

                if (set->items[i].changes)
                    check_change(&rw->context, &set->items[i]);
                lookups_answer(set, i, reply ? 200 : 404, reply);
            }
        }
        step = rewrite_next(rw);
    }
    return step;
}

/* In a reply: whose things are shown, and with which labels? */
static bool element_is_own(void *arg, const struct document *document,
                           json_t *element)
{
    const json_t *labels = json_object_get(element, "Labels");

    (void)arg;
    if (document->kind == REF_CONTAINER || document->kind == REF_VOLUME)
        assert(!json_object_get(labels, LABEL_NAMESPACE));
    return true;
}

static bool place_is_clean(void *arg, const struct reference *row,
                           struct spot *spot)
{
    const char *key;
    json_t *value;

    (void)arg;
    if (row->form == FORM_LABELS) {
        json_object_foreach(spot->value, key, value)
        {
            assert(!str_has_prefix(str_from(key), S(LABEL_PREFIX)));
        }
    }
    return true;
}

static void check_reply(struct rewrite *rw, struct str *answers)
{
    const struct reference_visitor visitor = {.element = element_is_own,
                                              .place = place_is_clean};
    enum operation operation = rw->match->route->operation;
    json_t *reply = next_answer(answers);
    bool show = true;
    int r;

    if (!reply)
        return;
    if (rw->match->route->reply == REPLY_JSON_LINES)
        r = rewrite_line(rw, reply, &show);
    else
        r = rewrite_reply(rw, 200, reply);
    if (r == 0 && show)
        reference_walk(operation, IN_REPLY, reply, &visitor);
    json_decref(reply);
    rewrite_after(rw, 400);
}

static void check(struct target *target, struct route_match *match,
                  struct str body_text, struct str answers)
{
    struct lookups lookups = {0};
    const struct rewrite_context context = {.ns = S("r1"),
                                            .engine_minor = 45,
                                            .owned = own_ids_new(LIMIT_OWNED),
                                            .lookups = &lookups};
    AUTO(strbuf_fini) struct strbuf out = STRBUF(64 * LIMIT_HEAD);
    json_t *body = NULL;
    struct verdict why;
    struct rewrite rw;
    enum rewrite_step step;

    if (body_text.len && json_strict_parse(body_text, "", &body, &why) == 0 &&
        !json_is_object(body)) {
        json_decref(body);
        body = NULL;
    }
    step = rewrite_begin(&rw, &context, match, target, &body);
    step = converse(&rw, step, &answers);
    if (step == REWRITE_DONE) {
        route_put_target(&out, match, target);
        assert(!kept_wrong(context.ns, context.owned, match, target, body));
        check_reply(&rw, &answers);
    } else if (step == REWRITE_REFUSED) {
        assert(rw.verdict.status >= 400 && rw.verdict.reason[0]);
    }
    rewrite_fini(&rw);
    own_ids_free(context.owned);
    lookups_fini(&lookups);
    json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct str text = str_of((const char *)bytes, len);
    struct str line, body, method, raw;
    AUTO(target_fini) struct target target;
    struct route_match match;
    struct verdict why;

    target_init(&target);
    str_cut(text, '\n', &line, &text);
    str_cut(text, '\n', &body, &text);
    str_cut(line, ' ', &method, &raw);
    if (target_parse(&target, raw, &why) == 0 &&
        route_find(method_find(method), &target, &match) == 0)
        check(&target, &match, body, text);
    return 0;
}
