#pragma once

/*
 * Many streams over one logged-in SSH session, and from one session to the
 * next. The link (ssh_link.h) attaches a session when it has one, calls
 * ssh_mux_run when bytes came or somebody woke the mux, and detaches the
 * session when it is dead. Streams that wait to be opened outlive it.
 *
 * libssh2 moves its transport only as a side effect of other calls, so the
 * mux keeps one channel that is never used for data, the pump: a read of no
 * bytes from it takes in whatever came for all channels. Then each channel is
 * asked what it has. Opens go strictly one after the other, as libssh2 wants.
 */

#include "policy/config/upstream_config.h"
#include "proxy/net/waker.h"
#include "proxy/ssh/ssh_channel.h"

/* How streams are opened, as far as this session has shown. */
enum ssh_mux_way {
    SSH_MUX_UNDECIDED,
    SSH_MUX_STREAMLOCAL,
    SSH_MUX_EXEC,
};

struct ssh_mux {
    struct waker waker; /* has ssh_mux_run called */
    const struct upstream_config *config;

    bool no_spares; /* it is for ports alone */
    /* Called when nothing waits here to be opened: may put something there. */
    void (*feed)(struct ssh_mux *mux, void *arg);
    void *feed_arg;

    struct strbuf target;  /* the channel open message for the socket */
    struct strbuf command; /* the dial-stdio command */

    /* of the session; none of it without one */
    LIBSSH2_SESSION *session;
    struct ssh_transport *transport;
    LIBSSH2_CHANNEL *pump;
    bool forward_only; /* the server grants no session channels */
    uint64_t polled;   /* transport->taken when all were last asked */
    bool probing;      /* a question to the server is open */
    enum ssh_mux_way way;
    char *forward_refusal; /* how the server said no to the socket */
    size_t commands;       /* running on session channels */
    bool sessions_full;    /* no more until one of them ends */
    bool spare_refused;    /* none any more until the next tick */

    uint64_t open_began;    /* microseconds, of the open on its way */
    uint64_t quickest_open; /* how long one took; 0: not known yet */

    size_t lent;       /* beyond the first window of each channel */
    size_t spares;     /* unclaimed, in SSH_CHANNEL_SPARE */
    size_t demand;     /* how many streams began lately */
    size_t demand_now; /* and since the last tick */
    size_t count;      /* streams that their owners still hold */
    /* every channel there is, in the list of its phase */
    struct ssh_channel_list in[SSH_CHANNEL_PHASES];
    struct ssh_channel_list busy;
    struct ssh_channel_list news;
};

enum {
    SSH_MUX_E_REFUSED = 1,
};

void ssh_mux_init(struct ssh_mux *mux, const struct upstream_config *config,
                  const struct waker *waker);

/* Every stream closes with WHY and is from then on its owner's alone. */
void ssh_mux_fini(struct ssh_mux *mux, const char *why);

void ssh_mux_attach(struct ssh_mux *mux, LIBSSH2_SESSION *session,
                    struct ssh_transport *transport);

/*
 * Make the session ready for streams. 0 when it is; -EAGAIN; -EIO when it
 * broke; SSH_MUX_E_REFUSED with a sentence in *WHY when the server grants
 * nothing that streams could be made of.
 */
int ssh_mux_start(struct ssh_mux *mux, struct strbuf *why);

/* FROM has no session: what waits there waits on TO from now on, in the order
 * in which it came. */
void ssh_mux_move(struct ssh_mux *from, struct ssh_mux *to);
/* The same of CHANNEL alone, which is in SSH_CHANNEL_QUEUED; FROM may have a
 * session. */
void ssh_mux_move_one(struct ssh_mux *from, struct ssh_mux *to,
                      struct ssh_channel *channel);

/* The session is about to go: open streams close with WHY. */
void ssh_mux_detach(struct ssh_mux *mux, const char *why);

/* Move bytes in all directions. 0, or -EIO when the session broke. */
int ssh_mux_run(struct ssh_mux *mux);

/*
 * Ask the server for a sign of life, of which the transport will count the
 * bytes. Where the server grants no session to ask on, at least send something
 * that its kernel must acknowledge.
 */
void ssh_mux_probe(struct ssh_mux *mux);

/* Tell the owners what has changed. They may do anything but free the mux. */
void ssh_mux_deliver(struct ssh_mux *mux);

/* In place of ssh_mux_run for a mux that is a queue alone and has never a
 * session: frees what was given up, and tells the owners. */
void ssh_mux_idle(struct ssh_mux *mux);

/* Housekeeping; to be called every few seconds while there is a session. */
void ssh_mux_tick(struct ssh_mux *mux);

/* As in upstream.h. */
size_t ssh_mux_lingering(const struct ssh_mux *mux, const void *who);

/* A new stream, or NULL when there are LIMIT_CHANNELS. */
struct stream *ssh_mux_open(struct ssh_mux *mux, stream_cb on_change,
                            void *arg);
/* The same, to PORT on ADDRESS as the server sees it. */
struct stream *ssh_mux_open_port(struct ssh_mux *mux, const char *address,
                                 unsigned port, stream_cb on_change, void *arg);

/* In ssh_mux_channels.c, for the channels and the rest of the mux. */

/* CHANNEL has something to send, or to settle. */
void ssh_mux_wake(struct ssh_mux *mux, struct ssh_channel *channel);
/* It has neither for now. */
void ssh_mux_rest(struct ssh_mux *mux, struct ssh_channel *channel);
/* Its owner will want to know. */
void ssh_mux_news(struct ssh_mux *mux, struct ssh_channel *channel);
/* It goes on to PHASE, and to the list of that. */
void ssh_mux_enter(struct ssh_mux *mux, struct ssh_channel *channel,
                   enum ssh_channel_phase phase);
/* Its owner does not want it any more. */
void ssh_mux_give_up(struct ssh_mux *mux, struct ssh_channel *channel);
/* It is not on the wire (any more): open it anew, before all others. */
void ssh_mux_requeue(struct ssh_mux *mux, struct ssh_channel *channel);
/* It is not on the wire, and will not be: its owner's, if there is one. */
void ssh_mux_leave(struct ssh_mux *mux, struct ssh_channel *channel);
/* The engine's first bytes came over it: its way is a good one. */
void ssh_mux_spoke(struct ssh_mux *mux, const struct ssh_channel *channel);
/* Put CHANNEL, which is new, into the queue. */
void ssh_mux_add(struct ssh_mux *mux, struct ssh_channel *channel);
/*
 * How much longer the WINDOW of a channel should get whose owner keeps up, so
 * that nothing slows it down; at most to LIMIT_LONG_INPUT, and LIMIT_LINK_LENT
 * for all.
 */
size_t ssh_mux_growth(const struct ssh_mux *mux, size_t window);
/* The command of SSH_CHANNEL_EXEC. */
const char *ssh_mux_command(struct ssh_mux *mux);

/* In ssh_mux_open.c: open what waits in the queue, as far as it goes. 0 or
 * -EIO. */
int ssh_mux_open_queued(struct ssh_mux *mux);

/* In ssh_mux_spare.c. */

/* A spare channel for a new stream, open or about to be; or NULL. */
struct ssh_channel *ssh_mux_claim(struct ssh_mux *mux);
/* A spare channel is open on the wire. */
void ssh_mux_spare_opened(struct ssh_mux *mux, struct ssh_channel *channel);
/* Hand over spares that were claimed, drop dead ones, begin a new one. */
void ssh_mux_tend(struct ssh_mux *mux);
/* Now and then: how many spares were wanted lately; drop what is too much. */
void ssh_mux_review_spares(struct ssh_mux *mux);
