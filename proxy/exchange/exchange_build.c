#include "proxy/exchange/exchange_private.h"
#include "proxy/exchange/request_build.h"

#include <stdlib.h>

/* Docker Engine; what an older one lacks: engine_is_new_enough. */
#define LEAST_BUILD_ENGINE 25

/*
 * BuildKit's tunnels, with a namespace and without: what goes through them is
 * HTTP/2 with gRPC, which is read and judged (proxy/grpc, tunnel_judge). The
 * exchange moves bytes, asks what the judge asks, and puts calls on record.
 */

static bool is_seen_through(const struct exchange *ex)
{
    enum operation operation = request_operation(&ex->rq);

    return (operation == OP_GRPC || operation == OP_SESSION) &&
           ex->host->builds;
}

static uint64_t judge_random(void *arg)
{
    struct exchange *ex = arg;

    return ex->host->random(ex->host->arg);
}

static uint64_t judge_now_ms(void *arg)
{
    const struct exchange *ex = arg;

    return ex->host->clock_ns(ex->host->arg) / 1000000;
}

static bool judge_has_room(void *arg, size_t more)
{
    const struct exchange *ex = arg;

    return exchange_has_room(ex, more);
}

static int judge_record(void *arg, const struct tunnel_event *event)
{
    return exchange_record_call(arg, event);
}

static bool deny(struct exchange *ex, int status, const char *rule,
                 const char *why)
{
    verdict_deny(&ex->rq.verdict, status, rule, "", "%s", why);
    return false;
}

/* Below Engine 25, a source policy cannot give a namespace its own images, and
 * a frontend can be root on the host (CVE-2024-23653). */
static bool engine_is_new_enough(struct exchange *ex, struct str version)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON);
    struct str major, rest;
    uint64_t number;

    if (version.len == 0)
        return deny(ex, 503, "build.engine",
                    "the engine has not answered yet, and a build depends on "
                    "its version; try again in a moment");
    str_cut(version, '.', &major, &rest);
    if (str_to_u64(major, &number) == 0 && number >= LEAST_BUILD_ENGINE)
        return true;
    strbuf_addf(&why,
                "BuildKit in a namespace needs Docker Engine %d, and this one "
                "is %.*s, whose BuildKit would show builds and images of other "
                "runners; use the classic builder (DOCKER_BUILDKIT=0), or have "
                "the operator update the engine",
                LEAST_BUILD_ENGINE, STR_FMT(str_head(version, 32)));
    return deny(ex, 403, "build.engine", strbuf_cstr(&why));
}

/* The heads that open a session, as they are for the engine. */
static bool prepare_session(struct exchange *ex)
{
    AUTO(h2_fields_fini)
    struct h2_fields heads = H2_FIELDS(LIMIT_HEAD, LIMIT_HEADERS);

    for (size_t i = 0; i < ex->head->header_count; i++)
        h2_fields_add(&heads, ex->head->headers[i].name,
                      ex->head->headers[i].value);
    ex->rq.replaces_heads = true;
    return tunnel_judge_session(ex->build, &heads, &ex->rq.heads, &ex->session,
                                &ex->rq.verdict);
}

bool exchange_build_is_classic(const struct exchange *ex)
{
    return request_build_is_classic(ex->policy) && ex->host->builds;
}

bool exchange_build_prepare(struct exchange *ex)
{
    const struct connection_host *host = ex->host;
    const struct engine_facts *engine = host->engine(host->arg);
    struct tunnel_judge_host judge_host = {
        .policy = ex->policy,
        .random = judge_random,
        .has_room = judge_has_room,
        .now_ms = judge_now_ms,
        .record = judge_record,
        .arg = ex,
    };

    if (!is_seen_through(ex))
        return true;
    if (ex->rq.body == REQUEST_BODY_HIJACK)
        return deny(ex, 400, "request.http",
                    "a tunnel of BuildKit has no body");
    if (ex->policy->isolation == POLICY_NAMESPACE &&
        !engine_is_new_enough(ex, str_from(engine->version)))
        return false;
    ex->engine_version = xstrdup(engine->version);
    judge_host.engine = str_from(ex->engine_version);
    judge_host.share = host->builds(host->arg);
    if (host->ledger)
        judge_host.ledger = host->ledger(host->arg);
    ex->build = tunnel_judge_new(&judge_host);
    return request_operation(&ex->rq) == OP_GRPC || prepare_session(ex);
}

void exchange_build_start(struct exchange *ex)
{
    if (ex->build)
        ex->tunnel = grpc_tunnel_new(
            request_operation(&ex->rq) == OP_GRPC ? GRPC_CONTROL : GRPC_SESSION,
            &tunnel_grpc_judge, ex->build);
}

void exchange_build_fini(struct exchange *ex)
{
    ex->tunnel = grpc_tunnel_free(ex->tunnel);
    if (ex->build)
        tunnel_judge_session_over(ex->build, ex->session);
    ex->session = NULL;
    ex->build = tunnel_judge_free(ex->build);
    free(ex->engine_version);
    ex->engine_version = NULL;
}

/* ---- bytes ---- */

static enum grpc_side grpc_side_of(enum side side)
{
    return side == CLIENT ? GRPC_RUNNER : GRPC_ENGINE;
}

bool exchange_build_reads(const struct exchange *ex, enum side side)
{
    return grpc_tunnel_reads(ex->tunnel, grpc_side_of(side));
}

/* Returns whether there was something to send. */
static bool pull(struct exchange *ex, enum side side)
{
    struct strbuf *out = &ex->conn->out[side].bytes;
    size_t before = out->len, room = connection_room(ex->conn, side);

    if (room)
        grpc_tunnel_pull(ex->tunnel, grpc_side_of(side), out, room);
    return out->len > before;
}

static bool is_through(const struct exchange *ex, enum side side)
{
    return grpc_tunnel_is_over(ex->tunnel, grpc_side_of(side)) &&
           !grpc_tunnel_has_output(ex->tunnel, grpc_side_of(side));
}

void exchange_build_settle(struct exchange *ex)
{
    bool more = ex->tunnel != NULL;

    /* what leaves on one side opens windows on the other */
    while (more) {
        more = pull(ex, CLIENT);
        more |= pull(ex, ENGINE);
    }
    if (!ex->tunnel)
        return;
    if (tunnel_judge_asks(ex->build) && !lookups_are_pending(&ex->rq.lookups)) {
        lookups_fini(&ex->rq.lookups); /* those that were answered before */
        tunnel_judge_look_up(ex->build, &ex->rq.lookups);
    }
    if (ex->request_state == RQ_HIJACK && is_through(ex, ENGINE))
        exchange_enter(ex, RQ_SHUT);
    if (ex->reply_state == RP_HIJACK && is_through(ex, CLIENT))
        exchange_enter_reply(ex, RP_SHUT);
    exchange_finish_if_done(ex);
}

void exchange_build_feed(struct exchange *ex, enum side side, struct str bytes)
{
    ex->bytes[side] += bytes.len;
    grpc_tunnel_feed(ex->tunnel, grpc_side_of(side), bytes);
    exchange_build_settle(ex);
}

void exchange_build_eof(struct exchange *ex, enum side side)
{
    grpc_tunnel_eof(ex->tunnel, grpc_side_of(side));
    exchange_build_settle(ex);
}

void exchange_build_answered(struct exchange *ex, int status,
                             const json_t *reply)
{
    lookups_fini(&ex->rq.lookups); /* that one; the next comes when settled */
    tunnel_judge_answered(ex->build, status, reply);
    exchange_build_settle(ex);
}
