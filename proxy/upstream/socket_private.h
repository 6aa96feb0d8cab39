#pragma once

/* The inside of sockets as an upstream, shared by socket_*.c alone. */

#include <sys/queue.h>

#include "proxy/base/bytes.h"
#include "proxy/net/dialer.h"
#include "proxy/upstream/one_address.h"
#include "proxy/upstream/socket_upstream.h"

#define IN_MAX    LIMIT_OUT
#define OUT_MAX   LIMIT_OUT
#define READ_SIZE (64 * KIB)

struct socket_upstream;

struct socket_stream {
    struct stream stream;       /* first: a stream is cast to its socket */
    struct socket_upstream *up; /* NULL when that has been freed */
    struct event_base *base;
    int fd;
    const char *where; /* it is dialed to, for messages */
    bool to_engine;
    struct dialer *dialer;
    struct event *readable;
    struct event *writable;
    struct event *soon; /* a turn of the loop later */
    struct bytes in;
    struct bytes out;
    bool shut; /* EOF goes behind OUT */
    bool eof_sent;
    bool was_full; /* the owner waits to be told of room */
    int error;     /* met in a call of the owner's, to be told later */
    char *why_text;
    TAILQ_ENTRY(socket_stream) link;
};

struct socket_upstream {
    struct upstream upstream; /* first */
    struct event_base *base;
    const struct upstream_config *config;
    size_t count;
    struct one_address address; /* tcp */
    TAILQ_HEAD(socket_streams, socket_stream) streams;
};

/* socket_upstream.c */
void socket_tell(struct socket_stream *s);
/* A turn of the loop later, or MS. */
void socket_soon(struct socket_stream *s, unsigned ms);
/* For the reason WHY, or NULL for a clean end. */
void socket_end(struct socket_stream *s, const char *why);
/* FD is the stream's from now on. */
void socket_connected(struct socket_stream *s, int fd);

/* socket_dial.c: they end in socket_connected, or socket_end and a tell. */
void socket_connect(struct socket_stream *s); /* to the Unix socket */
void socket_dial(struct socket_stream *s);    /* to the engine's host */
/* The same to a port of this machine. */
void socket_dial_port(struct socket_stream *s, const char *address,
                      unsigned port);
bool socket_reject(struct upstream *upstream, const char *why);
