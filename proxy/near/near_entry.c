#include "proxy/near/near_private.h"

#include <stdlib.h>

#include "policy/base/json_str.h"
#include "policy/docker/namespace.h"
#include "policy/isolation/rewrite.h"

/*
 * A container that is listened for: how it comes and goes, and what the engine
 * says of it.
 */

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

struct near_entry *near_entry_new(struct near *near, struct str id,
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

void near_entry_learn(struct near_entry *entry, const json_t *container)
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
        near_entry_learn(entry, container);
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
