#pragma once

/*
 * How berth reaches the engine: an upstream gives byte streams to it. Behind
 * this interface are SSH channels (ssh_link.h), plain Unix and TCP sockets
 * (socket_upstream.h), and in tests a fake. Nothing here knows HTTP.
 *
 * A stream is pulled, not pushed: it says that something changed, and its
 * owner then looks (state, peek, room). What is not consumed stays with the
 * stream, whose flow control holds the peer back: a slow owner costs at most
 * LIMIT_CHANNEL_INPUT bytes and stalls nobody else. (One that was fast may have
 * been given up to LIMIT_LONG_INPUT, until LIMIT_LINK_LENT.)
 */

#include "policy/base/str.h"

struct stream;
struct upstream;

enum stream_state {
    STREAM_OPENING, /* not yet usable; what is written waits here */
    STREAM_OPEN,
    STREAM_CLOSED, /* for good; WHY says the reason when it was no clean end,
                      and then there may still be something to peek at */
};

/*
 * The one rule of callbacks and lifetimes, for streams, pools (pool.h),
 * subrequests (subrequest.h), upstreams and backends alike:
 *
 * - A callback comes from a turn of the event loop, never from inside a call
 *   into the module that makes it: who calls need not expect to be called.
 * - A callback may do anything: close its stream, take another, give up the
 *   last reference to the backend that all of them belong to. Nothing is freed
 *   under it: what is given up is told nothing from then on, and its memory
 *   goes in a later turn of the loop. So who makes callbacks may go on using
 *   what it had before them, and looks at the state anew where that matters.
 * - Who has a stream, or waits for one, holds the backend.
 */

/*
 * Called after the state changed, bytes came, room came, or the peer's EOF
 * came. The owner may close the stream here.
 */
typedef void (*stream_cb)(struct stream *stream, void *arg);

struct stream_ops {
    struct str (*peek)(struct stream *stream);
    void (*consume)(struct stream *stream, size_t len);
    size_t (*room)(const struct stream *stream);
    size_t (*write)(struct stream *stream, struct str bytes);
    void (*shutdown)(struct stream *stream);
    void (*close)(struct stream *stream);
};

/* The part that all streams share; embedded first in each kind. */
struct stream {
    const struct stream_ops *ops;
    enum stream_state state;
    bool eof;        /* the peer will send nothing behind what can be peeked */
    bool pristine;   /* no byte that was written can have left this process */
    const char *why; /* STREAM_CLOSED: the reason, or NULL for a clean end */
    stream_cb on_change;
    void *arg;
    const void *who; /* it is for; of this nothing but the address is used */
    unsigned turn;   /* the pool's: when it was last taken, or kept */
};

/* What has come and was not consumed; valid until the next call. */
static inline struct str stream_peek(struct stream *s)
{
    return s->ops->peek(s);
}

/* Done with the first LEN bytes of what peek gave: the window opens again. */
static inline void stream_consume(struct stream *s, size_t len)
{
    s->ops->consume(s, len);
}

/* How many bytes write would take now. on_change tells when it grew from 0. */
static inline size_t stream_room(const struct stream *s)
{
    return s->ops->room(s);
}

/* Send; returns how many bytes were taken (a copy), at most stream_room(). */
static inline size_t stream_write(struct stream *s, struct str bytes)
{
    return s->ops->write(s, bytes);
}

/* EOF behind everything written: half-close, the other half goes on. */
static inline void stream_shutdown(struct stream *s)
{
    s->ops->shutdown(s);
}

/*
 * Give the stream up, in whatever state. No callback comes any more; the
 * memory goes in a later turn of the loop. NULL is fine.
 */
static inline void stream_close(struct stream *s)
{
    if (s)
        s->ops->close(s);
}

/* The steps of making a link, in their order. */
enum upstream_stage {
    UPSTREAM_PROXY,   /* the proxy before the first host, and its consent */
    UPSTREAM_CONNECT, /* a name and a port */
    UPSTREAM_HANDSHAKE,
    UPSTREAM_HOST_KEY,
    UPSTREAM_LOGIN,
    UPSTREAM_CHANNEL, /* what streams are made of */
};

struct upstream_status {
    bool up;                   /* an open now would begin at once */
    enum upstream_stage stage; /* !up: where it is, or failed */
    const char *why; /* !up: one sentence for the client: what and what next */
    unsigned retry_ms;   /* !up: when the next try comes, or 0 if unknown */
    uint64_t generation; /* grows when what was there before is gone, and a
                            new connection (ssh: login) may lead elsewhere */
    uint64_t connects;   /* 1 and how often any was made again; 0: none yet */
    unsigned links;      /* ssh: that streams are spread over */
    bool direct;         /* each stream is a connection to the engine */
    unsigned hops;       /* jump hosts that are behind us */
    unsigned channels;   /* there are now, spare ones too */
    uint64_t open_us;    /* that the quickest open took; 0: not known */
};

struct upstream_ops {
    struct stream *(*open)(struct upstream *upstream, stream_cb on_change,
                           void *arg);
    /* NULL: it has no way to ports of the engine's host */
    struct stream *(*open_port)(struct upstream *upstream, const char *address,
                                unsigned port, stream_cb on_change, void *arg);
    /* NULL: none ever lingers */
    size_t (*lingering)(const struct upstream *upstream, const void *who);
    /* NULL: there is but one place that it can lead to */
    bool (*reject)(struct upstream *upstream, const char *why);
    void (*status)(const struct upstream *upstream,
                   struct upstream_status *status);
    void (*free)(struct upstream *upstream);
};

struct upstream {
    const struct upstream_ops *ops;
    /* Told when the status changed; set by the one who holds the upstream. */
    void (*on_status)(struct upstream *upstream, void *arg);
    void *status_arg;
};

/*
 * A new stream in STREAM_OPENING. While the upstream is down it stays there,
 * and opens when the link is back; the owner sets its own time limit. NULL
 * when LIMIT_CHANNELS are open already.
 */
static inline struct stream *upstream_open(struct upstream *u,
                                           stream_cb on_change, void *arg)
{
    return u->ops->open(u, on_change, arg);
}

/*
 * The same, to a TCP port on an address of the engine's host (at most
 * LIMIT_HOST long), as that host sees it. When nobody listens or answers there,
 * or the server does not permit it, the stream closes with the reason.
 */
static inline struct stream *upstream_open_port(struct upstream *u,
                                                const char *address,
                                                unsigned port,
                                                stream_cb on_change, void *arg)
{
    return u->ops->open_port
               ? u->ops->open_port(u, address, port, on_change, arg)
               : NULL;
}

/*
 * How many streams for WHO were given up and are not gone: an SSH server closes
 * a channel (RFC 4254, 5.3) when the engine has read what was sent on it, and
 * holds that until then, up to the window (2 MiB).
 */
static inline size_t upstream_lingering(const struct upstream *u,
                                        const void *who)
{
    return u->ops->lingering ? u->ops->lingering(u, who) : 0;
}

/*
 * What was reached is not what was meant, for the reason WHY: the connection is
 * given up, and the next one goes to another of the host's addresses, if it has
 * several. False: that would change nothing.
 */
static inline bool upstream_reject(struct upstream *u, const char *why)
{
    return u->ops->reject && u->ops->reject(u, why);
}

static inline void upstream_get_status(const struct upstream *u,
                                       struct upstream_status *status)
{
    u->ops->status(u, status);
}

/*
 * Ends the link. Streams that are still open close with a reason, which their
 * owners are told in a later turn of the loop. The configuration is not used
 * any more.
 */
static inline void upstream_free(struct upstream *u)
{
    if (u)
        u->ops->free(u);
}
