#include "proxy/exchange/request_share_private.h"

#include "policy/docker/image_ref.h"
#include "policy/docker/namespace.h"

/* What a container takes while it runs. */
static const enum share running[] = {SHARE_PORTS, SHARE_MEMORY, SHARE_CPUS,
                                     SHARE_PIDS};
enum { RUNNING = sizeof(running) / sizeof(running[0]) };

static bool is_limited(const struct request_share *share, enum share which)
{
    return share->limits.of[which] != SHARE_UNLIMITED;
}

static bool counts_running(const struct request_share *share)
{
    for (size_t i = 0; i < RUNNING; i++) {
        if (is_limited(share, running[i]))
            return true;
    }
    return false;
}

/* Want AMOUNT of WHICH, if it is limited; QUESTION counts it. */
static void want(struct request_share *share, enum share which,
                 unsigned question)
{
    if (!is_limited(share, which))
        return;
    share->wants.of[which] = 1;
    share->questions |= question;
}

/* ---- what each operation takes ---- */

static void want_for_create(struct request_share *share,
                            const struct share_request *request)
{
    const json_t *host = json_object_get(request->body, "HostConfig");

    want(share, SHARE_CONTAINERS, SHARE_ASK_CONTAINERS);
    if (json_array_size(json_object_get(host, "Mounts")) ||
        json_array_size(json_object_get(host, "Binds")))
        want(share, SHARE_VOLUMES, SHARE_ASK_VOLUMES);
    if (is_limited(share, SHARE_PORTS) &&
        json_is_true(json_object_get(host, "PublishAllPorts")))
        share->questions |= SHARE_ASK_IMAGE;
}

/* A container takes what it was made with: one that publishes no ports never
 * needs a place for any. */
static void want_for_start(struct request_share *share,
                           const struct share_request *request)
{
    bool portless =
        request->owned &&
        own_ids_is_portless(request->owned, request->match->params[0].value);

    for (size_t i = 0; i < RUNNING; i++) {
        if (running[i] != SHARE_PORTS || !portless)
            want(share, running[i], SHARE_ASK_CONTAINERS);
    }
}

/* A build gives each "t" a name, or an anchor if there is none. What an archive
 * has is known when it has come (archive_names): it takes all that is free. */
static void want_images(struct request_share *share,
                        const struct share_request *request)
{
    size_t names = 0;

    want(share, SHARE_IMAGES, SHARE_ASK_IMAGES);
    if (!is_limited(share, SHARE_IMAGES) ||
        share_operation(request) != OP_IMAGE_BUILD)
        return;
    for (size_t i = 0; i < request->target->query_count; i++)
        names += str_eq(request->target->query[i].key, S("t"));
    if (names > 1)
        share->wants.of[SHARE_IMAGES] = names;
}

static bool is_pull(const struct share_request *request)
{
    const struct str *from = target_get(request->target, S("fromImage"));

    return from && from->len;
}

static bool makes_images(enum operation operation)
{
    return operation == OP_IMAGE_BUILD || operation == OP_IMAGE_CREATE ||
           operation == OP_IMAGE_TAG || operation == OP_IMAGE_COMMIT ||
           operation == OP_IMAGE_LOAD;
}

static void want_for(struct request_share *share,
                     const struct share_request *request)
{
    enum operation operation = share_operation(request);

    if (operation == OP_CONTAINER_CREATE)
        want_for_create(share, request);
    else if (operation == OP_CONTAINER_START ||
             operation == OP_CONTAINER_RESTART)
        want_for_start(share, request);
    else if (operation == OP_CONTAINER_UPDATE && counts_running(share))
        share->questions |= SHARE_ASK_CONTAINER;
    else if (operation == OP_CONTAINER_EXEC)
        want(share, SHARE_EXECS, SHARE_ASK_CONTAINER);
    else if (operation == OP_NETWORK_CREATE)
        want(share, SHARE_NETWORKS, SHARE_ASK_NETWORKS);
    else if (operation == OP_VOLUME_CREATE)
        want(share, SHARE_VOLUMES, SHARE_ASK_VOLUMES);
    else if (operation == OP_IMAGE_BUILD)
        want(share, SHARE_BUILDS, 0);
    else if (operation == OP_IMAGE_CREATE && is_pull(request))
        want(share, SHARE_PULLS, 0);
    if (makes_images(operation))
        want_images(share, request);
}

static bool wants_any(const struct request_share *share)
{
    for (unsigned i = 0; i < SHARE_COUNT; i++) {
        if (share->wants.of[i])
            return true;
    }
    return false;
}

/* ---- does it fit? ---- */

static enum share_step count(struct request_share *share)
{
    share->used = (struct shares){{0}};
    share->volumes = 0;
    share->open = share->questions;
    if (share->ticket.state == TICKET_COUNTING)
        ledger_count(&share->ticket);
    return SHARE_ASK;
}

static enum share_step refuse(const struct request_share *share,
                              const struct share_request *request,
                              enum share which, uint64_t used, uint64_t wants,
                              struct verdict *verdict)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_REASON);
    const char *rule = share_rule(request->policy, which);

    share_put_refusal(&text, which, rule, used, wants, share->limits.of[which]);
    verdict_deny(verdict, 403, rule, "", "%s", strbuf_cstr(&text));
    return SHARE_REFUSED;
}

/* A container that alone is too much would never start. */
static enum share_step judge_create(struct request_share *share,
                                    const struct share_request *request,
                                    struct verdict *verdict)
{
    share_of_create(request->body, share->exposed, &share->takes);
    share->takes_known = true;
    for (size_t i = 0; i < RUNNING; i++) {
        uint64_t takes = share->takes.of[running[i]];

        if (is_limited(share, running[i]) &&
            takes > share->limits.of[running[i]])
            return refuse(share, request, running[i], 0, takes, verdict);
    }
    return SHARE_DONE;
}

/* What a container may take is written on it when it is made. */
static enum share_step judge_update(struct request_share *share,
                                    const struct share_request *request,
                                    struct verdict *verdict)
{
    struct shares asks;

    share_of_update(request->body, &asks);
    for (size_t i = 0; i < RUNNING; i++) {
        enum share which = running[i];

        if (!is_limited(share, which) || !share->found ||
            asks.of[which] <= (share->takes_known ? share->takes.of[which] : 0))
            continue;
        verdict_deny(verdict, 403, share_rule(request->policy, which), "",
                     "the container was made with less of %s, and %s in the "
                     "policy counts it by that; make a new one that asks for "
                     "more",
                     share_noun(which), share_rule(request->policy, which));
        return SHARE_REFUSED;
    }
    return SHARE_DONE;
}

/* What a start takes is known now. */
static enum share_step want_takes(struct request_share *share,
                                  const struct share_request *request,
                                  struct verdict *verdict)
{
    for (size_t i = 0; i < RUNNING; i++) {
        enum share which = running[i];
        bool starts = share->found && !share->running;
        uint64_t takes = starts ? share->takes.of[which] : 0;

        if (!is_limited(share, which))
            continue;
        if (starts && !share->takes_known) {
            verdict_deny(verdict, 403, share_rule(request->policy, which), "",
                         "the container was made before the policy had %s, so "
                         "nothing says how much it takes; make it anew",
                         share_rule(request->policy, which));
            return SHARE_REFUSED;
        }
        if (takes == SHARE_UNLIMITED)
            return refuse(share, request, which, 0, takes, verdict);
        share->wants.of[which] = takes;
    }
    return SHARE_DONE;
}

/* Nobody knows how many there are. */
static bool pulls_all_tags(const struct share_request *request)
{
    const struct str *from = target_get(request->target, S("fromImage"));
    const struct str *tag = target_get(request->target, S("tag"));
    struct image_ref ref;

    return from && from->len && !(tag && tag->len) &&
           image_ref_parse(*from, &ref) == 0 && !ref.tag.len && !ref.digest.len;
}

static enum share_step refuse_all_tags(struct verdict *verdict)
{
    verdict_deny(verdict, 403, "namespace.limits.images", "query tag",
                 "all tags of a repository may be more than "
                 "namespace.limits.images in the policy leaves; pull them by "
                 "name");
    return SHARE_REFUSED;
}

/* All is counted: how much does it want after all? */
static enum share_step settle_wants(struct request_share *share,
                                    const struct share_request *request,
                                    struct verdict *verdict)
{
    enum operation operation = share_operation(request);

    if (share->wants.of[SHARE_VOLUMES])
        share->wants.of[SHARE_VOLUMES] = share->volumes;
    if (operation == OP_IMAGE_LOAD && share->wants.of[SHARE_IMAGES] &&
        share->used.of[SHARE_IMAGES] < share->limits.of[SHARE_IMAGES])
        share->wants.of[SHARE_IMAGES] =
            share->limits.of[SHARE_IMAGES] - share->used.of[SHARE_IMAGES];
    if (operation == OP_IMAGE_CREATE && share->wants.of[SHARE_IMAGES] &&
        pulls_all_tags(request))
        return refuse_all_tags(verdict);
    if (operation == OP_CONTAINER_CREATE && counts_running(share))
        return judge_create(share, request, verdict);
    if (operation == OP_CONTAINER_UPDATE)
        return judge_update(share, request, verdict);
    if (operation == OP_CONTAINER_START || operation == OP_CONTAINER_RESTART)
        return want_takes(share, request, verdict);
    return SHARE_DONE;
}

static enum share_step ask_ledger(struct request_share *share,
                                  const struct share_request *request,
                                  uint64_t now_ms, struct verdict *verdict)
{
    enum share full = SHARE_COUNT;
    uint64_t taken = 0;

    switch (ledger_ask(&share->ticket, &share->used, &share->limits, now_ms,
                       &full, &taken)) {
    case LEDGER_GRANTED:
        return SHARE_DONE;
    case LEDGER_FULL:
        return refuse(share, request, full, taken, share->wants.of[full],
                      verdict);
    case LEDGER_WAIT:
        return SHARE_WAIT;
    case LEDGER_AGAIN:
        break;
    }
    return count(share);
}

/* The same where there is no ledger, for nobody else asks. */
static enum share_step compare(const struct request_share *share,
                               const struct share_request *request,
                               struct verdict *verdict)
{
    for (unsigned i = 0; i < SHARE_COUNT; i++) {
        uint64_t used = share->used.of[i], wants = share->wants.of[i];

        if (wants &&
            (used > share->limits.of[i] || wants > share->limits.of[i] - used))
            return refuse(share, request, (enum share)i, used, wants, verdict);
    }
    return SHARE_DONE;
}

static enum share_step settle(struct request_share *share,
                              const struct share_request *request,
                              uint64_t now_ms, struct verdict *verdict)
{
    if (settle_wants(share, request, verdict) == SHARE_REFUSED) {
        request_share_end(share, TICKET_NOT_MADE, now_ms);
        return SHARE_REFUSED;
    }
    if (share->ticket.state == TICKET_NONE)
        return compare(share, request, verdict);
    for (unsigned i = 0; i < SHARE_COUNT; i++)
        ledger_want(&share->ticket, (enum share)i, share->wants.of[i]);
    return ask_ledger(share, request, now_ms, verdict);
}

/* ---- the way ---- */

enum share_step request_share_begin(struct request_share *share,
                                    const struct share_request *request,
                                    uint64_t now_ms, struct verdict *verdict)
{
    share->begun = true;
    shares_allowed(request->policy, &share->limits);
    want_for(share, request);
    if (wants_any(share) && request->ledger) {
        ledger_enter(request->ledger, &share->ticket, &share->wants,
                     request->on_turn, request->arg);
        if (share->ticket.state == TICKET_WAITING)
            return SHARE_WAIT;
    }
    return share->questions
               ? count(share)
               : request_share_turn(share, request, now_ms, verdict);
}

enum share_step request_share_turn(struct request_share *share,
                                   const struct share_request *request,
                                   uint64_t now_ms, struct verdict *verdict)
{
    if (share->ticket.state == TICKET_WAITING)
        return SHARE_WAIT;
    if (share->questions)
        return count(share);
    if (share->ticket.state == TICKET_COUNTING)
        ledger_count(&share->ticket);
    return settle(share, request, now_ms, verdict);
}

static bool is_useful(const struct request_share *share, int status,
                      const json_t *reply)
{
    unsigned one = SHARE_ASK_CONTAINER | SHARE_ASK_IMAGE;

    if (status == 404 && (share_first_open(share) & one))
        return true; /* for the engine to tell */
    return status == 200 && reply;
}

enum share_step request_share_answered(struct request_share *share,
                                       const struct share_request *request,
                                       int status, json_t *reply,
                                       uint64_t now_ms, struct verdict *verdict)
{
    if (!is_useful(share, status, reply)) {
        verdict_deny(verdict, 503, "namespace.limits", "",
                     "the engine could not be asked how much of its limits "
                     "this namespace takes; try again");
        request_share_end(share, TICKET_NOT_MADE, now_ms);
        return SHARE_REFUSED;
    }
    share_take_answer(share, request, status == 200 ? reply : NULL);
    share->open &= share->open - 1;
    return share->open ? SHARE_ASK : settle(share, request, now_ms, verdict);
}

void request_share_end(struct request_share *share, enum ticket_end end,
                       uint64_t now_ms)
{
    ledger_leave(&share->ticket, end, now_ms);
    json_decref(share->exposed);
    share->exposed = NULL;
}

void request_share_label(const struct request_share *share, json_t *body)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_REASON);
    json_t *labels = json_object_get(body, "Labels");

    if (!share->takes_known || !counts_running(share))
        return;
    if (!json_is_object(labels)) {
        labels = json_object();
        json_object_set_new(body, "Labels", labels);
    }
    share_put_label(&text, &share->takes);
    json_object_set_new(labels, LABEL_TAKES, json_string(strbuf_cstr(&text)));
}

uint64_t request_share_images(const struct request_share *share)
{
    return share->wants.of[SHARE_IMAGES];
}
