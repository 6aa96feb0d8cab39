#include <errno.h>
#include <stdlib.h>

#include "proxy/base/clock.h"
#include "proxy/companion/wire.h"
#include "proxy/near/near_private.h"

/*
 * Datagrams go by flows: all of one client to one port, and what comes back. As
 * with connections, nothing goes either way before an inspect that was sent
 * after the first one came says that the container runs and publishes the port;
 * what comes until then is held, as far as there is room.
 */

enum { READS_PER_TURN = 32 };

/* More than any datagram has. */
enum { READ_SIZE = 64 * KIB };

static uint64_t now_s(void)
{
    return clock_ms() / 1000;
}

static struct near_entry *entry_of(const struct near_flow *f)
{
    return f->listener->port->entry;
}

/* ---- those that wait ---- */

static void set_held(struct near *near, size_t bytes)
{
    near->held = bytes;
    memory_use(near->memory, &near->held_memory, bytes);
}

static size_t size_of(const struct near_datagram *d)
{
    return sizeof(*d) + d->len;
}

static void hold(struct near_flow *f, struct str bytes)
{
    struct near *near = entry_of(f)->near;
    size_t size = sizeof(struct near_datagram) + bytes.len;
    struct near_datagram *d;

    if (f->held_count >= LIMIT_FLOW_HELD ||
        size > LIMIT_PORT_HELD - near->held ||
        !memory_has_room(near->memory, size)) {
        near->counts.lost++;
        return;
    }
    d = xcalloc(1, size);
    d->len = bytes.len;
    if (bytes.len)
        memcpy(d->bytes, bytes.ptr, bytes.len);
    STAILQ_INSERT_TAIL(&f->held, d, link);
    f->held_count++;
    set_held(near, near->held + size);
}

static struct near_datagram *take_held(struct near_flow *f)
{
    struct near *near = entry_of(f)->near;
    struct near_datagram *d = STAILQ_FIRST(&f->held);

    if (!d)
        return NULL;
    STAILQ_REMOVE_HEAD(&f->held, link);
    f->held_count--;
    set_held(near, near->held - size_of(d));
    return d;
}

/* ---- flows ---- */

static void end_flow(struct near_flow *f)
{
    struct near_entry *entry = entry_of(f);
    struct near *near = entry->near;
    struct near_datagram *d;

    while ((d = take_held(f))) {
        near->counts.lost++;
        free(d);
    }
    if (f->number && entry->relays)
        relay_close(entry->relay, f->number);
    if (!f->number)
        near->counts.flows_refused++;
    f->listener->port->flows--;
    near->counts.flows--;
    TAILQ_REMOVE(&near->flows, f, link);
    free(f);
}

static struct near_flow *find_flow(const struct near_listener *l,
                                   const union near_address *peer,
                                   const union near_address *local)
{
    struct near_flow *f;

    TAILQ_FOREACH(f, &l->port->entry->near->flows, link)
    {
        if (f->listener == l && near_is_same(&f->peer, peer) &&
            near_is_same(&f->local, local))
            return f;
    }
    return NULL;
}

/* The one that was used the longest ago; of PORT, unless it is NULL. */
static void end_oldest(struct near *near, const struct near_port *port)
{
    struct near_flow *f;

    TAILQ_FOREACH_REVERSE(f, &near->flows, near_flows, link)
    {
        if (port && f->listener->port != port)
            continue;
        end_flow(f);
        return;
    }
}

static struct near_flow *new_flow(struct near_listener *l,
                                  const union near_address *peer,
                                  const union near_address *local)
{
    struct near_entry *entry = l->port->entry;
    struct near *near = entry->near;
    struct near_flow *f;

    if (l->port->flows >= LIMIT_PORT_FLOWS_EACH)
        end_oldest(near, l->port);
    if (near->counts.flows >= LIMIT_PORT_FLOWS)
        end_oldest(near, NULL);
    f = xcalloc(1, sizeof(*f));
    f->listener = l;
    f->peer = *peer;
    f->local = *local;
    f->since = entry->questions + 1;
    f->used = now_s();
    STAILQ_INIT(&f->held);
    TAILQ_INSERT_HEAD(&near->flows, f, link);
    l->port->flows++;
    near->counts.flows++;
    if (!event_pending(near->sweep, EV_TIMEOUT, NULL))
        event_add(near->sweep, &(struct timeval){NEAR_SWEEP_S, 0});
    near->events->on_question(entry);
    return f;
}

/* ---- to the container ---- */

static void send_on(struct near_flow *f, struct str bytes)
{
    struct near_entry *entry = entry_of(f);

    if (relay_send(entry->relay, f->number, bytes))
        entry->near->counts.datagrams_in++;
    else
        entry->near->counts.lost++;
}

static void open_flow(struct near_flow *f)
{
    struct near_entry *entry = entry_of(f);
    struct near_datagram *d;
    unsigned port = (unsigned)strtoul(f->listener->port->name, NULL, 10);

    f->number = relay_open(entry->relay, entry->address, port);
    if (!f->number) {
        end_flow(f);
        return;
    }
    entry->near->counts.flows_carried++;
    while ((d = take_held(f))) {
        send_on(f, str_of(d->bytes, d->len));
        free(d);
    }
}

static void take(struct near_listener *l, const union near_address *peer,
                 const union near_address *local, struct str bytes)
{
    struct near *near = l->port->entry->near;
    struct near_flow *f;

    if (bytes.len > WIRE_DATAGRAM_MOST) {
        near->counts.lost++;
        return;
    }
    f = find_flow(l, peer, local);
    if (!f)
        f = new_flow(l, peer, local);
    f->used = now_s();
    TAILQ_REMOVE(&near->flows, f, link);
    TAILQ_INSERT_HEAD(&near->flows, f, link);
    if (f->number)
        send_on(f, bytes);
    else
        hold(f, bytes);
}

void near_flow_turn(struct turn *turn)
{
    static char bytes[READ_SIZE];
    struct near_listener *l =
        (struct near_listener *)((char *)turn -
                                 offsetof(struct near_listener, turn));
    union near_address peer, local;

    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t n = near_receive_from(l, bytes, sizeof(bytes), &peer, &local);

        if (n < 0) {
            event_add(l->event, NULL);
            return;
        }
        take(l, &peer, &local, str_of(bytes, (size_t)n));
    }
    turn_wake(turn);
}

void near_on_datagrams(evutil_socket_t fd, short what, void *arg)
{
    struct near_listener *l = arg;

    (void)fd;
    (void)what;
    event_del(l->event);
    turn_wake(&l->turn);
}

/* ---- from the relay ---- */

static struct near_flow *find_number(const struct near_entry *entry,
                                     uint32_t number)
{
    struct near_flow *f;

    TAILQ_FOREACH(f, &entry->near->flows, link)
    {
        if (f->number == number && entry_of(f) == entry)
            return f;
    }
    return NULL;
}

/* Those that are confirmed can be opened. */
static void on_ready(struct near_entry *entry)
{
    struct near_flow *f, *next;

    for (f = TAILQ_FIRST(&entry->near->flows); f; f = next) {
        next = TAILQ_NEXT(f, link);
        if (entry_of(f) == entry && f->confirmed && !f->number)
            open_flow(f);
    }
}

static void on_datagram(struct near_entry *entry, uint32_t number,
                        struct str bytes)
{
    struct near_flow *f = find_number(entry, number);

    if (!f)
        return; /* it has ended here */
    f->answered = true;
    f->used = now_s();
    if (near_send_to(f->listener, &f->peer, &f->local, bytes))
        entry->near->counts.datagrams_out++;
    else
        entry->near->counts.lost++;
}

/* The address may be another by now: the next datagram has it asked for. */
static void on_closed(struct near_entry *entry, uint32_t number)
{
    struct near_flow *f = find_number(entry, number);

    if (f)
        end_flow(f);
}

/* Those that wait for an inspect may find another relay. */
static void end_confirmed(struct near_entry *entry)
{
    struct near_flow *f, *next;

    for (f = TAILQ_FIRST(&entry->near->flows); f; f = next) {
        next = TAILQ_NEXT(f, link);
        if (entry_of(f) == entry && f->confirmed)
            end_flow(f);
    }
}

static const struct near_relay_events relay_events = {
    .on_ready = on_ready,
    .on_datagram = on_datagram,
    .on_closed = on_closed,
    .on_end = end_confirmed,
};

/* ---- what happens to its container ---- */

static bool leads_there(const struct near_flow *f)
{
    const struct near_entry *entry = entry_of(f);

    return entry->running && entry->address && f->listener->port->engine_port;
}

void near_flow_answered(struct near_entry *entry)
{
    struct near_flow *f, *next;

    for (f = TAILQ_FIRST(&entry->near->flows); f; f = next) {
        next = TAILQ_NEXT(f, link);
        if (entry_of(f) != entry || f->confirmed ||
            (int)(entry->answers - f->since) < 0)
            continue;
        if (leads_there(f) && near_relay_begin(entry, &relay_events))
            f->confirmed = true;
        else
            end_flow(f);
    }
    if (entry->relays)
        on_ready(entry);
}

void near_flow_restart(struct near_entry *entry)
{
    near_relay_drop(entry);
    end_confirmed(entry);
}

void near_flow_unlisten(struct near_listener *l)
{
    struct near_flow *f, *next;

    for (f = TAILQ_FIRST(&l->port->entry->near->flows); f; f = next) {
        next = TAILQ_NEXT(f, link);
        if (f->listener == l)
            end_flow(f);
    }
}

/* ---- idle ones ---- */

static bool has_flows(const struct near_entry *entry)
{
    for (size_t i = 0; i < entry->port_count; i++) {
        if (entry->ports[i].flows)
            return true;
    }
    return false;
}

static void sweep_relay(struct near_entry *entry, uint64_t now)
{
    if (!entry->relay)
        return;
    if (has_flows(entry))
        entry->relay_idle = now;
    else if (now - entry->relay_idle >= NEAR_RELAY_S)
        near_relay_drop(entry);
}

void near_flow_sweep(struct near *near, uint64_t now)
{
    struct near_flow *f, *next;
    struct near_entry *entry;

    for (f = TAILQ_FIRST(&near->flows); f; f = next) {
        next = TAILQ_NEXT(f, link);
        if (now - f->used >= (f->answered ? NEAR_TALK_S : NEAR_FLOW_S))
            end_flow(f);
    }
    TAILQ_FOREACH(entry, &near->entries, link)
    sweep_relay(entry, now);
    if (near->counts.flows || near->relays)
        event_add(near->sweep, &(struct timeval){NEAR_SWEEP_S, 0});
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    near_flow_sweep(arg, now_s());
}

void near_flow_init(struct near *near)
{
    TAILQ_INIT(&near->flows);
    near->sweep = event_new(near->base, -1, 0, on_sweep, near);
}

void near_flow_fini(struct near *near)
{
    event_free(near->sweep);
}
