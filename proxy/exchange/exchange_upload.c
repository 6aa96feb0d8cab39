#include "proxy/exchange/exchange_private.h"

/* ---- the body of a request, on its way through ---- */

void exchange_upload_begin(struct exchange *ex)
{
    exchange_enter(ex, RQ_STREAM);
    if (ex->rq.match.route->body == BODY_TAR)
        ex->upload = upload_new(NULL);
    exchange_put_continue(ex);
}

bool exchange_upload_holds(const struct exchange *ex)
{
    return ex->upload && upload_holds(ex->upload);
}

/* Part of what the engine gets. */
static void put_part(struct exchange *ex, struct str part)
{
    struct strbuf *out = &ex->out[ENGINE].bytes;

    if (part.len == 0)
        return;
    if (request_chunks(&ex->rq, ex->head))
        put_chunk(out, part);
    else
        must(strbuf_add(out, part));
}

static void refuse_upload(struct exchange *ex)
{
    const struct verdict *why = upload_why(ex->upload);

    exchange_request_fails(ex, why->status, why->reason, AUDIT_CLOSE_MALFORMED);
}

/* The same with none: what is held goes on. */
void exchange_upload(struct exchange *ex, struct str data)
{
    AUTO(strbuf_fini) struct strbuf part = STRBUF(UPLOAD_MAX(LIMIT_OUT));

    if (!ex->upload || upload_is_plain(ex->upload)) {
        put_part(ex, data);
    } else if (upload_feed(ex->upload, data, exchange_room(ex, ENGINE),
                           &part)) {
        put_part(ex, strbuf_str(&part));
    } else {
        refuse_upload(ex);
    }
}

void exchange_upload_end(struct exchange *ex)
{
    AUTO(strbuf_fini) struct strbuf part = STRBUF(UPLOAD_MAX(LIMIT_OUT));

    if (ex->upload && !upload_end(ex->upload, &part)) {
        refuse_upload(ex);
        return;
    }
    put_part(ex, strbuf_str(&part));
    if (request_chunks(&ex->rq, ex->head))
        must(http_put_last_chunk(&ex->out[ENGINE].bytes));
    exchange_enter(ex, RQ_DONE);
}

void exchange_upload_goes_on(struct exchange *ex)
{
    if (ex->request_state != RQ_STREAM || !exchange_upload_holds(ex) ||
        exchange_room(ex, ENGINE) < LIMIT_OUT / 2)
        return;
    exchange_upload(ex, S(""));
    exchange_look_again(ex); /* the body's end may have come before */
}
