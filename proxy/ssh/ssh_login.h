#pragma once

/*
 * From a connected socket to a logged-in SSH session: key exchange with the
 * algorithms we want, the host key judged, ourselves authenticated. A machine
 * that is stepped whenever bytes came; it never waits.
 */

#include <libssh2.h>

#include "policy/config/upstream_config.h"
#include "proxy/ssh/ssh_auth.h"
#include "proxy/ssh/ssh_transport.h"

enum ssh_login_state {
    SSH_LOGIN_HANDSHAKE,
    SSH_LOGIN_HOST_KEY,
    SSH_LOGIN_AUTH,
    SSH_LOGIN_DONE,
};

struct ssh_login {
    const struct upstream_config *config;
    struct ssh_transport *transport;
    LIBSSH2_SESSION *session;
    enum ssh_login_state state;
    struct ssh_auth auth;
    char *goodbye; /* the server's own words when it disconnected */
};

enum {
    /* trying again soon will not help: host key, identity, penalty */
    SSH_LOGIN_E_REFUSED = 1,
    SSH_LOGIN_E_FAILED, /* network error or unexpected disconnect */
};

/*
 * Begin on TRANSPORT, whose socket is connected; WAKER is woken when there may
 * be a step to do and no byte came. 0; or SSH_LOGIN_E_REFUSED
 * with a sentence in *WHY when the configuration allows no login at all.
 */
int ssh_login_init(struct ssh_login *login,
                   const struct upstream_config *config,
                   struct ssh_transport *transport, const struct waker *waker,
                   struct strbuf *why);

/* Ends the session, if need be without the server's help. */
void ssh_login_fini(struct ssh_login *login);

/* Go on. 0 when logged in, -EAGAIN, or an outcome with a sentence in *WHY. */
int ssh_login_step(struct ssh_login *login, struct strbuf *why);

/* Why the session broke, in one sentence. */
void ssh_login_explain(const struct ssh_login *login, struct strbuf *why);
