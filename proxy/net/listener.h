#pragma once

/*
 * A Unix socket (or a port of this machine's own) that clients connect to. A
 * path that another process listens on is never taken over; one that a dead
 * process left behind is replaced.
 */

#include <event2/event.h>

#include "policy/config/policy.h"

struct listener;

/* Another process takes a listener over, see listener_offer. */
struct listener_heir {
    /* A descriptor that goes along, or -1. NULL: none. */
    int (*extra)(void *arg);
    /* It has it: the listener accepts no more, and is to be freed. */
    void (*taken)(void *arg);
    void *arg;
};

/* A client has connected: FD is non-blocking and the callee's. */
typedef void (*listener_cb)(int fd, void *arg);

/*
 * Listen as CONFIG says, whose path may also be a loopback address with a port
 * (loopback.h), for which mode and group mean nothing; or on ACTIVATED, a
 * socket that is bound already, when that is not -1. Returns 0 and fills *OUT;
 * or a negative errno with a line for the operator in WHY.
 */
int listener_new(struct event_base *base, const struct listen_policy *config,
                 int activated, listener_cb on_client, void *arg,
                 struct listener **out, struct strbuf *why);

/*
 * Take over the listener that another berth has at CONFIG's path, or -ENOENT
 * when none offers it. *EXTRA is what came along, the caller's, or -1. Nothing
 * is accepted before listener_begin.
 */
int listener_take(struct event_base *base, const struct listen_policy *config,
                  listener_cb on_client, void *arg, struct listener **out,
                  int *extra, struct strbuf *why);
/* The other berth lets go, and this one accepts; where the other has ended
 * meanwhile and taken its socket file away, on a new one, of the mode and
 * group that it was taken with. Freed before, the listener stays the other's.
 * One that was not taken over has begun already. */
void listener_begin(struct listener *listener);
/* Does another process hold it by now, and waits to take it over? */
bool listener_is_asked(const struct listener *listener);

/* From now on another process may take it over, and then has HEIR called. */
void listener_offer(struct listener *listener,
                    const struct listener_heir *heir);

/* Can the socket file be given to CONFIG's group? 0, or a negative errno with
 * WHY. */
int listener_try_access(const struct listener *listener,
                        const struct listen_policy *config, struct strbuf *why);

/* CONFIG's group as a number; 0: it says none, or there is none. */
unsigned listener_group(const struct listen_policy *config);

/* The mode and group of the socket file become CONFIG's. */
void listener_set_access(struct listener *listener,
                         const struct listen_policy *config);

/* Its clients go to another callback. */
void listener_serve(struct listener *listener, listener_cb on_client,
                    void *arg);

/* Stop accepting; the socket file goes too, if it is still ours and no other
 * process waits to take it over. */
struct listener *listener_free(struct listener *listener);

/*
 * The sockets that systemd hands over (sd_listen_fds(3)): how many from
 * descriptor 3 on. The variables are taken out of the environment.
 */
int listener_activated(void);
