#include <errno.h>
#include <string.h>

#include "proxy/base/log.h"
#include "proxy/near/near_private.h"

/* Connections to a port of TCP are taken while there is room for them. */

enum { ACCEPTS_PER_TURN = 64 };

/* No connection is taken for a moment. */
static void pause_listener(struct near_listener *l)
{
    event_del(l->event);
    event_add(l->pause, &(struct timeval){0, 200 * 1000});
}

/* Nobody tells when another's bytes are gone, or a stream: it is looked for. */
static bool has_room(struct near_listener *l)
{
    struct near *near = l->port->entry->near;
    bool lingers = upstream_lingering(near->upstream, near) >= LIMIT_GIVEN_UP;

    if (!lingers && memory_has_room(near->memory, LIMIT_PORT_INPUT))
        return true;
    if (!near->told_crowded)
        log_warn("ports: connections to %s of %s wait: %s", l->port->name,
                 l->port->entry->name,
                 lingers ? "so many that ended are not closed yet, since their "
                           "containers do not read what was sent to them"
                         : "berth holds as many bytes of this listener's "
                           "clients as it may");
    near->told_crowded = true;
    pause_listener(l);
    return false;
}

void near_on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct near_listener *l = arg;
    struct near *near = l->port->entry->near;

    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int client;

        if (near->counts.connections >= LIMIT_PORT_CONNECTIONS ||
            near->opening >= NEAR_OPENING) {
            near->starved = true;
            event_del(l->event);
            return;
        }
        if (!has_room(l))
            return;
        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client >= 0) {
            near_conn_new(l->port, client);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return;
        log_error("ports: cannot accept connections to %s of %s: %s",
                  l->port->name, l->port->entry->name, strerror(errno));
        pause_listener(l);
        return;
    }
}

void near_on_pause_end(evutil_socket_t fd, short what, void *arg)
{
    struct near_listener *l = arg;

    (void)fd;
    (void)what;
    event_add(l->event, NULL);
}

void near_accept_on(struct near *near)
{
    struct near_entry *entry;
    struct near_listener *l;

    near->starved = false;
    TAILQ_FOREACH(entry, &near->entries, link)
    {
        TAILQ_FOREACH(l, &entry->listeners, link)
        {
            if (!event_pending(l->pause, EV_TIMEOUT, NULL))
                event_add(l->event, NULL);
        }
    }
}
