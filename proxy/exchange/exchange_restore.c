#include "proxy/exchange/exchange_private.h"

#include <string.h>

#include "proxy/archive/image_archive.h"
#include "proxy/base/log.h"
#include "proxy/exchange/request_age.h"

/* ---- replies in the words of the runner ---- */

enum restoring exchange_restoring(const struct exchange *ex,
                                  const struct http_head *reply)
{
    enum reply_kind kind = ex->rq.match.route->reply;

    if (ex->head->method == METHOD_HEAD || reply->body == HTTP_BODY_NONE ||
        !request_restores(&ex->rq, reply->status))
        return RESTORE_NOTHING;
    if (reply->status >= 400)
        return RESTORE_WHOLE;
    switch (kind) {
    case REPLY_JSON_LATER: /* its client waits for the head alone */
        return RESTORE_LATE;
    case REPLY_JSON_LINES:
        return RESTORE_LINES;
    case REPLY_STREAM: /* a saved image */
        return RESTORE_ARCHIVE;
    case REPLY_EMPTY:
    case REPLY_JSON:
    case REPLY_HIJACK:
        break;
    }
    return RESTORE_WHOLE;
}

static bool is_list(enum operation operation)
{
    return operation == OP_CONTAINER_LIST || operation == OP_IMAGE_LIST ||
           operation == OP_NETWORK_LIST || operation == OP_VOLUME_LIST ||
           operation == OP_SYSTEM_DISK_USAGE;
}

void exchange_restore_begin(struct exchange *ex)
{
    if (ex->restoring == RESTORE_WHOLE && ex->rq.rewriting &&
        is_list(request_operation(&ex->rq)))
        ex->list = list_filter_new(str_from(ex->policy->namespace), false);
    if (ex->restoring != RESTORE_ARCHIVE)
        return;
    ex->archive.ns = str_from(ex->policy->namespace);
    ex->archive.names = archive_names_to_runner(&ex->archive.ns);
    ex->archive.saved = image_archive_new(&ex->archive.names);
}

/*
 * What is not understood is not passed on. Nothing of it has gone yet, or the
 * client has to see that it is cut.
 */
static bool give_up(struct exchange *ex)
{
    exchange_answer(ex, 502,
                    "the engine's reply is not what this operation answers "
                    "with, and was not passed on; the request may have been "
                    "carried out",
                    0, AUDIT_CLOSE_ENGINE);
    return false;
}

/* It is held whole, and there is no room for that now. */
static bool give_up_for_memory(struct exchange *ex)
{
    exchange_answer(ex, 503,
                    "the reply does not fit into what berth may hold of this "
                    "listener's replies and bodies at the moment; read what "
                    "was asked for before, or ask for less at a time",
                    1, AUDIT_CLOSE_LOCAL);
    return false;
}

/* An error that is no JSON: a sentence. */
static bool restore_text(struct exchange *ex, struct strbuf *out)
{
    return rewrite_text(&ex->rq.rewrite, strbuf_str(&ex->held_reply), out) == 0;
}

static bool restore_value(struct exchange *ex, int status, struct strbuf *out)
{
    AUTO(json_decrefp)
    json_t *value = reply_json_parse(strbuf_str(&ex->held_reply));

    if (!value)
        return status >= 400 && restore_text(ex, out);
    if (request_rewrites(&ex->rq) &&
        rewrite_reply(&ex->rq.rewrite, status, value) != 0)
        return false;
    request_age_restore(&ex->rq, status, value);
    request_put_warnings(&ex->rq, status, value);
    return reply_json_put(out, value) == 0 && strbuf_add_char(out, '\n') == 0;
}

/* Behind the reply to another request, all of BODY is an error. */
static bool restore_failure(struct exchange *ex, struct str body)
{
    json_auto_t *value = reply_json_parse(body);
    const char *message = json_string_value(json_object_get(value, "message"));
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_REPLY);

    strbuf_add(&text, str_trim(body));
    exchange_put_error_line(ex, message ? message : strbuf_cstr(&text));
    return true;
}

/* The whole of it has come: head and body go, if it can be restored. */
static bool restore_whole(struct exchange *ex)
{
    const struct http_head *reply = http_reader_head(ex->conn->reader[ENGINE]);
    AUTO(strbuf_fini) struct strbuf body = STRBUF(LIMIT_REPLY);

    if (ex->held_reply.len && !restore_value(ex, reply->status, &body))
        return give_up(ex);
    if (ex->goes_on)
        return restore_failure(ex, strbuf_str(&body));
    ex->framing = REPLY_FRAMING_SIZED;
    if (reply_put_head(&ex->conn->out[CLIENT].bytes, ex->head, reply,
                       ex->framing, body.len,
                       ex->keep ? REPLY_KEEP_ALIVE : REPLY_CLOSE))
        return give_up(ex);
    ex->restoring = RESTORE_NOTHING; /* it is out */
    exchange_put_body(ex, strbuf_str(&body));
    return true;
}

static bool restore_late(struct exchange *ex)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(LIMIT_REPLY);

    if (ex->held_reply.len && !restore_value(ex, ex->status, &body))
        return give_up(ex);
    exchange_put_body(ex, strbuf_str(&body));
    return true;
}

static bool put_line(struct exchange *ex, json_t *value, struct str end)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY_LINE);

    if (reply_json_put(&out, value) || strbuf_add(&out, end))
        return false;
    exchange_put_body(ex, strbuf_str(&out));
    return true;
}

/* What was held of a reply, and has to be shown by now. */
static bool put_ahead(struct exchange *ex, struct str end)
{
    json_auto_t *lines = ex->rq.rewrite.ahead;
    json_t *line;
    size_t i;

    ex->rq.rewrite.ahead = NULL;
    json_array_foreach(lines, i, line)
    {
        if (!put_line(ex, line, end))
            return false;
    }
    return true;
}

static bool restore_line(struct exchange *ex, struct str line)
{
    AUTO(json_decrefp) json_t *value = NULL;
    struct str end = S("\n");
    bool show = true;

    if (str_has_suffix(line, S("\r"))) {
        line.len--;
        end = S("\r\n");
    }
    if (str_trim(line).len == 0)
        return true;
    value = reply_json_parse(line);
    if (!value ||
        (request_rewrites(&ex->rq) &&
         rewrite_line(&ex->rq.rewrite, value, &show)) ||
        !put_ahead(ex, end))
        return false;
    if (show)
        request_age_restore(&ex->rq, ex->status, value);
    return !show || put_line(ex, value, end);
}

/* What was held of a line until all that follows from it was done. */
static bool put_behind(struct exchange *ex)
{
    json_auto_t *line = ex->rq.rewrite.behind;

    ex->rq.rewrite.behind = NULL;
    if (line)
        request_age_restore(&ex->rq, ex->status, line);
    return !line || put_line(ex, line, S("\n"));
}

/*
 * Drop a line that is too long to be understood. Events are of everybody: one
 * of another runner's making must not end this one's stream of them.
 */
static bool skip_line(struct exchange *ex)
{
    if (request_operation(&ex->rq) != OP_SYSTEM_EVENTS)
        return false;
    strbuf_clear(&ex->held_reply);
    ex->skips_line = true;
    return true;
}

/* All whole lines that are held; what is behind the last stays. No line ends
 * within the first SEARCHED bytes. */
static bool restore_lines(struct exchange *ex, size_t searched)
{
    struct str all = strbuf_str(&ex->held_reply);
    size_t done = 0;

    while (searched < all.len) {
        const char *end = memchr(all.ptr + searched, '\n', all.len - searched);

        if (!end)
            break;
        searched = (size_t)(end - all.ptr);
        if (!restore_line(ex, str_of(all.ptr + done, searched - done)))
            return give_up(ex);
        done = ++searched;
        if (request_after_line(&ex->rq)) {
            exchange_enter_reply(ex, RP_LINE);
            break; /* the others wait until that is done */
        }
        if (!put_behind(ex))
            return give_up(ex);
    }
    strbuf_consume(&ex->held_reply, done);
    if (ex->reply_state == RP_LINE)
        return true;
    return ex->held_reply.len <= LIMIT_REPLY_LINE || skip_line(ex) ||
           give_up(ex);
}

/* DATA from the next line on, when the line that it goes on with is skipped. */
static struct str behind_skipped(struct exchange *ex, struct str data)
{
    ssize_t end = ex->skips_line ? str_find(data, '\n') : -1;

    if (!ex->skips_line)
        return data;
    ex->skips_line = end < 0;
    return end < 0 ? S("") : str_from_index(data, (size_t)end + 1);
}

/* Part of an archive; without DATA, its end. */
static bool restore_archive(struct exchange *ex, struct str data)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(BODY_FILTER_MAX(LIMIT_OUT));
    struct body_filter *filter = ex->archive.saved;
    struct verdict why = {0};

    if (data.len ? !filter->kind->feed(filter, data, &out, &why)
                 : !filter->kind->end(filter, &out, &why)) {
        log_debug("exchange %s: the engine's archive: %s", ex->id, why.reason);
        return give_up(ex);
    }
    exchange_put_body(ex, strbuf_str(&out));
    return true;
}

bool exchange_restore(struct exchange *ex, struct str data)
{
    size_t searched = ex->held_reply.len;

    if (ex->restoring == RESTORE_ARCHIVE)
        return data.len == 0 || restore_archive(ex, data);
    /* as text, and as what it is made into */
    if (!exchange_has_room(ex, 2 * data.len))
        return give_up_for_memory(ex);
    if (ex->list ? list_filter_feed(ex->list, data, &ex->held_reply)
                 : strbuf_add(&ex->held_reply, behind_skipped(ex, data)))
        return give_up(ex);
    return ex->restoring != RESTORE_LINES || restore_lines(ex, searched);
}

void exchange_lines_go_on(struct exchange *ex)
{
    exchange_enter_reply(ex, RP_BODY);
    if (put_behind(ex))
        restore_lines(ex, 0);
    else
        give_up(ex);
}

bool exchange_restore_rest(struct exchange *ex)
{
    if (ex->restoring != RESTORE_LINES)
        return true;
    if (!restore_line(ex, strbuf_str(&ex->held_reply)) || !put_behind(ex))
        return give_up(ex);
    strbuf_clear(&ex->held_reply);
    return true;
}

bool exchange_restore_end(struct exchange *ex)
{
    switch (ex->restoring) {
    case RESTORE_NOTHING:
    case RESTORE_LINES:
        break;
    case RESTORE_WHOLE:
        return restore_whole(ex);
    case RESTORE_LATE:
        return restore_late(ex);
    case RESTORE_ARCHIVE:
        return restore_archive(ex, S(""));
    }
    return true;
}

void exchange_put_last_line(struct exchange *ex)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY_LINE);
    json_t *line = ex->rq.rewriting ? ex->rq.rewrite.last_line : NULL;

    if (line && ex->restoring == RESTORE_LINES &&
        reply_json_put(&out, line) == 0 && strbuf_add(&out, S("\r\n")) == 0)
        exchange_put_body(ex, strbuf_str(&out));
}
