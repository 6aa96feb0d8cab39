#include "proxy/exchange/request.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "policy/base/json_write.h"
#include "proxy/exchange/request_build.h"

void request_init(struct request *rq)
{
    *rq = (struct request){
        .collected = STRBUF(LIMIT_JSON_BODY),
        .json = STRBUF(LIMIT_JSON_WRITTEN),
        .sent = STRBUF(LIMIT_HEAD),
        .heads = H2_FIELDS(LIMIT_HEAD, LIMIT_HEADERS),
    };
    target_init(&rq->target);
    judgement_init(&rq->judgement);
}

void request_fini(struct request *rq)
{
    target_fini(&rq->target);
    strbuf_fini(&rq->collected);
    strbuf_fini(&rq->json);
    strbuf_fini(&rq->sent);
    h2_fields_fini(&rq->heads);
    if (request_rewrites(rq))
        rewrite_fini(&rq->rewrite);
    rewrite_fini(&rq->looking);
    rq->build = request_build_free(rq->build);
    json_decref(rq->answer);
    judgement_fini(&rq->judgement);
    lookups_fini(&rq->lookups);
    lookups_fini(&rq->parked);
    json_decref(rq->tree);
    json_decref(rq->changes);
    json_decref(rq->lacks);
    rq->tree = rq->changes = rq->lacks = NULL;
}

size_t request_memory(const struct request *rq)
{
    return rq->collected.cap + rq->json.cap + rq->sent.cap + rq->tree_size +
           rq->lookups.memory + rq->parked.memory;
}

bool request_has_body(const struct http_head *head)
{
    return head->body == HTTP_BODY_CHUNKED ||
           (head->body == HTTP_BODY_SIZED && head->length > 0);
}

/*
 * The engine merges a form body into the query, where its values come first
 * (docker-api: "Query and form"), so no form may come near it.
 */
static bool is_form(struct str content_type)
{
    struct str type, parameters;

    str_cut(content_type, ';', &type, &parameters);
    type = str_trim(type);
    return str_eq_nocase(type, S("application/x-www-form-urlencoded")) ||
           str_eq_nocase(type, S("multipart/form-data"));
}

/* What an archive may be encoded with: its own first bytes say so once more,
 * and they are what is gone by, here as in an engine. */
static bool is_archive_coding(struct str coding)
{
    static const struct str known[] = {STR("gzip"),  STR("x-gzip"),
                                       STR("bzip2"), STR("x-bzip2"),
                                       STR("xz"),    STR("zstd")};

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (str_eq_nocase(coding, known[i]))
            return true;
    }
    return false;
}

static bool coding_is_acceptable(const struct request *rq, struct str coding)
{
    return str_eq_nocase(coding, S("identity")) ||
           (rq->match.route->body == BODY_TAR && is_archive_coding(coding));
}

static bool content_is_acceptable(const struct request *rq,
                                  const struct http_head *head,
                                  struct verdict *why)
{
    for (size_t i = 0; i < head->header_count && request_has_body(head); i++) {
        const struct http_header *header = &head->headers[i];

        if (str_eq_nocase(header->name, S("Content-Type")) &&
            is_form(header->value)) {
            verdict_deny(why, 415, "request.content-type", "Content-Type",
                         "a form body is refused, because the engine would "
                         "take it for query parameters; send "
                         "application/json");
            return false;
        }
        if (str_eq_nocase(header->name, S("Content-Encoding")) &&
            !coding_is_acceptable(rq, header->value)) {
            verdict_deny(why, 415, "request.content-encoding",
                         "Content-Encoding",
                         "an encoded body is refused; send it without a "
                         "Content-Encoding");
            return false;
        }
    }
    return true;
}

static struct str upgrade_token(enum upgrade_kind kind)
{
    switch (kind) {
    case UPGRADE_TCP:
        return S("tcp");
    case UPGRADE_H2C:
        return S("h2c");
    case UPGRADE_WEBSOCKET:
        return S("websocket");
    case UPGRADE_NONE:
        break;
    }
    return S("");
}

/*
 * An Upgrade is honoured where the route has one and the client names just
 * that. Elsewhere it is overlooked (RFC 9110, 7.8), which is safe because the
 * engine never sees it; Apache's Java client asks for "TLS/1.2" anywhere.
 */
static bool upgrade_is_acceptable(struct request *rq,
                                  const struct http_head *head,
                                  struct verdict *why)
{
    enum upgrade_kind kind = rq->match.route->upgrade;

    rq->upgrade = kind != UPGRADE_NONE &&
                  str_eq_nocase(head->upgrade, upgrade_token(kind));
    if (rq->upgrade || kind == UPGRADE_NONE || kind == UPGRADE_TCP)
        return true;
    verdict_deny(why, 400, "request.upgrade", "Upgrade",
                 "this endpoint needs \"Connection: Upgrade\" and "
                 "\"Upgrade: %s\"",
                 upgrade_token(kind).ptr);
    return false;
}

static void refuse_length(struct verdict *why, size_t limit)
{
    verdict_deny(why, 413, "request.body", "",
                 "the body is longer than %zu bytes; nothing of this size can "
                 "be judged",
                 limit);
}

/* A length that is too much is refused before anyone sends it. */
static bool length_is_acceptable(const struct request *rq,
                                 const struct http_head *head,
                                 struct verdict *why)
{
    size_t limit;

    if (rq->body == REQUEST_BODY_COLLECT)
        limit = LIMIT_JSON_BODY;
    else if (rq->body == REQUEST_BODY_DROP)
        limit = LIMIT_DRAIN;
    else
        return true;
    if (head->body != HTTP_BODY_SIZED || head->length <= limit)
        return true;
    refuse_length(why, limit);
    return false;
}

static enum request_body body_of(const struct request *rq,
                                 const struct http_head *head)
{
    if (!request_has_body(head))
        return REQUEST_BODY_NONE;
    switch (rq->match.route->body) {
    case BODY_NONE:
        return REQUEST_BODY_DROP;
    case BODY_JSON:
    case BODY_JSON_OPTIONAL:
        return REQUEST_BODY_COLLECT;
    case BODY_TAR:
        return REQUEST_BODY_STREAM;
    case BODY_RAW:
        break;
    }
    if (rq->match.route->reply != REPLY_HIJACK)
        return REQUEST_BODY_STREAM;
    /*
     * A body of known length is no part of the stream: dockerode repeats its
     * options there, and the engine, which hijacks before it reads any body,
     * must not take them for the container's input.
     */
    return head->body == HTTP_BODY_CHUNKED ? REQUEST_BODY_HIJACK
                                           : REQUEST_BODY_DROP;
}

/*
 * Once, a start took a whole HostConfig. An engine refuses what is long enough
 * to be one, so that nobody thinks it had an effect, and overlooks a "{}".
 */
static bool start_is_acceptable(struct request *rq,
                                const struct http_head *head,
                                struct verdict *why)
{
    if (request_operation(rq) != OP_CONTAINER_START ||
        head->body == HTTP_BODY_NONE ||
        (head->body == HTTP_BODY_SIZED && head->length <= 7))
        return true;
    verdict_deny(why, 400, "request.body", "",
                 "starting container with non-empty request body was "
                 "deprecated since API v1.22 and removed in v1.24");
    rq->engine_words = true;
    return false;
}

void request_read_head(struct request *rq, const struct policy *policy,
                       const struct http_head *head)
{
    struct verdict *verdict = &rq->verdict;

    if (target_parse(&rq->target, head->target, verdict))
        return;
    if (route_find(head->method, &rq->target, &rq->match)) {
        verdict_deny(verdict, 403, "routes", "",
                     "no operation of the Docker Engine API 1.24 to 1.56 is "
                     "called by %s on this path; check the spelling",
                     method_name(head->method));
        return;
    }
    policy_operation(policy, request_operation(rq), verdict);
    if (verdict->kind == VERDICT_DENY) {
        rq->engine_words = verdict->status == 503;
        return;
    }
    if (route_check_query(&rq->match, &rq->target, verdict) ||
        !content_is_acceptable(rq, head, verdict) ||
        !upgrade_is_acceptable(rq, head, verdict) ||
        !start_is_acceptable(rq, head, verdict))
        return;
    rq->body = body_of(rq, head);
    if (request_operation(rq) == OP_CONTAINER_EXEC)
        rq->collected.max = LIMIT_EXEC;
    length_is_acceptable(rq, head, verdict);
}

void request_add_body(struct request *rq, struct str bytes)
{
    if (rq->body == REQUEST_BODY_DROP) {
        rq->dropped += bytes.len;
        if (rq->dropped > LIMIT_DRAIN)
            refuse_length(&rq->verdict, LIMIT_DRAIN);
    } else if (strbuf_add(&rq->collected, bytes)) {
        refuse_length(&rq->verdict, rq->collected.max);
    }
}

/*
 * The headers that reach the engine, beside framing and Upgrade. The engine
 * acts on no other (docker-api: request_headers of each endpoint).
 */
static const struct passed_header {
    struct str name;
    enum operation operation; /* OP_NONE: every one */
} passed_headers[] = {
    {STR("User-Agent"),                          OP_NONE                      },
 /* of events it would change the framing, which berth has to read */
    {STR("Accept"),                              OP_CONTAINER_LOGS            },
    {STR("X-Registry-Auth"),                     OP_NONE                      },
    {STR("X-Registry-Config"),                   OP_IMAGE_BUILD               },
    {STR("X-Docker-Expose-Session-Uuid"),        OP_SESSION                   },
    {STR("X-Docker-Expose-Session-Name"),        OP_SESSION                   },
    {STR("X-Docker-Expose-Session-Sharedkey"),   OP_SESSION                   },
    {STR("X-Docker-Expose-Session-Grpc-Method"), OP_SESSION                   },
    {STR("Sec-WebSocket-Key"),                   OP_CONTAINER_ATTACH_WEBSOCKET},
    {STR("Sec-WebSocket-Version"),               OP_CONTAINER_ATTACH_WEBSOCKET},
    {STR("Sec-WebSocket-Protocol"),              OP_CONTAINER_ATTACH_WEBSOCKET},
    {STR("Origin"),                              OP_CONTAINER_ATTACH_WEBSOCKET},
};

static bool is_passed(const struct request *rq, struct str name)
{
    enum operation operation = request_operation(rq);

    for (size_t i = 0; i < sizeof(passed_headers) / sizeof(*passed_headers);
         i++) {
        const struct passed_header *row = &passed_headers[i];

        if (str_eq_nocase(name, row->name))
            return row->operation == OP_NONE ||
                   (row->operation == operation && !rq->replaces_heads);
    }
    return false;
}

/* What the body is, in our words: the engine never sees the client's. */
static struct str content_type(const struct request *rq)
{
    switch (rq->match.route->body) {
    case BODY_JSON:
    case BODY_JSON_OPTIONAL:
        return rq->json.len ? S("application/json") : S("");
    case BODY_TAR:
        return S("application/x-tar");
    case BODY_RAW:
        return rq->body == REQUEST_BODY_STREAM ? S("application/octet-stream")
                                               : S("");
    case BODY_NONE:
        break;
    }
    return S("");
}

bool request_chunks(const struct request *rq, const struct http_head *head)
{
    return head->body == HTTP_BODY_CHUNKED || rq->match.route->body == BODY_TAR;
}

static int put_framing(struct strbuf *out, const struct request *rq,
                       const struct http_head *head)
{
    uint64_t length = rq->json.len;
    char text[24];

    if (rq->body == REQUEST_BODY_STREAM) {
        if (request_chunks(rq, head))
            return http_put_header(out, S("Transfer-Encoding"), S("chunked"));
        length = head->length;
    }
    if (length == 0 && head->method != METHOD_POST &&
        head->method != METHOD_PUT)
        return 0;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)length);
    return http_put_header(out, S("Content-Length"), str_from(text));
}

int request_put(struct strbuf *out, const struct request *rq,
                const struct http_head *head)
{
    struct str type = content_type(rq);
    int r;

    assert(rq->verdict.kind == VERDICT_ALLOW);
    r = http_put_request_line(out, head->method, strbuf_str(&rq->sent));
    if (r == 0)
        r = http_put_header(out, S("Host"), S("docker"));
    for (size_t i = 0; r == 0 && i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];

        if (is_passed(rq, header->name))
            r = http_put_header(out, header->name, header->value);
    }
    for (size_t i = 0; r == 0 && i < rq->heads.count; i++) {
        struct h2_field field = h2_fields_at(&rq->heads, i);

        r = http_put_header(out, field.name, field.value);
    }
    if (r == 0 && type.len)
        r = http_put_header(out, S("Content-Type"), type);
    if (r == 0 && rq->upgrade) {
        r = http_put_header(out, S("Connection"), S("Upgrade"));
        if (r == 0)
            r = http_put_header(out, S("Upgrade"),
                                upgrade_token(rq->match.route->upgrade));
    }
    if (r == 0)
        r = put_framing(out, rq, head);
    if (r == 0)
        r = http_put_end_of_head(out);
    if (r == 0)
        r = strbuf_add(out, strbuf_str(&rq->json));
    return r;
}
