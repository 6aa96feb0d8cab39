#pragma once

/* What a link and its jump hosts share. */

#include "proxy/base/backoff.h"
#include "proxy/net/dialer.h"
#include "proxy/net/soon.h"
#include "proxy/ssh/proxy_dialer.h"
#include "proxy/ssh/ssh_link.h"
#include "proxy/ssh/ssh_login.h"
#include "proxy/ssh/ssh_mux.h"

#define SSH_LINK_WHY 2048

enum link_state {
    LINK_DOWN, /* until the next try */
    LINK_DIALING,
    LINK_LOGIN,
    LINK_STARTING, /* logged in; what does the server grant? */
    LINK_UP,
};

struct ssh_link;

/* FD is connected to the server, and the callee's; or it is -1, for the reason
 * WHY. */
typedef void (*ssh_dial_cb)(struct ssh_link *link, int fd,
                            const struct strbuf *why);

struct ssh_link {
    struct upstream upstream; /* first: an upstream is cast to its link */
    struct waker waker;
    const struct upstream_config *config;
    enum link_state state;
    struct dialer *dialer;
    struct proxy_dialer *proxy; /* instead of it, where there is a proxy */
    ssh_dial_cb on_socket;      /* the end of either */
    bool before_proxy;          /* the last dial failed at the proxy */
    struct ssh_link *outer;     /* to the jump host, while there is one */
    struct stream *way;         /* through it, until the transport has it */
    unsigned skip;              /* addresses of the host that were wrong */
    bool stubborn;              /* trying soon would not have helped */
    unsigned hops;              /* jump hosts behind us, when it went down */
    struct ssh_transport transport;
    struct ssh_login login;
    struct ssh_mux mux;
    struct event *readable;
    struct event *writable;
    struct soon run;     /* because somebody woke the mux */
    struct event *timer; /* the next try, the time limit, or the next tick */
    struct backoff backoff;
    struct strbuf why; /* the last failure, until it is up again */
    enum upstream_stage failed_at;
    uint64_t retry_at;  /* milliseconds, LINK_DOWN */
    uint64_t began_at;  /* dialing; then: up */
    uint64_t alive_at;  /* when bytes were last seen to have come */
    uint64_t ticked_at; /* when that was last looked at */
    uint64_t received;  /* and how many it were */
    uint64_t generation;
    unsigned depth; /* of our own functions on the stack */
    bool doomed;    /* to be freed when we are off the stack */
};

/* In ssh_link_state.c. */

void ssh_link_enter(struct ssh_link *link, enum link_state to);
enum upstream_stage ssh_link_stage(const struct ssh_link *link);
/* What the link is at, for a message. */
const char *ssh_link_doing(const struct ssh_link *link);
void ssh_link_get_status(const struct ssh_link *link,
                         struct upstream_status *status);

/* Is this the link to a jump host? */
bool ssh_jump_is_one(const struct ssh_link *link);
/* The link that is waited for: the first, of LINK and those before it, that is
 * not up. */
const struct ssh_link *ssh_jump_front(const struct ssh_link *link);
/* How many jump hosts before LINK are up. */
unsigned ssh_jump_behind(const struct ssh_link *link);

/* In ssh_link.c, for ssh_jump.c. */

/* Callbacks of others run only between these two, so that they may free us. */
void ssh_link_begin(struct ssh_link *link);
void ssh_link_end(struct ssh_link *link);

/* There is a transport to the server: log in there. */
void ssh_link_log_in(struct ssh_link *link);
/* Go on with whatever the link is at. */
void ssh_link_run(struct ssh_link *link);

/* The connection is lost, or could not be made, for REASON; STUBBORN when
 * trying soon does not help. */
void ssh_link_fail(struct ssh_link *link, bool stubborn,
                   const struct strbuf *reason);
/* The same, at STAGE and behind HOPS jump hosts; REASON tells of both. */
void ssh_link_fail_at(struct ssh_link *link, enum upstream_stage stage,
                      unsigned hops, bool stubborn, struct str reason);

void ssh_link_destroy(struct ssh_link *link);

/* In ssh_dial.c: a socket to the first host of the way. */

/* It ends in ON_SOCKET, which comes from the event loop. */
void ssh_dial_start(struct ssh_link *link, ssh_dial_cb on_socket);
void ssh_dial_end(struct ssh_link *link);
/* Where it is, or was when it failed: UPSTREAM_PROXY or UPSTREAM_CONNECT. */
enum upstream_stage ssh_dial_stage(const struct ssh_link *link);
/* The same for a message. */
const char *ssh_dial_doing(const struct ssh_link *link);

/* In ssh_jump.c. */

/* Make a way through the jump host before LINK; it ends in ssh_link_log_in or
 * ssh_link_fail. */
void ssh_jump_start(struct ssh_link *link);
/* Close the way, and the links to all jump hosts. */
void ssh_jump_end(struct ssh_link *link);
