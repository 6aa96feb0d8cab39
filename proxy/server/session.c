#include "proxy/server/session_private.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    /*
     * Then it is another's turn: at most one request is taken, and at most
     * SESSION_READ_BYTES are read of either side, in each pass.
     */
    TURN_PASSES = 8,
    DRAIN_S = 2,
    PAUSE_MS = 250, /* before a request that an engine is too busy for */
};

/* ---- closing ---- */

static void session_close(struct session *s)
{
    if (s->closed)
        return;
    s->closed = true;
    session_drop_stream(s, false);
    event_del(s->io);
    event_del(s->room);
    event_del(s->timer);
    close(s->fd);
    s->fd = -1;
    turn_wake(&s->turn); /* freed there, under no callback */
}

static void session_free(struct session *s)
{
    struct frontend *frontend = s->frontend;

    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    frontend->session_count--;
    memory_use(&frontend->memory, &s->memory, 0);
    connection_free(s->connection);
    backend_unref(s->backend);
    strbuf_fini(&s->held);
    free(s->caller);
    event_free(s->io);
    event_free(s->room);
    turn_cancel(&s->turn);
    event_free(s->timer);
    free(s);
    if (frontend->session_count == 0 && frontend->on_empty)
        frontend->on_empty(frontend, frontend->on_empty_arg);
}

/* ---- time ---- */

static unsigned timeout_ms(const struct session *s, enum connection_timer timer)
{
    const struct policy *policy = s->frontend->policy;

    switch (timer) {
    case TIMER_HEAD:
        return policy->timeouts.head;
    case TIMER_IDLE:
        return policy->timeouts.idle;
    case TIMER_BODY:
    case TIMER_FLUSH:
        return policy->timeouts.body;
    case TIMER_LINK:
        return policy->upstream.wait_ms;
    case TIMER_TURN:
        return policy->limits.wait;
    case TIMER_PAUSE:
        return PAUSE_MS;
    case TIMER_DRAIN:
        return DRAIN_S * 1000;
    case TIMER_NONE:
        break;
    }
    return 0;
}

static void set_timer(struct session *s)
{
    const struct connection_wish wish = connection_wish(s->connection);
    enum connection_timer timer = wish.timer;
    unsigned ms = timeout_ms(s, timer);
    const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    if (timer == s->timer_for && wish.timer_turn == s->timer_turn)
        return;
    s->timer_for = timer;
    s->timer_turn = wish.timer_turn;
    if (timer == TIMER_NONE)
        event_del(s->timer);
    else
        event_add(s->timer, &tv);
}

/* The link stayed away too long: its own words say why. */
static void link_timeout(struct session *s)
{
    AUTO(strbuf_fini) struct strbuf buffer = STRBUF(LIMIT_ERROR_TEXT);
    struct upstream_status status;
    unsigned retry_after;
    const char *why;

    upstream_get_status(s->backend->upstream, &status);
    retry_after = status.retry_ms / 1000 + 1;
    if (!status.up && status.why)
        why = status.why;
    else if (frontend_admits(s->frontend, &why))
        why = "the engine's host did not open a channel in time";
    why = session_why(s, why, &buffer);
    if (connection_wish(s->connection).ask)
        connection_ask_failed(s->connection, why, retry_after);
    else
        connection_stream_failed(s->connection, why, retry_after, true);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;
    enum connection_timer timer = s->timer_for;

    (void)fd;
    (void)what;
    s->timer_for = TIMER_NONE;
    if (timer == TIMER_LINK)
        link_timeout(s);
    else
        connection_timeout(s->connection);
    session_wake(s);
}

/* ---- the only place where wishes become calls ---- */

/*
 * Do what the exchange wishes and the world allows, until nothing goes on or
 * the turn is over. One step may change what the others have to do (a stream
 * that opens makes bytes for it, a request that is over lets the next be
 * read), so they are gone through again while any of them did something. Their
 * order within a pass: what is given up before what is taken, so that a
 * subrequest is never asked over a backend that is on its way out; bytes to a
 * side before bytes from it, so that a full buffer does not stop reading for
 * longer than it must.
 */
static void session_settle(struct session *s)
{
    size_t passes = 0;

    session_watch_client(s);
    for (bool progress = true; progress;) {
        progress = session_settle_stream(s);
        progress |= session_settle_lookups(s);
        progress |= session_write_engine(s);
        progress |= session_read_engine(s);
        progress |= session_write_client(s);
        progress |= session_read_client(s);
        session_settle_backend(s);
        if (connection_wish(s->connection).close &&
            !connection_output(s->connection, CLIENT).len) {
            session_settle_stream(s);
            session_close(s);
            return;
        }
        if (progress && ++passes == TURN_PASSES) {
            session_wake(s);
            break;
        }
    }
    session_account(s);
    set_timer(s);
}

static void on_turn(struct turn *turn)
{
    struct session *s =
        (struct session *)((char *)turn - offsetof(struct session, turn));

    if (s->closed) {
        session_free(s);
        return;
    }
    s->may_read = SESSION_READ_BYTES;
    connection_turn(s->connection);
    session_settle(s);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;

    (void)fd;
    s->readable |= (what & (EV_READ | EV_CLOSED)) != 0;
    s->half_closed |= (what & EV_CLOSED) != 0;
    s->writable |= (what & EV_WRITE) != 0;
    session_wake(s);
}

static struct session *begin(struct frontend *frontend, int fd, bool busy,
                             const char *caller)
{
    struct session *s = xcalloc(1, sizeof(*s));
    struct event_base *base = frontend->runtime->base;

    s->frontend = frontend;
    turn_init(&s->turn, &frontend->turns, on_turn);
    s->fd = fd;
    s->held.max = SESSION_READ_BYTES;
    s->caller = caller ? xstrdup(caller) : NULL;
    session_engine_init(s);
    session_host_init(s, busy);
    s->connection = connection_new(&s->host);
    s->io =
        event_new(base, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_io, s);
    s->room = event_new(base, fd, EV_WRITE | EV_ET | EV_PERSIST, on_io, s);
    s->timer = event_new(base, -1, 0, on_timer, s);
    s->writable = true;
    event_add(s->io, NULL);
    s->next = frontend->sessions;
    s->link = &frontend->sessions;
    if (s->next)
        s->next->link = &s->next;
    frontend->sessions = s;
    frontend->session_count++;
    set_timer(s);
    return s;
}

struct session *session_new(struct frontend *frontend, int fd, bool busy)
{
    return begin(frontend, fd, busy, NULL);
}

struct session *session_new_from(struct frontend *frontend, int fd, bool busy,
                                 const struct companion_caller *caller)
{
    return begin(frontend, fd, busy, caller->id);
}

void session_shutdown(struct session *s, enum connection_end end)
{
    connection_shutdown(s->connection, end);
    if (end != END_NOW) {
        session_wake(s);
        return;
    }
    /* what tells the client, as far as its socket takes it at once */
    while (!s->closed && session_write_client(s))
        ;
    session_close(s);
}

struct session *session_next(const struct session *s)
{
    return s->next;
}

const struct connection *session_connection(const struct session *s)
{
    return s->connection;
}
