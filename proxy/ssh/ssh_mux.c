#include "proxy/ssh/ssh_mux.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "proxy/ssh/ssh_wire.h"

#define FLUSH_SIZE   (64 * KIB)
#define SHARES       16 /* to send, before others in the loop get a turn */
#define LIMIT_TARGET (8 * KIB)
#define PROBE        "BERTH_PROBE"
#define DEFAULT_PATH "/var/run/docker.sock"

/* PATH as one word for a shell. */
static void add_quoted(struct strbuf *out, struct str path)
{
    strbuf_add_char(out, '\'');
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '\'')
            strbuf_add(out, S("'\\''"));
        else
            strbuf_add_char(out, path.ptr[i]);
    strbuf_add_char(out, '\'');
}

void ssh_mux_init(struct ssh_mux *mux, const struct upstream_config *config,
                  const struct waker *waker)
{
    struct str path = str_from(config->path);

    *mux = (struct ssh_mux){
        .waker = *waker,
        .config = config,
        .target = STRBUF(LIMIT_TARGET),
        .command = STRBUF(4 * LIMIT_TARGET),
    };
    for (size_t i = 0; i < SSH_CHANNEL_PHASES; i++)
        TAILQ_INIT(&mux->in[i]);
    TAILQ_INIT(&mux->busy);
    TAILQ_INIT(&mux->news);
    if (config->forward_host) {
        /* RFC 4254, 7.2; where the connection comes from is not told */
        ssh_wire_add_string(&mux->target, str_from(config->forward_host));
        ssh_wire_add_u32(&mux->target, config->forward_port);
        ssh_wire_add_string(&mux->target, S("127.0.0.1"));
        ssh_wire_add_u32(&mux->target, 0);
        return;
    }
    /* openssh PROTOCOL, 2.4: the socket, and two fields kept for later */
    ssh_wire_add_string(&mux->target, path);
    ssh_wire_add_u32(&mux->target, 0);
    ssh_wire_add_u32(&mux->target, 0);
    /* bare for the usual socket, since forced commands look for just that */
    strbuf_add(&mux->command, S("docker "));
    if (!str_eq(path, S(DEFAULT_PATH))) {
        strbuf_add(&mux->command, S("--host unix://"));
        add_quoted(&mux->command, path);
        strbuf_add_char(&mux->command, ' ');
    }
    strbuf_add(&mux->command, S("system dial-stdio"));
}

/* Free what nobody holds; never while its code is on the stack. */
static void reap(struct ssh_mux *mux)
{
    struct ssh_channel *ch;

    while ((ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_DONE]))) {
        TAILQ_REMOVE(&mux->in[SSH_CHANNEL_DONE], ch, link);
        ssh_channel_free(ch);
    }
}

struct stream *ssh_mux_open(struct ssh_mux *mux, stream_cb on_change, void *arg)
{
    struct ssh_channel *ch;

    if (mux->count >= LIMIT_CHANNELS)
        return NULL;
    ch = ssh_mux_claim(mux);
    if (!ch) {
        ch = ssh_channel_new(mux->waker.base, mux, SSH_CHANNEL_STREAMLOCAL);
        ssh_mux_add(mux, ch);
    }
    ch->stream.on_change = on_change;
    ch->stream.arg = arg;
    mux->count++;
    return &ch->stream;
}

struct stream *ssh_mux_open_port(struct ssh_mux *mux, const char *address,
                                 unsigned port, stream_cb on_change, void *arg)
{
    struct ssh_channel *ch;

    if (mux->count >= LIMIT_CHANNELS)
        return NULL;
    ch = ssh_channel_new(mux->waker.base, mux, SSH_CHANNEL_TCP);
    /* RFC 4254, 7.2: where to, and where from */
    ssh_wire_add_string(&ch->target, str_from(address));
    ssh_wire_add_u32(&ch->target, port);
    ssh_wire_add_string(&ch->target, S("127.0.0.1"));
    ssh_wire_add_u32(&ch->target, 0);
    ch->stream.on_change = on_change;
    ch->stream.arg = arg;
    mux->count++;
    ssh_mux_add(mux, ch);
    return &ch->stream;
}

void ssh_mux_attach(struct ssh_mux *mux, LIBSSH2_SESSION *session,
                    struct ssh_transport *transport)
{
    mux->session = session;
    mux->transport = transport;
    mux->polled = 0;
    mux->probing = false;
    mux->forward_only = false;
    mux->sessions_full = false;
    mux->spare_refused = false;
    mux->quickest_open = 0;
    free(mux->forward_refusal);
    mux->forward_refusal = NULL;
    mux->commands = 0;
    mux->way = mux->config->channel == SSH_CHANNEL_DIAL_STDIO
                   ? SSH_MUX_EXEC
                   : SSH_MUX_UNDECIDED;
}

void ssh_mux_detach(struct ssh_mux *mux, const char *why)
{
    struct ssh_channel *ch;

    /* no byte of these owners was sent: they may try again */
    while ((ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_OPENING])) ||
           (ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_STARTING])) ||
           (ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_SPARE])))
        ssh_mux_requeue(mux, ch);
    mux->spares = 0;
    while ((ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_OPEN]))) {
        ssh_mux_leave(mux, ch);
        ssh_channel_end(ch, why);
    }
    while ((ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_CLOSING])))
        ssh_mux_leave(mux, ch);
    mux->session = NULL;
    mux->transport = NULL;
    mux->pump = NULL;
}

void ssh_mux_move_one(struct ssh_mux *from, struct ssh_mux *to,
                      struct ssh_channel *ch)
{
    assert(ch->phase == SSH_CHANNEL_QUEUED);
    TAILQ_REMOVE(&from->in[SSH_CHANNEL_QUEUED], ch, link);
    ssh_mux_rest(from, ch); /* it is again once it is open */
    if (ch->changed)
        TAILQ_REMOVE(&from->news, ch, changed_link);
    from->count--;
    to->count++;
    ch->mux = to;
    ssh_mux_add(to, ch);
    if (ch->changed)
        TAILQ_INSERT_TAIL(&to->news, ch, changed_link);
}

void ssh_mux_move(struct ssh_mux *from, struct ssh_mux *to)
{
    struct ssh_channel *ch, *next;

    assert(!from->session);
    for (ch = TAILQ_FIRST(&from->in[SSH_CHANNEL_QUEUED]); ch; ch = next) {
        next = TAILQ_NEXT(ch, link);
        if (!ch->given_up)
            ssh_mux_move_one(from, to, ch);
    }
}

void ssh_mux_fini(struct ssh_mux *mux, const char *why)
{
    struct ssh_channel *ch;

    if (mux->session)
        ssh_mux_detach(mux, why);
    while ((ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_QUEUED]))) {
        ssh_mux_leave(mux, ch);
        ssh_channel_end(ch, why);
    }
    while ((ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_GONE]))) {
        TAILQ_REMOVE(&mux->in[SSH_CHANNEL_GONE], ch, link);
        ch->mux = NULL; /* its owner's alone from now on */
    }
    ssh_mux_deliver(mux);
    reap(mux);
    strbuf_fini(&mux->target);
    strbuf_fini(&mux->command);
    free(mux->forward_refusal);
}

size_t ssh_mux_lingering(const struct ssh_mux *mux, const void *who)
{
    static const enum ssh_channel_phase phases[] = {SSH_CHANNEL_OPENING,
                                                    SSH_CHANNEL_CLOSING};
    const struct ssh_channel *ch;
    size_t count = 0;

    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        TAILQ_FOREACH(ch, &mux->in[phases[i]], link)
        count += ch->given_up && ch->stream.who == who;
    }
    return count;
}

/* Ask every channel what has come for it. */
static void receive_all(struct ssh_mux *mux)
{
    struct ssh_channel *ch, *next;

    mux->polled = mux->transport->taken;
    for (ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_OPEN]); ch; ch = next) {
        next = TAILQ_NEXT(ch, link);
        ssh_channel_receive(ch);
    }
}

static void finish_closing(struct ssh_mux *mux)
{
    struct ssh_channel *ch, *next;

    for (ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_CLOSING]); ch; ch = next) {
        next = TAILQ_NEXT(ch, link);
        ssh_channel_receive(ch);
        if (mux->pump == ch->wire)
            mux->pump = NULL; /* a jump host's; nothing comes after it */
        if (ssh_channel_finish(ch) == -EAGAIN)
            continue;
        if (ch->kind == SSH_CHANNEL_EXEC) {
            mux->commands--;
            mux->sessions_full = false;
        }
        ssh_mux_leave(mux, ch);
    }
}

/* One share for each channel that has something to send. */
static size_t send_round(struct ssh_mux *mux)
{
    struct ssh_channel_list turn = TAILQ_HEAD_INITIALIZER(turn);
    struct ssh_channel *ch;
    size_t sent = 0;

    TAILQ_CONCAT(&turn, &mux->busy, busy_link);
    while ((ch = TAILQ_FIRST(&turn))) {
        TAILQ_REMOVE(&turn, ch, busy_link);
        TAILQ_INSERT_TAIL(&mux->busy, ch, busy_link);
        if (ssh_channel_send(ch, mux->transport))
            sent++;
        if (!ssh_channel_has_work(ch))
            ssh_mux_rest(mux, ch);
    }
    if (mux->transport->out.len >= FLUSH_SIZE)
        ssh_transport_flush(mux->transport);
    return sent;
}

/*
 * A request on the pump that sshd must answer and will refuse. Not libssh2's
 * keepalive with a reply, which it never takes off its queue.
 */
static void go_on_probing(struct ssh_mux *mux)
{
    if (libssh2_channel_setenv_ex(mux->pump, PROBE, sizeof(PROBE) - 1, "1",
                                  1) != LIBSSH2_ERROR_EAGAIN)
        mux->probing = false;
}

void ssh_mux_probe(struct ssh_mux *mux)
{
    int next;

    if (mux->forward_only) {
        libssh2_keepalive_config(mux->session, 0, 1);
        libssh2_keepalive_send(mux->session, &next);
        return;
    }
    mux->probing = true;
    go_on_probing(mux);
}

void ssh_mux_tick(struct ssh_mux *mux)
{
    struct ssh_channel *ch;

    TAILQ_FOREACH(ch, &mux->in[SSH_CHANNEL_OPEN], link)
    ssh_channel_trim(ch);
    ssh_transport_trim(mux->transport);
    ssh_mux_review_spares(mux);
    waker_wake(&mux->waker);
}

int ssh_mux_run(struct ssh_mux *mux)
{
    struct ssh_transport *t = mux->transport;
    size_t sent, all = 0;
    uint64_t before;
    ssize_t n;

    reap(mux);
    do {
        before = t->taken;
        ssh_transport_begin_pass(t);
        n = mux->pump ? libssh2_channel_read(mux->pump, NULL, 0) : 0;
        if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
            return -EIO;
        if (mux->probing)
            go_on_probing(mux);
        if (ssh_mux_open_queued(mux) < 0)
            return -EIO;
        ssh_mux_tend(mux);
        if (t->taken != mux->polled)
            receive_all(mux);
        sent = send_round(mux);
        finish_closing(mux);
        all += sent;
        if (all > SHARES) {
            waker_wake(&mux->waker);
            break;
        }
    } while (sent || t->taken != before || t->taken != mux->polled);
    return t->error ? -EIO : 0;
}

void ssh_mux_deliver(struct ssh_mux *mux)
{
    struct ssh_channel *ch;

    while ((ch = TAILQ_FIRST(&mux->news))) {
        TAILQ_REMOVE(&mux->news, ch, changed_link);
        ch->changed = false;
        if (ch->stream.on_change)
            ch->stream.on_change(&ch->stream, ch->stream.arg);
    }
}

void ssh_mux_idle(struct ssh_mux *mux)
{
    reap(mux);
    ssh_mux_deliver(mux);
}
