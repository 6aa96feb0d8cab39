#include "proxy/near/near_private.h"

#include <arpa/inet.h>
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
    near_relay_drop(entry);
    subrequest_cancel(entry->question);
    event_free(entry->retry);
    TAILQ_REMOVE(&near->entries, entry, link);
    near->counts.containers--;
    json_decref(entry->wish);
    json_decref(entry->shown);
    free(entry->started);
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

static uint32_t address_in(const json_t *network)
{
    struct in_addr address;
    char *text = xstr_dup(str_at(network, "IPAddress"));
    bool good = inet_pton(AF_INET, text, &address) == 1;

    free(text);
    return good ? ntohl(address.s_addr) : 0;
}

/* One of its own: that of the network it was made with, if it has one there.
 * Services listen on all of them, most of the time. 0: it has none. */
static uint32_t own_address(const json_t *container)
{
    const json_t *networks = json_object_get(
        json_object_get(container, "NetworkSettings"), "Networks");
    const json_t *mode = json_object_get(
        json_object_get(container, "HostConfig"), "NetworkMode");
    json_t *network = json_object_get(networks, json_string_value(mode));
    uint32_t address = address_in(network);
    const char *name;

    json_object_foreach((json_t *)(uintptr_t)networks, name, network)
    {
        if (!address)
            address = address_in(network);
    }
    return address;
}

/* Where datagrams lead to: another start has another network. */
static void take_place(struct near_entry *entry, const json_t *container)
{
    struct str started =
        entry->running
            ? str_at(json_object_get(container, "State"), "StartedAt")
            : S("");

    if (!entry->started || !str_eq(str_from(entry->started), started)) {
        near_flow_restart(entry);
        free(entry->started);
        entry->started = xstr_dup(started);
    }
    entry->address = entry->running ? own_address(container) : 0;
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
    take_place(entry, container);
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
    near_flow_answered(entry);
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
    if (container || (head && head->status == 404)) {
        entry->answers = entry->questions;
        near_entry_learn(entry, container);
    } else {
        unanswered(entry);
    }
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
    entry->questions++;
    entry->question =
        subrequest_new(near->base, near->pool, METHOD_GET, strbuf_str(&target),
                       S(""), on_inspect, entry);
}
