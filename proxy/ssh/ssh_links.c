#include "proxy/ssh/ssh_links.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/base/log.h"
#include "proxy/ssh/engine_id.h"
#include "proxy/ssh/ssh_link_private.h"

/* The place of one link. */
struct place {
    struct ssh_links *links;
    struct ssh_link *link;   /* or NULL: it is not tried yet */
    bool joined;             /* streams may go there */
    bool was_up;             /* at any time */
    struct engine_id engine; /* that it leads to */
};

struct ssh_links {
    struct upstream upstream; /* first: an upstream is cast to its links */
    struct event_base *base;
    const struct upstream_config *config;
    struct place places[LIMIT_LINKS];
    unsigned last;        /* place that was given a stream */
    uint64_t generation;  /* how often the first link was made */
    uint64_t reconnects;  /* of any of them */
    struct event *settle; /* in a turn of its own: the engines' answers */
    bool doomed;
};

static unsigned channels_of(const struct place *p)
{
    return (unsigned)(p->link->mux.count + p->link->mux.spares);
}

static struct upstream *link_of(const struct place *p)
{
    return &p->link->upstream;
}

static bool is_up(const struct place *p)
{
    return p->link && p->link->state == LINK_UP;
}

static size_t streams_of(const struct place *p)
{
    return p->link->mux.count;
}

static unsigned count_joined(const struct ssh_links *links)
{
    unsigned count = 0;

    for (unsigned i = 0; i < links->config->links; i++)
        count += links->places[i].joined;
    return count;
}

/* The one with the fewest streams; of several, the next in turn. NULL: none is
 * joined. */
static struct place *least(struct ssh_links *links)
{
    const unsigned count = links->config->links;
    struct place *best = NULL;

    for (unsigned i = 1; i <= count; i++) {
        struct place *p = &links->places[(links->last + i) % count];

        if (p->joined && (!best || streams_of(p) < streams_of(best)))
            best = p;
    }
    return best;
}

/* The one that is tried, and not joined yet; or NULL. */
static struct place *candidate(struct ssh_links *links, const struct place *but)
{
    for (unsigned i = 0; i < links->config->links; i++) {
        struct place *p = &links->places[i];

        if (p != but && p->link && !p->joined)
            return p;
    }
    return NULL;
}

static void settle_soon(struct ssh_links *links)
{
    event_add(links->settle, &(struct timeval){0, 0});
}

static void on_told(void *arg)
{
    struct place *p = arg;

    settle_soon(p->links);
}

/* ---- links come and go ---- */

/* What waits on FROM, which is down, waits on TO from now on. */
static void hand_over(struct place *from, struct place *to)
{
    ssh_mux_move(&from->link->mux, &to->link->mux);
}

static void join(struct place *p)
{
    const struct ssh_links *links = p->links;

    p->joined = true;
    log_info("link: %u of %u to %s", count_joined(links), links->config->links,
             links->config->url);
}

static void drop(struct place *p)
{
    engine_id_stop(&p->engine);
    link_of(p)->on_status = NULL;
    upstream_free(link_of(p));
    p->link = NULL;
}

static void tell(struct ssh_links *links)
{
    if (links->upstream.on_status)
        links->upstream.on_status(&links->upstream, links->upstream.status_arg);
}

/* P is the first: the others are held against it. */
static void lead(struct place *p)
{
    p->links->generation++;
    join(p);
    tell(p->links);
}

static void come_up(struct place *p)
{
    struct ssh_links *links = p->links;

    links->reconnects += p->was_up;
    p->was_up = true;
    engine_id_ask(&p->engine, link_of(p));
    if (count_joined(links) == 0)
        lead(p);
}

/* P was lost, or not made. Of those that are not up one is enough, and what
 * waits goes where it is served the soonest. */
static void go_down(struct place *p)
{
    struct ssh_links *links = p->links;
    struct place *other = candidate(links, p), *heir;

    engine_id_stop(&p->engine);
    p->joined = false;
    heir = least(links);
    if (!heir)
        heir = other;
    if (heir)
        hand_over(p, heir);
    if (other)
        drop(p);
    settle_soon(links);
    if (count_joined(links))
        return;
    if (other && is_up(other))
        lead(other);
    else
        tell(links);
}

static void on_link(struct upstream *upstream, void *arg)
{
    struct place *p = arg;

    (void)upstream;
    if (is_up(p))
        come_up(p);
    else
        go_down(p);
}

static void make(struct place *p)
{
    struct ssh_links *links = p->links;

    p->link = (struct ssh_link *)ssh_link_new(links->base, links->config);
    link_of(p)->on_status = on_link;
    link_of(p)->status_arg = p;
    p->joined = false;
}

/* The first of those that are used whose engine is known. */
static const struct place *example(const struct ssh_links *links)
{
    for (unsigned i = 0; i < links->config->links; i++) {
        const struct place *p = &links->places[i];

        if (p->joined && p->engine.told)
            return p;
    }
    return NULL;
}

/* P leads elsewhere; its next try goes to another address. */
static void refuse(struct place *p, const char *id)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);

    strbuf_addf(&why,
                "another engine answers (%s) than on the other links (%s), so "
                "this one is not used; let upstream.url name one host, or "
                "upstream.links be 1",
                *p->engine.id ? p->engine.id : "it tells no ID",
                *id ? id : "none");
    upstream_reject(link_of(p), strbuf_cstr(&why));
}

/* The engines that have answered, and then the next link. */
static void on_settle(evutil_socket_t fd, short what, void *arg)
{
    struct ssh_links *links = arg;
    const struct place *first = example(links);
    struct place *p = candidate(links, NULL);

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < links->config->links; i++)
        engine_id_rest(&links->places[i].engine);
    if (!first)
        return;
    if (p && p->engine.told) {
        if (*first->engine.id && !strcmp(p->engine.id, first->engine.id))
            join(p);
        else
            refuse(p, first->engine.id);
        if (links->doomed)
            return;
    }
    if (!*first->engine.id || candidate(links, NULL))
        return;
    for (unsigned i = 0; i < links->config->links; i++) {
        if (!links->places[i].link) {
            make(&links->places[i]);
            return;
        }
    }
}

/* ---- as an upstream ---- */

static struct ssh_links *links_of(struct upstream *upstream)
{
    return (struct ssh_links *)upstream;
}

/* Where the next stream goes; NULL: there are as many as there may be. */
static struct ssh_mux *next_mux(struct ssh_links *links)
{
    struct place *p = least(links);
    size_t all = 0;

    for (unsigned i = 0; i < links->config->links; i++) {
        if (links->places[i].link)
            all += streams_of(&links->places[i]);
    }
    if (all >= LIMIT_CHANNELS)
        return NULL;
    if (!p)
        p = candidate(links, NULL);
    assert(p);
    links->last = (unsigned)(p - links->places);
    return &p->link->mux;
}

static struct stream *open_stream(struct upstream *upstream,
                                  stream_cb on_change, void *arg)
{
    struct ssh_mux *mux = next_mux(links_of(upstream));

    return mux ? ssh_mux_open(mux, on_change, arg) : NULL;
}

static struct stream *open_port(struct upstream *upstream, const char *address,
                                unsigned port, stream_cb on_change, void *arg)
{
    struct ssh_mux *mux = next_mux(links_of(upstream));

    return mux ? ssh_mux_open_port(mux, address, port, on_change, arg) : NULL;
}

static size_t lingering(const struct upstream *upstream, const void *who)
{
    const struct ssh_links *links = (const struct ssh_links *)upstream;
    size_t count = 0;

    for (unsigned i = 0; i < links->config->links; i++) {
        if (links->places[i].link)
            count += ssh_mux_lingering(&links->places[i].link->mux, who);
    }
    return count;
}

/* All that are used lead to the same engine, which is the wrong one. */
static bool reject(struct upstream *upstream, const char *why)
{
    struct ssh_links *links = links_of(upstream);

    for (unsigned i = 0; i < links->config->links && !links->doomed; i++) {
        if (links->places[i].link)
            upstream_reject(link_of(&links->places[i]), why);
    }
    return true;
}

static void status(const struct upstream *upstream,
                   struct upstream_status *status)
{
    const struct ssh_links *links = (const struct ssh_links *)upstream;
    const struct place *shown = NULL;
    unsigned channels = 0;

    for (unsigned i = 0; i < links->config->links; i++) {
        const struct place *p = &links->places[i];

        if (!p->link)
            continue;
        channels += channels_of(p);
        if (!shown || (p->joined && !shown->joined))
            shown = p;
    }
    assert(shown); /* the last link is never given up */
    upstream_get_status(link_of(shown), status);
    status->links = count_joined(links);
    status->generation = links->generation;
    status->connects = links->generation ? links->reconnects + 1 : 0;
    status->channels = channels;
}

struct ssh_mux *ssh_links_next(struct upstream *links)
{
    return next_mux(links_of(links));
}

static void free_memory(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    free(arg);
}

static void free_links(struct upstream *upstream)
{
    struct ssh_links *links = links_of(upstream);

    links->doomed = true;
    links->upstream.on_status = NULL;
    for (unsigned i = 0; i < links->config->links; i++) {
        if (links->places[i].link)
            drop(&links->places[i]);
        engine_id_fini(&links->places[i].engine);
    }
    event_free(links->settle);
    /* one of our functions may be on the stack */
    event_base_once(links->base, -1, EV_TIMEOUT, free_memory, links,
                    &(struct timeval){0, 0});
}

struct upstream *ssh_links_new(struct event_base *base,
                               const struct upstream_config *config)
{
    static const struct upstream_ops ops = {
        .open = open_stream,
        .open_port = open_port,
        .lingering = lingering,
        .reject = reject,
        .status = status,
        .free = free_links,
    };
    struct ssh_links *links = xcalloc(1, sizeof(*links));

    assert(config->links > 1 && config->links <= LIMIT_LINKS);
    links->upstream.ops = &ops;
    links->base = base;
    links->config = config;
    links->settle = event_new(base, -1, EV_TIMEOUT, on_settle, links);
    for (unsigned i = 0; i < config->links; i++) {
        links->places[i].links = links;
        engine_id_init(&links->places[i].engine, base, on_told,
                       &links->places[i]);
    }
    make(&links->places[0]);
    return &links->upstream;
}
