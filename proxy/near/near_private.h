#pragma once

/* The inside of near, shared by near*.c alone. */

#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "policy/base/limits.h"
#include "proxy/base/backoff.h"
#include "proxy/companion_link/relay.h"
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
    bool udp;
    unsigned engine_port; /* 0: not known */
    unsigned flows;       /* that it has */
};

struct near_listener {
    struct near_port *port;
    union near_address address;
    int fd;
    struct event *event;
    struct event *pause; /* after a failed accept */
    bool any;            /* of UDP: on all addresses */
    struct turn turn;    /* the same: datagrams are read in it */
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
    bool running;        /* as far as is known */
    bool expects_start;  /* an event that tells so is to come */
    unsigned patience;   /* checks that it may still take */
    bool seen;           /* in the list that was just read */
    char *started;       /* since when it runs, as the engine has it; or NULL */
    uint32_t address;    /* of its own, in host order; 0: none is known */
    struct relay *relay; /* for datagrams; or NULL */
    bool relays;         /* it is ready */
    const struct near_relay_events *relay_events;
    uint64_t relay_idle; /* when some flow needed it, s */
    struct backoff backoff;
    uint64_t relay_again; /* not before, ms */
    unsigned questions, answers;
    struct subrequest *question;
    bool again;          /* ask once more behind it */
    struct event *retry; /* the question went wrong */
    TAILQ_ENTRY(near_entry) link;
};

/* A datagram that waits for the way to its container. */
struct near_datagram {
    STAILQ_ENTRY(near_datagram) link;
    size_t len;
    char bytes[];
};

/* Datagrams of one client to one port, and back. */
struct near_flow {
    struct near_listener *listener;
    union near_address peer;
    union near_address local; /* that it sends to, if the listener is on any */
    unsigned since;           /* the question that confirms it */
    bool confirmed;
    uint32_t number; /* the relay's; 0: it is not open */
    bool answered;   /* datagrams have come back */
    uint64_t used;   /* s */
    STAILQ_HEAD(near_held, near_datagram) held;
    size_t held_count;
    TAILQ_ENTRY(near_flow) link;
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
    struct event *input, *writable;
    bool readable;          /* INPUT has told so */
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
    TAILQ_HEAD(near_flows, near_flow) flows; /* the last used is the first */
    struct event *sweep; /* of flows that are idle, while there are any */
    size_t held;         /* bytes that wait in flows */
    size_t held_memory;
    unsigned relays;    /* that there are */
    bool told_no_relay; /* the log knows why datagrams are not carried */
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
    /* a flow ends when it is idle for so long, as with an engine that leaves it
     * to the kernel (nf_conntrack_udp_timeout and _stream, as they long were)
     */
    NEAR_FLOW_S = 30,
    NEAR_TALK_S = 180, /* once there was an answer */
    NEAR_SWEEP_S = 5,
    NEAR_RELAY_S = 60, /* a relay ends without flows */
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

/* near_accept.c: events of listeners of TCP. */
void near_on_accept(evutil_socket_t fd, short what, void *listener);
void near_on_pause_end(evutil_socket_t fd, short what, void *listener);
/* There is room for connections again. */
void near_accept_on(struct near *near);

/* near_conn.c */
void near_conn_new(struct near_port *port, int fd);
void near_conn_end(struct near_conn *conn, bool reset);
/* The question that it was ASKED_NOW with is answered. */
void near_conn_answered(struct near_conn *conn);
/* Its container has ended, or is not listened for any more. */
void near_conn_orphan(struct near_conn *conn);

/* near_flow.c: datagrams */
/* The event of a listener of UDP, and its turn. */
void near_on_datagrams(evutil_socket_t fd, short what, void *listener);
void near_flow_turn(struct turn *turn);
/* A question of ENTRY's is answered: flows that waited for it go by that. */
void near_flow_answered(struct near_entry *entry);
/* The container does not run as it did: open ones end, and the relay. */
void near_flow_restart(struct near_entry *entry);
/* All of this listener. */
void near_flow_unlisten(struct near_listener *listener);
/* Those that are idle at the time NOW, in s of clock_ms(), end. */
void near_flow_sweep(struct near *near, uint64_t now);
void near_flow_init(struct near *near);
void near_flow_fini(struct near *near);

/* near_relay.c: the way to a container for datagrams */
struct near_relay_events {
    void (*on_ready)(struct near_entry *entry);
    void (*on_datagram)(struct near_entry *entry, uint32_t flow,
                        struct str bytes);
    void (*on_closed)(struct near_entry *entry, uint32_t flow);
    void (*on_end)(struct near_entry *entry);
};
/* Begin one, unless there is one. False: not now. */
bool near_relay_begin(struct near_entry *entry,
                      const struct near_relay_events *events);
void near_relay_drop(struct near_entry *entry);

/* near_socket.c */
bool near_is_same(const union near_address *a, const union near_address *b);
socklen_t near_address_size(const union near_address *address);
unsigned near_number(const union near_address *address);
/* A socket that listens at *ADDRESS, whose port is filled in; or -errno. */
int near_open_socket(union near_address *address, bool udp);
/* The next datagram into BYTES: its length, or -errno. LOCAL is filled if L is
 * on any address. */
ssize_t near_receive_from(const struct near_listener *l, char *bytes,
                          size_t most, union near_address *peer,
                          union near_address *local);
/* False: it is lost. */
bool near_send_to(const struct near_listener *l, const union near_address *peer,
                  const union near_address *local, struct str bytes);

/* near_watch.c */
struct near_watch_events {
    void (*on_event)(struct near *near, const json_t *event);
    /* Those that run, all of them. */
    void (*on_list)(struct near *near, const json_t *list);
};
struct near_watch *near_watch_new(struct near *near,
                                  const struct near_watch_events *events);
struct near_watch *near_watch_free(struct near_watch *watch);
