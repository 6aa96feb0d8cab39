#include "proxy/ssh/ssh_link.h"

#include <errno.h>
#include <stdlib.h>

#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/ssh/ssh_link_private.h"

#define STABLE_MS        10000 /* up so long, a link counts as a success */
#define PROBES_A_DEATH   3     /* ticks in dead_after_ms */
#define SHORTEST_TICK_MS 100U

static void set_timer(struct ssh_link *l, unsigned ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    event_add(l->timer, &tv);
}

static void wake(void *arg)
{
    struct ssh_link *l = arg;

    soon_call(&l->run);
}

/* Callbacks of others run only between these two, so that they may free us. */
void ssh_link_begin(struct ssh_link *l)
{
    l->depth++;
}

void ssh_link_end(struct ssh_link *l)
{
    if (l->depth == 1)
        ssh_mux_deliver(&l->mux);
    if (--l->depth == 0 && l->doomed)
        ssh_link_destroy(l);
}

static void tell_status(struct ssh_link *l)
{
    if (l->upstream.on_status && !l->doomed)
        l->upstream.on_status(&l->upstream, l->upstream.status_arg);
}

static void drop_event(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

/* Back to nothing: whatever stage the connection was in. */
static void disconnect(struct ssh_link *l, const char *why)
{
    ssh_dial_end(l);
    drop_event(&l->readable);
    drop_event(&l->writable);
    ssh_mux_detach(&l->mux, why);
    ssh_login_fini(&l->login);
    ssh_transport_fini(&l->transport);
    stream_close(l->way);
    l->way = NULL;
    ssh_jump_end(l);
}

/* The connection is lost, or could not be made. */
void ssh_link_fail_at(struct ssh_link *l, enum upstream_stage stage,
                      unsigned hops, bool stubborn, struct str reason)
{
    bool was_up = l->state == LINK_UP;
    const char *why;
    unsigned pause;

    strbuf_clear(&l->why);
    strbuf_add(&l->why, reason);
    why = strbuf_cstr(&l->why);
    if (was_up && clock_ms() - l->began_at >= STABLE_MS)
        backoff_reset(&l->backoff);
    pause = backoff_next(&l->backoff, stubborn);
    if (!ssh_jump_is_one(l)) /* else its owner says it */
        log_warn("link: %s to %s: %s; next try in %u ms",
                 was_up ? "lost" : "not made", l->config->url, why, pause);
    l->failed_at = stage;
    l->hops = hops;
    l->stubborn = stubborn;
    disconnect(l, why);
    ssh_link_enter(l, LINK_DOWN);
    l->retry_at = clock_ms() + pause;
    set_timer(l, pause);
    tell_status(l);
}

/* For a reason of its own. */
void ssh_link_fail(struct ssh_link *l, bool stubborn,
                   const struct strbuf *reason)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);

    if (ssh_jump_is_one(l))
        strbuf_addf(&why, "jump host %s: ", l->config->host);
    strbuf_add(&why, str_head(strbuf_str(reason), SSH_LINK_WHY - why.len));
    ssh_link_fail_at(l, ssh_link_stage(l), ssh_jump_behind(l), stubborn,
                     strbuf_str(&why));
}

static unsigned tick_ms(const struct ssh_link *l)
{
    unsigned ms = l->config->dead_after_ms / PROBES_A_DEATH;

    return ms < SHORTEST_TICK_MS ? SHORTEST_TICK_MS : ms;
}

static void come_up(struct ssh_link *l)
{
    const char *cipher =
        libssh2_session_methods(l->login.session, LIBSSH2_METHOD_CRYPT_CS);

    ssh_link_enter(l, LINK_UP);
    log_info("link: up to %s%s after %llu ms, cipher %s",
             ssh_jump_is_one(l) ? "jump host " : "", l->config->url,
             (unsigned long long)(clock_ms() - l->began_at),
             cipher ? cipher : "?");
    l->began_at = clock_ms();
    l->alive_at = l->began_at;
    l->ticked_at = l->began_at;
    l->generation++;
    l->transport.eager = false;
    strbuf_clear(&l->why);
    ssh_transport_watch(&l->transport, l->config->dead_after_ms,
                        PROBES_A_DEATH);
    set_timer(l, tick_ms(l));
    tell_status(l);
}

/* One step of whatever the link is at. 0, -EAGAIN, or an outcome to fail with,
 * and the reason in *WHY. */
static int step(struct ssh_link *l, struct strbuf *why)
{
    int r;

    ssh_transport_begin_pass(&l->transport);
    if (l->state == LINK_LOGIN) {
        r = ssh_login_step(&l->login, why);
        if (r)
            return r;
        ssh_link_enter(l, LINK_STARTING);
        ssh_mux_attach(&l->mux, l->login.session, &l->transport);
    }
    if (l->state == LINK_STARTING) {
        r = ssh_mux_start(&l->mux, why);
        if (r == SSH_MUX_E_REFUSED)
            return SSH_LOGIN_E_REFUSED;
        if (r == -EAGAIN)
            return r;
        if (r == 0)
            come_up(l);
    }
    r = l->state == LINK_UP ? ssh_mux_run(&l->mux) : -EIO;
    if (r < 0) {
        ssh_login_explain(&l->login, why);
        return SSH_LOGIN_E_FAILED;
    }
    return 0;
}

static void flush(struct ssh_link *l)
{
    bool full = ssh_transport_is_full(&l->transport, true);

    ssh_transport_flush(&l->transport); /* the next step meets its error */
    if (l->transport.stream && l->transport.error)
        wake(l);
    if (l->writable && (l->transport.out.len || l->transport.error))
        event_add(l->writable, NULL);
    if (full && !ssh_transport_is_full(&l->transport, true))
        wake(l);
}

void ssh_link_run(struct ssh_link *l)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);
    int r;

    if (l->state < LINK_LOGIN)
        return;
    r = step(l, &why);
    if (r > 0)
        ssh_link_fail(l, r == SSH_LOGIN_E_REFUSED, &why);
    else
        flush(l);
}

static void on_run(evutil_socket_t fd, short what, void *arg)
{
    struct ssh_link *l = arg;

    (void)fd;
    (void)what;
    ssh_link_begin(l);
    if (!l->doomed)
        ssh_link_run(l);
    ssh_link_end(l);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct ssh_link *l = arg;

    (void)fd;
    (void)what;
    ssh_link_begin(l);
    ssh_transport_fill(&l->transport); /* libssh2 meets its error */
    ssh_link_run(l);
    ssh_link_end(l);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct ssh_link *l = arg;

    (void)fd;
    (void)what;
    ssh_link_begin(l);
    ssh_transport_flush(&l->transport);
    ssh_link_run(l);
    ssh_link_end(l);
}

/* There is a way to the server: log in there. */
void ssh_link_log_in(struct ssh_link *l)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);

    ssh_link_enter(l, LINK_LOGIN);
    if (ssh_login_init(&l->login, l->config, &l->transport, &l->waker, &why))
        ssh_link_fail(l, true, &why);
    else
        ssh_link_run(l);
}

/* FD is connected to the server. */
static void log_in_on(struct ssh_link *l, int fd)
{
    ssh_transport_init(&l->transport, fd);
    l->readable =
        event_new(l->waker.base, fd, EV_READ | EV_PERSIST, on_readable, l);
    l->writable = event_new(l->waker.base, fd, EV_WRITE, on_writable, l);
    event_add(l->readable, NULL);
    ssh_link_log_in(l);
}

static void on_socket(struct ssh_link *l, int fd, const struct strbuf *why)
{
    ssh_link_begin(l);
    if (fd < 0)
        ssh_link_fail(l, false, why);
    else
        log_in_on(l, fd);
    ssh_link_end(l);
}

static void dial(struct ssh_link *l)
{
    ssh_link_enter(l, LINK_DIALING);
    l->began_at = clock_ms();
    /* one clock for all of it: the timer covers what comes after dialing, which
     * knows better why it was too late */
    set_timer(l, l->config->connect_timeout_ms + 1);
    if (l->config->jump)
        ssh_jump_start(l);
    else
        ssh_dial_start(l, on_socket);
}

/* While up: is the server still there? */
static void tick(struct ssh_link *l)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);
    uint64_t now = clock_ms(), since = now - l->ticked_at, silence;

    /* whoever slept, or was stopped, cannot tell that the server was silent */
    if (since > 2 * tick_ms(l))
        l->alive_at += since - tick_ms(l);
    l->ticked_at = now;
    if (l->transport.received != l->received) {
        l->received = l->transport.received;
        l->alive_at = now;
    }
    silence = now - l->alive_at;
    if (silence > l->config->dead_after_ms) {
        strbuf_addf(&why, "the SSH server has not answered for %u ms",
                    (unsigned)silence);
        ssh_link_fail(l, false, &why);
        return;
    }
    ssh_mux_tick(&l->mux);
    if (silence && !l->mux.probing) {
        ssh_mux_probe(&l->mux);
        flush(l);
    }
    set_timer(l, tick_ms(l));
}

/* The time for all of it is over. */
static void fail_late(struct ssh_link *l)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);
    const struct ssh_link *front = ssh_jump_front(l);
    /* nobody should be asked again at once who was not there */
    bool stubborn = front->state == LINK_LOGIN &&
                    ssh_auth_waits_for_agent(&front->login.auth);

    if (front != l)
        strbuf_addf(&why, "jump host %s: ", front->config->host);
    strbuf_addf(&why, "no SSH login at %s within %u ms (%s)",
                front->config->host, l->config->connect_timeout_ms,
                ssh_link_doing(front));
    if (front != l)
        ssh_link_fail_at(l, ssh_link_stage(front), ssh_jump_behind(front),
                         stubborn, strbuf_str(&why));
    else
        ssh_link_fail(l, stubborn, &why);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct ssh_link *l = arg;

    (void)fd;
    (void)what;
    ssh_link_begin(l);
    if (l->state == LINK_DOWN) {
        dial(l);
    } else if (l->state == LINK_UP) {
        tick(l);
    } else {
        fail_late(l);
    }
    ssh_link_end(l);
}

static struct stream *open_stream(struct upstream *upstream,
                                  stream_cb on_change, void *arg)
{
    struct ssh_link *l = (struct ssh_link *)upstream;

    return ssh_mux_open(&l->mux, on_change, arg);
}

static struct stream *open_port(struct upstream *upstream, const char *address,
                                unsigned port, stream_cb on_change, void *arg)
{
    struct ssh_link *l = (struct ssh_link *)upstream;

    return ssh_mux_open_port(&l->mux, address, port, on_change, arg);
}

static size_t lingering(const struct upstream *upstream, const void *who)
{
    return ssh_mux_lingering(&((const struct ssh_link *)upstream)->mux, who);
}

static void status(const struct upstream *upstream,
                   struct upstream_status *status)
{
    ssh_link_get_status((const struct ssh_link *)upstream, status);
}

static bool reject(struct upstream *upstream, const char *why)
{
    AUTO(strbuf_fini) struct strbuf reason = STRBUF(SSH_LINK_WHY);
    struct ssh_link *l = (struct ssh_link *)upstream;

    if (l->state != LINK_UP)
        return true;
    l->skip++;
    strbuf_add(&reason, str_head(str_from(why), SSH_LINK_WHY));
    ssh_link_begin(l);
    ssh_link_fail(l, false, &reason);
    ssh_link_end(l);
    return true;
}

void ssh_link_destroy(struct ssh_link *l)
{
    static const char why[] = "the link is shut down";

    if (l->state == LINK_UP && !l->transport.error) {
        /* a courtesy; whether it still leaves does not matter */
        libssh2_session_disconnect(l->login.session, "bye");
        ssh_transport_flush(&l->transport);
    }
    disconnect(l, why);
    ssh_mux_fini(&l->mux, why);
    soon_fini(&l->run);
    drop_event(&l->timer);
    strbuf_fini(&l->why);
    free(l);
}

static void free_link(struct upstream *upstream)
{
    struct ssh_link *l = (struct ssh_link *)upstream;

    l->doomed = true;
    if (l->depth)
        return; /* ssh_link_end() does it */
    /* owners of streams are told from a turn of our own, the last */
    ssh_dial_end(l);
    drop_event(&l->readable);
    drop_event(&l->writable);
    drop_event(&l->timer);
    if (l->outer)
        l->outer->upstream.on_status = NULL;
    wake(l);
}

struct upstream *ssh_link_new(struct event_base *base,
                              const struct upstream_config *config)
{
    static const struct upstream_ops ops = {
        .open = open_stream,
        .open_port = open_port,
        .lingering = lingering,
        .reject = reject,
        .status = status,
        .free = free_link,
    };
    struct ssh_link *l = xcalloc(1, sizeof(*l));

    l->upstream.ops = &ops;
    l->waker = (struct waker){base, wake, l};
    l->config = config;
    l->transport.fd = -1;
    l->why = (struct strbuf)STRBUF(SSH_LINK_WHY);
    soon_init(&l->run, base, on_run, l);
    l->timer = event_new(base, -1, EV_TIMEOUT, on_timer, l);
    ssh_mux_init(&l->mux, config, &l->waker);
    l->retry_at = clock_ms();
    set_timer(l, 0);
    return &l->upstream;
}
