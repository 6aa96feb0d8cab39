#include "proxy/companion_link/relay.h"

#include <stdlib.h>

#include "policy/isolation/relay_name.h"
#include "proxy/companion_link/link_private.h"

enum {
    RELAY_FRAME = WIRE_HEADER + WIRE_DATAGRAM_MOST,
    /* for frames that are no datagram, of all flows that there may be */
    RELAY_CONTROL = 4 * WIRE_HEADER * WIRE_FLOWS,
    RELAY_OUT = 8 * RELAY_FRAME + RELAY_CONTROL,
    RELAY_OPEN = 6,     /* bytes of an address and a port */
    RELAY_ALONE_S = 20, /* its container goes when it is without a session */
    RELAY_FILES = WIRE_FLOWS + 64,
};

struct relay {
    struct relay_config config;
    char *target;
    struct box *box;
    struct exec_pipe *pipe;
    struct event *deadline, *beat;
    char nonce[WIRE_NONCE + 1];
    bool greeted;
    struct bytes in, out;
    struct turn turn; /* what was put is sent in it */
    size_t memory;    /* that it may come to hold */
    uint32_t last;    /* flow that was opened */
    bool full;        /* it can tell no more */
};

static void end(struct relay *r, const char *why)
{
    r->config.on_end(why, r->config.arg);
}

/* ---- to the relay ---- */

static void send_out(struct relay *r)
{
    while (r->out.len > 0) {
        size_t taken = exec_pipe_write(r->pipe, bytes_str(&r->out));

        if (taken == 0)
            return;
        bytes_consume(&r->out, taken);
    }
    bytes_trim(&r->out);
}

/* Keep KEPT bytes of the room free. */
static bool put(struct relay *r, enum wire_type type, uint32_t channel,
                struct str payload, size_t kept)
{
    unsigned char head[WIRE_HEADER];

    if (RELAY_OUT - r->out.len < sizeof(head) + payload.len + kept)
        return false;
    wire_put_head(head, type, channel, payload.len);
    bytes_add(&r->out, str_of((const char *)head, sizeof(head)));
    bytes_add(&r->out, payload);
    turn_wake(&r->turn);
    return true;
}

uint32_t relay_open(struct relay *r, uint32_t address, unsigned port)
{
    unsigned char bytes[RELAY_OPEN];
    uint32_t number = r->last ? r->last + 2 : 1;

    wire_put(bytes, 4, address);
    wire_put(bytes + 4, 2, port);
    if (!r->greeted || number < r->last ||
        !put(r, WIRE_FLOW, number, str_of((const char *)bytes, sizeof(bytes)),
             RELAY_CONTROL / 2))
        return 0;
    r->last = number;
    return number;
}

void relay_close(struct relay *r, uint32_t flow)
{
    /* one that is not told keeps its place there: that would add up */
    if (!put(r, WIRE_CLOSE, flow, S(""), 0))
        r->full = true;
    turn_wake(&r->turn);
}

bool relay_send(struct relay *r, uint32_t flow, struct str bytes)
{
    return bytes.len <= WIRE_DATAGRAM_MOST &&
           put(r, WIRE_DATAGRAM, flow, bytes, RELAY_CONTROL);
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)put(arg, WIRE_BEAT, 0, S(""), 0);
}

static void on_turn(struct turn *turn)
{
    struct relay *r =
        (struct relay *)((char *)turn - offsetof(struct relay, turn));

    if (r->full)
        end(r, "the relay does not read any more");
    else
        send_out(r);
}

/* ---- from the relay ---- */

static bool take_hello(struct relay *r, const struct wire_frame *frame)
{
    if (r->greeted || wire_get(frame->payload, 2) != WIRE_VERSION ||
        memcmp(frame->payload + 2, r->nonce, WIRE_NONCE) != 0)
        return false;
    r->greeted = true;
    event_del(r->deadline);
    r->config.on_ready(r->config.arg);
    return true;
}

static bool take_frame(struct relay *r, const struct wire_frame *frame)
{
    if (frame->type == WIRE_HELLO)
        return take_hello(r, frame);
    if (!r->greeted || frame->channel % 2 == 0 || frame->channel > r->last)
        return false;
    if (frame->type == WIRE_DATAGRAM)
        r->config.on_datagram(
            frame->channel, str_of((const char *)frame->payload, frame->length),
            r->config.arg);
    else if (frame->type == WIRE_CLOSE)
        r->config.on_closed(frame->channel, r->config.arg);
    else
        return false;
    return true;
}

/* Those that are whole. False: what came is no frame, or one that must not be.
 */
static bool take_frames(struct relay *r)
{
    enum wire_result result = WIRE_WHOLE;
    struct str have = bytes_str(&r->in);
    struct wire_frame frame;
    size_t used, total = 0;
    bool good = true;

    while (good && result == WIRE_WHOLE) {
        result = wire_read_relayed((const unsigned char *)have.ptr + total,
                                   have.len - total, &frame, &used);
        if (result == WIRE_WHOLE) {
            good = take_frame(r, &frame);
            total += used;
        }
    }
    bytes_consume(&r->in, total);
    return good && result != WIRE_BROKEN;
}

static ssize_t on_output(struct str bytes, void *arg)
{
    struct relay *r = arg;
    struct str left = bytes;

    while (left.len > 0) {
        size_t part = RELAY_FRAME - r->in.len;

        part = part < left.len ? part : left.len;
        bytes_add(&r->in, str_head(left, part));
        left = str_from_index(left, part);
        if (!take_frames(r))
            return -1;
    }
    bytes_trim(&r->in);
    return (ssize_t)bytes.len;
}

static void on_room(void *arg)
{
    send_out(arg);
}

static void on_pipe_end(const char *why, void *arg)
{
    end(arg, why);
}

/* ---- its container ---- */

static bool is_needed(void *arg)
{
    (void)arg;
    return true;
}

static json_t *command(void *arg)
{
    struct relay *r = arg;

    link_make_nonce(r->nonce);
    return json_pack("[s, s, s]", "/" COMPANION_PROGRAM, "relay", r->nonce);
}

/* A user without rights, in the other's network. The engine removes it. */
static void fill(json_t *body, json_t *host, void *arg)
{
    const struct relay *r = arg;

    json_object_set_new(body, "User", json_string("65534:65534"));
    json_object_set_new(body, "Cmd",
                        json_pack("[s, s, o]", "/" COMPANION_PROGRAM, "wait",
                                  json_sprintf("%d", RELAY_ALONE_S)));
    json_object_set_new(host, "NetworkMode",
                        json_sprintf("container:%s", r->target));
    json_object_set_new(host, "AutoRemove", json_true());
    json_object_set_new(host, "RestartPolicy",
                        json_pack("{s:s}", "Name", "no"));
    json_object_set_new(host, "Ulimits",
                        json_pack("[{s:s, s:i, s:i}]", "Name", "nofile", "Soft",
                                  (int)RELAY_FILES, "Hard", (int)RELAY_FILES));
}

static void on_exec(const char *id, void *arg)
{
    const struct exec_events events = {on_output, on_room, on_pipe_end, arg};
    struct relay *r = arg;

    r->pipe = exec_pipe_new(r->config.turns, r->config.pool, id, &events);
    event_add(r->beat, &(struct timeval){LINK_BEAT_S, 0});
}

static void on_failure(int status, const char *why, void *arg)
{
    (void)status;
    end(arg, why);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    end(arg, "it is not there in time");
}

static struct box *new_box(struct relay *r)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_NAME);
    struct box_config config = {
        .base = r->config.base,
        .pool = r->config.pool,
        .ns = r->config.ns,
        .fill = fill,
        .command = command,
        .is_needed = is_needed,
        .on_exec = on_exec,
        .on_failure = on_failure,
        .arg = r,
    };

    relay_put_name(&name, r->config.ns, r->config.target, r->config.started);
    config.name = strbuf_str(&name);
    return box_new(&config);
}

/* ---- the whole of it ---- */

struct relay *relay_new(const struct relay_config *config)
{
    struct relay *r = xcalloc(1, sizeof(*r));

    r->config = *config;
    r->target = xstr_dup(config->target);
    r->in.max = RELAY_FRAME;
    r->out.max = RELAY_OUT;
    turn_init(&r->turn, config->turns, on_turn);
    memory_use(config->memory, &r->memory, RELAY_OUT + RELAY_FRAME);
    r->beat = event_new(config->base, -1, EV_PERSIST, on_beat, r);
    r->deadline = event_new(config->base, -1, 0, on_deadline, r);
    event_add(r->deadline, &(struct timeval){LINK_ASK_S, 0});
    r->box = new_box(r);
    box_begin(r->box);
    return r;
}

struct relay *relay_free(struct relay *r)
{
    if (!r)
        return NULL;
    exec_pipe_free(r->pipe);
    box_free(r->box);
    turn_cancel(&r->turn);
    event_free(r->beat);
    event_free(r->deadline);
    memory_use(r->config.memory, &r->memory, 0);
    bytes_fini(&r->in);
    bytes_fini(&r->out);
    free(r->target);
    free(r);
    return NULL;
}
