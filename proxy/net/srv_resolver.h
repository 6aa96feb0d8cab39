#pragma once

/*
 * The SRV records of a name (RFC 2782), by the C library's resolver: the
 * servers and the search list are those of /etc/resolv.conf.
 */

#include "policy/config/upstream_target.h"
#include "proxy/net/lookup_thread.h"

struct srv_answer {
    struct srv_target targets[LIMIT_HOSTS]; /* by priority, host and port */
    size_t count;
    char why[LIMIT_REASON]; /* "": all is well; else nothing is known */
};

/*
 * Ask for NAME's, and wait. *ANSWER has no targets where the name has no
 * records (or one that says that there is no service: "."), which is an answer,
 * too. A target that is told twice is one. Over LIMIT_HOSTS is a failure, for
 * one that is left out could be where something is.
 */
void srv_look_up(const char *name, struct srv_answer *answer);

/* The same of MESSAGE, a DNS server's answer of SIZE bytes. */
void srv_read(const unsigned char *message, size_t size,
              struct srv_answer *answer);

struct srv_resolver;

/* ANSWER is gone when this returns, and so is the resolver. */
typedef void (*srv_resolver_cb)(const struct srv_answer *answer, void *arg);

/* The same without waiting. DONE is called from the loop, later, never from
 * here. NULL when there is no thread or socket for it. */
struct srv_resolver *srv_resolver_start(struct event_base *base,
                                        const char *name, srv_resolver_cb done,
                                        void *arg);

/* No callback any more. NULL is fine; returns NULL. */
struct srv_resolver *srv_resolver_cancel(struct srv_resolver *resolver);
