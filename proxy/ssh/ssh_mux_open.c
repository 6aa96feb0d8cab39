/*
 * How a mux opens its streams: one after the other, over the socket itself
 * where the server forwards it, else through a command there.
 */

#include <errno.h>
#include <stdlib.h>

#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/ssh/ssh_mux.h"

#define PACKET_SIZE  32768 /* the most that libssh2 takes */
#define LIMIT_REPORT 2048
#define ERRAND       ":"

/* Open a channel of TYPE with no window: windows are ours. */
static int open_type(struct ssh_mux *mux, struct str type, struct str target,
                     LIBSSH2_CHANNEL **wire)
{
    LIBSSH2_CHANNEL *got = libssh2_channel_open_ex(
        mux->session, type.ptr, (unsigned)type.len, 0, PACKET_SIZE,
        target.len ? target.ptr : NULL, (unsigned)target.len);

    if (got) {
        *wire = got;
        return 0;
    }
    switch (libssh2_session_last_errno(mux->session)) {
    case LIBSSH2_ERROR_EAGAIN:
        return -EAGAIN;
    case LIBSSH2_ERROR_CHANNEL_FAILURE:
        return SSH_CHANNEL_E_REFUSED;
    default:
        return -EIO;
    }
}

static int open_wire(struct ssh_mux *mux, bool forward, LIBSSH2_CHANNEL **wire)
{
    if (forward)
        return open_type(mux,
                         mux->config->forward_host
                             ? S("direct-tcpip")
                             : S("direct-streamlocal@openssh.com"),
                         strbuf_str(&mux->target), wire);
    return open_type(mux, S("session"), S(""), wire);
}

static int open_channel(struct ssh_mux *mux, struct ssh_channel *ch)
{
    if (ch->kind == SSH_CHANNEL_TCP)
        return open_type(mux, S("direct-tcpip"), strbuf_str(&ch->target),
                         &ch->wire);
    return open_wire(mux, ch->kind == SSH_CHANNEL_STREAMLOCAL, &ch->wire);
}

static const char *refusal(struct ssh_mux *mux)
{
    char *text = NULL;

    libssh2_session_last_error(mux->session, &text, NULL, 0);
    return text ? text : "";
}

/* sshd turns TCP_NODELAY on for a connection that runs commands, and stalls
 * one that only forwards by 40 ms now and then: so run a trivial one. */
static void send_errand(struct ssh_mux *mux)
{
    struct ssh_channel *errand =
        ssh_channel_new(mux->waker.base, mux, SSH_CHANNEL_ERRAND);

    errand->given_up = true;
    ssh_mux_add(mux, errand);
}

int ssh_mux_start(struct ssh_mux *mux, struct strbuf *why)
{
    int r = open_wire(mux, mux->forward_only, &mux->pump);

    if (r == SSH_CHANNEL_E_REFUSED && !mux->forward_only) {
        /* a server for forwarding alone: a stream has to be the pump */
        mux->forward_only = true;
        if (mux->config->forward_host)
            return 0; /* the one stream that there will be is the pump */
        r = open_wire(mux, true, &mux->pump);
    }
    if (r == SSH_CHANNEL_E_REFUSED) {
        strbuf_addf(why,
                    "the SSH server opened neither a session nor %s (%s); "
                    "allow one of them in its configuration",
                    mux->config->path, refusal(mux));
        return SSH_MUX_E_REFUSED;
    }
    if (r == 0 && !mux->forward_only)
        send_errand(mux);
    return r;
}

static bool may_exec(const struct ssh_mux *mux)
{
    return mux->config->channel != SSH_CHANNEL_FORWARD && !mux->forward_only;
}

/* The quickest says how long the way is; others had to wait for something. */
static void note_open(struct ssh_mux *mux)
{
    uint64_t took = clock_us() - mux->open_began;

    if (!mux->quickest_open || took < mux->quickest_open)
        mux->quickest_open = took ? took : 1;
}

static void opened(struct ssh_mux *mux, struct ssh_channel *ch)
{
    note_open(mux);
    if (!mux->pump)
        mux->pump = ch->wire;
    if (ch->kind == SSH_CHANNEL_EXEC)
        mux->commands++;
    ch->window = /* nobody knows yet whether it is read */
        ch->kind == SSH_CHANNEL_TCP ? LIMIT_PORT_INPUT : LIMIT_CHANNEL_INPUT;
    ch->owed = ch->window;
    ch->crediting = 0;
    if (ch->spare) {
        mux->way = SSH_MUX_STREAMLOCAL;
        ssh_mux_spare_opened(mux, ch);
    } else if (ssh_channel_is_over(ch) && ch->kind != SSH_CHANNEL_ERRAND) {
        ssh_mux_enter(mux, ch, SSH_CHANNEL_CLOSING);
    } else if (ch->kind == SSH_CHANNEL_TCP) {
        ssh_mux_enter(mux, ch, SSH_CHANNEL_OPEN);
        ssh_channel_opened(ch);
    } else if (ch->kind == SSH_CHANNEL_STREAMLOCAL) {
        mux->way = SSH_MUX_STREAMLOCAL;
        mux->spare_refused = false;
        ssh_mux_enter(mux, ch, SSH_CHANNEL_OPEN);
        ssh_channel_opened(ch);
    } else {
        ssh_mux_enter(mux, ch, SSH_CHANNEL_STARTING);
    }
}

static void explain(struct ssh_mux *mux, const struct ssh_channel *ch,
                    struct strbuf *why)
{
    if (ch->kind == SSH_CHANNEL_TCP)
        strbuf_addf(why, "the SSH server opened no way to the port (%s)",
                    refusal(mux));
    else if (mux->config->forward_host)
        strbuf_addf(why,
                    "could not connect to %s port %u (%s): does that listen "
                    "there, and does sshd allow it (AllowTcpForwarding, "
                    "PermitOpen, and permitopen beside the key)?",
                    mux->config->forward_host, mux->config->forward_port,
                    refusal(mux));
    else if (mux->way == SSH_MUX_EXEC)
        strbuf_addf(why,
                    "the SSH server gave no session for \"%s\" (%s); see its "
                    "MaxSessions",
                    ssh_mux_command(mux), refusal(mux));
    else if (strstr(refusal(mux), "unknown channel type"))
        strbuf_addf(
            why,
            "the SSH server cannot forward to sockets (Dropbear can "
            "since 2024.84); let upstream.channel be \"auto\", and install the "
            "docker command there");
    else
        strbuf_addf(why,
                    "the SSH server could not open %s (%s): is the engine "
                    "running there, may %s use its socket (group docker), and "
                    "does sshd allow AllowStreamLocalForwarding?",
                    mux->config->path, refusal(mux), mux->config->user);
}

static void refused(struct ssh_mux *mux, struct ssh_channel *ch)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REPORT);

    if (ch->kind == SSH_CHANNEL_STREAMLOCAL && may_exec(mux) && !ch->spare &&
        mux->way != SSH_MUX_STREAMLOCAL && !ch->given_up) {
        /* sshd gives the same answer for "forbidden" and for "no such
         * socket": the command will tell them apart, or another's has while
         * this one waited for its answer */
        ch->kind = SSH_CHANNEL_EXEC;
        free(mux->forward_refusal);
        mux->forward_refusal = xstrdup(refusal(mux));
        ssh_mux_requeue(mux, ch);
        return;
    }
    if (ch->kind == SSH_CHANNEL_EXEC && mux->commands > 0 && !ch->given_up) {
        mux->sessions_full = true;
        ssh_mux_requeue(mux, ch);
        return;
    }
    mux->spare_refused = mux->spare_refused || ch->spare;
    explain(mux, ch, &why);
    ssh_mux_leave(mux, ch);
    if (!ssh_channel_is_over(ch))
        ssh_channel_end(ch, strbuf_cstr(&why));
}

static bool can_begin(const struct ssh_mux *mux)
{
    const struct ssh_channel *first = TAILQ_FIRST(&mux->in[SSH_CHANNEL_QUEUED]);

    return first && !(mux->sessions_full && (first->kind == SSH_CHANNEL_EXEC ||
                                             (mux->way == SSH_MUX_EXEC &&
                                              first->kind != SSH_CHANNEL_TCP)));
}

static void begin(struct ssh_mux *mux)
{
    struct ssh_channel *ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_QUEUED]);

    if (ch->spare && mux->way == SSH_MUX_EXEC) {
        ssh_mux_leave(mux, ch); /* no longer of any use */
        return;
    }
    if (mux->way == SSH_MUX_EXEC && ch->kind == SSH_CHANNEL_STREAMLOCAL)
        ch->kind = SSH_CHANNEL_EXEC;
    else if (mux->way == SSH_MUX_STREAMLOCAL && ch->kind == SSH_CHANNEL_EXEC)
        ch->kind = SSH_CHANNEL_STREAMLOCAL;
    ssh_mux_enter(mux, ch, SSH_CHANNEL_OPENING);
    mux->open_began = clock_us();
}

static void start_command(struct ssh_mux *mux, struct ssh_channel *ch)
{
    bool errand = ch->kind == SSH_CHANNEL_ERRAND;
    int r = ssh_channel_start(ch, errand ? ERRAND : ssh_mux_command(mux));

    if (r == -EAGAIN)
        return;
    if (r == 0 && !errand) {
        ssh_mux_enter(mux, ch, SSH_CHANNEL_OPEN);
        ssh_channel_opened(ch);
        return;
    }
    if (!errand)
        ssh_channel_end(ch, "the SSH server does not run commands for us");
    ssh_mux_enter(mux, ch, SSH_CHANNEL_CLOSING);
}

int ssh_mux_open_queued(struct ssh_mux *mux)
{
    struct ssh_channel *ch, *next;
    int r = 0;

    while (r != -EAGAIN) {
        if (TAILQ_EMPTY(&mux->in[SSH_CHANNEL_OPENING])) {
            if (mux->feed && TAILQ_EMPTY(&mux->in[SSH_CHANNEL_QUEUED]))
                mux->feed(mux, mux->feed_arg);
            if (!can_begin(mux))
                break;
            begin(mux);
        }
        ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_OPENING]);
        if (!ch)
            continue;
        r = open_channel(mux, ch);
        if (r == -EIO)
            return r;
        if (r == 0)
            opened(mux, ch);
        else if (r > 0)
            refused(mux, ch);
    }
    for (ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_STARTING]); ch; ch = next) {
        next = TAILQ_NEXT(ch, link);
        start_command(mux, ch);
    }
    return 0;
}
