#include "proxy/server/reaper.h"

#include <stdlib.h>
#include <sys/random.h>

#include "policy/base/json_str.h"
#include "policy/base/rfc3339.h"
#include "policy/docker/own_tag.h"
#include "policy/isolation/lease_book.h"
#include "policy/isolation/leftovers.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/server/lease_drops.h"
#include "proxy/server/reclaim.h"
#include "proxy/upstream/subrequest.h"

enum {
    FIRST_MS = 10 * 1000,
    EVERY_MS = 240 * 1000, /* at most; and for who has no lease */
    SHARES = 4,            /* looks in a term */
    ANSWER_MS = 30 * 1000,
    LEFT_MS = 600 * 1000, /* between two sweeps of what no runner has */
    NEWS = 2,             /* so much of a lease's period is worth a record; */
    LAST_NEWS_MS = 1000,  /* and so much of a second, when it is the last */
    RECORDS = 64,         /* in one look */
};

struct reaper {
    struct event_base *base;
    struct pool *pool;
    TAILQ_HEAD(reaper_hosts, reaper_host) hosts;
    struct reaper_host *host; /* in whose name it does what it does */
    struct event *timer;      /* the next look, or the end of patience */
    struct subrequest *question;
    struct reclaim *reclaim;
    struct sweep *left;
    struct lease_book *book;
    json_t *list;             /* of the last look, while it is needed */
    struct lease_drops drops; /* what of it is of no use any more */
    size_t at;                /* in the book: the next one to be looked at */
    uint64_t random;          /* its records' names are made of them */
    unsigned number, recorded;
    bool hurried; /* the last look: others do the rest */
    int64_t now;
    uint64_t began_ms, left_ms;
    struct reaper_counts counts;
};

/* ---- when ---- */

static unsigned every_ms(const struct reaper *r)
{
    const struct reaper_host *host;
    unsigned ms = EVERY_MS;

    TAILQ_FOREACH(host, &r->hosts, link)
    {
        if (host->term_ms && host->term_ms / SHARES < ms)
            ms = host->term_ms / SHARES;
    }
    return ms;
}

/* Half to one and a half of it: berths of one engine take turns. */
static unsigned by_chance(unsigned ms)
{
    unsigned number = 0;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = 0;
    return ms / 2 + number % (ms + 1);
}

static void look_in(struct reaper *r, unsigned ms)
{
    event_add(r->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

static void look_later(struct reaper *r)
{
    unsigned again = lease_book_again_ms(r->book);

    r->host = NULL;
    r->hurried = false;
    if (!TAILQ_EMPTY(&r->hosts))
        look_in(r, again ? again : by_chance(every_ms(r)));
}

/* ---- one namespace after the other ---- */

static void go_on(struct reaper *r);

static int put_on_record(void *arg, struct str line)
{
    const struct reaper *r = arg;

    return r->host->audit(r->host->arg, line);
}

static void on_item(void *arg, enum leftover_kind kind, struct str name,
                    const char *why)
{
    (void)arg;
    if (why)
        log_warn("%s %.*s of a runner that is gone stays: %s",
                 leftover_word(kind), STR_FMT(name), why);
}

static void on_reclaimed(void *arg, enum reclaim_end end, unsigned removed,
                         unsigned failed, const char *why)
{
    struct reaper *r = arg;
    struct lease_known known = {.ns = "?"};

    r->reclaim = NULL;
    lease_book_at(r->book, r->at++, &known);
    r->counts.objects += removed;
    r->counts.failures += failed + (why != NULL);
    switch (end) {
    case RECLAIM_DONE:
        r->counts.namespaces++;
        log_info("the lease on %s was over: %u leftovers removed", known.ns,
                 removed);
        break;
    case RECLAIM_FAILED:
        log_warn("the lease on %s is over, and what it has left stays: %s; it "
                 "is tried again",
                 known.ns, why ? why : "see above");
        break;
    case RECLAIM_SPARED:
        break;
    }
    go_on(r);
}

static bool is_served_here(const struct reaper *r, const char *ns)
{
    const struct reaper_host *host;

    TAILQ_FOREACH(host, &r->hosts, link)
    {
        if (!strcmp(host->ns, ns))
            return true;
    }
    return false;
}

static void reclaim(struct reaper *r, const struct lease_known *known)
{
    const struct reclaim_config config = {
        .base = r->base,
        .pool = r->pool,
        .ns = known->ns,
        .print = known->print,
        .audit = put_on_record,
        .audit_required = r->host->audit_required,
        .on_item = on_item,
        .on_done = on_reclaimed,
        .arg = r,
    };

    r->reclaim = reclaim_new(&config);
}

static void on_left(void *arg, unsigned removed, unsigned failed,
                    const char *why)
{
    struct reaper *r = arg;

    (void)failed; /* containers are made of them yet */
    (void)why;
    r->left = NULL;
    event_del(r->timer);
    r->counts.objects += removed;
    look_later(r);
}

/* What is waiting for other namespaces' containers to go. */
static void sweep_left(struct reaper *r)
{
    const struct sweep_config config = {
        .base = r->base,
        .pool = r->pool,
        .ns = LEFT_NAMESPACE,
        .extent = SWEEP_LEFT,
        .now = r->now,
        .audit = put_on_record,
        .audit_required = r->host->audit_required,
        .on_done = on_left,
        .arg = r,
    };

    r->left_ms = clock_boot_ms();
    r->left = sweep_new(&config);
    look_in(r, LEASE_SWEEP_S * 1000);
}

static void go_on(struct reaper *r)
{
    struct lease_known known;

    for (; !r->hurried && lease_book_at(r->book, r->at, &known); r->at++) {
        if (known.state == LEASE_OVER && !is_served_here(r, known.ns)) {
            reclaim(r, &known);
            return;
        }
    }
    if (!r->hurried && clock_boot_ms() - r->left_ms >= LEFT_MS)
        sweep_left(r);
    else
        look_later(r);
}

/* ---- what is of no use any more ---- */

/* Where there are no leases any more, all has gone, and marks and records are
 * the rest. */
static void note_rest(void *arg, const struct lease_row *row)
{
    struct reaper *r = arg;
    bool of_use = row->kind == LEASE_ITSELF ||
                  (row->kind == LEASE_MARK && !lease_row_is_over(row, r->now));

    if (!of_use && lease_book_find(r->book, row->ns).state == LEASE_UNKNOWN)
        lease_drops_add(&r->drops, row->name);
}

static void drop_next(struct reaper *r);

static void on_dropped(const struct http_head *head, struct str body,
                       const char *why, void *arg)
{
    struct reaper *r = arg;

    (void)head; /* else it is there the next time */
    (void)body;
    (void)why;
    r->question = NULL;
    drop_next(r);
}

static void drop_next(struct reaper *r)
{
    r->question = lease_drops_next(&r->drops, r->base, r->pool, on_dropped, r);
    if (r->question) {
        look_in(r, ANSWER_MS);
        return;
    }
    event_del(r->timer);
    go_on(r);
}

static void drop_rest(struct reaper *r)
{
    leases_walk(r->list, note_rest, r);
    json_decref(r->list);
    r->list = NULL;
    r->at = 0;
    drop_next(r);
}

/* ---- what it has seen, for those who come later ---- */

static void record_next(struct reaper *r);

/* The records that a new one stands for. */
static void note_older(void *arg, const struct lease_row *row)
{
    struct reaper *r = arg;
    struct lease_known known;

    if (row->kind == LEASE_WATCH && lease_book_at(r->book, r->at, &known) &&
        str_eq(row->ns, str_from(known.ns)))
        lease_drops_add(&r->drops, row->name);
}

static void on_recorded(const struct http_head *head, struct str body,
                        const char *why, void *arg)
{
    struct reaper *r = arg;

    (void)body;
    (void)why;
    r->question = NULL;
    if (head && head->status == 201)
        leases_walk(r->list, note_older, r);
    r->at++;
    record_next(r);
}

static bool is_news(const struct reaper *r, const struct lease_known *known)
{
    uint64_t enough = r->hurried ? LAST_NEWS_MS : known->period_ms / NEWS;

    return known->state == LEASE_DOUBTED && known->news_ms >= enough;
}

static void record(struct reaper *r, const struct lease_known *known)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_NAME);
    struct str ns = str_from(known->ns);

    lease_put_name(&name, LEASE_WATCH, ns, r->random, ++r->number);
    r->recorded++;
    r->question = subrequest_new_json(
        r->base, r->pool, METHOD_POST, S("/volumes/create"),
        lease_watch_body(strbuf_str(&name), ns, known->print, known->seen_ms),
        on_recorded, r);
    look_in(r, ANSWER_MS);
}

static void record_next(struct reaper *r)
{
    struct lease_known known;

    for (; lease_book_at(r->book, r->at, &known); r->at++) {
        if (is_news(r, &known) && r->recorded < RECORDS) {
            record(r, &known);
            return;
        }
    }
    event_del(r->timer);
    drop_rest(r);
}

/* ---- a look ---- */

static void on_list(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct reaper *r = arg;

    (void)why;
    r->question = NULL;
    r->at = r->recorded = 0;
    json_decref(r->list);
    r->list = head && head->status == 200 ? reply_json_parse(body) : NULL;
    event_del(r->timer);
    if (lease_book_look(r->book, r->now, r->began_ms, r->list, clock_boot_ms()))
        record_next(r);
    else
        look_later(r);
}

static void on_info(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_PATH);
    struct reaper *r = arg;
    json_auto_t *info = head ? reply_json_parse(body) : NULL;

    (void)why;
    r->question = NULL;
    r->now = rfc3339_seconds(str_at(info, "SystemTime"));
    if (r->now == 0) {
        look_later(r);
        return;
    }
    leftover_put_list(&target, LEFTOVER_LEASE, S(""));
    r->question = subrequest_new(r->base, r->pool, METHOD_GET,
                                 strbuf_str(&target), S(""), on_list, r);
    subrequest_filter(r->question, list_filter_new(S(""), true));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct reaper *r = arg;

    (void)fd;
    (void)what;
    if (r->question) {
        r->question = subrequest_cancel(r->question);
        look_later(r);
        return;
    }
    if (r->left) {
        r->left = sweep_cancel(r->left);
        look_later(r);
        return;
    }
    r->host = TAILQ_FIRST(&r->hosts);
    r->began_ms = clock_boot_ms();
    r->question = subrequest_new(r->base, r->pool, METHOD_GET, S("/info"),
                                 S(""), on_info, r);
    look_in(r, ANSWER_MS);
}

/* ---- its life ---- */

struct reaper *reaper_new(struct event_base *base, struct pool *pool)
{
    struct reaper *r = xcalloc(1, sizeof(*r));

    r->base = base;
    r->pool = pool;
    r->book = lease_book_new();
    r->left_ms = clock_boot_ms();
    if (getrandom(&r->random, sizeof(r->random), 0) !=
        (ssize_t)sizeof(r->random))
        abort();
    TAILQ_INIT(&r->hosts);
    r->timer = event_new(base, -1, 0, on_timer, r);
    return r;
}

/* The mark that a reclaim has made stays, and another one goes on with it. */
static void break_off(struct reaper *r)
{
    event_del(r->timer);
    r->question = subrequest_cancel(r->question);
    r->reclaim = reclaim_cancel(r->reclaim);
    r->left = sweep_cancel(r->left);
    lease_drops_fini(&r->drops);
    json_decref(r->list);
    r->list = NULL;
    r->host = NULL;
    r->hurried = false;
}

struct reaper *reaper_free(struct reaper *r)
{
    if (!r)
        return NULL;
    break_off(r);
    event_free(r->timer);
    lease_book_free(r->book);
    free(r);
    return NULL;
}

void reaper_join(struct reaper *r, struct reaper_host *host)
{
    unsigned every;

    TAILQ_INSERT_TAIL(&r->hosts, host, link);
    host->joined = true;
    every = every_ms(r);
    if (TAILQ_FIRST(&r->hosts) == host)
        look_in(r, by_chance(every < FIRST_MS ? every : FIRST_MS));
}

void reaper_leave(struct reaper *r, struct reaper_host *host)
{
    if (!host->joined)
        return;
    TAILQ_REMOVE(&r->hosts, host, link);
    host->joined = false;
    if (r->host == host || TAILQ_EMPTY(&r->hosts)) {
        break_off(r);
        look_later(r);
    }
}

void reaper_hurry(struct reaper *r)
{
    if (!r || TAILQ_EMPTY(&r->hosts) || !lease_book_again_ms(r->book))
        return;
    if (r->question || r->reclaim || r->left) /* it is at it */
        return;
    r->hurried = true;
    look_in(r, 0);
}

struct reaper_counts reaper_count(const struct reaper *r)
{
    return r->counts;
}
