#pragma once

/*
 * Proving to the SSH server who we are: the configured private keys in their
 * order, then the agent's. Nothing else is ever tried, no password above all.
 * Key material is read for each login and wiped after it.
 */

#include <libssh2.h>

#include "policy/config/upstream_config.h"
#include "proxy/ssh/key_file.h"
#include "proxy/ssh/ssh_agent.h"

enum ssh_auth_state {
    SSH_AUTH_LIST, /* asking what the server accepts */
    SSH_AUTH_NEXT, /* choosing the next key */
    SSH_AUTH_FILE, /* offering a key from a file */
    SSH_AUTH_AGENT_LIST,
    SSH_AUTH_AGENT_NEXT,
    SSH_AUTH_AGENT, /* offering a key of the agent */
    SSH_AUTH_MORE,  /* a signature was not enough: asking what would be */
    SSH_AUTH_DONE,
};

struct ssh_auth {
    const struct upstream_config *config;
    LIBSSH2_SESSION *session;
    struct waker waker; /* the agent has answered */
    enum ssh_auth_state state;
    size_t next;          /* the identity that comes next */
    struct key_file key;  /* the one that is being offered */
    struct key_file cert; /* and its certificate, if there is one */
    struct key_file phrase;
    struct ssh_agent *agent;
    struct str agent_keys; /* those still to be tried */
    uint32_t agent_count;
    struct str agent_all; /* all of them, for the second round */
    uint32_t agent_left;
    bool unsigned_by_agent; /* it would not sign */
    bool agent_named;       /* the first round: those that files name */
    struct str agent_key;   /* the one that is being offered */
    struct str agent_name;
    bool takes_keys;       /* the server, from this account */
    char *signed_by;       /* SSH_AUTH_MORE: the name of the key */
    void *self;            /* for libssh2, which wants to point to a pointer */
    struct strbuf accepts; /* by the server, for messages */
    struct strbuf tried;   /* which keys were tried and what came of it */
};

enum {
    SSH_AUTH_E_REFUSED = 1, /* no key was good enough; WHY says which */
};

void ssh_auth_init(struct ssh_auth *auth, const struct upstream_config *config,
                   LIBSSH2_SESSION *session, const struct waker *waker);

/* Is an agent at a signature, for which it may have to ask somebody? */
bool ssh_auth_waits_for_agent(const struct ssh_auth *auth);

void ssh_auth_fini(struct ssh_auth *auth);

/*
 * Go on logging in. Returns 0 when we are in; -EAGAIN to be called again when
 * more came from the server or the agent; SSH_AUTH_E_REFUSED with a sentence
 * in *WHY; or -EIO when the connection failed.
 */
int ssh_auth_step(struct ssh_auth *auth, struct strbuf *why);
