#include <assert.h>
#include <stdlib.h>

#include "proxy/companion_link/link_private.h"

/* Frames over an exec in the companion. */

struct link_session {
    const struct companion_config *config;
    struct exec_pipe *pipe;
    bool greeted;
    bool replaced;    /* it has said bye */
    struct turn turn; /* to send what was put */
    struct event *beat;
    char nonce[WIRE_NONCE + 1];
    struct link_events events;
    struct bytes in; /* the beginning of a frame */
    struct bytes out;
    struct link_conns conns;
    unsigned count, ending; /* without those that end; those */
    uint32_t last;          /* channel that the companion opened */
};

const struct companion_config *link_config(const struct link_session *s)
{
    return s->config;
}

void link_add(struct link_session *s, struct link_conn *conn)
{
    TAILQ_INSERT_TAIL(&s->conns, conn, link);
    s->count++;
}

void link_remove(struct link_session *s, struct link_conn *conn)
{
    TAILQ_REMOVE(&s->conns, conn, link);
    if (conn->ending)
        s->ending--;
    else
        s->count--;
}

void link_note_ending(struct link_session *s, struct link_conn *conn)
{
    struct link_conn *oldest;

    s->count--;
    /* in the order of their ends */
    TAILQ_REMOVE(&s->conns, conn, link);
    TAILQ_INSERT_TAIL(&s->conns, conn, link);
    if (s->ending++ < LINK_ENDING)
        return;
    TAILQ_FOREACH(oldest, &s->conns, link)
    {
        if (oldest->ending)
            break;
    }
    link_conn_free(oldest);
}

unsigned link_connections(const struct link_session *s)
{
    return s->count;
}

/* ---- to the companion ---- */

size_t link_room(const struct link_session *s)
{
    size_t left = LINK_OUT - s->out.len;

    left = left > LINK_CONTROL + WIRE_HEADER ? left - LINK_CONTROL - WIRE_HEADER
                                             : 0;
    return left < WIRE_PAYLOAD ? left : WIRE_PAYLOAD;
}

void link_flush(struct link_session *s)
{
    turn_wake(&s->turn);
}

unsigned char *link_payload(struct link_session *s)
{
    char *to = bytes_reserve(&s->out, WIRE_HEADER + link_room(s));

    assert(to);
    return (unsigned char *)to + WIRE_HEADER;
}

void link_commit(struct link_session *s, enum wire_type type, uint32_t channel,
                 size_t length)
{
    char *to = bytes_reserve(&s->out, WIRE_HEADER + length);

    wire_put_head((unsigned char *)to, type, channel, length);
    bytes_commit(&s->out, WIRE_HEADER + length);
    link_flush(s);
}

bool link_put(struct link_session *s, enum wire_type type, uint32_t channel,
              const void *payload, size_t length)
{
    unsigned char head[WIRE_HEADER];

    if (LINK_OUT - s->out.len < WIRE_HEADER + length)
        return false;
    wire_put_head(head, type, channel, length);
    bytes_add(&s->out, str_of((const char *)head, sizeof(head)));
    if (length)
        bytes_add(&s->out, str_of(payload, length));
    link_flush(s);
    return true;
}

void link_refuse(struct link_session *s, uint32_t channel)
{
    link_put(s, WIRE_CLOSE, channel, NULL, 0);
}

static void send_out(struct link_session *s)
{
    struct link_conn *conn, *next;

    while (s->out.len > 0) {
        size_t taken = exec_pipe_write(s->pipe, bytes_str(&s->out));

        if (taken == 0)
            break;
        bytes_consume(&s->out, taken);
    }
    bytes_trim(&s->out);
    if (s->out.len > LINK_OUT / 2)
        return;
    for (conn = TAILQ_FIRST(&s->conns); conn; conn = next) {
        next = TAILQ_NEXT(conn, link);
        link_conn_resume(conn);
    }
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    struct link_session *s = arg;

    (void)fd;
    (void)what;
    if (s->greeted)
        link_put(s, WIRE_BEAT, 0, NULL, 0);
}

/* ---- from the companion ---- */

static struct link_conn *find_conn(struct link_session *s, uint32_t channel)
{
    struct link_conn *conn;

    TAILQ_FOREACH(conn, &s->conns, link)
    {
        if (conn->channel == channel)
            return conn;
    }
    return NULL;
}

static bool take_hello(struct link_session *s, const struct wire_frame *frame)
{
    if (s->greeted || wire_get(frame->payload, 2) != WIRE_VERSION ||
        memcmp(frame->payload + 2, s->nonce, WIRE_NONCE) != 0)
        return false;
    s->greeted = true;
    s->events.on_ready(s->events.arg);
    return true;
}

static bool take_open(struct link_session *s, const struct wire_frame *frame)
{
    unsigned number;

    if (!wire_may_open(s->last, frame->channel, false) || frame->length != 3 ||
        frame->payload[0] != WIRE_SOCKET || s->count >= WIRE_CHANNELS)
        return false;
    number = wire_get(frame->payload + 1, 2);
    if (number >= WIRE_SOCKETS)
        return false;
    s->last = frame->channel;
    s->events.on_open(frame->channel, number, s->events.arg);
    return true;
}

static bool take_frame(struct link_session *s, const struct wire_frame *frame)
{
    struct link_conn *conn;

    if (frame->type == WIRE_HELLO)
        return take_hello(s, frame);
    if (!s->greeted || frame->type == WIRE_BEAT)
        return false;
    if (frame->type == WIRE_BYE) {
        s->replaced = true;
        return true;
    }
    if (frame->type == WIRE_OPEN)
        return take_open(s, frame);
    conn = find_conn(s, frame->channel);
    if (conn)
        return link_conn_take(conn, frame);
    /* it has ended here, and the companion did not know */
    return frame->channel % 2 == 0 && frame->channel <= s->last;
}

/* False: what came is no frame, or one that must not be. */
static bool take_output(struct link_session *s, struct str bytes)
{
    bool good = true;

    while (good && bytes.len > 0) {
        size_t part = LINK_FRAME - s->in.len, used, total = 0;
        enum wire_result result = WIRE_WHOLE;
        struct wire_frame frame;
        struct str have;

        part = part < bytes.len ? part : bytes.len;
        bytes_add(&s->in, str_head(bytes, part));
        bytes = str_from_index(bytes, part);
        have = bytes_str(&s->in);
        while (good && result == WIRE_WHOLE) {
            result = wire_read((const unsigned char *)have.ptr + total,
                               have.len - total, &frame, &used);
            if (result == WIRE_WHOLE) {
                good = take_frame(s, &frame);
                total += used;
            }
        }
        bytes_consume(&s->in, total);
        good = good && result != WIRE_BROKEN;
    }
    return good;
}

/* ---- the exec ---- */

static ssize_t on_output(struct str bytes, void *arg)
{
    return take_output(arg, bytes) ? (ssize_t)bytes.len : -1;
}

static void on_room(void *arg)
{
    send_out(arg);
}

static void on_end(const char *why, void *arg)
{
    struct link_session *s = arg;

    s->events.on_end(why, s->replaced, s->events.arg);
}

static void on_turn(struct turn *turn)
{
    send_out((struct link_session *)((char *)turn -
                                     offsetof(struct link_session, turn)));
}

struct link_session *link_session_new(const struct companion_config *config,
                                      const char *exec, const char *nonce,
                                      unsigned beat_s,
                                      const struct link_events *events)
{
    struct link_session *s = xcalloc(1, sizeof(*s));
    const struct exec_events pipe_events = {on_output, on_room, on_end, s};

    s->config = config;
    s->events = *events;
    s->in.max = LINK_FRAME;
    s->out.max = LINK_OUT;
    TAILQ_INIT(&s->conns);
    memcpy(s->nonce, nonce, WIRE_NONCE);
    turn_init(&s->turn, config->turns, on_turn);
    s->beat = event_new(config->base, -1, EV_PERSIST, on_beat, s);
    event_add(s->beat, &(struct timeval){(time_t)beat_s, 0});
    s->pipe = exec_pipe_new(config->turns, config->pool, exec, &pipe_events);
    return s;
}

struct link_session *link_session_free(struct link_session *s)
{
    if (!s)
        return NULL;
    while (!TAILQ_EMPTY(&s->conns))
        link_conn_free(TAILQ_FIRST(&s->conns));
    exec_pipe_free(s->pipe);
    turn_cancel(&s->turn);
    event_free(s->beat);
    bytes_fini(&s->in);
    bytes_fini(&s->out);
    free(s);
    return NULL;
}
