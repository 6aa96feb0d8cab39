#include "proxy/server/cleaner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base/pattern.h"
#include "policy/base/rfc3339.h"
#include "policy/docker/lease_name.h"
#include "policy/docker/own_tag.h"
#include "policy/isolation/lease_book.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/clock.h"
#include "proxy/server/reclaim.h"
#include "proxy/server/sweep.h"
#include "proxy/server/upstream_new.h"
#include "proxy/upstream/subrequest.h"

/* A namespace that has something on the engine. */
struct owner {
    char *name;
    int64_t newest; /* when the last of it was made; 0: nothing says */
};

struct cleaner {
    const struct cleaner_config *config;
    struct cleaner_result *result;
    struct strbuf *why;
    struct event_base *base;
    struct upstream *upstream;
    struct pool *pool;
    struct event *deadline;
    struct subrequest *question;
    struct sweep *sweep;
    struct reclaim *reclaim;
    struct event *again; /* the next look at leases */
    struct lease_book *book;
    bool told_wait;
    uint64_t began_ms;
    int64_t now; /* by the engine */
    enum leftover_kind kind;
    struct owner owners[LIMIT_OWNERS];
    size_t owner_count, at;
    int error;
};

static void stop(struct cleaner *c, const char *why)
{
    if (why) {
        c->error = -EIO;
        strbuf_addf(c->why, "%s", why);
    }
    event_base_loopbreak(c->base);
}

static void ask(struct cleaner *c, struct str target, subrequest_cb on_reply)
{
    c->question = subrequest_new(c->base, c->pool, METHOD_GET, target, S(""),
                                 on_reply, c);
    if (list_filter_fits(target))
        subrequest_filter(c->question, list_filter_new(S(""), true));
}

/* ---- one namespace after the other ---- */

static void sweep_next(struct cleaner *c);

static void on_item(void *arg, enum leftover_kind kind, struct str name,
                    const char *why)
{
    const struct cleaner *c = arg;
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(LIMIT_PATH);

    strbuf_add_visible(&shown, name);
    if (why)
        fprintf(stderr, "berth: %s %s stays: %s\n", leftover_word(kind),
                strbuf_cstr(&shown), why);
    else
        printf("%s %s %s\n", c->config->dry_run ? "would remove" : "removed",
               leftover_word(kind), strbuf_cstr(&shown));
}

static void on_reclaimed(void *arg, enum reclaim_end end, unsigned removed,
                         unsigned failed, const char *why)
{
    struct cleaner *c = arg;

    c->reclaim = NULL;
    c->result->removed += removed;
    c->result->failed += failed;
    if (end == RECLAIM_SPARED) {
        printf("%s stays: it is in use, or being removed, after all\n",
               c->owners[c->at].name);
        c->result->spared++;
    }
    c->at++;
    if (why)
        stop(c, why);
    else
        sweep_next(c);
}

static void on_swept(void *arg, unsigned removed, unsigned failed,
                     const char *why)
{
    struct cleaner *c = arg;

    c->sweep = NULL;
    c->result->removed += removed;
    c->result->failed += failed;
    c->at++;
    if (why)
        stop(c, why);
    else
        sweep_next(c);
}

static int put_on_record(void *arg, struct str line)
{
    const struct cleaner *c = arg;

    return audit_sink_write(c->config->audit, line);
}

static bool is_named(const struct cleaner *c, const char *name)
{
    const char *pattern = c->config->pattern;

    return pattern ? pattern_matches(str_from(pattern), str_from(name))
                   : !strcmp(c->config->policy->namespace, name);
}

/* Is it known by its whole name, rather than met? */
static bool is_meant(const struct cleaner *c)
{
    return !c->config->pattern || !strchr(c->config->pattern, '*');
}

static bool is_young(const struct cleaner *c, const struct owner *owner)
{
    return owner->newest &&
           (c->now - owner->newest) * 1000 < (int64_t)c->config->age_ms;
}

/* Does OWNER's lease say that it stays? Then say so, too. *OVER: its lease says
 * that it may go. */
static bool is_leased(const struct cleaner *c, const struct owner *owner,
                      bool *over)
{
    struct lease_known known = lease_book_find(c->book, str_from(owner->name));

    *over = false;
    if (c->config->force)
        return false;
    switch (known.state) {
    case LEASE_HELD:
        printf("%s stays: a berth has a lease on it for %lld s yet, unless it "
               "dies; --force removes it all the same\n",
               owner->name, (long long)(known.ends - c->now));
        return true;
    case LEASE_SWEPT:
        printf("%s stays: another berth is removing it\n", owner->name);
        return true;
    case LEASE_DOUBTED: /* of a dry run, which does not wait */
    case LEASE_OVER:
        *over = !c->config->age_always || !is_young(c, owner);
        break;
    case LEASE_UNKNOWN:
        break;
    }
    return false;
}

/* May OWNER be in use? Then say why it stays. */
static bool is_spared(struct cleaner *c, const struct owner *owner)
{
    bool over;

    if (c->config->spared && !strcmp(c->config->spared, owner->name)) {
        printf("%s stays: a berth serves it\n", owner->name);
    } else if (is_leased(c, owner, &over)) {
        c->result->spared++; /* it has said so */
        return true;
    } else if (!over && owner->newest == 0 && !is_meant(c)) {
        printf("%s stays: nothing says how old its images are; name it to "
               "remove them\n",
               owner->name);
    } else if (!over && is_young(c, owner)) {
        printf("%s stays: it made something %lld s ago\n", owner->name,
               (long long)(c->now - owner->newest));
    } else {
        return false;
    }
    c->result->spared++;
    return true;
}

static void sweep_left(struct cleaner *c);

/* What OWNER has goes: as that of a namespace whose lease is over, or plainly
 * all of it. */
static void take(struct cleaner *c, const struct owner *owner)
{
    const struct cleaner_config *config = c->config;
    struct lease_known known = lease_book_find(c->book, str_from(owner->name));
    const struct reclaim_config reclaim = {
        .base = c->base,
        .pool = c->pool,
        .ns = owner->name,
        .print = known.print,
        .audit = put_on_record,
        .audit_required = config->policy->audit.required,
        .on_item = on_item,
        .on_done = on_reclaimed,
        .arg = c,
    };
    const struct sweep_config sweep = {
        .base = c->base,
        .pool = c->pool,
        .ns = owner->name,
        .extent = SWEEP_ALL,
        .dry_run = config->dry_run,
        .audit = put_on_record,
        .audit_required = config->policy->audit.required,
        .on_item = on_item,
        .on_done = on_swept,
        .arg = c,
    };

    if (known.state == LEASE_OVER && !config->force && !config->dry_run)
        c->reclaim = reclaim_new(&reclaim);
    else
        c->sweep = sweep_new(&sweep);
}

static void sweep_next(struct cleaner *c)
{
    while (c->at < c->owner_count && (!is_named(c, c->owners[c->at].name) ||
                                      is_spared(c, &c->owners[c->at])))
        c->at++;
    if (c->at < c->owner_count)
        take(c, &c->owners[c->at]);
    else if (!is_meant(c) && !c->config->dry_run)
        sweep_left(c);
    else
        stop(c, NULL);
}

static void on_left(void *arg, unsigned removed, unsigned failed,
                    const char *why)
{
    struct cleaner *c = arg;

    (void)failed; /* containers are made of them yet */
    c->sweep = NULL;
    c->result->removed += removed;
    stop(c, why);
}

static void on_left_item(void *arg, enum leftover_kind kind, struct str name,
                         const char *why)
{
    if (!why)
        on_item(arg, kind, name, NULL);
}

/* What no runner has any more. */
static void sweep_left(struct cleaner *c)
{
    const struct sweep_config config = {
        .base = c->base,
        .pool = c->pool,
        .ns = LEFT_NAMESPACE,
        .extent = SWEEP_LEFT,
        .now = c->now,
        .audit = put_on_record,
        .audit_required = c->config->policy->audit.required,
        .on_item = on_left_item,
        .on_done = on_left,
        .arg = c,
    };

    c->sweep = sweep_new(&config);
}

/* ---- who is there ---- */

static void note_owner(void *arg, struct str ns,
                       const struct leftover *leftover)
{
    struct cleaner *c = arg;
    struct owner *owner = NULL;

    if (str_eq(ns, S(LEFT_NAMESPACE)) ||
        str_has_prefix(leftover->name, S(LEASE_MARK_NAME)) ||
        str_has_prefix(leftover->name, S(LEASE_WATCH_NAME)))
        return;
    for (size_t i = 0; i < c->owner_count; i++) {
        if (str_eq(str_from(c->owners[i].name), ns))
            owner = &c->owners[i];
    }
    if (!owner) {
        if (c->owner_count == LIMIT_OWNERS)
            return; /* the next call takes them */
        owner = &c->owners[c->owner_count++];
        *owner = (struct owner){.name = xstr_dup(ns)};
    }
    if (c->kind != LEFTOVER_LEASE && leftover->made > owner->newest)
        owner->newest = leftover->made;
}

static void ask_list(struct cleaner *c);

/* Is there one that would go if its lease were over for sure? */
static bool has_doubt(const struct cleaner *c)
{
    for (size_t i = 0; i < c->owner_count; i++) {
        const char *name = c->owners[i].name;

        if (is_named(c, name) &&
            lease_book_find(c->book, str_from(name)).state == LEASE_DOUBTED)
            return true;
    }
    return false;
}

/* Look at the leases again, until it is known which are over. */
static void make_sure(struct cleaner *c)
{
    unsigned ms = lease_book_again_ms(c->book);

    if (c->config->force || c->config->dry_run || !has_doubt(c)) {
        sweep_next(c);
        return;
    }
    if (!c->told_wait)
        printf("some leases seem to be over: waiting for as long as they last "
               "to see whether their berths make them anew (--force does "
               "not)\n");
    fflush(stdout);
    c->told_wait = true;
    event_add(c->again, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

static void on_list(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    AUTO(json_decrefp) json_t *reply = head ? reply_json_parse(body) : NULL;
    struct cleaner *c = arg;

    c->question = NULL;
    if (!head) {
        stop(c, why);
    } else if (head->status != 200 ||
               !leftovers_walk(c->kind, reply, note_owner, c)) {
        stop(c, "the engine does not tell what there is");
    } else if (c->kind + 1 < LEFTOVER_COUNT) {
        c->kind = leftover_next(c->kind);
        ask_list(c);
    } else {
        lease_book_look(c->book, c->now, c->began_ms, reply, clock_boot_ms());
        make_sure(c);
    }
}

static void ask_list(struct cleaner *c)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_PATH);

    if (leftover_put_list(&target, c->kind, S("")) < 0)
        stop(c, "the list cannot be asked for");
    else
        ask(c, strbuf_str(&target), on_list);
}

static void on_info(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    AUTO(json_decrefp) json_t *info = head ? reply_json_parse(body) : NULL;
    struct cleaner *c = arg;
    const char *now = json_string_value(json_object_get(info, "SystemTime"));

    c->question = NULL;
    event_del(c->deadline);
    c->now = now ? rfc3339_seconds(str_from(now)) : 0;
    if (!head)
        stop(c, why);
    else if (c->now == 0)
        stop(c, "what answers does not tell an engine's time");
    else
        ask_list(c);
}

static void ask_time(struct cleaner *c)
{
    unsigned wait = c->config->policy->upstream.connect_timeout_ms;

    c->began_ms = clock_boot_ms();
    event_add(c->deadline, &(struct timeval){2 * wait / 1000, 0});
    ask(c, S("/info"), on_info);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ask_time(arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    stop(arg, "the engine does not answer");
}

static void cleaner_fini(struct cleaner *c)
{
    sweep_cancel(c->sweep);
    reclaim_cancel(c->reclaim);
    lease_book_free(c->book);
    event_free(c->again);
    subrequest_cancel(c->question);
    pool_free(c->pool);
    upstream_free(c->upstream);
    event_free(c->deadline);
    event_base_loop(c->base, EVLOOP_NONBLOCK); /* what frees itself later */
    event_base_free(c->base);
    for (size_t i = 0; i < c->owner_count; i++)
        free(c->owners[i].name);
}

int cleaner_run(const struct cleaner_config *config,
                struct cleaner_result *result, struct strbuf *why)
{
    struct cleaner *c = xcalloc(1, sizeof(*c));
    int error;

    signal(SIGPIPE, SIG_IGN);
    c->config = config;
    c->result = result;
    c->why = why;
    c->base = event_base_new();
    c->upstream = upstream_new(c->base, config->host);
    c->pool = pool_new(c->base, c->upstream);
    c->deadline = event_new(c->base, -1, 0, on_deadline, c);
    c->again = event_new(c->base, -1, 0, on_again, c);
    c->book = lease_book_new();
    ask_time(c);
    event_base_dispatch(c->base);
    error = c->error;
    cleaner_fini(c);
    free(c);
    return error;
}
