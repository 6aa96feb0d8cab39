#include "proxy/server/census.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/isolation/leftovers.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/policies.h"
#include "proxy/upstream/subrequest.h"

struct counted {
    char *ns;
    bool looked_at;           /* since the last count */
    bool counting;            /* since the count that runs began */
    const json_t *last_image; /* that was counted */
    struct objects_view known, next;
};

struct census {
    struct event_base *base;
    struct pool *pool;
    struct event *timer; /* the next count, or the end of this one */
    struct subrequest *question;
    enum leftover_kind kind; /* that is asked for */
    double done_at;          /* the last count, 0: there was none */
    struct counted items[POLICIES_MAX];
    size_t count;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_for(struct census *c, unsigned seconds)
{
    event_add(c->timer, &(struct timeval){seconds, 0});
}

/* ---- counting ---- */

static struct counted *find(struct census *c, struct str ns)
{
    for (size_t i = 0; i < c->count; i++) {
        if (str_eq(str_from(c->items[i].ns), ns))
            return &c->items[i];
    }
    return NULL;
}

static bool is_published_before(const json_t *ports, size_t at)
{
    const json_t *port = json_array_get(ports, at);

    for (size_t i = 0; i < at; i++) {
        const json_t *other = json_array_get(ports, i);

        if (json_object_get(other, "PublicPort") &&
            json_equal(json_object_get(other, "PrivatePort"),
                       json_object_get(port, "PrivatePort")) &&
            json_equal(json_object_get(other, "Type"),
                       json_object_get(port, "Type")))
            return true;
    }
    return false;
}

/* Of a container; a port that is published on several addresses is one. */
static unsigned ports_of(const json_t *container)
{
    const json_t *ports = json_object_get(container, "Ports"), *port;
    unsigned count = 0;
    size_t i;

    if (json_array_size(ports) > LIMIT_ALIASES) /* a range of them */
        return (unsigned)json_array_size(ports);
    json_array_foreach(ports, i, port)
    {
        if (json_object_get(port, "PublicPort"))
            count += !is_published_before(ports, i);
    }
    return count;
}

static void count(void *arg, struct str ns, const struct leftover *leftover)
{
    struct census *c = arg;
    struct counted *counted = find(c, ns);
    struct objects_view *next = counted ? &counted->next : NULL;

    if (!next)
        return;
    switch (c->kind) {
    case LEFTOVER_CONTAINER:
        next->containers++;
        next->ports += ports_of(leftover->row);
        break;
    case LEFTOVER_NETWORK:
        next->networks++;
        break;
    case LEFTOVER_VOLUME:
        next->volumes++;
        break;
    case LEFTOVER_IMAGE:
        if (counted->last_image == leftover->row)
            break; /* another name of the same */
        counted->last_image = leftover->row;
        next->images++;
        next->image_bytes += (uint64_t)json_integer_value(
            json_object_get(leftover->row, "Size"));
        break;
    case LEFTOVER_STEP: /* is_counted */
    case LEFTOVER_PUSH:
    case LEFTOVER_BIND:
    case LEFTOVER_COMPANION:
    case LEFTOVER_SOCKETS:
    case LEFTOVER_LEASE:
    case LEFTOVER_COUNT:
        break;
    }
}

static void finish(struct census *c, bool good)
{
    bool is_missing = false;
    size_t kept = 0;

    c->done_at = now();
    for (size_t i = 0; i < c->count; i++) {
        struct counted *item = &c->items[i];

        /* one that came while the count ran is in the next */
        item->known =
            good && item->counting ? item->next : (struct objects_view){0};
        item->known.known = good && item->counting;
        is_missing |= !item->counting && item->looked_at;
        if (!item->looked_at) { /* it is not served any more */
            free(item->ns);
            continue;
        }
        item->looked_at = false;
        c->items[kept++] = *item;
    }
    c->count = kept;
    wait_for(c, good && is_missing ? 0 : CENSUS_EVERY_S);
}

/* The others have nothing in them, or are not the runner's. */
static bool is_counted(enum leftover_kind kind)
{
    return kind == LEFTOVER_CONTAINER || kind == LEFTOVER_NETWORK ||
           kind == LEFTOVER_VOLUME || kind == LEFTOVER_IMAGE;
}

static void ask(struct census *c);

static void on_list(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct census *c = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;

    (void)why;
    c->question = NULL;
    if (!head || head->status != 200 ||
        !leftovers_walk(c->kind, reply, count, c)) {
        finish(c, false);
        return;
    }
    for (size_t i = 0; i < c->count; i++)
        c->items[i].last_image = NULL;
    do
        c->kind++;
    while (c->kind < LEFTOVER_COUNT && !is_counted(c->kind));
    if (c->kind == LEFTOVER_COUNT)
        finish(c, true);
    else
        ask(c);
}

/* Of all namespaces at once, unless there is but one. */
static void ask(struct census *c)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);
    struct str ns = c->count == 1 ? str_from(c->items[0].ns) : S("");

    leftover_put_list(&target, c->kind, ns);
    c->question = subrequest_new(c->base, c->pool, METHOD_GET,
                                 strbuf_str(&target), S(""), on_list, c);
    subrequest_filter(c->question, list_filter_new(ns, true));
    wait_for(c, CENSUS_WAIT_S);
}

static void begin(struct census *c)
{
    for (size_t i = 0; i < c->count; i++) {
        c->items[i].next = (struct objects_view){0};
        c->items[i].counting = true;
    }
    c->kind = LEFTOVER_CONTAINER;
    ask(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct census *c = arg;

    (void)fd;
    (void)what;
    if (c->question) {
        c->question = subrequest_cancel(c->question);
        finish(c, false);
    } else if (c->count) {
        begin(c);
    }
}

/* ---- its life ---- */

struct census *census_new(struct event_base *base, struct pool *pool)
{
    struct census *c = xcalloc(1, sizeof(*c));

    c->base = base;
    c->pool = pool;
    c->timer = event_new(base, -1, 0, on_timer, c);
    return c;
}

struct census *census_free(struct census *c)
{
    if (!c)
        return NULL;
    subrequest_cancel(c->question);
    event_free(c->timer);
    for (size_t i = 0; i < c->count; i++)
        free(c->items[i].ns);
    free(c);
    return NULL;
}

struct objects_view census_look(struct census *c, const char *ns)
{
    struct counted *item = find(c, str_from(ns));
    bool is_new = !item && c->count < POLICIES_MAX;

    if (is_new) {
        item = &c->items[c->count++];
        *item = (struct counted){.ns = xstrdup(ns)};
    }
    if (!item)
        return (struct objects_view){0};
    item->looked_at = true;
    if (!c->question &&
        (is_new || c->done_at == 0 || now() - c->done_at > CENSUS_FRESH_S))
        wait_for(c, 0);
    return item->known;
}
