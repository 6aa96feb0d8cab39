#pragma once

/*
 * Where a transcript is played: a real frontend with its listener, sessions,
 * pools and subrequests, in one event loop. The test plays the clients, at the
 * other end of Unix sockets, and the engines, as upstreams whose streams it
 * opens, feeds and breaks.
 *
 * The clock is the test's: no timer but those of no time runs by itself
 * (event_add), and a session's is fired by stage_timeout. What a client is sent
 * is taken from send() itself, so that it can be cut at any byte.
 */

#include "policy/config/policy.h"
#include "proxy/exchange/connection.h"
#include "proxy/server/frontend.h"

#define STAGE_CLIENTS 2

struct session;
struct stage_stream;
struct stage_engine;

/* One side of a connection, as the test plays it. */
struct stage_side {
    struct strbuf in;  /* sent by it, and not taken by the session yet */
    bool eof;          /* it sends nothing more */
    struct strbuf out; /* it was sent that; the test takes it from here */
    size_t room;       /* it takes so many bytes more */
    bool shut;         /* it was told EOF */
};

struct stage_client {
    struct stage_side sides[2]; /* the client's, and its engine stream's */
    int fd;                     /* its socket, or -1 */
    int served_fd;              /* the session's end of it */
    bool told_eof;              /* on it */
    bool gone;
    struct session *session;     /* NULL: there is none yet, or any more */
    bool closed;                 /* the connection, by its session */
    struct stage_stream *stream; /* the session's, now or the last one */
    enum connection_stream fate; /* of it; STREAM_NONE: it is in use */
};

struct stage {
    struct policy *policy;
    struct runtime runtime;
    struct frontend *frontend;
    struct stage_client clients[STAGE_CLIENTS];
    struct stage_client *client; /* the one who acts; NULL: nobody yet */
    size_t piece;                /* so many bytes at most are sent at once */
    struct engine_facts facts;
    bool busy;         /* every client comes when there are too many */
    bool keeps;        /* the engine's idle streams are used again */
    bool far;          /* a stream to it takes long to open */
    const char *fails; /* why the next FAILING streams do not open on which
                          berth itself asks something */
    unsigned failing;
    bool audit_fails;
    struct strbuf audit; /* all records, a line each */
    unsigned exchanges;
    unsigned activity; /* grows with whatever is done outside a session */
    struct stage_stream *streams;
    struct stage_engine *engines;
    unsigned engine_count;
};

/* KEYS: JSON members of a policy beside version, upstream and listen; without
 * "namespace" among them it is r1, and without "isolation" there is none.
 * SOCKET is the engine's. */
struct policy *stage_policy(const char *keys, const char *socket);

/* The references to POLICY are taken over. One stage at a time. */
void stage_init(struct stage *stage, struct policy *policy);
void stage_fini(struct stage *stage);

/* Read the policy anew, which is POLICY from now on. */
void stage_reload(struct stage *stage, struct policy *policy);

/* From now on, client NUMBER acts, who connects. */
void stage_act_as(struct stage *stage, unsigned number);
/* It connects once more. */
void stage_reconnect(struct stage *stage);

/* The engine answered a ping: its facts are known. */
void stage_know_engine(struct stage *stage);

/* SIDE sends BYTES, or EOF; all that follows from it is done. */
void stage_send(struct stage *stage, enum side side, struct str bytes);
void stage_eof(struct stage *stage, enum side side);
void stage_client_gone(struct stage *stage);
void stage_set_room(struct stage *stage, enum side side, size_t room);
/* The session's timer, which must run, is over. */
void stage_timeout(struct stage *stage);
void stage_shutdown(struct stage *stage, enum connection_end end);
/* Do all there is to do. */
void stage_settle(struct stage *stage);

/* Does the client's session have a stream to the engine; wait for one? */
bool stage_has_stream(const struct stage *stage);
bool stage_wants_stream(const struct stage *stage);
/* The one that is waited for opens. */
void stage_open_stream(struct stage *stage);
/* The session's stream breaks, or cannot be opened; or those on which berth
 * itself asks something do. */
void stage_fail_stream(struct stage *stage, const char *why, bool pristine);
/* The engine closes the streams that nobody uses. */
void stage_close_idle(struct stage *stage);
/* Which engine the lookup that stage_lookup gives goes to, or else the
 * session's stream, now or the last one; from 1 on. 0: there is none. */
unsigned stage_engine_of(const struct stage *stage);

/* The first lookup that has been sent and not answered; NULL: there is none. */
const struct lookup *stage_lookup(const struct stage *stage);
/* The engine's answer to that one, with BODY; false when there is none. */
bool stage_answer(struct stage *stage, unsigned status, struct str body);

/* What the client's exchange wishes; nothing when there is none. */
struct connection_wish stage_wish(const struct stage *stage);
bool stage_is_idle(const struct stage *stage);

/* ---- between stage.c and stage_engine.c ---- */

/* Makes an upstream of the stage's. */
struct upstream *stage_upstream_new(struct stage *stage,
                                    const struct upstream_config *config);
void stage_engines_fini(struct stage *stage);
/* Open, or fail, the streams on which berth itself asks something. */
void stage_serve_lookups(struct stage *stage);
/* Whose stream is it? NULL: the pool's, or a subrequest's. */
struct stage_client *stage_client_of(struct stage *stage, const void *arg);
/* See what became of the streams of the sessions. */
void stage_look(struct stage *stage);
