/* The link of a place: what it opens, whether it may, when it is given up. */

#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/ssh/ssh_ports_private.h"

enum {
    MOST_REFUSALS = 3,                  /* links to other engines, in a row */
    MOST_OF_ONE = LIMIT_PORT_LINKS / 2, /* openings for one stream.who */
};

bool ssh_ports_is_any_waiting(const struct ssh_ports *ports)
{
    return !TAILQ_EMPTY(&ports->waiting.in[SSH_CHANNEL_QUEUED]);
}

struct ssh_channel *ssh_place_opening(const struct ssh_place *p)
{
    struct ssh_channel *ch =
        p->link ? TAILQ_FIRST(&p->link->mux.in[SSH_CHANNEL_OPENING]) : NULL;

    return ch && ch->kind == SSH_CHANNEL_TCP ? ch : NULL;
}

bool ssh_place_takes(const struct ssh_place *p, unsigned ms)
{
    return ssh_place_opening(p) &&
           clock_us() - p->link->mux.open_began >=
               (uint64_t)ms * 1000 + p->link->mux.quickest_open;
}

bool ssh_place_is_free(const struct ssh_place *p)
{
    return p->joined && TAILQ_EMPTY(&p->link->mux.in[SSH_CHANNEL_OPENING]);
}

static bool is_unused(const struct ssh_place *p)
{
    return p->link->mux.count == 0 &&
           TAILQ_EMPTY(&p->link->mux.in[SSH_CHANNEL_CLOSING]);
}

unsigned ssh_ports_count(const struct ssh_ports *ports)
{
    unsigned count = 0;

    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++)
        count += ports->places[i].link != NULL;
    return count;
}

static bool may_be_opened(const struct ssh_ports *ports,
                          const struct ssh_channel *ch)
{
    unsigned of_one = 0;

    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        const struct ssh_channel *other = ssh_place_opening(&ports->places[i]);

        if (!other)
            continue;
        if (str_eq(strbuf_str(&other->target), strbuf_str(&ch->target)))
            return false;
        of_one += other->stream.who == ch->stream.who;
    }
    return of_one < MOST_OF_ONE;
}

struct ssh_channel *ssh_ports_next(struct ssh_ports *ports)
{
    struct ssh_channel *ch;

    if (ports->none_may)
        return NULL;
    TAILQ_FOREACH(ch, &ports->waiting.in[SSH_CHANNEL_QUEUED], link)
    {
        if (may_be_opened(ports, ch))
            return ch;
    }
    ports->none_may = true;
    return NULL;
}

/* The link of a place has nothing to open. */
static void feed(struct ssh_mux *mux, void *arg)
{
    struct ssh_place *p = arg;
    struct ssh_ports *ports = p->ports;
    struct ssh_channel *ch;

    if (p->fed) /* that one is in the way of others no more */
        ports->none_may = false;
    p->fed = false;
    ch = ssh_ports_next(ports);
    if (!ch)
        return;
    p->fed = true;
    ssh_mux_move_one(&ports->waiting, mux, ch);
}

/* ---- links come and go ---- */

void ssh_place_unjoin(struct ssh_place *p)
{
    p->joined = p->fed = false;
    if (p->link)
        p->link->mux.feed = NULL;
}

static void join(struct ssh_place *p)
{
    p->ports->refusals = 0;
    p->joined = true;
    p->link->mux.feed = feed;
    p->link->mux.feed_arg = p;
    log_info("ports: a link for them to %s, %u of at most %d",
             p->ports->config->url, ssh_ports_count(p->ports),
             LIMIT_PORT_LINKS);
}

void ssh_place_drop(struct ssh_place *p)
{
    ssh_place_unjoin(p);
    engine_id_stop(&p->engine);
    p->link->upstream.on_status = NULL;
    upstream_free(&p->link->upstream);
    p->link = NULL;
}

static void on_link(struct upstream *upstream, void *arg)
{
    struct ssh_place *p = arg;

    if (p->link->state == LINK_UP) {
        engine_id_ask(&p->engine, upstream);
        return;
    }
    ssh_place_unjoin(p);
    engine_id_stop(&p->engine);
    ssh_mux_move(&p->link->mux, &p->ports->waiting);
    soon_call(&p->ports->run);
}

void ssh_place_make(struct ssh_place *p)
{
    struct ssh_ports *ports = p->ports;

    p->link = (struct ssh_link *)ssh_link_new(ports->base, ports->config);
    p->link->mux.no_spares = true;
    p->link->upstream.on_status = on_link;
    p->link->upstream.status_arg = p;
}

/* P leads elsewhere; its next try goes to another address. */
static void refuse(struct ssh_place *p)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);
    struct ssh_ports *ports = p->ports;

    if (++ports->refusals >= MOST_REFUSALS) {
        log_warn("ports: no connection of their own leads to the engine of "
                 "%s, which requests go to; ports go the same way, where one "
                 "that does not answer holds up all",
                 ports->config->url);
        ports->alone = true;
        ssh_place_drop(p);
        return;
    }
    strbuf_addf(&why,
                "another engine answers (%s) than the one that requests go to "
                "(%s), so no port goes over this connection",
                *p->engine.id ? p->engine.id : "it tells no ID",
                ports->engine.id);
    upstream_reject(&p->link->upstream, strbuf_cstr(&why));
}

void ssh_place_compare(struct ssh_place *p)
{
    if (!p->link || p->joined || !p->engine.told || !*p->ports->engine.id)
        return;
    if (strcmp(p->engine.id, p->ports->engine.id) == 0)
        join(p);
    else
        refuse(p);
}

void ssh_place_expire(struct ssh_place *p)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);
    struct ssh_channel *ch = ssh_place_opening(p);

    if (!ch || ssh_channel_is_over(ch) ||
        !ssh_place_takes(p, LIMIT_PORT_OPEN_MS))
        return;
    strbuf_addf(&why, "the port has not answered within %d ms",
                LIMIT_PORT_OPEN_MS);
    ssh_channel_end(ch, strbuf_cstr(&why));
}

static bool is_other_free(const struct ssh_ports *ports,
                          const struct ssh_place *p)
{
    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        if (&ports->places[i] != p && ssh_place_is_free(&ports->places[i]))
            return true;
    }
    return false;
}

void ssh_place_tidy(struct ssh_place *p)
{
    const struct ssh_ports *ports = p->ports;

    if (!p->link || !is_unused(p))
        return;
    if (ssh_place_opening(p)
            ? ssh_place_takes(p, LIMIT_PORT_OPEN_MS)
            : !ssh_ports_is_any_waiting(ports) && is_other_free(ports, p))
        ssh_place_drop(p);
}
