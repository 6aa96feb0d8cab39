#include <stdlib.h>

#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/companion/wire.h"
#include "proxy/near/near_private.h"

/* The way to a container for datagrams: there while some flow needs it. */

_Static_assert(LIMIT_PORT_FLOWS <= WIRE_FLOWS, "a relay has to hold them all");

/* What it holds at most, besides what the link does. */
enum { RELAY_MEMORY = MIB };

static void tell_why(struct near_entry *entry, const char *why)
{
    struct near *near = entry->near;

    if (!near->told_no_relay)
        log_warn("ports: datagrams to %s are not carried: %s", entry->name,
                 why);
    near->told_no_relay = true;
}

void near_relay_drop(struct near_entry *entry)
{
    if (!entry->relay)
        return;
    entry->near->relays--;
    entry->relay = relay_free(entry->relay);
    entry->relays = false;
}

static void on_ready(void *arg)
{
    struct near_entry *entry = arg;

    entry->relays = true;
    entry->near->told_no_relay = false;
    backoff_reset(&entry->backoff);
    entry->relay_events->on_ready(entry);
}

static void on_datagram(uint32_t flow, struct str bytes, void *arg)
{
    struct near_entry *entry = arg;

    entry->relay_events->on_datagram(entry, flow, bytes);
}

static void on_closed(uint32_t flow, void *arg)
{
    struct near_entry *entry = arg;

    entry->relay_events->on_closed(entry, flow);
}

static void on_end(const char *why, void *arg)
{
    struct near_entry *entry = arg;

    tell_why(entry, why);
    near_relay_drop(entry);
    entry->relay_again = clock_ms() + backoff_next(&entry->backoff, false);
    entry->relay_events->on_end(entry);
}

bool near_relay_begin(struct near_entry *entry,
                      const struct near_relay_events *events)
{
    struct near *near = entry->near;
    const struct relay_config config = {
        .base = near->base,
        .turns = near->turns,
        .memory = near->memory,
        .pool = near->pool,
        .ns = str_from(near->ns),
        .target = str_from(entry->id),
        .started = str_from(entry->started),
        .on_ready = on_ready,
        .on_datagram = on_datagram,
        .on_closed = on_closed,
        .on_end = on_end,
        .arg = entry,
    };

    if (entry->relay)
        return true;
    if (clock_ms() < entry->relay_again)
        return false;
    if (near->relays >= LIMIT_PORT_RELAYS) {
        tell_why(entry, "as many containers as may be have some under way");
        return false;
    }
    if (!memory_has_room(near->memory, RELAY_MEMORY)) {
        tell_why(entry, SUBREQUEST_CROWDED);
        return false;
    }
    near->relays++;
    entry->relay_idle = clock_ms() / 1000;
    entry->relay_events = events;
    entry->relay = relay_new(&config);
    return true;
}
