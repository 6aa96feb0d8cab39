#include "proxy/near/near_private.h"

#include <stdlib.h>

#include "policy/base/json_str.h"
#include "policy/docker/namespace.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/log.h"

/* ---- entries ---- */

struct near_entry *near_find(const struct near *near, struct str id)
{
    struct near_entry *entry;

    TAILQ_FOREACH(entry, &near->entries, link)
    {
        if (str_eq(str_from(entry->id), id))
            return entry;
    }
    return NULL;
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    near_ask(arg);
}

static struct near_entry *new_entry(struct near *near, struct str id,
                                    struct str name, const json_t *wish)
{
    struct near_entry *entry = xcalloc(1, sizeof(*entry));

    entry->near = near;
    entry->id = xstr_dup(id);
    entry->name = xstr_dup(name);
    entry->wish = json_deep_copy(wish);
    entry->retry = event_new(near->base, -1, 0, on_retry, entry);
    TAILQ_INIT(&entry->listeners);
    TAILQ_INSERT_TAIL(&near->entries, entry, link);
    near->counts.containers++;
    return entry;
}

void near_release(struct near_entry *entry)
{
    struct near *near = entry->near;
    struct near_conn *c, *next;

    for (c = TAILQ_FIRST(&near->conns); c; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->port && c->port->entry == entry)
            near_conn_orphan(c);
    }
    near_unlisten(entry);
    subrequest_cancel(entry->question);
    event_free(entry->retry);
    TAILQ_REMOVE(&near->entries, entry, link);
    near->counts.containers--;
    json_decref(entry->wish);
    json_decref(entry->shown);
    free(entry->ports);
    free(entry->id);
    free(entry->name);
    free(entry);
}

static void check_soon(struct near *near)
{
    if (!event_pending(near->check, EV_TIMEOUT, NULL))
        event_add(near->check, &(struct timeval){NEAR_CHECK_S, 0});
}

/* Those that were opened ahead of a start, or whose end was to be a restart. */
static void on_check(evutil_socket_t fd, short what, void *arg)
{
    struct near_entry *entry;
    struct near *near = arg;

    (void)fd;
    (void)what;
    TAILQ_FOREACH(entry, &near->entries, link)
    {
        if (entry->running && !entry->expects_start)
            continue;
        check_soon(near);
        if (entry->patience && entry->patience-- > 1)
            continue;
        entry->expects_start = false;
        near_ask(entry);
    }
}

/* ---- what the engine says of a container ---- */

/* The port of the engine's host that NAME of the container is published on. */
static unsigned published(const struct near *near, const json_t *container,
                          const char *name)
{
    const json_t *binding,
        *list = json_object_get(
            json_object_get(json_object_get(container, "NetworkSettings"),
                            "Ports"),
            name);
    uint16_t number;
    size_t i;

    json_array_foreach(list, i, binding)
    {
        if (str_eq(str_at(binding, "HostIp"), str_from(near->address)) &&
            port_is_fixed(str_at(binding, "HostPort"), &number))
            return number;
    }
    return 0;
}

static void take_inspect(struct near_entry *entry, const json_t *container)
{
    const struct near *near = entry->near;
    bool own = str_eq(str_at(container, "Id"), str_from(entry->id)) &&
               namespace_has_container(str_from(near->ns), container);

    entry->running =
        own && json_is_true(json_object_get(json_object_get(container, "State"),
                                            "Running"));
    for (size_t i = 0; i < entry->port_count; i++)
        entry->ports[i].engine_port =
            entry->running ? published(near, container, entry->ports[i].name)
                           : 0;
}

/* CONTAINER is NULL when there is none. The entry may be gone then. */
static void learn(struct near_entry *entry, const json_t *container)
{
    struct near *near = entry->near;
    struct near_conn *c, *next;

    take_inspect(entry, container);
    if (!container || (!entry->running && !entry->expects_start)) {
        near_release(entry);
        return;
    }
    /* one that is told may have the next question sent, which is not this */
    TAILQ_FOREACH(c, &near->conns, link)
    {
        if (c->port && c->port->entry == entry && c->asked == ASKED_NOW)
            c->asked = ASKED_ANSWERED;
    }
    for (c = TAILQ_FIRST(&near->conns); c; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->port && c->port->entry == entry && c->asked == ASKED_ANSWERED)
            near_conn_answered(c);
    }
    if (entry->again && !entry->question)
        near_ask(entry);
}

static void unanswered(struct near_entry *entry)
{
    struct near_conn *c;

    TAILQ_FOREACH(c, &entry->near->conns, link)
    {
        if (c->port && c->port->entry == entry && c->asked == ASKED_NOW)
            c->asked = ASKED_NEXT;
    }
    event_add(entry->retry, &(struct timeval){NEAR_RETRY_S, 0});
}

static void on_inspect(const struct http_head *head, struct str body,
                       const char *why, void *arg)
{
    struct near_entry *entry = arg;
    json_auto_t *container = NULL;

    (void)why;
    entry->question = NULL;
    if (head && head->status == 200)
        container = reply_json_parse(body);
    if (container || (head && head->status == 404))
        learn(entry, container);
    else
        unanswered(entry);
}

void near_ask(struct near_entry *entry)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(256);
    struct near *near = entry->near;
    struct near_conn *c;

    entry->again = entry->question != NULL;
    if (entry->question)
        return;
    event_del(entry->retry);
    TAILQ_FOREACH(c, &near->conns, link)
    {
        if (c->port && c->port->entry == entry && c->asked == ASKED_NEXT)
            c->asked = ASKED_NOW;
    }
    strbuf_addf(&target, "/containers/%s/json", entry->id);
    entry->question =
        subrequest_new(near->base, near->pool, METHOD_GET, strbuf_str(&target),
                       S(""), on_inspect, entry);
}

void near_learn(struct near *near, struct str id, const json_t *inspected)
{
    struct near_entry *entry = near_find(near, id);

    if (entry)
        learn(entry, inspected);
}

void near_doubt(struct near *near, struct str id)
{
    struct near_entry *entry = near_find(near, id);

    if (!entry)
        return;
    entry->expects_start = false;
    near_ask(entry);
}

/* ---- what is listened for ---- */

enum port_open near_open(struct near *near, struct str id, struct str name,
                         const json_t *wish, struct str *other,
                         struct strbuf *why)
{
    struct near_entry *entry = near_find(near, id);
    enum port_open r = PORT_OPEN;

    if (!is_full_id(id))
        return PORT_OPEN;
    if (!entry) {
        entry = new_entry(near, id, name, wish);
        r = near_listen(entry, other, why);
    }
    if (r != PORT_OPEN) {
        near_release(entry);
        return r;
    }
    entry->expects_start = true;
    entry->patience = NEAR_PATIENCE;
    check_soon(near);
    return r;
}

/* A container of the namespace runs. */
static void found(struct near *near, struct str id, struct str name,
                  const json_t *labels)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(2 * LIMIT_REASON);
    struct near_entry *entry = near_find(near, id);
    json_auto_t *wish = entry ? NULL : port_wish_read(labels);
    struct str other;

    if (!entry && wish && is_full_id(id)) {
        entry = new_entry(near, id, name, wish);
        if (near_listen(entry, &other, &why) != PORT_OPEN) {
            log_warn("ports: %.*s runs, but its ports are not listened on: %s",
                     STR_FMT(name), strbuf_cstr(&why));
            near_release(entry);
            return;
        }
    }
    if (!entry)
        return;
    entry->running = entry->seen = true;
    entry->expects_start = false;
    near_ask(entry); /* so that the first connection knows where to */
}

void near_take_event(struct near *near, const json_t *event)
{
    const json_t *actor = json_object_get(event, "Actor");
    const json_t *labels = json_object_get(actor, "Attributes");
    struct str id = str_at(actor, "ID"), name = str_at(labels, "name");
    struct str action = str_at(event, "Action");
    struct str ns = str_from(near->ns);
    struct near_entry *entry = near_find(near, id);

    if (!str_eq(str_at(event, "Type"), S("container")) ||
        !str_eq(str_at(labels, LABEL_NAMESPACE), ns) ||
        !namespace_has(ns, name))
        return;
    if (str_eq(action, S("start"))) {
        found(near, id, namespace_strip(ns, name), labels);
    } else if (entry && str_eq(action, S("destroy"))) {
        near_release(entry);
    } else if (entry && str_eq(action, S("die"))) {
        entry->running = false;
        if (entry->expects_start)
            check_soon(near);
        else
            near_release(entry);
    }
}

void near_take_list(struct near *near, const json_t *list)
{
    struct str ns = str_from(near->ns);
    struct near_entry *entry, *next;
    const json_t *row, *name;
    size_t i, n;

    TAILQ_FOREACH(entry, &near->entries, link)
    entry->seen = false;
    json_array_foreach(list, i, row)
    {
        struct str own = S("");

        if (!namespace_has_container(ns, row))
            continue;
        json_array_foreach(json_object_get(row, "Names"), n, name)
        {
            struct str text = str_from_index(
                str_of(json_string_value(name), json_string_length(name)), 1);

            if (namespace_has(ns, text) && str_find(text, '/') < 0)
                own = namespace_strip(ns, text);
        }
        found(near, str_at(row, "Id"), own, json_object_get(row, "Labels"));
    }
    for (entry = TAILQ_FIRST(&near->entries); entry; entry = next) {
        next = TAILQ_NEXT(entry, link);
        if (!entry->seen && !entry->expects_start)
            near_release(entry);
    }
}

/* ---- the book ---- */

const json_t *near_shown(const struct near *near, struct str id)
{
    const struct near_entry *entry = near_find(near, id);

    return entry ? entry->shown : NULL;
}

void near_note(struct near *near, struct str id, struct str name,
               const json_t *wish)
{
    if (json_object_size(near->notes) >= LIMIT_PORT_NOTES)
        json_object_clear(near->notes);
    json_object_setn_new(near->notes, id.ptr, id.len,
                         json_pack("{s:s%, s:o}", "name", name.ptr, name.len,
                                   "wish",
                                   wish ? json_deep_copy(wish) : json_null()));
}

bool near_noted(struct near *near, struct str id, struct str *name,
                json_t **wish)
{
    json_t *note = json_object_getn(near->notes, id.ptr, id.len);

    if (!note)
        return false;
    *name = str_at(note, "name");
    *wish = json_object_get(note, "wish");
    if (json_is_null(*wish))
        *wish = NULL;
    return true;
}

struct near_counts near_count(const struct near *near)
{
    return near->counts;
}

/* ---- the whole ---- */

struct near *near_new(const struct near_config *config)
{
    struct near *near = xcalloc(1, sizeof(*near));

    near->base = config->base;
    near->upstream = config->upstream;
    near->pool = config->pool;
    near->ns = xstr_dup(config->ns);
    near->address = xstrdup(config->address);
    near->listen.items =
        xcalloc(config->listen->count + 1, sizeof(*near->listen.items));
    for (size_t i = 0; i < config->listen->count; i++)
        near->listen.items[near->listen.count++] =
            xstrdup(config->listen->items[i]);
    near->notes = json_object();
    TAILQ_INIT(&near->entries);
    TAILQ_INIT(&near->conns);
    near->check = event_new(near->base, -1, 0, on_check, near);
    near->watch = near_watch_new(near);
    return near;
}

void near_yield(struct near *near)
{
    struct near_entry *entry;

    near->yielded = true;
    TAILQ_FOREACH(entry, &near->entries, link)
    near_unlisten(entry);
}

bool near_is_as(const struct near *near, const struct near_config *config)
{
    bool same = near->upstream == config->upstream &&
                near->pool == config->pool &&
                str_eq(str_from(near->ns), config->ns) &&
                !strcmp(near->address, config->address) &&
                near->listen.count == config->listen->count;

    for (size_t i = 0; same && i < near->listen.count; i++)
        same = !strcmp(near->listen.items[i], config->listen->items[i]);
    return same;
}

struct near *near_free(struct near *near)
{
    if (!near)
        return NULL;
    near_watch_free(near->watch);
    while (!TAILQ_EMPTY(&near->entries))
        /* the analyzer does not see what TAILQ_REMOVE takes out */
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        near_release(TAILQ_FIRST(&near->entries));
    near->starved = false;
    while (!TAILQ_EMPTY(&near->conns))
        near_conn_end(TAILQ_FIRST(&near->conns), true);
    event_free(near->check);
    json_decref(near->notes);
    while (near->listen.count)
        free(near->listen.items[--near->listen.count]);
    free(near->listen.items);
    free(near->ns);
    free(near->address);
    free(near);
    return NULL;
}
