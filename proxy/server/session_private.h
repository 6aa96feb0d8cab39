#pragma once

/*
 * What the files of a session share: session.c turns the exchange's wishes into
 * calls, session_host.c answers what the exchange asks of the world, and
 * session_engine.c and session_client.c move the bytes of either side.
 *
 * A settle function does one step of what the exchange wishes, and tells
 * whether it did: the wishes may be others then.
 */

#include "proxy/server/session.h"

#include "proxy/exchange/connection.h"
#include "proxy/upstream/subrequest.h"

enum {
    SESSION_READ_BYTES = 128 * 1024, /* it reads so much at once */
    SESSION_LOOKUPS = 8,             /* on their way at the same time */
};

/* One lookup of the exchange's that is on its way; free without SUBREQUEST. */
struct session_lookup {
    struct session *session;
    uint64_t request; /* of the exchange's, as connection_wish() numbers them */
    size_t index;     /* of its lookup */
    bool bounded;     /* a reply that finds no room may be lost: a question's */
    struct subrequest *subrequest;
    struct companion_ask *ask; /* in its stead, of the companion */
    struct files_ask *files;   /* or of who copies files */
};

struct session {
    struct frontend *frontend;
    int fd;
    char *caller;       /* the container that it came from; or NULL */
    struct event *io;   /* edge-triggered: what it told is kept below */
    struct event *room; /* while its socket is full; else each byte that the
                           client reads would wake us */
    struct turn turn;   /* all work is done in it (session.c) */
    struct event *timer;
    enum connection_timer timer_for;
    uint64_t timer_turn;
    bool readable, writable;
    bool half_closed; /* the client's end: after its bytes comes EOF */
    bool client_eof;  /* read, and told to the exchange once HELD is empty */
    bool told_client_eof, told_engine_eof;
    bool shut[2];
    size_t memory;      /* of the exchange and the below, as accounted */
    struct strbuf held; /* read from the client, not yet taken */
    struct connection_host host;
    struct connection *connection;
    struct backend *backend; /* the exchange's, from its beginning to its end */
    struct session_lookup lookups[SESSION_LOOKUPS];
    size_t may_read; /* bytes of their replies, in this turn */
    struct stream *stream;
    struct pool_waiter waiter;
    bool waiting;
    bool closed;
    struct session *next, **link;
};

/* Something has changed: have the session's turn come */
static inline void session_wake(struct session *s)
{
    turn_wake(&s->turn);
}

/* Have its listener know how many bytes it holds now. */
void session_account(struct session *s);

/* May the session ARG hold MORE bytes? */
bool session_has_room(void *arg, size_t more);

/* Fill s->host. Its peer is s->caller, or the process behind s->fd, as
 * SO_PEERCRED tells. */
void session_host_init(struct session *s, bool busy);

/* ---- the engine's side ---- */

void session_engine_init(struct session *s);

/* WHY, with the host that it is about in front where the namespace could be on
 * another one, too; good as long as BUFFER is. */
const char *session_why(const struct session *s, const char *why,
                        struct strbuf *buffer);

/* Give up what is asked and what is awaited; a stream that is REUSABLE and was
 * not shut goes back to the pool. */
void session_drop_stream(struct session *s, bool reusable);

/* An exchange begins: it has the backend of now, until it ends. */
void session_hold_backend(struct session *s);
/* Give the backend up if no exchange runs and nothing of it is in use. */
void session_settle_backend(struct session *s);

bool session_settle_lookups(struct session *s);
bool session_settle_stream(struct session *s);
bool session_write_engine(struct session *s);
bool session_read_engine(struct session *s);

/* ---- the client's side ---- */

bool session_write_client(struct session *s);
bool session_read_client(struct session *s);

/* Learn of a client that has left while nothing more is read from it. */
void session_watch_client(struct session *s);
