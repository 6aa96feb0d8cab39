#pragma once

/*
 * One client connection and the exchanges on it, one after the other: bytes
 * and events in, bytes and wishes out. It never sees a socket; whoever drives
 * it feeds what came, carries out connection_wish(), and tells what happened.
 *
 * An exchange has two halves that run and end apart. The request half goes
 * head -> collect -> ask -> ready -> (stream | held) -> done, or into the
 * tunnel; the reply half none -> await -> ask -> body -> done, or into the
 * tunnel. When both are done the connection takes the next request or closes.
 *
 * What always holds: no byte for the engine before the verdict and its audit
 * record, and nothing of berth's own that changes something before that; after
 * a hijack the connection never speaks HTTP again; bytes that a client sends
 * behind a request wait until the reply head says what they are; a request
 * whose bytes may have left is never sent again; a reply that cannot be
 * completed is never ended as if it were.
 */

#include "policy/config/policy.h"
#include "policy/docker/lookup.h"
#include "policy/record/audit.h"
#include "policy/record/job.h"
#include "proxy/exchange/reply.h"
#include "proxy/exchange/tunnel_share.h"

enum side {
    CLIENT,
    ENGINE,
};

/* What an exchange needs of the world, given by whoever drives it. */
struct connection_host {
    /* A request begins: its policy, which is referenced by the exchange from
     * then on. The engine is one and the same until the exchange is idle. */
    struct policy *(*policy)(void *arg);
    /* What is known of the engine. */
    const struct engine_facts *(*engine)(void *arg);
    /* What is known to be the namespace's own. */
    struct own_ids *(*owned)(void *arg);
    /* May the exchange hold MORE bytes than it does (connection_memory)? NULL:
     * always. */
    bool (*has_room)(void *arg, size_t more);
    /* What the listener's name filters may still take (rewrite.h), as of now;
     * NULL: there is no limit. */
    int64_t *(*match_steps)(void *arg);
    /* Who listens on the runner's localhost; NULL: nobody. */
    const struct port_book *(*ports)(void *arg);
    /* What the namespace's tunnels of BuildKit have in common; NULL: they pass
     * unread. */
    struct tunnel_share *(*builds)(void *arg);
    /* Whose job the namespace's things are of; NULL: it is not known. */
    struct job_book *(*jobs)(void *arg);
    uint64_t (*clock_ns)(void *arg); /* CLOCK_REALTIME */
    uint64_t (*random)(void *arg);   /* nobody can guess it */
    /* Put one line on record: 0, or a negative errno. */
    int (*audit)(void *arg, struct str line);
    /*
     * An exchange that has no decision on record is over: is END summed up
     * with others, rather than put on record by itself? NULL: never.
     */
    bool (*sum_up)(void *arg, const struct audit_facts *end);
    /* An exchange is over, and END is what is put on record about it. */
    void (*ended)(void *arg, const struct audit_facts *end);
    /* Who of the namespace has its share of the engine; NULL: nobody else. */
    struct ledger *(*ledger)(void *arg);
    /* Have connection_turn called soon, from the event loop. */
    void (*turn)(void *arg);
    /* A new exchange's ID, unique over processes, into ID. */
    void (*identify)(void *arg, char *id, size_t size);
    void *arg;
    const char *listener;
    struct peer peer;
    bool busy; /* there are too many clients: refuse this one's requests */
};

struct connection;

/* HOST must outlive the connection. */
struct connection *connection_new(const struct connection_host *host);
/* Always NULL. What still runs is put on record as shut down. */
struct connection *connection_free(struct connection *conn);

/* ---- in ---- */

/*
 * Bytes from SIDE; returns how many were taken. The rest is to be fed again,
 * together with what comes later, when connection_wish() reads that side.
 */
size_t connection_feed(struct connection *conn, enum side side,
                       struct str bytes);

/* SIDE will send nothing more (half-close); all it sent was taken. */
void connection_eof(struct connection *conn, enum side side);

/* The client is gone altogether: nothing can be sent to it either. */
void connection_client_gone(struct connection *conn);

/* The engine stream that was wished for is open. */
void connection_stream_open(struct connection *conn);

/*
 * The engine stream failed, or could not be opened. WHY is a sentence for the
 * client, or NULL when it was closed without a reason; RETRY_AFTER seconds, or
 * 0. PRISTINE: no byte written to it can have left, so that the request may be
 * tried on another.
 */
void connection_stream_failed(struct connection *conn, const char *why,
                              unsigned retry_after, bool pristine);

/*
 * The engine's answer to the lookup at INDEX: its STATUS, and its body as JSON
 * or NULL when it is none. Or it was not answered, or (connection_ask_failed)
 * none that is open can be, for the reason WHY. Only while connection_wish()
 * wishes to ask; then there may be more.
 */
void connection_answered(struct connection *conn, size_t index, int status,
                         json_t *reply);
void connection_lookup_failed(struct connection *conn, size_t index,
                              const char *why, unsigned retry_after);
void connection_ask_failed(struct connection *conn, const char *why,
                           unsigned retry_after);

/* A turn that HOST was told of. */
void connection_turn(struct connection *conn);

/* The time of the wish's timeout is over. */
void connection_timeout(struct connection *conn);

enum connection_end {
    END_AFTER_NEXT, /* behind the next request, unless one runs: no client that
                       is just sending one finds the connection closed */
    END_AFTER_THIS, /* behind the request that runs; an idle one at once */
    END_NOW,
};

/* berth stops, or another takes new clients in its place. */
void connection_shutdown(struct connection *conn, enum connection_end end);

/* ---- out ---- */

/* What is to be sent to SIDE, and how much of it was. */
struct str connection_output(const struct connection *conn, enum side side);
void connection_sent(struct connection *conn, enum side side, size_t len);

enum connection_stream {
    STREAM_NONE,     /* it needs none */
    STREAM_WANTED,   /* it waits for one */
    STREAM_USED,     /* it uses the one it has */
    STREAM_REUSABLE, /* it is done with it; another request may have it */
    STREAM_SPENT,    /* it is done with it; close it */
};

enum connection_timer {
    TIMER_NONE,  /* streams may be silent for hours */
    TIMER_HEAD,  /* a request head is coming */
    TIMER_IDLE,  /* between requests */
    TIMER_BODY,  /* a request body is coming */
    TIMER_LINK,  /* waiting for a way to the engine */
    TIMER_TURN,  /* waiting for others of the namespace */
    TIMER_PAUSE, /* before it is tried again, for the engine is busy */
    TIMER_DRAIN, /* what a refused client still sends is read away; or a change
                    is let through although its client is gone */
    TIMER_FLUSH, /* nothing is left but to send what is to be sent */
};

struct connection_wish {
    bool read[2]; /* feed me what this side sends */
    bool shut[2]; /* after all output: EOF to this side */
    enum connection_stream stream;
    bool ask;         /* berth itself has to ask the engine something */
    uint64_t request; /* another number: it is another request */
    enum connection_timer timer;
    uint64_t timer_turn; /* another number: the timer begins anew */
    bool watch; /* the client is not read; that it is gone matters all the
                   same */
    bool close; /* after all output: the connection is over */
};

/* What is to be done now. Ask again after every input and every send. */
struct connection_wish connection_wish(const struct connection *conn);

/* While a stream is wanted: append to OUT what goes over it first. 0, or
 * -ENOBUFS. */
int connection_put_request(const struct connection *conn, struct strbuf *out);

/*
 * What berth itself asks the engine: the next lookup that may go out now, and
 * its *INDEX; or NULL. Several may be on their way at the same time, each told
 * to be sent. When connection_wish() stops to ask, their answers are not
 * wanted.
 */
const struct lookup *connection_next_lookup(const struct connection *conn,
                                            size_t *index);
void connection_lookup_sent(struct connection *conn, size_t index);

/* All of the request that runs. */
const struct lookups *connection_lookups(const struct connection *conn);

/* Is the answer to the lookup at INDEX, which was sent, still wanted? */
bool connection_awaits_lookup(const struct connection *conn, size_t index);

/* The engine stream was taken away as STREAM_REUSABLE or _SPENT asked. */
void connection_stream_gone(struct connection *conn);

/* About how many bytes it holds of client and engine. */
size_t connection_memory(const struct connection *conn);

/* For the log: what is going on, in a word, and the current exchange's ID. */
const char *connection_state(const struct connection *conn);
const char *connection_id(const struct connection *conn);
bool connection_is_idle(const struct connection *conn);

struct exchange_glance {
    enum operation operation;
    struct str path; /* as asked, good until anything is fed */
    uint64_t started_ns, bytes_in, bytes_out;
};

/*
 * What runs, for the numbers: false when nothing does, or its end has been told
 * already.
 */
bool connection_look(const struct connection *conn,
                     struct exchange_glance *glance);
