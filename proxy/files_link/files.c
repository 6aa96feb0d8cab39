#include <stdlib.h>

#include "policy/base/json_str.h"
#include "policy/config/host_path.h"
#include "policy/docker/companion_name.h"
#include "policy/docker/target.h"
#include "policy/isolation/files_name.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/log.h"
#include "proxy/files_link/tree.h"
#include "proxy/upstream/subrequest.h"

/*
 * Who asks waits in line. Those at its head that have the same turn are served
 * together: all directories are brought into step once, from a moment that is
 * behind the last of them. One who has binds is served alone, since these may
 * be refused.
 */

struct files_ask {
    struct files *files; /* NULL: they are gone */
    json_t *what;
    files_cb on_reply;
    void *arg;
    struct event *gone; /* tells that they are, or what "last" is told */
    bool served;        /* by what runs */
    bool waits;         /* in line */
    TAILQ_ENTRY(files_ask) link;
};

struct files {
    struct files_config config; /* its text and rules are copied */
    char *ns;
    TAILQ_HEAD(trees, tree) trees;
    TAILQ_HEAD(files_asks, files_ask) asks;
    struct files_asks others; /* who do not wait in line */
    struct event *soon;
    struct subrequest *list;
    bool busy;  /* some asks are being served */
    bool known; /* what containers have mounted, was asked for */
    unsigned open;
    bool out;        /* the turn of those that are served */
    json_t *binds;   /* of the one, or NULL */
    int status;      /* what they are told */
    json_t *refusal; /* in JSON, or NULL */
    int last;        /* what those of the last "out" were told */
    json_t *missed;  /* the same, in JSON, or NULL */
};

/* ---- who asks ---- */

static bool is_out(const struct files_ask *ask)
{
    return str_eq(str_at(ask->what, "turn"), S("out"));
}

static json_t *copy_or_empty(const json_t *reply)
{
    return reply ? json_deep_copy(reply) : json_object();
}

static void on_gone(evutil_socket_t fd, short what, void *arg)
{
    struct files_ask *ask = arg;
    files_cb on_reply = ask->on_reply;
    void *its = ask->arg;
    int status = 503;
    json_t *reply;

    (void)fd;
    (void)what;
    if (ask->files) { /* it asks what the last ones were told */
        status = ask->files->last;
        reply = copy_or_empty(ask->files->missed);
    } else {
        reply = json_pack("{s:s}", "message",
                          "this berth copies files no more, or by another "
                          "policy; try again");
    }
    files_ask_cancel(ask);
    on_reply(status, reply, its);
}

struct files_ask *files_ask(struct files *f, const json_t *what,
                            files_cb on_reply, void *arg)
{
    struct files_ask *ask = xcalloc(1, sizeof(*ask));

    ask->files = f;
    ask->what = json_deep_copy(what);
    ask->on_reply = on_reply;
    ask->arg = arg;
    ask->gone = event_new(f->config.base, -1, 0, on_gone, ask);
    ask->waits = !str_eq(str_at(what, "turn"), S("last"));
    TAILQ_INSERT_TAIL(ask->waits ? &f->asks : &f->others, ask, link);
    event_active(ask->waits ? f->soon : ask->gone, 0, 0);
    return ask;
}

struct files_ask *files_ask_cancel(struct files_ask *ask)
{
    if (!ask)
        return NULL;
    if (ask->files && ask->waits)
        TAILQ_REMOVE(&ask->files->asks, ask, link);
    else if (ask->files)
        TAILQ_REMOVE(&ask->files->others, ask, link);
    event_free(ask->gone);
    json_decref(ask->what);
    free(ask);
    return NULL;
}

static struct tree *find_tree(struct files *f, struct str root)
{
    struct tree *t;

    TAILQ_FOREACH(t, &f->trees, link)
    {
        if (str_eq(str_from(t->source), root))
            return t;
    }
    return NULL;
}

/* ---- those that are served ---- */

static struct files_ask *next_served(struct files *f)
{
    struct files_ask *ask;

    TAILQ_FOREACH(ask, &f->asks, link)
    {
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE took it out
        if (ask->served)
            return ask;
    }
    return NULL;
}

/* No container will be made of them. */
static void forget_binds(struct files *f)
{
    const json_t *bind;
    size_t i;

    json_array_foreach(f->binds, i, bind)
    {
        struct tree *t = find_tree(f, str_at(bind, "root"));

        if (t && tree_unkeep(t, str_at(bind, "path")))
            f->known = false; /* another may be about to be made */
    }
}

/* They are told, whatever they do about it. */
static void finish(struct files *f)
{
    struct files_ask *ask;

    f->busy = false;
    if (f->status != 200)
        forget_binds(f);
    if (f->out) {
        f->last = f->status;
        json_decref(f->missed);
        f->missed = json_incref(f->refusal);
    }
    // NOLINTBEGIN(clang-analyzer-unix.Malloc): TAILQ_REMOVE took it out
    while ((ask = next_served(f))) {
        files_cb on_reply = ask->on_reply;
        void *arg = ask->arg;

        files_ask_cancel(ask);
        on_reply(f->status, copy_or_empty(f->refusal), arg);
    }
    // NOLINTEND(clang-analyzer-unix.Malloc)
    json_decref(f->binds);
    json_decref(f->refusal);
    f->binds = f->refusal = NULL;
    event_active(f->soon, 0, 0);
}

/* What goes wrong behind an end is for the log, too: nobody may wait for it. */
static void refuse(struct files *f, int status, const char *rule,
                   const char *why)
{
    if (f->out)
        log_warn("files: %s", why);
    if (f->status != 200)
        return;
    f->status = status;
    f->refusal = json_pack("{s:s, s:s*}", "message", why, "rule", rule);
}

static bool is_over_limits(const struct tree *t)
{
    return t->round.rule && strcmp(t->round.rule, FILES_LIMIT_RULE) == 0;
}

/* What has ended is brought, or it is too much: that stops nobody else. */
static bool is_again_without_ended(struct tree *t)
{
    if (t->round.status != 200 && !is_over_limits(t))
        return false;
    return tree_drop_ended(t) && t->round.status != 200;
}

static void on_tree_done(struct tree *t, void *arg)
{
    struct files *f = arg;

    if (is_again_without_ended(t)) {
        log_warn("files: what removed containers had mounted is not brought "
                 "back: %s",
                 strbuf_cstr(&t->round.why));
        tree_begin(t, t->round.turn, t->round.binds);
        return;
    }
    if (t->round.status != 200)
        refuse(f, t->round.status, t->round.rule, strbuf_cstr(&t->round.why));
    if (--f->open == 0)
        finish(f);
}

static void begin_rounds(struct files *f)
{
    enum file_turn turn = f->out ? FILE_TURN_FAR : FILE_TURN_NEAR;
    struct tree *t;

    f->open = 0;
    TAILQ_FOREACH(t, &f->trees, link)
    {
        f->open += t->near.mounts.count > 0;
    }
    if (f->open == 0 || f->status != 200) {
        finish(f);
        return;
    }
    TAILQ_FOREACH(t, &f->trees, link)
    {
        if (t->near.mounts.count)
            tree_begin(t, turn, f->binds);
    }
}

/* ---- which paths are mounted ---- */

static const char too_many[] =
    "too many paths of one directory are mounted by copy; remove containers "
    "that are not used any more";

/* Containers of the namespace's in LIST have what their labels say. */
static void note_listed(struct files *f, const json_t *list)
{
    const json_t *row, *entry;
    size_t i, n;

    json_array_foreach(list, i, row)
    {
        json_auto_t *label = NULL;

        if (!namespace_has_container(str_from(f->ns), row))
            continue;
        label = files_label_read(json_object_get(row, "Labels"));
        json_array_foreach(label, n, entry)
        {
            struct tree *t = find_tree(f, str_at(entry, "root"));

            if (t && !tree_list(t, str_at(entry, "path")))
                refuse(f, 400, NULL, too_many);
        }
    }
}

static void keep_binds(struct files *f)
{
    const json_t *bind;
    size_t i;

    json_array_foreach(f->binds, i, bind)
    {
        struct tree *t = find_tree(f, str_at(bind, "root"));
        int r = t ? tree_keep(t, str_at(bind, "path")) : -ENOENT;

        if (r < 0)
            refuse(f, 400, NULL,
                   r == -ENOBUFS
                       ? too_many
                       : "what is to be mounted is no path of a directory "
                         "that is copied");
    }
}

static void on_list(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct files *f = arg;
    json_auto_t *list = NULL;
    struct tree *t;

    f->list = NULL;
    if (head && head->status == 200)
        list = reply_json_parse(body);
    if (!json_is_array(list)) {
        refuse(f, 503, NULL, why ? why : "the engine does not list containers");
        finish(f);
        return;
    }
    TAILQ_FOREACH(t, &f->trees, link)
    {
        tree_list_begin(t);
    }
    note_listed(f, list);
    f->known = true;
    TAILQ_FOREACH(t, &f->trees, link)
    {
        tree_list_end(t);
    }
    keep_binds(f);
    begin_rounds(f);
}

static void ask_list(struct files *f)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(4 * KIB);

    strbuf_addf(&target,
                "/containers/json?all=1&filters=%%7B%%22label%%22%%3A%%5B%%22"
                "berth.namespace%%3D%s%%22%%2C%%22" LABEL_FILES "%%22%%5D%%7D",
                f->ns);
    f->list = subrequest_new(f->config.base, f->config.pool, METHOD_GET,
                             strbuf_str(&target), S(""), on_list, f);
    subrequest_filter(f->list, list_filter_new(str_from(f->ns), true));
}

/* ---- one after the other ---- */

static bool has_binds(const struct files_ask *ask)
{
    return json_array_size(json_object_get(ask->what, "binds")) > 0;
}

/* Those at the head of the line. */
static void choose(struct files *f)
{
    struct files_ask *ask = TAILQ_FIRST(&f->asks);

    f->out = is_out(ask);
    f->status = 200;
    ask->served = true;
    if (has_binds(ask)) {
        f->binds = json_incref(json_object_get(ask->what, "binds"));
        return;
    }
    while ((ask = TAILQ_NEXT(ask, link)) && is_out(ask) == f->out &&
           !has_binds(ask))
        ask->served = true;
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct files *f = arg;

    (void)fd;
    (void)what;
    if (f->busy || TAILQ_EMPTY(&f->asks))
        return;
    f->busy = true;
    choose(f);
    if (f->binds || !f->known)
        ask_list(f);
    else
        begin_rounds(f);
}

/* ---- the whole of it ---- */

static const struct mount_rule *next_copied(const struct objects *mounts,
                                            size_t *at)
{
    const struct mount_rule *rules = mounts->items;

    while (*at < mounts->count && rules[*at].by != MOUNT_BY_COPY)
        ++*at;
    return *at < mounts->count ? &rules[(*at)++] : NULL;
}

/* The source of RULE as the judge has it; the caller's. */
static char *source_of(const struct mount_rule *rule)
{
    return xstr_dup(path_trim(str_from(rule->source)));
}

struct files *files_new(const struct files_config *config)
{
    struct files *f = xcalloc(1, sizeof(*f));
    const struct mount_rule *rule;

    f->config = *config;
    f->ns = xstr_dup(config->ns);
    f->config.ns = str_from(f->ns);
    f->config.mounts = NULL;
    TAILQ_INIT(&f->trees);
    TAILQ_INIT(&f->asks);
    TAILQ_INIT(&f->others);
    f->last = 200;
    f->soon = event_new(config->base, -1, 0, on_soon, f);
    for (size_t at = 0; (rule = next_copied(config->mounts, &at));) {
        char *source = source_of(rule);

        if (!find_tree(f, str_from(source))) {
            struct tree *t =
                tree_new(&f->config, source, rule->mode == MOUNT_READ_ONLY,
                         on_tree_done, f);

            TAILQ_INSERT_TAIL(&f->trees, t, link);
        }
        free(source);
    }
    return f;
}

struct files *files_free(struct files *f)
{
    struct files_ask *ask;
    struct tree *t;

    if (!f)
        return NULL;
    while ((t = TAILQ_FIRST(&f->trees))) {
        TAILQ_REMOVE(&f->trees, t, link);
        tree_free(t);
    }
    TAILQ_CONCAT(&f->asks, &f->others, link);
    while ((ask = TAILQ_FIRST(&f->asks))) { /* told in a turn of the loop */
        TAILQ_REMOVE(&f->asks, ask, link);
        ask->files = NULL;
        event_active(ask->gone, 0, 0);
    }
    subrequest_cancel(f->list);
    event_free(f->soon);
    json_decref(f->binds);
    json_decref(f->refusal);
    json_decref(f->missed);
    free(f->ns);
    free(f);
    return NULL;
}

struct files_counts files_count(const struct files *f)
{
    struct files_counts counts = {0};
    const struct tree *t;

    TAILQ_FOREACH(t, &f->trees, link)
    tree_count(t, &counts);
    return counts;
}

bool files_is_as(const struct files *f, const struct files_config *config)
{
    const struct mount_rule *rule;
    const struct tree *t = TAILQ_FIRST(&f->trees);
    bool same = f->config.pool == config->pool &&
                f->config.limits.entries == config->limits.entries &&
                f->config.limits.bytes == config->limits.bytes &&
                str_eq(str_from(f->ns), config->ns);

    for (size_t at = 0; same && (rule = next_copied(config->mounts, &at));) {
        char *source = source_of(rule);

        same = t && strcmp(t->source, source) == 0 &&
               t->read_only == (rule->mode == MOUNT_READ_ONLY);
        t = t ? TAILQ_NEXT(t, link) : NULL;
        free(source);
    }
    return same && !t;
}
