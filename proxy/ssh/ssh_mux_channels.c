/*
 * What channels call of their mux: the phases they go through, the lists they
 * are in, what their session has shown of the way. Nothing here calls a
 * channel.
 */

#include "proxy/ssh/ssh_mux.h"

#include <assert.h>

#include "proxy/base/log.h"

#define FASTEST         ((uint64_t)512 * MIB) /* bytes a second on any link */
#define SLOW_US         1000000
#define SMALLEST_WINDOW (256 * KIB)
#define NEAR_LENT       (2 * MIB) /* OpenSSH's window; see ssh_mux_growth() */

void ssh_mux_wake(struct ssh_mux *mux, struct ssh_channel *ch)
{
    if (!ch->busy) {
        ch->busy = true;
        TAILQ_INSERT_TAIL(&mux->busy, ch, busy_link);
    }
    waker_wake(&mux->waker);
}

void ssh_mux_news(struct ssh_mux *mux, struct ssh_channel *ch)
{
    if (ch->changed || ch->given_up)
        return;
    ch->changed = true;
    TAILQ_INSERT_TAIL(&mux->news, ch, changed_link);
    waker_wake(&mux->waker);
}

void ssh_mux_rest(struct ssh_mux *mux, struct ssh_channel *ch)
{
    if (ch->busy)
        TAILQ_REMOVE(&mux->busy, ch, busy_link);
    ch->busy = false;
}

#define BIT(n) (1U << (n))

#define QUEUED   BIT(SSH_CHANNEL_QUEUED)
#define OPENING  BIT(SSH_CHANNEL_OPENING)
#define STARTING BIT(SSH_CHANNEL_STARTING)
#define SPARE    BIT(SSH_CHANNEL_SPARE)
#define OPEN     BIT(SSH_CHANNEL_OPEN)
#define CLOSING  BIT(SSH_CHANNEL_CLOSING)
#define GONE     BIT(SSH_CHANNEL_GONE)
#define DONE     BIT(SSH_CHANNEL_DONE)

static const struct phase {
    const char *name;
    unsigned next; /* the phases that may follow, as bits */
} phases[SSH_CHANNEL_PHASES] = {
    [SSH_CHANNEL_QUEUED] = {"queued",   OPENING | GONE | DONE                                          },
    [SSH_CHANNEL_OPENING] = {"opening",  QUEUED | STARTING | SPARE | OPEN |
                                            CLOSING | GONE | DONE},
    [SSH_CHANNEL_STARTING] = {"starting", QUEUED | OPEN | CLOSING | DONE                                 },
    [SSH_CHANNEL_SPARE] = {"spare",    QUEUED | OPEN | CLOSING | DONE                                 },
    [SSH_CHANNEL_OPEN] = {"open",     CLOSING | GONE                                                 },
    [SSH_CHANNEL_CLOSING] = {"closing",  GONE | DONE                                                    },
    [SSH_CHANNEL_GONE] = {"gone",     DONE                                                           },
    [SSH_CHANNEL_DONE] = {"done",     0                                                              },
};

void ssh_mux_enter(struct ssh_mux *mux, struct ssh_channel *ch,
                   enum ssh_channel_phase to)
{
    assert(phases[ch->phase].next & BIT(to));
    log_debug("channel: %p: %s -> %s", (void *)ch, phases[ch->phase].name,
              phases[to].name);
    TAILQ_REMOVE(&mux->in[ch->phase], ch, link);
    ch->phase = to;
    TAILQ_INSERT_TAIL(&mux->in[to], ch, link);
    if (to != SSH_CHANNEL_OPEN)
        ssh_mux_rest(mux, ch);
    if (to == SSH_CHANNEL_DONE && ch->changed) {
        TAILQ_REMOVE(&mux->news, ch, changed_link);
        ch->changed = false;
    }
    waker_wake(&mux->waker);
}

void ssh_mux_leave(struct ssh_mux *mux, struct ssh_channel *ch)
{
    ch->wire = NULL;
    mux->lent -= ch->lent;
    ch->lent = 0;
    ssh_mux_enter(mux, ch, ch->given_up ? SSH_CHANNEL_DONE : SSH_CHANNEL_GONE);
}

void ssh_mux_requeue(struct ssh_mux *mux, struct ssh_channel *ch)
{
    if (ssh_channel_is_over(ch)) {
        ssh_mux_leave(mux, ch);
        return;
    }
    ch->wire = NULL;
    ssh_mux_enter(mux, ch, SSH_CHANNEL_QUEUED);
    TAILQ_REMOVE(&mux->in[SSH_CHANNEL_QUEUED], ch, link);
    TAILQ_INSERT_HEAD(&mux->in[SSH_CHANNEL_QUEUED], ch, link);
}

void ssh_mux_give_up(struct ssh_mux *mux, struct ssh_channel *ch)
{
    mux->count--;
    switch (ch->phase) {
    case SSH_CHANNEL_QUEUED:
    case SSH_CHANNEL_GONE:
        ssh_mux_leave(mux, ch);
        break;
    case SSH_CHANNEL_STARTING:
    case SSH_CHANNEL_SPARE:
    case SSH_CHANNEL_OPEN:
        ssh_mux_enter(mux, ch, SSH_CHANNEL_CLOSING);
        break;
    case SSH_CHANNEL_OPENING: /* cannot be taken back: closed once open */
    case SSH_CHANNEL_CLOSING:
        break;
    case SSH_CHANNEL_DONE:
        assert(!"given up twice");
    }
}

void ssh_mux_add(struct ssh_mux *mux, struct ssh_channel *ch)
{
    TAILQ_INSERT_TAIL(&mux->in[SSH_CHANNEL_QUEUED], ch, link);
    waker_wake(&mux->waker);
}

/*
 * The window for which the way to the server is no limit. More would only make
 * queues longer. The kernel knows a round trip too, but only to the next proxy.
 */
static size_t way_window(const struct ssh_mux *mux)
{
    uint64_t bytes = mux->quickest_open < SLOW_US
                         ? FASTEST * mux->quickest_open / 1000000 * 2
                         : LIMIT_LONG_INPUT;

    if (bytes < SMALLEST_WINDOW)
        return SMALLEST_WINDOW;
    return bytes < LIMIT_LONG_INPUT ? bytes : LIMIT_LONG_INPUT;
}

/*
 * Even where the way takes no time at all, a window has to cover the
 * milliseconds for which berth, or its client, waits for a processor: a server
 * that has to stop at its end sends smaller packets, and wakes up for each
 * credit. All channels share what is lent for that, since there are always some
 * that go on, and longer queues do not fit into the processor's cache.
 */
size_t ssh_mux_growth(const struct ssh_mux *mux, size_t window)
{
    size_t wanted = way_window(mux), left = LIMIT_LINK_LENT - mux->lent, more;

    if (mux->lent < NEAR_LENT && wanted < window + NEAR_LENT - mux->lent)
        wanted = window + NEAR_LENT - mux->lent;
    more = wanted > window ? wanted - window : 0;
    more = more < window ? more : window;
    return more < left ? more : left;
}

void ssh_mux_spoke(struct ssh_mux *mux, const struct ssh_channel *ch)
{
    if (ch->kind != SSH_CHANNEL_EXEC || mux->way != SSH_MUX_UNDECIDED)
        return;
    log_info("link: the SSH server does not forward to %s (%s); using \"%s\", "
             "which is slower",
             mux->config->path,
             mux->forward_refusal ? mux->forward_refusal : "as it said before",
             ssh_mux_command(mux));
    mux->way = SSH_MUX_EXEC;
}

const char *ssh_mux_command(struct ssh_mux *mux)
{
    return strbuf_cstr(&mux->command);
}
