#pragma once

/*
 * One stream over an SSH session: its buffers, its libssh2 channel, and how
 * far it has come. The mux (ssh_mux.h) owns the channels of a session and
 * calls the functions here in its passes; the owner of the stream sees only
 * upstream.h.
 *
 * Windows are kept by hand: the server may send WINDOW bytes, at first at most
 * LIMIT_CHANNEL_INPUT, and gets credit for what the owner has consumed; more
 * than that while the owner is faster than a long way lets the bytes come. All
 * that arrives is moved at once from libssh2's common queue into the channel's
 * own buffer, so that a slow owner delays no other.
 */

#include <event2/event.h>
#include <libssh2.h>
#include <sys/queue.h>

#include "proxy/base/bytes.h"
#include "proxy/ssh/ssh_transport.h"
#include "proxy/upstream/upstream.h"

enum ssh_channel_kind {
    SSH_CHANNEL_STREAMLOCAL, /* direct-streamlocal@openssh.com */
    SSH_CHANNEL_TCP,         /* direct-tcpip */
    SSH_CHANNEL_EXEC,        /* "docker system dial-stdio" */
    SSH_CHANNEL_ERRAND,      /* a command for its side effect; no stream */
};

enum ssh_channel_phase {
    SSH_CHANNEL_QUEUED,   /* waits for its turn */
    SSH_CHANNEL_OPENING,  /* the open is with the server */
    SSH_CHANNEL_STARTING, /* the command is with the server */
    SSH_CHANNEL_SPARE,    /* open on the wire, for whoever comes next */
    SSH_CHANNEL_OPEN,
    SSH_CHANNEL_CLOSING, /* we are through; the server's close is missing */
    SSH_CHANNEL_GONE,    /* nothing of it is left in libssh2 */
    SSH_CHANNEL_DONE,    /* nor is it its owner's: freed in a later turn */
#define SSH_CHANNEL_PHASES (SSH_CHANNEL_DONE + 1)
};

struct ssh_mux;

struct ssh_channel {
    struct stream stream; /* first: a stream is cast to its channel */
    struct event_base *base;
    struct ssh_mux *mux; /* NULL when the link has been freed */
    LIBSSH2_CHANNEL *wire;
    enum ssh_channel_kind kind;
    enum ssh_channel_phase phase;
    struct strbuf target; /* SSH_CHANNEL_TCP: its channel open message */
    struct bytes in;
    struct bytes out;
    size_t window;           /* what the server may send unconsumed */
    size_t lent;             /* how much of it was added since the opening */
    unsigned long owed;      /* consumed, not yet credited to the server */
    unsigned long crediting; /* the credit that is being sent */
    bool spare;              /* opened ahead of demand, and still unclaimed */
    uint64_t since;          /* milliseconds; when a spare one was opened */
    bool given_up;           /* by its owner: free it when it is gone */
    bool shut;               /* EOF goes behind OUT */
    bool eof_sent;
    bool closed_by_server;
    bool was_full;                 /* the owner waits to be told of room */
    bool spoke;                    /* any byte of standard output came */
    bool busy;                     /* on the mux's list of those with work */
    bool changed;                  /* on the mux's list of news */
    struct strbuf complaint;       /* standard error of a command */
    char *why_text;                /* what stream.why points to */
    TAILQ_ENTRY(ssh_channel) link; /* the mux's list of its phase */
    TAILQ_ENTRY(ssh_channel) busy_link;
    TAILQ_ENTRY(ssh_channel) changed_link;
};

TAILQ_HEAD(ssh_channel_list, ssh_channel);

enum {
    SSH_CHANNEL_E_REFUSED = 1, /* by the server; libssh2 knows the reason */
};

/* Will its owner have nothing more of it? Also while it is being opened. */
static inline bool ssh_channel_is_over(const struct ssh_channel *channel)
{
    return channel->given_up || channel->stream.state == STREAM_CLOSED;
}

/* A new channel in SSH_CHANNEL_QUEUED. */
struct ssh_channel *ssh_channel_new(struct event_base *base,
                                    struct ssh_mux *mux,
                                    enum ssh_channel_kind kind);

/* Frees it now; WIRE must be gone, or its session. */
void ssh_channel_free(struct ssh_channel *channel);

/* Have the server start COMMAND. 0, -EAGAIN or SSH_CHANNEL_E_REFUSED. */
int ssh_channel_start(struct ssh_channel *channel, const char *command);

/* It is usable from now on. */
void ssh_channel_opened(struct ssh_channel *channel);

/* Take what libssh2 has received for it, and notice EOF and close. */
void ssh_channel_receive(struct ssh_channel *channel);

/*
 * Send one share of what is waiting: credit, data, EOF.
 * Returns true when anything was sent, so that there may be more to do.
 */
bool ssh_channel_send(struct ssh_channel *channel,
                      struct ssh_transport *transport);

/*
 * Tell the server how much more it may send, when that is much. Without any
 * credit sshd does not even notice that the far end has closed. Returns true
 * when something was sent.
 */
bool ssh_channel_credit(struct ssh_channel *channel);

/* True while there is something that send could do, now or later. */
bool ssh_channel_has_work(const struct ssh_channel *channel);

/* Give back the memory that it does not need now; for now and then. */
void ssh_channel_trim(struct ssh_channel *channel);

/* Close it on the wire. 0 when it is gone from libssh2, or -EAGAIN. */
int ssh_channel_finish(struct ssh_channel *channel);

/* End the stream; WHY, which is copied, is NULL for a clean end. */
void ssh_channel_end(struct ssh_channel *channel, const char *why);
