#pragma once

/*
 * The socket below an SSH session, kept away from libssh2: the library sends
 * into our output buffer, which always takes a whole packet, and receives from
 * our input buffer, which we fill when the socket is readable. So libssh2
 * never waits half-way through a packet, and one read serves many packets.
 *
 * Behind a jump host, a stream through that one takes the place of the socket:
 * libssh2 then receives straight from what the stream holds.
 *
 * The transport never closes the session and never calls back; the link looks
 * at it after each step.
 */

#include <libssh2.h>

#include "policy/base/limits.h"
#include "proxy/base/bytes.h"
#include "proxy/upstream/upstream.h"

#define SSH_TRANSPORT_BULK (256 * KIB)

struct ssh_transport {
    int handle; /* what libssh2 takes for its socket, and does not touch */
    int fd;     /* or -1 */
    struct stream *stream; /* or NULL */
    struct bytes in;
    struct bytes out;
    size_t budget;     /* bytes that libssh2 may still take in this pass */
    uint64_t taken;    /* bytes that libssh2 took, ever */
    uint64_t received; /* bytes that came from the socket, ever */
    bool eof;          /* the peer will send nothing more */
    int error;         /* errno that ended the socket, or 0 */
    bool eager;        /* acknowledge at once: while logging in */
    void *owner;       /* whose session it is; for its callbacks */
    size_t greeting_len;
    char greeting[LIMIT_BANNER]; /* the first bytes the server ever sent */
};

/* Takes over the connected, non-blocking FD. */
void ssh_transport_init(struct ssh_transport *transport, int fd);
/* The same with STREAM, which is open; HANDLE is that of the transport below,
 * since libssh2 wants some socket. */
void ssh_transport_init_stream(struct ssh_transport *transport,
                               struct stream *stream, int handle);
/* Closes the socket or stream and frees the buffers; the session must be gone.
 */
void ssh_transport_fini(struct ssh_transport *transport);

/* Make SESSION, created with TRANSPORT as its abstract, use it for its I/O. */
void ssh_transport_attach(struct ssh_transport *transport,
                          LIBSSH2_SESSION *session);

/*
 * Read what the socket has, up to the size of the buffer; send what is
 * waiting. Both return 0 or a negative errno (-ECONNRESET for the peer's end
 * of the stream is left to libssh2 to find, behind the last byte).
 */
int ssh_transport_fill(struct ssh_transport *transport);
int ssh_transport_flush(struct ssh_transport *transport);

/* A new pass: libssh2 may take another share of the input. */
void ssh_transport_begin_pass(struct ssh_transport *transport);

/* Give back the buffers that are empty. */
void ssh_transport_trim(struct ssh_transport *transport);

/*
 * Bound how long the kernel keeps a dead connection for alive: DEAD_AFTER_MS,
 * with so many PROBES in it. Nothing to do without a socket of its own.
 */
void ssh_transport_watch(struct ssh_transport *transport,
                         unsigned dead_after_ms, unsigned probes);

/* From now on every call of libssh2 fails: nothing is sent any more. */
void ssh_transport_cut(struct ssh_transport *transport);

/*
 * The first line the server sent, when it was no SSH banner: sshd says there
 * why it will not talk to us. Empty otherwise.
 */
struct str ssh_transport_greeting(const struct ssh_transport *transport);

/*
 * True when a channel should wait with its data, because enough is on its way.
 * One with much to send waits sooner, so that a few bytes of another never
 * wait behind a long queue.
 */
static inline bool ssh_transport_is_full(const struct ssh_transport *t,
                                         bool bulk)
{
    return t->out.len >= (bulk ? SSH_TRANSPORT_BULK : LIMIT_LINK_OUTPUT);
}
