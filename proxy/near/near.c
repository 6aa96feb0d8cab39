#include "proxy/near/near_private.h"

#include <stdlib.h>

#include "policy/base/json_str.h"
#include "policy/docker/namespace.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/log.h"

/* ---- starts that are awaited ---- */

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
        entry = near_entry_new(near, id, name, wish);
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
        entry = near_entry_new(near, id, name, wish);
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

static void take_event(struct near *near, const json_t *event)
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
        near_flow_restart(entry);
        if (entry->expects_start)
            check_soon(near);
        else
            near_release(entry);
    }
}

static void take_list(struct near *near, const json_t *list)
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

void near_learn(struct near *near, struct str id, const json_t *inspected)
{
    struct near_entry *entry = near_find(near, id);

    if (entry)
        near_entry_learn(entry, inspected);
}

void near_doubt(struct near *near, struct str id)
{
    struct near_entry *entry = near_find(near, id);

    if (!entry)
        return;
    entry->expects_start = false;
    near_ask(entry);
}

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

static const struct near_conn_events conn_events = {
    .on_question = near_ask,
    .on_room = near_accept_on,
};

static const struct near_watch_events watch_events = {
    .on_event = take_event,
    .on_list = take_list,
};

struct near *near_new(const struct near_config *config)
{
    struct near *near = xcalloc(1, sizeof(*near));

    near->events = &conn_events;
    near->base = config->base;
    near->turns = config->turns;
    near->memory = config->memory;
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
    near_flow_init(near);
    near->check = event_new(near->base, -1, 0, on_check, near);
    near->watch = near_watch_new(near, &watch_events);
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
    near_flow_fini(near);
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
