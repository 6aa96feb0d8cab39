#include "proxy/server/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "policy/isolation/push_lock.h"
#include "policy/isolation/rewrite.h"
#include "policy/record/audit.h"
#include "proxy/server/push_return.h"
#include "proxy/upstream/subrequest.h"

enum {
    AT_ONCE = 8,
    ROUNDS = 25,    /* of one kind, until what is in use is left there */
    PAUSE_MS = 400, /* between two of them */
};

/* One object that is to go. */
struct item {
    struct sweep *sweep;
    char *target, *name;
    struct subrequest *removal; /* while it runs, unless it is of a push: */
    struct push_return *push;   /* the same of that; */
    json_t *row;                /* its lock, or NULL */
    uint64_t began_ns;
    uint64_t number; /* of its record */
    bool started, done;
    char *why; /* the engine did not remove it, for this reason */
};

struct sweep {
    struct sweep_config config;
    enum leftover_kind kind;
    unsigned round;
    struct subrequest *list;
    struct event *later; /* the next step, in a turn of its own */
    struct item *items;
    size_t item_count, running;
    unsigned removed, failed;
    bool has_containers;
    bool over;                /* all that is left is to tell */
    uint64_t process, number; /* the record's IDs are made of them */
    char *trouble;            /* it cannot go on, for this reason */
};

static void items_free(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->item_count; i++) {
        struct item *item = &sweep->items[i];

        subrequest_cancel(item->removal);
        push_return_cancel(item->push);
        json_decref(item->row);
        free(item->target);
        free(item->name);
        free(item->why);
    }
    free(sweep->items);
    sweep->items = NULL;
    sweep->item_count = sweep->running = 0;
}

static void do_later(struct sweep *sweep, unsigned ms)
{
    event_add(sweep->later, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* ---- the record ---- */

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

typedef int (*put_record)(struct strbuf *out, const struct audit_facts *facts);

/* Put the decision to remove ITEM on record, or the end of it. */
static int record(const struct item *item, put_record put, int status,
                  enum audit_close close)
{
    const struct sweep *sweep = item->sweep;
    AUTO(strbuf_fini) struct strbuf line = STRBUF(LIMIT_AUDIT_LINE);
    struct verdict verdict;
    struct str path, query;
    char id[48];
    int r;

    if (!sweep->config.audit)
        return 0;
    verdict_allow(&verdict, "leftovers");
    str_cut(str_from(item->target), '?', &path, &query);
    snprintf(id, sizeof(id), "%012llx-s%llu",
             (unsigned long long)(sweep->process & 0xffffffffffff),
             (unsigned long long)item->number);
    const struct audit_facts facts = {
        .id = id,
        .namespace_ = sweep->config.ns,
        .listener = "",
        .peer = {.pid = getpid(), .uid = getuid(), .gid = getgid()},
        .time_ns = clock_ns(),
        .duration_ns = clock_ns() - item->began_ns,
        .method = METHOD_DELETE,
        .operation = leftover_operation(sweep->kind),
        .path = path,
        .sent = path,
        .verdict = &verdict,
        .status = status,
        .close = close,
    };
    r = put(&line, &facts);
    return r < 0 ? r
                 : sweep->config.audit(sweep->config.arg, strbuf_str(&line));
}

struct sweep *sweep_cancel(struct sweep *sweep)
{
    if (!sweep)
        return NULL;
    for (size_t i = 0; i < sweep->item_count; i++) {
        if (sweep->items[i].removal || sweep->items[i].push)
            (void)record(&sweep->items[i], audit_put_end, 0,
                         AUDIT_CLOSE_SHUTDOWN);
    }
    items_free(sweep);
    subrequest_cancel(sweep->list);
    event_free(sweep->later);
    free(sweep->trouble);
    free(sweep);
    return NULL;
}

/* ---- one kind after the other ---- */

/* Tell of the end: in a turn of its own, for whoever is told may take away what
 * is still on the stack. */
static void conclude(struct sweep *sweep)
{
    const struct sweep_config config = sweep->config;
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON);
    unsigned removed = sweep->removed, failed = sweep->failed;
    bool trouble = sweep->trouble != NULL;

    if (trouble)
        strbuf_add(&why, str_head(str_from(sweep->trouble), LIMIT_REASON - 1));
    sweep_cancel(sweep);
    config.on_done(config.arg, removed, failed,
                   trouble ? strbuf_cstr(&why) : NULL);
}

static void finish(struct sweep *sweep)
{
    sweep->over = true;
    do_later(sweep, 0);
}

static void give_up(struct sweep *sweep, const char *why)
{
    free(sweep->trouble);
    sweep->trouble = xstr_dup(str_head(str_from(why), LIMIT_REASON - 1));
    finish(sweep);
}

static void tell(const struct sweep *sweep, const struct item *item)
{
    if (sweep->config.on_item)
        sweep->config.on_item(sweep->config.arg, sweep->kind,
                              str_from(item->name), item->why);
}

static void list(struct sweep *sweep);

#define BIT(kind) (1U << (kind))
static bool is_swept(const struct sweep *sweep, enum leftover_kind kind)
{
    static const unsigned kinds[] = {
        [SWEEP_ALL] = ~0U,
        [SWEEP_BRIDGE] = BIT(LEFTOVER_CONTAINER) | BIT(LEFTOVER_STEP) |
                         BIT(LEFTOVER_NETWORK) | BIT(LEFTOVER_COMPANION) |
                         BIT(LEFTOVER_SOCKETS),
        [SWEEP_DEAD] = ~BIT(LEFTOVER_LEASE),
        [SWEEP_LEFT] = BIT(LEFTOVER_IMAGE) | BIT(LEFTOVER_PUSH),
    };

    return kinds[sweep->config.extent] & BIT(kind);
}

/* From KIND on. */
static void go_on_with(struct sweep *sweep, enum leftover_kind kind)
{
    items_free(sweep);
    sweep->round = 0;
    while (kind < LEFTOVER_COUNT && !is_swept(sweep, kind))
        kind++;
    sweep->kind = kind;
    if (sweep->kind == LEFTOVER_COUNT ||
        (sweep->config.extent == SWEEP_BRIDGE && sweep->has_containers))
        finish(sweep);
    else
        list(sweep);
}

/* What is in use by others is not waited for. */
static unsigned rounds(const struct sweep *sweep)
{
    return sweep->config.extent == SWEEP_LEFT ? 1 : ROUNDS;
}

/* All items of a round have been tried. */
static void end_round(struct sweep *sweep)
{
    size_t left = 0;

    for (size_t i = 0; i < sweep->item_count; i++)
        left += !sweep->items[i].done;
    /* what is there is asked anew, until it is nothing */
    if (sweep->item_count && !sweep->config.dry_run &&
        ++sweep->round < rounds(sweep)) {
        do_later(sweep, left ? PAUSE_MS : 0);
        return;
    }
    for (size_t i = 0; i < sweep->item_count; i++) {
        if (sweep->items[i].done)
            continue;
        sweep->failed++;
        tell(sweep, &sweep->items[i]);
    }
    go_on_with(sweep, sweep->kind + 1);
}

static void start_some(struct sweep *sweep);

/* Gone, or gone already. */
static bool is_gone(int status)
{
    return (status >= 200 && status < 300) || status == 404;
}

static void keep_why(struct item *item, const struct http_head *head,
                     struct str body, const char *why)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_REASON);
    AUTO(json_decrefp) json_t *reply = head ? reply_json_parse(body) : NULL;
    const char *message = json_string_value(json_object_get(reply, "message"));

    if (!head)
        message = why;
    if (message)
        strbuf_add(&text, str_head(str_from(message), LIMIT_REASON - 1));
    else if (head)
        strbuf_addf(&text, "the engine answers %u", (unsigned)head->status);
    free(item->why);
    item->why = xstrdup(strbuf_cstr(&text));
}

static void on_removed(const struct http_head *head, struct str body,
                       const char *why, void *arg)
{
    struct item *item = arg;
    struct sweep *sweep = item->sweep;
    int status = head ? (int)head->status : 0;

    item->removal = NULL;
    item->push = NULL;
    sweep->running--;
    (void)record(item, audit_put_end, status,
                 head ? AUDIT_CLOSE_DONE : AUDIT_CLOSE_LINK_LOST);
    if (is_gone(status)) {
        item->done = true;
        sweep->removed++;
        free(item->why);
        item->why = NULL;
        tell(sweep, item);
    } else {
        keep_why(item, head, body, why);
    }
    start_some(sweep);
}

static void remove_it(struct sweep *sweep, struct item *item)
{
    sweep->running++;
    if (item->row)
        item->push = push_return_new(sweep->config.base, sweep->config.pool,
                                     item->row, on_removed, item);
    else
        item->removal = subrequest_new(sweep->config.base, sweep->config.pool,
                                       METHOD_DELETE, str_from(item->target),
                                       S(""), on_removed, item);
}

/* False: the sweep must not go on. */
static bool start(struct sweep *sweep, struct item *item)
{
    item->started = true;
    item->number = ++sweep->number;
    item->began_ns = clock_ns();
    if (sweep->config.dry_run) {
        item->done = true;
        sweep->removed++;
        tell(sweep, item);
        return true;
    }
    if (record(item, audit_put_decision, 0, AUDIT_CLOSE_NONE) < 0 &&
        sweep->config.audit_required) {
        give_up(sweep, "the audit record cannot be written, and "
                       "audit.required forbids a removal without one");
        return false;
    }
    remove_it(sweep, item);
    return true;
}

/* The engine makes networks go one after the other by itself. */
static size_t at_once(const struct sweep *sweep)
{
    return sweep->kind == LEFTOVER_NETWORK ? 1 : AT_ONCE;
}

static void start_some(struct sweep *sweep)
{
    if (sweep->over)
        return;
    for (size_t i = 0; i < sweep->item_count && sweep->running < at_once(sweep);
         i++) {
        if (!sweep->items[i].started && !start(sweep, &sweep->items[i]))
            return;
    }
    if (sweep->running == 0)
        end_round(sweep);
}

static bool is_meant(const struct sweep *sweep, const struct leftover *leftover)
{
    switch (sweep->config.extent) {
    case SWEEP_BRIDGE:
        return sweep->kind != LEFTOVER_NETWORK || leftover->is_bridge;
    case SWEEP_LEFT:
        if (sweep->kind == LEFTOVER_PUSH)
            return push_lock_is_over(leftover->made, sweep->config.now);
        /* others may be in the middle of giving it that name */
        return leftover->is_last_name;
    case SWEEP_ALL:
    case SWEEP_DEAD:
        break;
    }
    return true;
}

/* A step was looked for on the namespace's networks alone. */
static bool is_its(const struct sweep *sweep, struct str ns)
{
    return sweep->kind == LEFTOVER_STEP ||
           (sweep->kind == LEFTOVER_PUSH &&
            sweep->config.extent == SWEEP_LEFT) ||
           str_eq(ns, str_from(sweep->config.ns));
}

static void add_item(void *arg, struct str ns, const struct leftover *leftover)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_PATH);
    struct sweep *sweep = arg;
    /* the engine knows whether a container is left */
    bool force = sweep->config.extent != SWEEP_LEFT;
    struct item *item;

    if (!is_its(sweep, ns) || sweep->item_count == LIMIT_LEFTOVERS ||
        !is_meant(sweep, leftover) ||
        leftover_put_removal(&target, sweep->kind, leftover->ref, force) < 0)
        return;
    item = &sweep->items[sweep->item_count++];
    *item = (struct item){.sweep = sweep,
                          .name = xstr_dup(leftover->name),
                          .target = xstrdup(strbuf_cstr(&target))};
    if (sweep->kind == LEFTOVER_PUSH)
        item->row = json_deep_copy(leftover->row);
}

static void on_list(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    AUTO(json_decrefp) json_t *reply = head ? reply_json_parse(body) : NULL;
    struct sweep *sweep = arg;

    sweep->list = NULL;
    if (!head || head->status != 200) {
        give_up(sweep, head ? "the engine does not tell what there is" : why);
        return;
    }
    items_free(sweep);
    sweep->items = xcalloc(LIMIT_LEFTOVERS, sizeof(*sweep->items));
    if (!leftovers_walk(sweep->kind, reply, add_item, sweep)) {
        give_up(sweep, "the engine's list makes no sense");
        return;
    }
    if (sweep->config.extent == SWEEP_BRIDGE &&
        sweep->kind == LEFTOVER_CONTAINER) {
        sweep->has_containers = sweep->item_count > 0;
        items_free(sweep); /* they stay */
    }
    start_some(sweep);
}

static void ask_list(struct sweep *sweep, struct str target, subrequest_cb next)
{
    sweep->list = subrequest_new(sweep->config.base, sweep->config.pool,
                                 METHOD_GET, target, S(""), next, sweep);
    subrequest_filter(sweep->list, list_filter_new(S(""), true));
}

/* The namespace's networks are known: what steps are on them? */
static void on_networks(const struct http_head *head, struct str body,
                        const char *why, void *arg)
{
    AUTO(json_decrefp) json_t *reply = head ? reply_json_parse(body) : NULL;
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);
    struct sweep *sweep = arg;

    sweep->list = NULL;
    if (!head || head->status != 200)
        on_list(head, body, why, sweep);
    else if (leftover_put_steps(&target, reply, str_from(sweep->config.ns)))
        ask_list(sweep, strbuf_str(&target), on_list);
    else
        go_on_with(sweep, LEFTOVER_STEP + 1);
}

static void list(struct sweep *sweep)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_PATH);
    bool is_step = sweep->kind == LEFTOVER_STEP;
    bool is_any =
        sweep->kind == LEFTOVER_PUSH && sweep->config.extent == SWEEP_LEFT;

    if (leftover_put_list(&target, is_step ? LEFTOVER_NETWORK : sweep->kind,
                          is_any ? S("") : str_from(sweep->config.ns)) < 0)
        give_up(sweep, "the namespace's name is too long");
    else
        ask_list(sweep, strbuf_str(&target), is_step ? on_networks : on_list);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct sweep *sweep = arg;

    (void)fd;
    (void)what;
    if (sweep->over)
        conclude(sweep);
    else if (sweep->round)
        list(sweep);
    else
        go_on_with(sweep, sweep->kind);
}

struct sweep *sweep_new(const struct sweep_config *config)
{
    struct sweep *sweep = xcalloc(1, sizeof(*sweep));

    sweep->config = *config;
    sweep->later = event_new(config->base, -1, 0, on_later, sweep);
    if (getrandom(&sweep->process, sizeof(sweep->process), 0) < 0)
        abort();
    do_later(sweep, 0);
    return sweep;
}
