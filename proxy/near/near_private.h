#pragma once

/* The inside of near, shared by near*.c alone. */

#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "policy/base/limits.h"
#include "proxy/near/near.h"
#include "proxy/upstream/subrequest.h"

union near_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* A port of a container, and where the engine last said it is published. */
struct near_port {
    struct near_entry *entry;
    char name[PORT_NAME];
    unsigned engine_port; /* 0: not known */
};

struct near_listener {
    struct near_port *port;
    union near_address address;
    int fd;
    struct event *event;
    struct event *pause; /* after a failed accept */
    TAILQ_ENTRY(near_listener) link;
};

/* A container that is listened for. */
struct near_entry {
    struct near *near;
    char *id, *name;
    json_t *wish, *shown;
    struct near_port *ports;
    size_t port_count;
    TAILQ_HEAD(near_listeners, near_listener) listeners;
    bool running;       /* as far as is known */
    bool expects_start; /* an event that tells so is to come */
    unsigned patience;  /* checks that it may still take */
    bool seen;          /* in the list that was just read */
    struct subrequest *question;
    bool again;          /* ask once more behind it */
    struct event *retry; /* the question went wrong */
    TAILQ_ENTRY(near_entry) link;
};

enum near_asked {
    ASKED_NOTHING,
    ASKED_NEXT, /* with the next question */
    ASKED_NOW,  /* with the one on its way */
    ASKED_ANSWERED,
};

struct near_conn {
    struct near *near;
    struct near_port *port; /* NULL: its container has ended */
    int fd;
    struct turn turn; /* its bytes go on in it */
    size_t memory;    /* that it may come to hold */
    struct event *readable, *writable;
    bool may_read;          /* READABLE has told so */
    struct event *deadline; /* to be confirmed, or to end */
    struct stream *stream;  /* or NULL: it is not known where to */
    unsigned opened;        /* the port that STREAM leads to */
    unsigned tries;
    enum near_asked asked;
    bool confirmed;
    bool client_eof, told_engine, told_client;
    TAILQ_ENTRY(near_conn) link;
};

/* What connections have to say to what is above them. */
struct near_conn_events {
    /* A connection is ASKED_NEXT (near_ask). */
    void (*on_question)(struct near_entry *entry);
    /* There is room for connections again (near_accept_on). */
    void (*on_room)(struct near *near);
};

struct near {
    const struct near_conn_events *events;
    struct event_base *base;
    struct turn_group *turns;
    struct memory_share *memory;
    struct upstream *upstream;
    struct pool *pool;
    char *ns, *address;
    struct strings listen; /* copied */
    TAILQ_HEAD(near_entries, near_entry) entries;
    TAILQ_HEAD(near_conns, near_conn) conns;
    struct near_watch *watch;
    struct event *check; /* of those that may not run */
    json_t *notes;       /* {ID: {"name", "wish"}} of containers just made */
    bool yielded;        /* another process listens */
    unsigned opening;    /* connections that are not confirmed */
    bool starved;        /* listeners wait for connections to open or end */
    bool told_why;       /* the log knows why connections are not carried */
    bool told_crowded;   /* and why they wait */
    struct near_counts counts;
};

enum {
    NEAR_OPENING = 16, /* connections at a time that do not lead there yet:
                          channels open one after the other, others' too */
    NEAR_RETRY_S = 1,
    NEAR_CHECK_S = 5,
    NEAR_PATIENCE = 12,  /* such checks: a start may take a minute */
    NEAR_CONFIRM_S = 30, /* a connection waits so long for the engine */
    NEAR_LINGER_S = 10,  /* and lives on behind its container */
};

/* near_entry.c */
struct near_entry *near_find(const struct near *near, struct str id);
struct near_entry *near_entry_new(struct near *near, struct str id,
                                  struct str name, const json_t *wish);
void near_release(struct near_entry *entry);
/* Have the container inspected; connections that are ASKED_NEXT go by that. */
void near_ask(struct near_entry *entry);
/* CONTAINER, as it was inspected, is NULL when there is none. The entry may be
 * gone then. */
void near_entry_learn(struct near_entry *entry, const json_t *container);

/* near_listen.c: listen for all of ENTRY's ports; what a failed one leaves is
 * for near_unlisten. */
enum port_open near_listen(struct near_entry *entry, struct str *other,
                           struct strbuf *why);
void near_unlisten(struct near_entry *entry);
/* There is room for connections again. */
void near_accept_on(struct near *near);

/* near_conn.c */
void near_conn_new(struct near_port *port, int fd);
void near_conn_end(struct near_conn *conn, bool reset);
/* The question that it was ASKED_NOW with is answered. */
void near_conn_answered(struct near_conn *conn);
/* Its container has ended, or is not listened for any more. */
void near_conn_orphan(struct near_conn *conn);

/* near_watch.c */
struct near_watch_events {
    void (*on_event)(struct near *near, const json_t *event);
    /* Those that run, all of them. */
    void (*on_list)(struct near *near, const json_t *list);
};
struct near_watch *near_watch_new(struct near *near,
                                  const struct near_watch_events *events);
struct near_watch *near_watch_free(struct near_watch *watch);
