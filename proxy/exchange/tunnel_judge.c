#include "proxy/exchange/tunnel_private.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- life ---- */

struct tunnel_judge *tunnel_judge_new(const struct tunnel_judge_host *host)
{
    const struct policy *policy = host->policy;
    struct tunnel_judge *judge = xcalloc(1, sizeof(*judge));

    judge->host = *host;
    TAILQ_INIT(&judge->jobs);
    judge->view = (struct build_view){
        .ns = str_from(policy->isolation == POLICY_NAMESPACE ? policy->namespace
                                                             : ""),
        .rules = &policy->rules,
        .reports = policy->mode == POLICY_REPORT_ONLY,
        .engine = host->engine,
        .memory = build_memory_new(),
    };
    (void)tunnel_share_knows_store(host->share, host->engine,
                                   &judge->view.containerd_store);
    return judge;
}

struct tunnel_judge *tunnel_judge_free(struct tunnel_judge *judge)
{
    if (!judge)
        return NULL;
    tunnel_asks_fini(judge);
    build_memory_free(judge->view.memory);
    free(judge);
    return NULL;
}

/* ---- sessions ---- */

static struct str lower_case(struct str name, char *out, size_t size)
{
    size_t len = name.len < size ? name.len : size;

    for (size_t i = 0; i < len; i++)
        out[i] = (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z'
                            ? name.ptr[i] + 'a' - 'A'
                            : name.ptr[i]);
    return str_of(out, len);
}

static bool write_session(struct tunnel_judge *judge,
                          const struct h2_fields *heads, struct h2_fields *out,
                          struct str *id, struct verdict *why)
{
    for (size_t i = 0; i < heads->count; i++) {
        AUTO(strbuf_fini) struct strbuf value = STRBUF(LIMIT_GRPC_HEAD);
        struct h2_field field = h2_fields_at(heads, i);
        char text[64];
        struct str name = lower_case(field.name, text, sizeof(text));
        int r =
            build_session_head(&judge->view, name, field.value, &value, why);

        if (r == BUILD_E_REFUSED)
            return false;
        if (r == 0 && h2_fields_add(out, name, strbuf_str(&value)) == 0 &&
            str_eq(name, S("x-docker-expose-session-uuid")))
            *id = id->ptr ? S("") : field.value;
    }
    return true;
}

bool tunnel_judge_session(struct tunnel_judge *judge,
                          const struct h2_fields *heads, struct h2_fields *out,
                          char **id, struct verdict *why)
{
    struct str name = {0};

    if (!write_session(judge, heads, out, &name, why))
        return false;
    if (name.len == 0) {
        verdict_deny(why, 400, "request.identifier", "session",
                     "a session has one ID, in the header "
                     "X-Docker-Expose-Session-Uuid");
        return false;
    }
    if (!tunnel_share_open(judge->host.share, name)) {
        verdict_deny(why, 409, "request.identifier", "session",
                     "session %.*s already exists, or there are too many",
                     STR_FMT(str_head(name, 100)));
        return false;
    }
    *id = xstr_dup(name);
    return true;
}

void tunnel_judge_session_over(struct tunnel_judge *judge, char *id)
{
    if (id)
        tunnel_share_close(judge->host.share, str_from(id));
    free(id);
}

/* ---- the record ---- */

static void put_refusal(const struct tunnel_judge *judge,
                        struct grpc_refusal *out, const struct verdict *verdict)
{
    const char *contact =
        verdict->status == 403 ? judge->host.policy->refusals.contact : NULL;

    grpc_refuse(out, (enum grpc_code)build_status_of(verdict), verdict->rule,
                "%s%s%s", verdict->reason, contact ? "; " : "",
                contact ? contact : "");
    snprintf(out->field, sizeof(out->field), "%s", verdict->field);
}

/* Put on record that the call goes on, once. False: it had to be refused. */
static bool put_on_record(struct judged *judged, struct grpc_refusal *why)
{
    const struct tunnel_judge_host *host = &judged->judge->host;
    const struct verdict *reported = build_reported(judged->build);
    struct verdict allowed = {0};
    struct tunnel_event event = {
        .path = judged->method->path,
        .verdict = reported ? reported : &allowed,
        .would_deny = reported != NULL,
        .facts = build_record(judged->build),
    };

    if (judged->recorded || (!judged->method->changes && !reported))
        return true;
    verdict_allow(&allowed, "build");
    judged->recorded = true;
    if (host->record(host->arg, &event) == 0 || !host->policy->audit.required)
        return true;
    grpc_refuse(why, GRPC_UNAVAILABLE, "audit.required",
                "the audit record cannot be written, and audit.required "
                "forbids a build without one; the operator must make room for "
                "it");
    return false;
}

/* ---- calls ---- */

static enum grpc_flow flow_of(enum rpc_flow flow)
{
    switch (flow) {
    case RPC_ONE:
        return GRPC_ONE;
    case RPC_EACH:
        return GRPC_EACH;
    case RPC_BYTES:
        return GRPC_BYTES;
    case RPC_TUNNEL:
        break;
    }
    return GRPC_NESTED;
}

static bool find(void *arg, enum grpc_kind kind, struct str path,
                 struct grpc_method *method)
{
    const struct rpc_method *row =
        rpc_find(kind == GRPC_CONTROL ? RPC_CONTROL : RPC_SESSION, path);

    (void)arg;
    if (!row)
        return false;
    *method = (struct grpc_method){
        {flow_of(row->request), flow_of(row->reply)},
        row,
    };
    return true;
}

static void judged_free(struct judged *judged)
{
    tunnel_asks_forget(judged);
    tunnel_judge_session_over(judged->judge, judged->session);
    build_call_free(judged->build);
    tunnel_images_unref(judged->images);
    strbuf_fini(&judged->reply);
    free(judged);
}

static bool take_metadata(struct judged *judged,
                          const struct h2_fields *metadata,
                          struct h2_fields *out, struct verdict *why)
{
    for (size_t i = 0; i < metadata->count; i++) {
        AUTO(strbuf_fini) struct strbuf value = STRBUF(LIMIT_GRPC_HEAD);
        struct h2_field field = h2_fields_at(metadata, i);
        int r = build_metadata(judged->build, BUILD_REQUEST, field.name,
                               field.value, &value, why);

        if (r == BUILD_DROP)
            continue;
        if (r || h2_fields_add(out, field.name, strbuf_str(&value)))
            return false;
    }
    return build_metadata_end(judged->build, why) == 0;
}

static bool begin_call(struct judged *judged, const struct h2_fields *metadata,
                       struct h2_fields *out, struct grpc_refusal *refusal)
{
    struct verdict why = {0};
    bool good;

    if (judged->method->request == RPC_TUNNEL)
        good = tunnel_judge_session(judged->judge, metadata, out,
                                    &judged->session, &why);
    else
        good = take_metadata(judged, metadata, out, &why);
    if (!good) {
        if (!why.rule[0])
            verdict_deny(&why, 413, "request.grpc", "",
                         "the metadata of the call are too long");
        put_refusal(judged->judge, refusal, &why);
        return false;
    }
    /* of what is not read, this is all there is to record */
    return judged->method->request == RPC_ONE ||
           judged->method->request == RPC_EACH ||
           put_on_record(judged, refusal);
}

static void *begin(void *arg, struct grpc_call *call, enum grpc_kind kind,
                   const struct grpc_method *method,
                   const struct h2_fields *metadata, struct h2_fields *out,
                   struct grpc_refusal *why)
{
    struct tunnel_judge *judge = arg;
    struct judged *judged = xcalloc(1, sizeof(*judged));

    (void)kind;
    judged->judge = judge;
    judged->call = call;
    judged->method = method->row;
    judged->reply.max = LIMIT_GRPC_MESSAGE;
    judged->build = build_call_new(&judge->view, judged->method,
                                   judge->host.random(judge->host.arg));
    if (begin_call(judged, metadata, out, why))
        return judged;
    judged_free(judged);
    return NULL;
}

static enum grpc_verdict refuse(const struct judged *judged,
                                struct grpc_refusal *out, int r,
                                const struct verdict *why)
{
    if (r == BUILD_E_REFUSED)
        put_refusal(judged->judge, out, why);
    else
        grpc_refuse(out, GRPC_RESOURCE_EXHAUSTED, "request.grpc",
                    "the message would be longer than %zu bytes when it is "
                    "written anew",
                    LIMIT_GRPC_MESSAGE);
    return GRPC_REFUSED;
}

/* A build gets places for the names that it gives, or none: who waited for it
 * (is_ahead_of_solve) would ask for as long as it waits. */
static bool take_places(struct judged *judged, struct verdict *why)
{
    const struct tunnel_judge_host *host = &judged->judge->host;
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_REASON);
    struct shares wants = {{0}}, limits;
    const char *rule = share_rule(host->policy, SHARE_IMAGES);
    enum share full = SHARE_IMAGES;
    uint64_t taken = 0;

    shares_allowed(host->policy, &limits);
    if (limits.of[SHARE_IMAGES] == SHARE_UNLIMITED || !host->ledger ||
        !judged->images)
        return true;
    wants.of[SHARE_IMAGES] = build_places(judged->build);
    if (wants.of[SHARE_IMAGES] == 0 ||
        ledger_take(host->ledger, &judged->ticket, &wants,
                    &judged->images->used, &judged->images->seen, &limits,
                    host->now_ms(host->arg), &full, &taken))
        return true;
    share_put_refusal(&text, full, rule, taken, wants.of[full],
                      limits.of[full]);
    verdict_deny(why, 403, rule, "Exporters", "%s", strbuf_cstr(&text));
    return false;
}

static enum grpc_verdict on_request(struct judged *judged, struct str text,
                                    struct strbuf *out,
                                    struct grpc_refusal *refusal)
{
    struct verdict why = {0};
    int r;

    if (judged->step == JUDGED_FAILED) {
        grpc_refuse(refusal, GRPC_UNAVAILABLE, "request.images",
                    "the engine did not tell which images there are, which "
                    "must be known before a build; try again");
        return GRPC_REFUSED;
    }
    if (tunnel_ask_before(judged))
        return GRPC_WAIT;
    r = build_message(judged->build, BUILD_REQUEST, text, out, &why);
    if (r)
        return refuse(judged, refusal, r, &why);
    if (build_is_answered(judged->build))
        return build_answer_is_empty(judged->build) ? GRPC_ANSWER_EMPTY
                                                    : GRPC_ANSWER;
    if (!take_places(judged, &why))
        return refuse(judged, refusal, BUILD_E_REFUSED, &why);
    return put_on_record(judged, refusal) ? GRPC_SEND : GRPC_REFUSED;
}

static enum grpc_verdict on_reply(struct judged *judged, struct str text,
                                  struct strbuf *out,
                                  struct grpc_refusal *refusal)
{
    struct verdict why = {0};
    int r;

    if (judged->step == JUDGED_OVER) {
        strbuf_add(out, strbuf_str(&judged->reply));
        return GRPC_SEND;
    }
    r = build_message(judged->build, BUILD_REPLY, text, out, &why);
    if (r == BUILD_DROP)
        return GRPC_DROP;
    if (r)
        return refuse(judged, refusal, r, &why);
    if (judged->method->id != RPC_SOLVE || !tunnel_ask_after(judged))
        return GRPC_SEND;
    strbuf_add(&judged->reply, strbuf_str(out));
    return GRPC_WAIT;
}

static enum grpc_verdict message(void *state, enum grpc_way way,
                                 struct str text, struct strbuf *out,
                                 struct grpc_refusal *why)
{
    return way == GRPC_REQUEST ? on_request(state, text, out, why)
                               : on_reply(state, text, out, why);
}

static void reply_metadata(void *state, const struct h2_fields *metadata,
                           struct h2_fields *out)
{
    struct judged *judged = state;

    for (size_t i = 0; i < metadata->count; i++) {
        AUTO(strbuf_fini) struct strbuf value = STRBUF(LIMIT_GRPC_HEAD);
        struct h2_field field = h2_fields_at(metadata, i);
        struct verdict why = {0};

        if (build_metadata(judged->build, BUILD_REPLY, field.name, field.value,
                           &value, &why) == 0)
            h2_fields_add(out, field.name, strbuf_str(&value));
    }
}

static void status(void *state, enum grpc_code code, struct str said,
                   struct str said_details, struct strbuf *text,
                   struct strbuf *details)
{
    struct judged *judged = state;

    (void)code;
    if (build_error_text(judged->build, said, text))
        strbuf_clear(text);
    if (said_details.len &&
        build_error_details(judged->build, said_details, details))
        strbuf_clear(details);
}

/* What became of the names of a build that ended with CODE. */
static enum ticket_end end_of(enum grpc_code code)
{
    if (code == GRPC_OK)
        return TICKET_MADE;
    return code == GRPC_CANCELLED || code == GRPC_UNAVAILABLE ? TICKET_UNKNOWN
                                                              : TICKET_NOT_MADE;
}

static void end(void *state, enum grpc_code code)
{
    struct judged *judged = state;
    const struct tunnel_judge_host *host = &judged->judge->host;

    if (judged->ticket.state != TICKET_NONE)
        ledger_leave(&judged->ticket, end_of(code), host->now_ms(host->arg));
    judged_free(judged);
}

static bool has_room(void *arg, size_t more)
{
    const struct tunnel_judge *judge = arg;

    return judge->host.has_room(judge->host.arg, more);
}

static void refused(void *arg, enum grpc_kind kind, struct str path,
                    const struct grpc_refusal *why)
{
    const struct tunnel_judge *judge = arg;
    struct verdict verdict = {0};
    struct tunnel_event event = {.path = path, .verdict = &verdict};

    (void)kind;
    verdict_deny(&verdict, 403, why->rule, why->field, "%s", why->reason);
    (void)judge->host.record(judge->host.arg, &event);
}

const struct grpc_judge tunnel_grpc_judge = {
    .find = find,
    .begin = begin,
    .message = message,
    .reply_metadata = reply_metadata,
    .status = status,
    .end = end,
    .has_room = has_room,
    .refused = refused,
};
