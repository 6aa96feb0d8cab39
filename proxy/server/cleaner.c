#include "proxy/server/cleaner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base/pattern.h"
#include "policy/base/rfc3339.h"
#include "policy/isolation/rewrite.h"
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

/* May NAME be in use? Then say why it stays. */
static bool is_spared(struct cleaner *c, const struct owner *owner)
{
    int64_t age = c->now - owner->newest;

    if (c->config->spared && !strcmp(c->config->spared, owner->name)) {
        printf("%s stays: a berth serves it\n", owner->name);
    } else if (owner->newest == 0 && !is_meant(c)) {
        printf("%s stays: nothing says how old its images are; name it to "
               "remove them\n",
               owner->name);
    } else if (owner->newest && age * 1000 < (int64_t)c->config->age_ms) {
        printf("%s stays: it made something %lld s ago\n", owner->name,
               (long long)age);
    } else {
        return false;
    }
    c->result->spared++;
    return true;
}

static void sweep_next(struct cleaner *c)
{
    const struct cleaner_config *config = c->config;

    while (c->at < c->owner_count && (!is_named(c, c->owners[c->at].name) ||
                                      is_spared(c, &c->owners[c->at])))
        c->at++;
    if (c->at == c->owner_count) {
        stop(c, NULL);
        return;
    }
    const struct sweep_config sweep = {
        .base = c->base,
        .pool = c->pool,
        .ns = c->owners[c->at].name,
        .extent = SWEEP_ALL,
        .dry_run = config->dry_run,
        .audit = put_on_record,
        .audit_required = config->policy->audit.required,
        .on_item = on_item,
        .on_done = on_swept,
        .arg = c,
    };
    c->sweep = sweep_new(&sweep);
}

/* ---- who is there ---- */

static void note_owner(void *arg, struct str ns,
                       const struct leftover *leftover)
{
    struct cleaner *c = arg;
    struct owner *owner = NULL;

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
    if (leftover->made > owner->newest)
        owner->newest = leftover->made;
}

static void ask_list(struct cleaner *c);

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
    } else if (++c->kind < LEFTOVER_COUNT) {
        ask_list(c);
    } else {
        sweep_next(c);
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

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    stop(arg, "the engine does not answer");
}

static void cleaner_fini(struct cleaner *c)
{
    sweep_cancel(c->sweep);
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
    unsigned wait = config->policy->upstream.connect_timeout_ms;
    int error;

    signal(SIGPIPE, SIG_IGN);
    c->config = config;
    c->result = result;
    c->why = why;
    c->base = event_base_new();
    c->upstream =
        upstream_new(c->base, policy_host(config->policy, config->host));
    c->pool = pool_new(c->base, c->upstream);
    c->deadline = event_new(c->base, -1, 0, on_deadline, c);
    event_add(c->deadline, &(struct timeval){2 * wait / 1000, 0});
    ask(c, S("/info"), on_info);
    event_base_dispatch(c->base);
    error = c->error;
    cleaner_fini(c);
    free(c);
    return error;
}
