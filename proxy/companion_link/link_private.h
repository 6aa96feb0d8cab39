#pragma once

/* The inside of companion_link, shared by its files alone. */

#include <sys/queue.h>

#include "policy/base/limits.h"
#include "policy/docker/companion_name.h"
#include "proxy/base/backoff.h"
#include "proxy/base/bytes.h"
#include "proxy/companion/programs.h"
#include "proxy/companion/wire.h"
#include "proxy/companion_link/box.h"
#include "proxy/companion_link/companion_link.h"
#include "proxy/companion_link/exec_pipe.h"
#include "proxy/http/http_reader.h"
#include "proxy/upstream/subrequest.h"

enum {
    LINK_FRAME = WIRE_HEADER + WIRE_PAYLOAD,
    LINK_OUT = 8 * LINK_FRAME, /* of a session, to be sent */
    LINK_CONTROL = 8 * KIB,    /* of that, kept for frames that are no data */
    LINK_ASK_S = 60,           /* a socket is waited for so long */
    LINK_RESERVED_S = 120,     /* and kept for a container to be made */
    LINK_BEAT_S = 30,          /* at most */
    LINK_BEATS = 5,            /* in the time that it waits for one */
    LINK_GREET_S = 15,         /* from the exec to its hello */
    LINK_ENDING = 32,          /* connections that are over and not read yet */
    LINK_ENDING_S = 2,         /* each of them is kept so long */
    LINK_REST_S = 10, /* between two looks whether another berth has it */
};

/* ---- session.c: frames over an exec ---- */

struct link_session;

struct link_events {
    /* The session says hello: it carries connections from now on. */
    void (*on_ready)(void *arg);
    /* A connection to socket NUMBER, on CHANNEL: call link_conn_new, or
     * link_refuse. */
    void (*on_open)(uint32_t channel, unsigned number, void *arg);
    /* It is over, for the reason WHY; REPLACED: another berth of the namespace
     * has one now. The session is the callee's to free. */
    void (*on_end)(const char *why, bool replaced, void *arg);
    void *arg;
};

/* Start EXEC, which was created with NONCE, and speak with it; a beat every
 * BEAT_S. CONFIG outlives it. */
struct link_session *link_session_new(const struct companion_config *config,
                                      const char *exec, const char *nonce,
                                      unsigned beat_s,
                                      const struct link_events *events);
/* Its connections close. NULL is fine; returns NULL. */
struct link_session *link_session_free(struct link_session *session);

/* Bytes of a frame's payload that may be added now, behind its head. */
size_t link_room(const struct link_session *session);
/* Where that payload goes, LINK_ROOM bytes at most; then link_commit. */
unsigned char *link_payload(struct link_session *session);
void link_commit(struct link_session *session, enum wire_type type,
                 uint32_t channel, size_t length);
/* A frame that is no data. False: there is no room now. */
bool link_put(struct link_session *session, enum wire_type type,
              uint32_t channel, const void *payload, size_t length);
void link_refuse(struct link_session *session, uint32_t channel);
unsigned link_connections(const struct link_session *session);

/* ---- conn.c: a channel and a socket here ---- */

struct link_conn {
    struct link_session *session;
    uint32_t channel;
    int fd;
    struct turn turn; /* what its events tell is done in it */
    size_t memory;    /* that it may come to hold */
    struct event *readable, *writable;
    bool reads, writes; /* they have told so */
    struct wire_account account;
    struct bytes held; /* for FD */
    uint32_t back;     /* credit to be given back */
    bool shut;         /* FD is told of EOF */
    bool ends;         /* the companion has closed it */
    bool closes;       /* it is to be told that this side has */
    bool ending;       /* over for the companion; a client has yet to read */
    struct event *deadline; /* then; or NULL */
    /* Told that it goes while its client waits to be known; else NULL */
    void (*on_gone)(void *arg);
    void *arg;
    TAILQ_ENTRY(link_conn) link;
};
TAILQ_HEAD(link_conns, link_conn);

/* NULL: no more sockets can be made. *FAR is the end for a client of ours. */
struct link_conn *link_conn_new(struct link_session *session, uint32_t channel,
                                int *far);
void link_conn_free(struct link_conn *conn);
/* A frame for it has come: false when it is not as it must be. The connection
 * may be gone. */
bool link_conn_take(struct link_conn *conn, const struct wire_frame *frame);
/* There is room to send to the companion again. */
void link_conn_resume(struct link_conn *conn);

/* session.c, for conn.c */
const struct companion_config *link_config(const struct link_session *session);
void link_add(struct link_session *session, struct link_conn *conn);
void link_remove(struct link_session *session, struct link_conn *conn);
/* CONN is over for the companion: it counts no more, and the oldest of those
 * goes if there are too many. */
void link_note_ending(struct link_session *session, struct link_conn *conn);
/* Have what was put sent, in a turn. */
void link_flush(struct link_session *session);

/* ---- life.c: from nothing to a session ---- */

enum step {
    STEP_IDLE,  /* there is none, and nobody needs one */
    STEP_BEGIN, /* its container is looked for, or made */
    STEP_GREET, /* the session has to say hello */
    STEP_READY,
    STEP_PAUSE, /* before it begins anew */
};

struct companion {
    struct companion_config config;
    char *ns;
    enum step step;
    struct box *box;
    struct event *soon; /* the next step; or the end of a pause */
    struct backoff backoff;
    unsigned lease_s;   /* that it was made with */
    bool replaced;      /* another berth has it, as far as is known */
    struct strbuf path; /* of the volume on the engine's host */
    char nonce[WIRE_NONCE + 1];
    struct link_session *session;
    struct subrequest *list;       /* of containers that have sockets */
    unsigned lists;                /* that were asked for */
    char *callers[WIRE_SOCKETS];   /* IDs of those that are known; or NULL */
    time_t reserved[WIRE_SOCKETS]; /* when it was given out; or 0 */
    unsigned turn;                 /* the socket to begin a search with */
    TAILQ_HEAD(companion_asks, companion_ask) asks;
    TAILQ_HEAD(guests, guest) guests;
    uint64_t carried;
    bool told_why;
    bool told_crowded; /* the log knows why connections are refused */
};

/* ---- sockets.c: who has which, the waiters, who calls ---- */

/* One more waiter (companion_ask). */
struct companion_ask *link_ask_new(struct companion *companion,
                                   companion_cb on_reply, void *arg);
/* All who wait are told. */
void link_refuse_asks(struct companion *companion, int status, const char *why);
/* Go by the list of containers that have sockets; it is asked for. The waiter
 * already is served by the one that is asked for next. */
void link_ask_list(struct companion *companion);
/* A connection to socket NUMBER, on CHANNEL of the session. */
void link_take_connection(struct companion *companion, uint32_t channel,
                          unsigned number);
/* What is known of callers may be wrong: another berth may have had it. */
void link_forget_callers(struct companion *companion);
void link_sockets_init(struct companion *companion);
/* The waiters are told in a later turn of the loop. */
void link_sockets_fini(struct companion *companion);

/* ---- exec_pipe.c ---- */

/* A fresh one, by which what answers is known to be what was begun. */
void link_make_nonce(char nonce[WIRE_NONCE + 1]);

/* ---- image.c ---- */

/* The program for ARCHITECTURE, Docker's word; or NULL. */
const struct companion_program *link_program(struct str architecture);
/* Append the name of its image. */
void link_put_image_name(struct strbuf *out,
                         const struct companion_program *program);
/* Append the archive that loads it, as "docker save" writes them. */
enum { LINK_ARCHIVE = 4 * 1024 * 1024 };
int link_put_archive(struct strbuf *out,
                     const struct companion_program *program);
