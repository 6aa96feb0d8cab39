#include "policy/docker/dockerfile_line.h"
#include "proxy/archive/image_archive.h"
#include "proxy/exchange/exchange_private.h"
#include "proxy/exchange/request_build.h"

/* ---- the body of a request, on its way through ---- */

/* What has to change in the archive on its way; or NULL. */
static struct body_filter *filter_of(struct exchange *ex)
{
    if (request_operation(&ex->rq) != OP_IMAGE_LOAD || !ex->rq.rewriting)
        return request_build_filter(&ex->rq);
    ex->archive.ns = str_from(ex->policy->namespace);
    ex->archive.names = archive_names_to_engine(&ex->archive.ns);
    ex->archive.budget = (struct archive_budget){
        .most = request_share_images(&ex->rq.share),
        .rule = share_rule(ex->policy, SHARE_IMAGES),
    };
    if (ex->archive.budget.most)
        ex->archive.names.budget = &ex->archive.budget;
    return image_archive_new(&ex->archive.names);
}

static bool decoder_has_room(void *arg, size_t more)
{
    const struct exchange *ex = arg;

    return exchange_has_room(ex, more);
}

void exchange_put_continue(struct exchange *ex)
{
    if (!ex->head->expect_continue)
        return;
    must(
        http_put_status_line(&ex->conn->out[CLIENT].bytes, 100, S("Continue")));
    must(http_put_end_of_head(&ex->conn->out[CLIENT].bytes));
}

void exchange_upload_begin(struct exchange *ex)
{
    const struct unpack_room room = {decoder_has_room, ex};

    exchange_enter(ex, RQ_STREAM);
    if (ex->rq.match.route->body == BODY_TAR)
        ex->upload = upload_new(filter_of(ex), &room);
    exchange_put_continue(ex);
}

bool exchange_upload_holds(const struct exchange *ex)
{
    return ex->upload && upload_holds(ex->upload);
}

/* Part of what the engine gets. */
static void put_part(struct exchange *ex, struct str part)
{
    struct strbuf *out = &ex->conn->out[ENGINE].bytes;

    if (part.len == 0)
        return;
    if (request_chunks(&ex->rq, ex->head))
        put_chunk(out, part);
    else
        must(strbuf_add(out, part));
}

/* What is judged behind its head may not go on. */
static void refuse_body(struct exchange *ex, const struct verdict *why)
{
    request_leave(&ex->rq, TICKET_NOT_MADE); /* the engine has not all of it */
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_ERROR_TEXT);

    if (why != &ex->rq.verdict)
        ex->rq.verdict = *why;
    if (str_eq(str_from(why->rule), S(DOCKERFILE_RULE)))
        ex->rq.engine_words = true;
    request_put_refusal(&ex->rq, ex->policy, &text);
    exchange_answer(ex, why->status, strbuf_cstr(&text), why->status == 503,
                    AUDIT_CLOSE_DENIED);
}

static void refuse_upload(struct exchange *ex)
{
    const struct verdict *why = upload_why(ex->upload);

    if (ex->rq.build || why->status == 403 || why->status == 503) {
        refuse_body(ex, why);
        return;
    }
    exchange_request_fails(ex, why->status, why->reason, AUDIT_CLOSE_MALFORMED);
}

static void refuse_crowded(struct exchange *ex)
{
    struct verdict why = {0};

    verdict_deny(&why, 503, MEMORY_RULE, "", MEMORY_REASON);
    refuse_body(ex, &why);
}

/* What is held of an archive grows by no more than one piece beyond the room.
 */
static bool is_crowded(const struct exchange *ex, size_t before)
{
    return upload_memory(ex->upload) > before && !exchange_has_room(ex, 0);
}

/* The same with none: what is held goes on. */
void exchange_upload(struct exchange *ex, struct str data)
{
    AUTO(strbuf_fini) struct strbuf part = STRBUF(UPLOAD_MAX(LIMIT_OUT));
    size_t before = ex->upload ? upload_memory(ex->upload) : 0;

    if (!ex->upload || upload_is_plain(ex->upload)) {
        put_part(ex, data);
    } else if (!upload_feed(ex->upload, data, connection_room(ex->conn, ENGINE),
                            &part)) {
        refuse_upload(ex);
    } else if (is_crowded(ex, before)) {
        refuse_crowded(ex);
    } else {
        put_part(ex, strbuf_str(&part));
    }
}

/* What follows a build's context: the engine has been asked for it. */
static void put_tail(struct exchange *ex)
{
    AUTO(strbuf_fini) struct strbuf tail = STRBUF(UPLOAD_MAX(LIMIT_OUT));

    if (!request_build_finish(&ex->rq, &tail)) {
        refuse_body(ex, &ex->rq.verdict);
        return;
    }
    put_part(ex, strbuf_str(&tail));
    must(http_put_last_chunk(&ex->conn->out[ENGINE].bytes));
    exchange_enter(ex, RQ_DONE);
}

void exchange_upload_answered(struct exchange *ex)
{
    if (request_asks(&ex->rq))
        return;
    if (ex->rq.verdict.kind == VERDICT_ALLOW)
        put_tail(ex);
    else
        refuse_body(ex, &ex->rq.verdict);
}

void exchange_upload_end(struct exchange *ex)
{
    AUTO(strbuf_fini) struct strbuf part = STRBUF(UPLOAD_MAX(LIMIT_OUT));

    if (ex->upload && !upload_end(ex->upload, &part)) {
        refuse_upload(ex);
        return;
    }
    put_part(ex, strbuf_str(&part));
    if (ex->rq.build) {
        exchange_enter(ex, RQ_TAIL);
        request_body_over(&ex->rq, ex->policy);
        exchange_upload_answered(ex);
        return;
    }
    if (request_chunks(&ex->rq, ex->head))
        must(http_put_last_chunk(&ex->conn->out[ENGINE].bytes));
    exchange_enter(ex, RQ_DONE);
}

bool exchange_upload_goes_on(struct exchange *ex)
{
    if (ex->request_state != RQ_STREAM || !exchange_upload_holds(ex) ||
        connection_room(ex->conn, ENGINE) < LIMIT_OUT / 2)
        return false;
    exchange_upload(ex, S(""));
    return true;
}

size_t exchange_feed_hijack(struct exchange *ex, struct str part)
{
    if (ex->tunnel) {
        exchange_build_feed(ex, CLIENT, part);
    } else if (ex->request_state == RQ_HIJACK) {
        must(strbuf_add(&ex->conn->out[ENGINE].bytes, part));
        ex->bytes[CLIENT] += part.len;
    }
    return part.len;
}
