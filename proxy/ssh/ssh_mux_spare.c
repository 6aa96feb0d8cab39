/*
 * Channels that a mux opens ahead of demand, since each open takes a round
 * trip and they go one after the other: many where the way is long, else two
 * always and some more after a burst. A silent channel is not free: for each,
 * sshd takes half a microsecond longer whenever anything comes or goes.
 */

#include <time.h>

#include "proxy/ssh/ssh_mux.h"

#define ALWAYS     2     /* what one docker command is likely to want */
#define NEAR_MOST  8     /* where a new one is there in no time */
#define FAR_US     2000  /* that an open takes */
#define MAX_AGE_MS 60000 /* the engine drops connections that say nothing */

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void take(struct ssh_mux *mux, struct ssh_channel *ch)
{
    ch->spare = false;
    ch->given_up = false;
    if (ch->phase == SSH_CHANNEL_SPARE)
        mux->spares--;
}

struct ssh_channel *ssh_mux_claim(struct ssh_mux *mux)
{
    static const enum ssh_channel_phase coming[] = {SSH_CHANNEL_OPENING,
                                                    SSH_CHANNEL_QUEUED};
    struct ssh_channel *ch;

    mux->demand_now++;
    /* the youngest is the least likely to have been dropped meanwhile */
    TAILQ_FOREACH_REVERSE(ch, &mux->in[SSH_CHANNEL_SPARE], ssh_channel_list,
                          link)
    {
        if (!ch->spare || libssh2_channel_eof(ch->wire) == 1)
            continue;
        take(mux, ch);
        waker_wake(&mux->waker); /* ssh_mux_tend makes it an open stream */
        return ch;
    }
    for (size_t i = 0; i < sizeof(coming) / sizeof(*coming); i++) {
        ch = TAILQ_FIRST(&mux->in[coming[i]]);
        if (ch && ch->spare) {
            take(mux, ch);
            return ch;
        }
    }
    return NULL;
}

void ssh_mux_spare_opened(struct ssh_mux *mux, struct ssh_channel *ch)
{
    ch->since = now_ms();
    ssh_mux_enter(mux, ch, SSH_CHANNEL_SPARE);
    mux->spares++;
}

static void drop(struct ssh_mux *mux, struct ssh_channel *ch)
{
    mux->spares--;
    ch->spare = false;
    ssh_mux_enter(mux, ch, SSH_CHANNEL_CLOSING);
}

static size_t wanted(const struct ssh_mux *mux)
{
    size_t n = mux->demand > ALWAYS ? mux->demand : ALWAYS;

    if (mux->way == SSH_MUX_EXEC || mux->spare_refused || mux->no_spares)
        return 0;
    if (mux->quickest_open >= FAR_US)
        return mux->config->spare_channels;
    if (n > NEAR_MOST)
        n = NEAR_MOST;
    return n < mux->config->spare_channels ? n : mux->config->spare_channels;
}

void ssh_mux_tend(struct ssh_mux *mux)
{
    struct ssh_channel *ch, *next;

    for (ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_SPARE]); ch; ch = next) {
        next = TAILQ_NEXT(ch, link);
        if (!ch->spare) {
            ssh_mux_enter(mux, ch, SSH_CHANNEL_OPEN);
            ssh_channel_opened(ch);
        } else if (libssh2_channel_eof(ch->wire) == 1) {
            drop(mux, ch);
        } else {
            ssh_channel_credit(ch);
        }
    }
    /* one at a time, behind all that wait */
    if (mux->spares >= wanted(mux) ||
        !TAILQ_EMPTY(&mux->in[SSH_CHANNEL_QUEUED]) ||
        !TAILQ_EMPTY(&mux->in[SSH_CHANNEL_OPENING]))
        return;
    ch = ssh_channel_new(mux->waker.base, mux, SSH_CHANNEL_STREAMLOCAL);
    ch->spare = true;
    ch->given_up = true;
    ssh_mux_add(mux, ch);
}

void ssh_mux_review_spares(struct ssh_mux *mux)
{
    uint64_t now = now_ms();
    struct ssh_channel *ch, *next;

    /* falls slowly, rises at once */
    mux->demand =
        mux->demand_now > mux->demand / 2 ? mux->demand_now : mux->demand / 2;
    mux->demand_now = 0;
    for (ch = TAILQ_FIRST(&mux->in[SSH_CHANNEL_SPARE]); ch; ch = next) {
        next = TAILQ_NEXT(ch, link);
        if (ch->spare &&
            (now - ch->since > MAX_AGE_MS || mux->spares > wanted(mux)))
            drop(mux, ch);
    }
}
