#pragma once

/* The inside of a listener, shared by listener*.c alone. */

#include <sys/types.h>

#include "proxy/net/handover.h"
#include "proxy/net/listener.h"

struct listener {
    struct event_base *base;
    int fd;
    int lock; /* held while we live: PATH.lock, or -1 */
    char *path;
    dev_t device; /* of our socket file, to know it again */
    ino_t inode;
    bool ours;
    struct event *event;
    struct event *pause; /* the end of one that a failed accept began */
    struct handover *offer;
    struct listener_heir heir;
    int conversation; /* with whom it is taken over from, or -1 */
    mode_t mode;      /* and for a socket file in place of the other's */
    char *group;
    listener_cb on_client;
    void *arg;
};

/* A line for the operator into WHY; returns -ERROR. */
int listener_problem(struct strbuf *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One without a socket, that accepts nothing. */
struct listener *listener_make(struct event_base *base, const char *path,
                               listener_cb on_client, void *arg);
/* Bind its path as CONFIG says, with its lock, which it may hold already, and
 * listen. A negative errno with WHY. */
int listener_open(struct listener *l, const struct listen_policy *config,
                  struct strbuf *why);
/* Is the socket file the one that it holds, or held when it was taken? */
bool listener_has_file(const struct listener *l);
/* From now on. */
void listener_accept(struct listener *l);
