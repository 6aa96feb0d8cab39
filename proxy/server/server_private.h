#pragma once

/* The inside of the server, shared by server*.c alone. */

#include "proxy/sandbox/sandbox.h"
#include "proxy/server/metrics_feed.h"
#include "proxy/server/server.h"
#include "proxy/server/takeover.h"

enum { SIGNALS = 4 };

struct server {
    const struct server_config *config;
    struct runtime runtime;
    struct frontend *frontends; /* at work */
    struct frontend *leaving; /* without a listener, until their sessions end */
    struct event *signals[SIGNALS];
    struct event *drain; /* when the drain time is over */
    struct metrics_feed metrics_feed;
    struct sandbox sandbox;
    struct takeover takeover;
    bool failed; /* to take over */
    bool stopping;
    bool told_to;  /* by a signal */
    bool ending;   /* and the last client is gone */
    unsigned ends; /* frontends whose leftovers are being removed */
};

/* server.c */
struct frontend *server_find(struct frontend *frontends, const char *path);
void server_add(struct server *server, struct frontend *frontend);
void server_unlink(struct frontend **list, struct frontend *frontend);
/* None of LIST has sessions, or had any yet. */
void server_free_all(struct frontend *list);
/* FRONTEND is not among the others any more, but its successor is, if it has
 * one. */
void server_close(struct server *server, struct frontend *frontend);

/* server_reload.c */
/* Read the policies, and see to what they want to be there. */
int server_load(const struct server *server, struct policies *all,
                struct strbuf *why);
/* All of the policies as they are now, or nothing: a negative number with
 * WHY. */
int server_reload(struct server *server, struct strbuf *why);
