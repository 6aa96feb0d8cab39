#include "proxy/server/reclaim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "policy/base/json_str.h"
#include "policy/base/rfc3339.h"
#include "policy/docker/companion_name.h"
#include "policy/isolation/lease_book.h"
#include "policy/isolation/rewrite.h"
#include "proxy/server/lease_drops.h"
#include "proxy/upstream/subrequest.h"

enum step {
    STEP_COMPANION, /* does it hold the namespace? */
    STEP_MARK,
    STEP_LOOK, /* is it still over, now that all see the mark? */
    STEP_SWEEP,
    STEP_DROP, /* the mark, then the leases, one after the other */
    STEP_END,
};

struct reclaim {
    struct reclaim_config config;
    char *ns, *mark;
    enum step step;
    struct event *timer; /* the next step, or the end of all patience */
    struct event *deadline;
    struct subrequest *question;
    struct sweep *sweep;
    int64_t now; /* by the engine's clock, as its mark tells */
    struct lease_drops drops;
    enum reclaim_end end;
    unsigned removed, failed;
    char *why;
};

static void go_to(struct reclaim *r, enum step step)
{
    r->step = step;
    event_active(r->timer, 0, 0);
}

/* It comes to END for the reason WHY. */
static void conclude(struct reclaim *r, enum reclaim_end end, const char *why)
{
    r->end = end;
    free(r->why);
    r->why = why ? xstr_dup(str_head(str_from(why), LIMIT_REASON)) : NULL;
    go_to(r, STEP_END);
}

/* The same, and the mark is not there any more. */
static void withdraw(struct reclaim *r, enum reclaim_end end, const char *why)
{
    conclude(r, end, why);
    go_to(r, STEP_DROP);
}

static void ask(struct reclaim *r, enum method method, struct str target,
                json_t *body, subrequest_cb on_reply)
{
    r->question = body ? subrequest_new_json(r->config.base, r->config.pool,
                                             method, target, body, on_reply, r)
                       : subrequest_new(r->config.base, r->config.pool, method,
                                        target, S(""), on_reply, r);
}

/* ---- the companion ---- */

/* It runs for as long as its berth is heard, and is started anew where it ends
 * by an error. One that was killed, or never began, tells nothing: then the
 * leases alone count. */
static bool has_let_go(const json_t *companion)
{
    static const char *const ends[] = {"exited", "dead", "created", "removing"};
    struct str status = str_at(json_object_get(companion, "State"), "Status");

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        if (str_eq(status, str_from(ends[i])))
            return true;
    }
    return false;
}

static void on_companion(const struct http_head *head, struct str body,
                         const char *why, void *arg)
{
    struct reclaim *r = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;

    r->question = NULL;
    if (!head)
        conclude(r, RECLAIM_FAILED, why);
    else if (head->status == 404 || (head->status == 200 && has_let_go(reply)))
        go_to(r, STEP_MARK);
    else
        conclude(r, RECLAIM_SPARED, NULL);
}

static void ask_companion(struct reclaim *r)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_PATH);

    strbuf_addf(&target, "/containers/" COMPANION_NAME "%s/json", r->ns);
    ask(r, METHOD_GET, strbuf_str(&target), NULL, on_companion);
}

/* ---- the mark ---- */

static void on_marked(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    struct reclaim *r = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;

    r->question = NULL;
    r->now = rfc3339_seconds(str_at(reply, "CreatedAt"));
    if (!head)
        conclude(r, RECLAIM_FAILED, why);
    else if (head->status != 201)
        conclude(r, RECLAIM_FAILED, "the engine makes no mark");
    else if (r->now == 0)
        withdraw(r, RECLAIM_FAILED, "the engine does not tell the time");
    else
        go_to(r, STEP_LOOK);
}

/* From here on, it has as long as a mark lets it (LEASE_MARK_S). */
static void make_mark(struct reclaim *r)
{
    event_add(r->deadline, &(struct timeval){LEASE_SWEEP_S, 0});
    ask(r, METHOD_POST, S("/volumes/create"),
        lease_body(str_from(r->mark), str_from(r->ns), 0), on_marked);
}

struct look {
    struct reclaim *r;
    bool marked; /* by another, who goes first */
};

static void see(void *arg, const struct lease_row *row)
{
    struct look *look = arg;
    struct reclaim *r = look->r;

    if (!str_eq(row->ns, str_from(r->ns)) ||
        str_eq(row->name, str_from(r->mark)))
        return;
    /* of two at once, the one whose name is first goes on; should both, it does
     * no harm */
    if (lease_mark_works(row, r->now))
        look->marked |= strncmp(row->name.ptr, r->mark, row->name.len) < 0;
    else if (row->kind != LEASE_MARK || lease_row_is_over(row, r->now))
        lease_drops_add(&r->drops, row->name);
}

/* Does another remove it, too, and first? Takes what is to be dropped. */
static bool is_marked(struct reclaim *r, const json_t *reply)
{
    struct look look = {.r = r};

    leases_walk(reply, see, &look);
    return look.marked;
}

static void on_look(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct reclaim *r = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    bool all_over;
    uint64_t print = lease_print(reply, str_from(r->ns), r->now, &all_over);

    r->question = NULL;
    if (!head || head->status != 200)
        withdraw(r, RECLAIM_FAILED,
                 head ? "the engine does not list volumes" : why);
    else if (!all_over || print != r->config.print || is_marked(r, reply))
        withdraw(r, RECLAIM_SPARED, NULL);
    else
        go_to(r, STEP_SWEEP);
}

static void look(struct reclaim *r)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_PATH);
    struct str ns = str_from(r->ns);

    leftover_put_list(&target, LEFTOVER_LEASE, ns);
    ask(r, METHOD_GET, strbuf_str(&target), NULL, on_look);
    subrequest_filter(r->question, list_filter_new(ns, true));
}

/* ---- all that there is ---- */

static int put_on_record(void *arg, struct str line)
{
    const struct reclaim *r = arg;

    return r->config.audit(r->config.arg, line);
}

static void on_item(void *arg, enum leftover_kind kind, struct str name,
                    const char *why)
{
    const struct reclaim *r = arg;

    if (r->config.on_item)
        r->config.on_item(r->config.arg, kind, name, why);
}

static void on_swept(void *arg, unsigned removed, unsigned failed,
                     const char *why)
{
    struct reclaim *r = arg;

    r->sweep = NULL;
    r->removed = removed;
    r->failed = failed;
    if (why) {
        /* what was sent may be done yet: who comes back has to wait */
        conclude(r, RECLAIM_FAILED, why);
        return;
    }
    withdraw(r, failed ? RECLAIM_FAILED : RECLAIM_DONE, NULL);
}

static void sweep(struct reclaim *r)
{
    const struct sweep_config config = {
        .base = r->config.base,
        .pool = r->config.pool,
        .ns = r->ns,
        .extent = SWEEP_DEAD,
        .audit = r->config.audit ? put_on_record : NULL,
        .audit_required = r->config.audit_required,
        .on_item = on_item,
        .on_done = on_swept,
        .arg = r,
    };

    r->sweep = sweep_new(&config);
}

/* ---- the mark and the leases ---- */

static void drop_next(struct reclaim *r);

static void on_dropped(const struct http_head *head, struct str body,
                       const char *why, void *arg)
{
    struct reclaim *r = arg;

    (void)body;
    r->question = NULL;
    if (!head)
        conclude(r, RECLAIM_FAILED, why);
    else
        drop_next(r);
}

/* The mark goes first: without it nobody waits, and a lease that is over keeps
 * nobody. One that stays is found by the next look. */
static void drop_next(struct reclaim *r)
{
    if (r->end != RECLAIM_DONE)
        lease_drops_fini(&r->drops); /* so that it is tried again */
    if (r->mark)
        lease_drops_add(&r->drops, str_from(r->mark));
    free(r->mark);
    r->mark = NULL;
    r->question = lease_drops_next(&r->drops, r->config.base, r->config.pool,
                                   on_dropped, r);
    if (!r->question)
        go_to(r, STEP_END);
}

/* ---- its life ---- */

static void end(struct reclaim *r)
{
    const struct reclaim_config config = r->config;
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON + 1);
    enum reclaim_end how = r->end;
    unsigned removed = r->removed, failed = r->failed;
    bool has_why = r->why != NULL;

    if (has_why)
        strbuf_addf(&why, "%s", r->why);
    reclaim_cancel(r);
    config.on_done(config.arg, how, removed, failed,
                   has_why ? strbuf_cstr(&why) : NULL);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct reclaim *r = arg;

    (void)fd;
    (void)what;
    switch (r->step) {
    case STEP_COMPANION:
        ask_companion(r);
        break;
    case STEP_MARK:
        make_mark(r);
        break;
    case STEP_LOOK:
        look(r);
        break;
    case STEP_SWEEP:
        sweep(r);
        break;
    case STEP_DROP:
        drop_next(r);
        break;
    case STEP_END:
        end(r);
        break;
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct reclaim *r = arg;

    (void)fd;
    (void)what;
    r->question = subrequest_cancel(r->question);
    r->sweep = sweep_cancel(r->sweep);
    conclude(r, RECLAIM_FAILED, "it takes too long");
}

struct reclaim *reclaim_new(const struct reclaim_config *config)
{
    AUTO(strbuf_fini) struct strbuf mark = STRBUF(LIMIT_NAME);
    struct reclaim *r = xcalloc(1, sizeof(*r));
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort();
    r->config = *config;
    r->ns = xstrdup(config->ns);
    lease_put_name(&mark, LEASE_MARK, str_from(r->ns), random, 1);
    r->mark = xstr_dup(strbuf_str(&mark));
    r->timer = event_new(config->base, -1, 0, on_timer, r);
    r->deadline = event_new(config->base, -1, 0, on_deadline, r);
    event_add(r->deadline, &(struct timeval){LEASE_SWEEP_S, 0});
    go_to(r, STEP_COMPANION);
    return r;
}

struct reclaim *reclaim_cancel(struct reclaim *r)
{
    if (!r)
        return NULL;
    subrequest_cancel(r->question);
    sweep_cancel(r->sweep);
    lease_drops_fini(&r->drops);
    event_free(r->timer);
    event_free(r->deadline);
    free(r->mark);
    free(r->ns);
    free(r->why);
    free(r);
    return NULL;
}
