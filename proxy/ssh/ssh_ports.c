#include "proxy/ssh/ssh_ports.h"

#include <stdlib.h>

#include "proxy/base/clock.h"
#include "proxy/ssh/ssh_links.h"
#include "proxy/ssh/ssh_ports_private.h"

enum {
    TICK_MS = 100,
};

static struct ssh_ports *ports_of(struct upstream *upstream)
{
    return (struct ssh_ports *)upstream;
}

static bool has_joined(const struct ssh_ports *ports)
{
    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        if (ports->places[i].joined)
            return true;
    }
    return false;
}

/* True: it is known which engine requests go to; else it will be told. */
static bool knows_engine(struct ssh_ports *ports)
{
    struct upstream_status status;

    if (ports->engine.told || ports->engine.pool)
        return ports->engine.told;
    upstream_get_status(ports->main, &status);
    if (status.up &&
        (ssh_ports_is_any_waiting(ports) || ssh_ports_count(ports)))
        engine_id_ask(&ports->engine, ports->main);
    return false;
}

/* ---- what waits goes on, or ends ---- */

/* No link takes ports, and none will soon. */
static bool has_no_links(const struct ssh_ports *ports)
{
    if (has_joined(ports))
        return false;
    if (ports->alone || !*ports->engine.id)
        return true;
    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        const struct ssh_place *p = &ports->places[i];

        if (p->link && p->link->why.len) /* it has failed */
            return true;
    }
    return false;
}

static struct ssh_mux *main_mux(struct ssh_ports *ports)
{
    struct ssh_mux *mux = ports->config->links > 1
                              ? ssh_links_next(ports->main)
                              : &((struct ssh_link *)ports->main)->mux;

    return mux && mux->count < LIMIT_CHANNELS ? mux : NULL;
}

static void send_with_requests(struct ssh_ports *ports)
{
    struct ssh_mux *mux;

    while (ssh_ports_is_any_waiting(ports) && (mux = main_mux(ports)))
        ssh_mux_move_one(&ports->waiting, mux,
                         TAILQ_FIRST(&ports->waiting.in[SSH_CHANNEL_QUEUED]));
}

/* Have links take what waits, and make one if all are held up. */
static void send_on(struct ssh_ports *ports)
{
    struct ssh_place *empty = NULL;
    bool held_up = true;

    if (has_no_links(ports))
        send_with_requests(ports);
    if (!ssh_ports_next(ports))
        return;
    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        struct ssh_place *p = &ports->places[i];

        if (ssh_place_is_free(p))
            waker_wake(&p->link->mux.waker);
        if (!p->link)
            empty = p;
        else if (!p->joined || !ssh_place_takes(p, LIMIT_PORT_SLOW_MS))
            held_up = false;
    }
    if (held_up && empty && !ports->alone)
        ssh_place_make(empty);
}

/* The first of those that wait, if it has waited for too long. */
static bool expire_waiting(struct ssh_ports *ports)
{
    struct ssh_channel *ch =
        TAILQ_FIRST(&ports->waiting.in[SSH_CHANNEL_QUEUED]);
    uint64_t most = ports->config->connect_timeout_ms + LIMIT_PORT_OPEN_MS;

    if (!ch || clock_ms() - ch->since < most)
        return false;
    ssh_mux_leave(&ports->waiting, ch);
    ssh_channel_end(ch, has_joined(ports)
                            ? "ports that do not answer are waited for before"
                            : "there is no SSH connection for ports");
    return true;
}

static void set_timer(struct ssh_ports *ports)
{
    bool wanted = ssh_ports_is_any_waiting(ports) || ssh_ports_count(ports) > 1;

    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++)
        wanted = wanted || ssh_place_opening(&ports->places[i]);
    if (wanted)
        event_add(ports->timer, &(struct timeval){0, TICK_MS * 1000});
}

static void destroy(struct ssh_ports *ports)
{
    ssh_mux_fini(&ports->waiting, "the link is shut down");
    soon_fini(&ports->run);
    event_free(ports->timer);
    free(ports);
}

static void go_on(struct ssh_ports *ports)
{
    bool known = knows_engine(ports);

    ports->none_may = false;
    engine_id_rest(&ports->engine);
    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        engine_id_rest(&ports->places[i].engine);
        if (known)
            ssh_place_compare(&ports->places[i]);
        ssh_place_expire(&ports->places[i]);
        ssh_place_tidy(&ports->places[i]);
    }
    if (ports->doomed) /* by the owner of a stream on a refused link */
        return;
    if (known) {
        while (expire_waiting(ports))
            ;
        send_on(ports);
    }
    set_timer(ports);
}

static void on_run(evutil_socket_t fd, short what, void *arg)
{
    struct ssh_ports *ports = arg;

    (void)fd;
    (void)what;
    ssh_mux_idle(&ports->waiting);
    if (ports->doomed)
        destroy(ports);
    else
        go_on(ports);
}

static void wake(void *arg)
{
    struct ssh_ports *ports = arg;

    soon_call(&ports->run);
}

static void on_told(void *arg)
{
    wake(arg);
}

static void on_place_told(void *arg)
{
    struct ssh_place *p = arg;

    wake(p->ports);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    wake(arg);
}

/* ---- as an upstream ---- */

/* Requests may go to another engine from now on. */
static void on_main(struct upstream *upstream, void *arg)
{
    struct ssh_ports *ports = arg;
    struct upstream_status status;

    upstream_get_status(upstream, &status);
    if (!status.up || status.generation != ports->generation) {
        ports->generation = status.generation;
        ports->refusals = 0;
        ports->alone = false;
        engine_id_stop(&ports->engine);
        for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++)
            ssh_place_unjoin(&ports->places[i]);
    }
    wake(ports);
    if (ports->upstream.on_status)
        ports->upstream.on_status(&ports->upstream, ports->upstream.status_arg);
}

static struct stream *open_stream(struct upstream *upstream,
                                  stream_cb on_change, void *arg)
{
    return upstream_open(ports_of(upstream)->main, on_change, arg);
}

static struct stream *open_port(struct upstream *upstream, const char *address,
                                unsigned port, stream_cb on_change, void *arg)
{
    struct ssh_ports *ports = ports_of(upstream);
    size_t all = ports->waiting.count;
    struct stream *stream;

    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        if (ports->places[i].link)
            all += ports->places[i].link->mux.count;
    }
    if (all >= LIMIT_CHANNELS)
        return NULL;
    stream = ssh_mux_open_port(&ports->waiting, address, port, on_change, arg);
    if (stream)
        ((struct ssh_channel *)stream)->since = clock_ms();
    return stream;
}

static size_t lingering(const struct upstream *upstream, const void *who)
{
    const struct ssh_ports *ports = (const struct ssh_ports *)upstream;
    size_t count = upstream_lingering(ports->main, who);

    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        if (ports->places[i].link)
            count += ssh_mux_lingering(&ports->places[i].link->mux, who);
    }
    return count;
}

static bool reject(struct upstream *upstream, const char *why)
{
    return upstream_reject(ports_of(upstream)->main, why);
}

static void status(const struct upstream *upstream,
                   struct upstream_status *status)
{
    const struct ssh_ports *ports = (const struct ssh_ports *)upstream;

    upstream_get_status(ports->main, status);
    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        const struct ssh_link *link = ports->places[i].link;

        if (link)
            status->channels += (unsigned)link->mux.count;
    }
}

static void free_ports(struct upstream *upstream)
{
    struct ssh_ports *ports = ports_of(upstream);

    ports->doomed = true;
    ports->upstream.on_status = NULL;
    event_del(ports->timer);
    engine_id_fini(&ports->engine);
    ports->main->on_status = NULL;
    upstream_free(ports->main);
    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        if (ports->places[i].link)
            ssh_place_drop(&ports->places[i]);
        engine_id_fini(&ports->places[i].engine);
    }
    wake(ports); /* owners of streams are told from a turn of our own */
}

struct upstream *ssh_ports_new(struct event_base *base,
                               const struct upstream_config *config)
{
    static const struct upstream_ops ops = {
        .open = open_stream,
        .open_port = open_port,
        .lingering = lingering,
        .reject = reject,
        .status = status,
        .free = free_ports,
    };
    struct ssh_ports *ports = xcalloc(1, sizeof(*ports));

    ports->upstream.ops = &ops;
    ports->base = base;
    ports->config = config;
    ports->main = config->links > 1 ? ssh_links_new(base, config)
                                    : ssh_link_new(base, config);
    ports->main->on_status = on_main;
    ports->main->status_arg = ports;
    engine_id_init(&ports->engine, base, on_told, ports);
    for (unsigned i = 0; i < LIMIT_PORT_LINKS; i++) {
        ports->places[i].ports = ports;
        engine_id_init(&ports->places[i].engine, base, on_place_told,
                       &ports->places[i]);
    }
    soon_init(&ports->run, base, on_run, ports);
    ports->timer = event_new(base, -1, EV_TIMEOUT, on_timer, ports);
    ssh_mux_init(&ports->waiting, config, &(struct waker){base, wake, ports});
    return &ports->upstream;
}
