#include "proxy/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "policy/limits.h"
#include "proxy/enquiry.h"
#include "proxy/exchange.h"
#include "proxy/log.h"
#include "proxy/request.h"

enum {
    /* one session moves so much before it is another's turn */
    TURN_BYTES = 1024 * 1024,
    READ_BYTES = 128 * 1024,
    DRAIN_S = 2,
};

struct session {
    struct berth *berth;
    int fd;
    struct event *io;   /* edge-triggered: what it told is kept below */
    struct event *turn; /* settle again, in a turn of its own */
    struct event *timer;
    enum exchange_timer timer_for;
    uint64_t timer_turn;
    bool readable, writable;
    bool client_eof; /* read, and told to the exchange once HELD is empty */
    bool told_client_eof, told_engine_eof;
    bool shut[2];
    struct strbuf held; /* read from the client, not yet taken */
    struct exchange_host host;
    struct exchange *exchange;
    struct harbour *harbour; /* of the enquiry, and of the stream, while there
                                or awaited */
    struct enquiry *enquiry;
    struct stream *stream;
    struct pool_waiter waiter;
    bool waiting;
    bool closed;
    struct session *next, **link;
};

static void settle(struct session *s);

/* ---- what the exchange asks of the world ---- */

static struct policy *host_policy(void *arg)
{
    struct session *s = arg;

    return s->berth->policy;
}

static const struct engine_facts *host_engine(void *arg)
{
    struct session *s = arg;

    return engine_get(s->berth->harbour->engine);
}

static struct owned *host_owned(void *arg)
{
    struct session *s = arg;

    return s->berth->owned;
}

static uint64_t host_random(void *arg)
{
    uint64_t number = 0;

    (void)arg;
    if (getrandom(&number, sizeof(number), 0) < 0)
        number = (uint64_t)time(NULL);
    return number;
}

static uint64_t host_clock(void *arg)
{
    struct timespec now;

    (void)arg;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int host_audit(void *arg, struct str line)
{
    struct session *s = arg;

    return audit_sink_write(s->berth->audit, line);
}

static void host_identify(void *arg, char *id, size_t size)
{
    static uint64_t process, number;

    (void)arg;
    if (!process && getrandom(&process, sizeof(process), 0) < 0)
        process = (uint64_t)time(NULL);
    snprintf(id, size, "%012llx-%llu",
             (unsigned long long)(process & 0xffffffffffff),
             (unsigned long long)++number);
}

/* ---- closing ---- */

static void drop_stream(struct session *s, bool reusable)
{
    s->enquiry = enquiry_cancel(s->enquiry);
    if (s->waiting)
        pool_cancel(s->harbour->pool, &s->waiter);
    s->waiting = false;
    if (s->stream && reusable && !s->shut[ENGINE])
        pool_give(s->harbour->pool, s->stream);
    else if (s->stream)
        pool_discard(s->harbour->pool, s->stream);
    s->stream = NULL;
    s->harbour = harbour_unref(s->harbour);
    s->shut[ENGINE] = s->told_engine_eof = false;
}

static void session_close(struct session *s)
{
    if (s->closed)
        return;
    s->closed = true;
    drop_stream(s, false);
    event_del(s->io);
    event_del(s->timer);
    close(s->fd);
    s->fd = -1;
    event_active(s->turn, 0, 0); /* freed there, under no callback */
}

static void session_free(struct session *s)
{
    struct berth *berth = s->berth;

    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    berth->session_count--;
    exchange_free(s->exchange);
    strbuf_fini(&s->held);
    event_free(s->io);
    event_free(s->turn);
    event_free(s->timer);
    free(s);
    if (berth->session_count == 0 && berth->on_empty)
        berth->on_empty(berth, berth->on_empty_arg);
}

/* ---- the engine's side ---- */

static void on_stream_change(struct stream *stream, void *arg)
{
    (void)stream;
    settle(arg);
}

static void use_stream(struct session *s, struct stream *stream)
{
    s->waiting = false;
    s->stream = stream;
    stream->on_change = on_stream_change;
    stream->arg = s;
    exchange_stream_open(s->exchange);
}

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    struct session *s =
        (struct session *)((char *)waiter - offsetof(struct session, waiter));

    s->waiting = false;
    if (stream) {
        use_stream(s, stream);
    } else {
        engine_doubt(s->harbour->engine);
        exchange_stream_failed(s->exchange, why, 1, true);
    }
    settle(s);
}

static bool want_stream(struct session *s)
{
    struct stream *stream;

    if (s->stream || s->waiting)
        return false;
    if (!s->harbour)
        s->harbour = harbour_ref(s->berth->harbour);
    stream = pool_take(s->harbour->pool, &s->waiter);
    if (stream)
        use_stream(s, stream);
    else
        s->waiting = true;
    return true;
}

static void on_answer(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    struct session *s = arg;

    s->enquiry = NULL;
    if (head) {
        AUTO(json_decrefp) json_t *reply = reply_json_parse(body);

        exchange_answered(s->exchange, head->status, reply);
    } else {
        engine_doubt(s->harbour->engine);
        exchange_ask_failed(s->exchange, why, 1);
    }
    settle(s);
}

/* One question at a time: the next depends on what was answered. */
static bool settle_enquiry(struct session *s)
{
    bool ask = exchange_wish(s->exchange).ask;
    const struct question *question;

    if (ask == (s->enquiry != NULL))
        return false;
    if (!ask) {
        s->enquiry = enquiry_cancel(s->enquiry);
        return true;
    }
    if (!s->harbour)
        s->harbour = harbour_ref(s->berth->harbour);
    question = exchange_question(s->exchange);
    s->enquiry = enquiry_new(s->berth->base, s->harbour->pool, question->method,
                             strbuf_str(&question->target),
                             strbuf_str(&question->body), on_answer, s);
    return true;
}

static bool settle_stream(struct session *s)
{
    switch (exchange_wish(s->exchange).stream) {
    case STREAM_NONE:
        return false;
    case STREAM_WANTED:
        return want_stream(s);
    case STREAM_REUSABLE:
        drop_stream(s, true);
        break;
    case STREAM_SPENT:
        drop_stream(s, false);
        break;
    }
    exchange_stream_gone(s->exchange);
    return true;
}

static bool write_engine(struct session *s)
{
    struct str out = exchange_output(s->exchange, ENGINE);
    size_t sent = 0;

    if (!s->stream || s->stream->state == STREAM_CLOSED)
        return false;
    if (out.len) {
        sent = stream_write(s->stream, out);
        exchange_sent(s->exchange, ENGINE, sent);
    }
    if (sent == out.len && !s->shut[ENGINE] &&
        exchange_wish(s->exchange).shut[ENGINE]) {
        stream_shutdown(s->stream);
        s->shut[ENGINE] = true;
        return true;
    }
    return sent > 0;
}

/* The stream's end, after all it brought was taken. */
static bool settle_engine_end(struct session *s)
{
    struct stream *stream = s->stream;

    if (stream->state == STREAM_CLOSED && stream->why) {
        struct str why = str_from(stream->why);
        AUTO(strbuf_fini) struct strbuf copy = STRBUF(2 * LIMIT_REASON);

        strbuf_add(&copy, str_head(why, LIMIT_REASON));
        engine_doubt(s->harbour->engine);
        exchange_stream_failed(s->exchange, strbuf_cstr(&copy), 1,
                               stream->pristine);
        return true;
    }
    if (stream->eof && !s->told_engine_eof) {
        s->told_engine_eof = true;
        exchange_eof(s->exchange, ENGINE);
        return true;
    }
    if (stream->state == STREAM_CLOSED) {
        exchange_stream_failed(s->exchange, NULL, 0, stream->pristine);
        return true;
    }
    return false;
}

static bool read_engine(struct session *s)
{
    struct str in;
    size_t used;

    if (!s->stream || s->stream->state == STREAM_OPENING)
        return false;
    if (!exchange_wish(s->exchange).read[ENGINE]) {
        /* a tunnel whose engine has said EOF waits for the client; one whose
         * stream is gone altogether need not */
        return s->told_engine_eof && s->stream->state == STREAM_CLOSED &&
               settle_engine_end(s);
    }
    in = stream_peek(s->stream);
    if (in.len == 0)
        return settle_engine_end(s);
    used = exchange_feed(s->exchange, ENGINE, in);
    stream_consume(s->stream, used);
    return used > 0;
}

/* ---- the client's side ---- */

static void client_gone(struct session *s)
{
    s->client_eof = s->told_client_eof = true;
    s->readable = false;
    strbuf_fini(&s->held);
    exchange_client_gone(s->exchange);
}

/*
 * A client that closed altogether, not just its sending half: on a Unix socket
 * only POLLHUP tells.
 */
static bool hung_up(const struct session *s)
{
    struct pollfd fd = {.fd = s->fd};

    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR));
}

static bool write_client(struct session *s)
{
    struct str out = exchange_output(s->exchange, CLIENT);
    ssize_t sent = 0;

    if (out.len && s->writable) {
        sent = send(s->fd, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            s->writable = false;
            return false;
        }
        if (sent < 0) {
            client_gone(s);
            return true;
        }
        exchange_sent(s->exchange, CLIENT, (size_t)sent);
    }
    if ((size_t)sent == out.len && !s->shut[CLIENT] &&
        exchange_wish(s->exchange).shut[CLIENT]) {
        shutdown(s->fd, SHUT_WR);
        s->shut[CLIENT] = true;
        return true;
    }
    return sent > 0;
}

static bool feed_held(struct session *s)
{
    size_t used = exchange_feed(s->exchange, CLIENT, strbuf_str(&s->held));

    strbuf_consume(&s->held, used);
    return used > 0;
}

static bool read_client(struct session *s)
{
    static char bytes[READ_BYTES];
    size_t used;
    ssize_t got;

    if (!exchange_wish(s->exchange).read[CLIENT])
        return false;
    if (s->held.len)
        return feed_held(s);
    if (s->client_eof) {
        if (s->told_client_eof)
            return false;
        s->told_client_eof = true;
        exchange_eof(s->exchange, CLIENT);
        return true;
    }
    if (!s->readable)
        return false;
    got = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        s->readable = false;
        return false;
    }
    if (got <= 0) {
        s->client_eof = true;
        s->readable = false;
        if (got < 0 || hung_up(s))
            client_gone(s);
        return true;
    }
    used = exchange_feed(s->exchange, CLIENT, str_of(bytes, (size_t)got));
    /* READ_BYTES at most: nothing is read while something is held */
    strbuf_add(&s->held, str_of(bytes + used, (size_t)got - used));
    return true;
}

/*
 * Where nothing more is expected of the client, it is not read; that it has
 * left altogether matters all the same.
 */
static void watch_client(struct session *s)
{
    if (!s->readable || !exchange_wish(s->exchange).watch)
        return;
    if (hung_up(s))
        client_gone(s);
    else if (s->client_eof)
        s->readable = false; /* a later change brings a new event */
}

/* ---- time ---- */

static unsigned timeout_ms(const struct session *s, enum exchange_timer timer)
{
    const struct policy *policy = s->berth->policy;

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
    case TIMER_DRAIN:
        return DRAIN_S * 1000;
    case TIMER_NONE:
        break;
    }
    return 0;
}

static void set_timer(struct session *s)
{
    const struct exchange_wish wish = exchange_wish(s->exchange);
    enum exchange_timer timer = wish.timer;
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
    struct upstream_status status;
    unsigned retry_after;
    const char *why;

    upstream_get_status(s->harbour->upstream, &status);
    retry_after = status.retry_ms / 1000 + 1;
    why = status.up || !status.why
              ? "the engine's host did not open a channel in time"
              : status.why;
    if (exchange_wish(s->exchange).ask)
        exchange_ask_failed(s->exchange, why, retry_after);
    else
        exchange_stream_failed(s->exchange, why, retry_after, true);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;
    enum exchange_timer timer = s->timer_for;

    (void)fd;
    (void)what;
    s->timer_for = TIMER_NONE;
    if (timer == TIMER_LINK)
        link_timeout(s);
    else
        exchange_timeout(s->exchange);
    settle(s);
}

/* ---- the only place where wishes become calls ---- */

static void settle(struct session *s)
{
    size_t turns = 0;

    if (s->closed)
        return;
    watch_client(s);
    for (bool progress = true; progress;) {
        progress = settle_enquiry(s);
        progress |= settle_stream(s);
        progress |= write_engine(s);
        progress |= read_engine(s);
        progress |= write_client(s);
        progress |= read_client(s);
        if (exchange_wish(s->exchange).close &&
            !exchange_output(s->exchange, CLIENT).len) {
            settle_stream(s);
            session_close(s);
            return;
        }
        if (progress && ++turns * READ_BYTES > TURN_BYTES) {
            event_active(s->turn, 0, 0);
            break;
        }
    }
    set_timer(s);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;

    (void)fd;
    (void)what;
    if (s->closed)
        session_free(s);
    else
        settle(s);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;

    (void)fd;
    s->readable |= (what & EV_READ) != 0;
    s->writable |= (what & EV_WRITE) != 0;
    settle(s);
}

static struct peer peer_of(int fd)
{
    struct ucred ucred;
    socklen_t size = sizeof(ucred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
        return (struct peer){
            .pid = -1, .uid = (unsigned)-1, .gid = (unsigned)-1};
    return (struct peer){ucred.pid, ucred.uid, ucred.gid};
}

struct session *session_new(struct berth *berth, int fd, bool busy)
{
    struct session *s = xcalloc(1, sizeof(*s));

    s->berth = berth;
    s->fd = fd;
    s->held.max = READ_BYTES;
    s->waiter.on_stream = on_stream;
    s->host = (struct exchange_host){
        .policy = host_policy,
        .engine = host_engine,
        .owned = host_owned,
        .clock_ns = host_clock,
        .random = host_random,
        .audit = host_audit,
        .identify = host_identify,
        .arg = s,
        .listener = berth->path,
        .peer = peer_of(fd),
        .busy = busy,
    };
    s->exchange = exchange_new(&s->host);
    s->io = event_new(berth->base, fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST,
                      on_io, s);
    s->turn = event_new(berth->base, -1, 0, on_turn, s);
    s->timer = event_new(berth->base, -1, 0, on_timer, s);
    s->writable = true;
    event_add(s->io, NULL);
    s->next = berth->sessions;
    s->link = &berth->sessions;
    if (s->next)
        s->next->link = &s->next;
    berth->sessions = s;
    berth->session_count++;
    set_timer(s);
    return s;
}

void session_shutdown(struct session *s, bool now)
{
    exchange_shutdown(s->exchange, now);
    if (now)
        session_close(s);
    else
        settle(s);
}

struct session *session_next(const struct session *s)
{
    return s->next;
}
