#include "proxy/server/push_return.h"

#include <stdlib.h>

#include "policy/base/json_str.h"
#include "policy/docker/image_target.h"
#include "policy/docker/target.h"
#include "policy/isolation/leftovers.h"
#include "policy/isolation/push_lock.h"
#include "policy/isolation/rewrite.h"

struct push_return {
    struct event_base *base;
    struct pool *pool;
    json_t *row;
    struct push_lock lock; /* its slices */
    struct subrequest *question;
    subrequest_cb on_done;
    void *arg;
};

static void ask(struct push_return *p, enum method method, struct str target,
                subrequest_cb on_reply)
{
    p->question =
        subrequest_new(p->base, p->pool, method, target, S(""), on_reply, p);
}

static void on_done(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct push_return *p = arg;
    subrequest_cb call = p->on_done;
    void *who = p->arg;

    p->question = NULL;
    push_return_cancel(p);
    call(head, body, why, who);
}

static bool is_done(const struct http_head *head)
{
    return head && head->status >= 200 && head->status < 300;
}

static bool is_missing(const struct http_head *head)
{
    return head && head->status == 404;
}

static void on_unmarked(const struct http_head *head, struct str body,
                        const char *why, void *arg)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_PATH);
    struct push_return *p = arg;

    if (!is_done(head) && !is_missing(head)) {
        on_done(head, body, why, p);
        return;
    }
    leftover_put_removal(&target, LEFTOVER_PUSH, str_at(p->row, "Id"), true);
    ask(p, METHOD_DELETE, strbuf_str(&target), on_done);
}

/* It may be the last name of an image of which the lock is made. */
static void unmark(struct push_return *p)
{
    AUTO(strbuf_fini) struct strbuf mark = STRBUF(LIMIT_PATH);
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);

    push_lock_put_mark(&mark, p->lock.real);
    image_target_put_untag(&target, strbuf_str(&mark));
    strbuf_add(&target, S("&force=1"));
    ask(p, METHOD_DELETE, strbuf_str(&target), on_unmarked);
}

static void on_taken(const struct http_head *head, struct str body,
                     const char *why, void *arg)
{
    if (is_done(head) || is_missing(head))
        unmark(arg);
    else
        on_done(head, body, why, arg);
}

static void take_name(struct push_return *p)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);

    image_target_put_untag(&target, p->lock.real);
    ask(p, METHOD_DELETE, strbuf_str(&target), on_taken);
}

static void on_put_back(const struct http_head *head, struct str body,
                        const char *why, void *arg)
{
    if (is_missing(head)) /* nothing had another name for that image */
        take_name(arg);
    else
        on_taken(head, body, why, arg);
}

static void put_name_back(struct push_return *p)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);

    image_target_put_tag(&target, p->lock.from, p->lock.real);
    ask(p, METHOD_POST, strbuf_str(&target), on_put_back);
}

/* What the name stands for by now. */
static void on_looked(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    json_auto_t *image = is_done(head) ? reply_json_parse(body) : NULL;
    struct push_return *p = arg;

    if (!is_done(head) && !is_missing(head))
        on_done(head, body, why, p);
    else if (!str_eq(str_at(image, "Id"), p->lock.of) ||
             str_eq(p->lock.from, p->lock.of))
        unmark(p); /* it is not lent any more, or never meant another image */
    else if (p->lock.from.len)
        put_name_back(p);
    else
        take_name(p);
}

struct push_return *push_return_new(struct event_base *base, struct pool *pool,
                                    const json_t *lock, subrequest_cb done,
                                    void *arg)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);
    struct push_return *p = xcalloc(1, sizeof(*p));

    p->base = base;
    p->pool = pool;
    p->row = json_deep_copy(lock);
    push_lock_read(&p->lock, json_object_get(p->row, "Labels"));
    p->on_done = done;
    p->arg = arg;
    strbuf_add(&target, S("/images/"));
    target_put_segment(&target, p->lock.real);
    strbuf_add(&target, S("/json"));
    ask(p, METHOD_GET, strbuf_str(&target), on_looked);
    return p;
}

struct push_return *push_return_cancel(struct push_return *p)
{
    if (!p)
        return NULL;
    subrequest_cancel(p->question);
    json_decref(p->row);
    free(p);
    return NULL;
}
