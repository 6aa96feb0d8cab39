#pragma once

/*
 * Is this the server we mean? Judges its host key by the pinned fingerprint or
 * the known_hosts file of the configuration. Without either, and in every
 * doubt, the answer is no, and the reason says how to correct it.
 */

#include <libssh2.h>

#include "policy/config/upstream_config.h"

enum {
    SSH_HOST_KEY_E_REFUSED = 1, /* WHY says what was seen and what to do */
};

/*
 * Before the handshake: have SESSION ask for a type of key that the file
 * knows. 0, or SSH_HOST_KEY_E_REFUSED when nothing could ever be verified.
 */
int ssh_host_key_prefer(LIBSSH2_SESSION *session,
                        const struct upstream_config *config,
                        struct strbuf *why);

/* After the handshake. 0, or SSH_HOST_KEY_E_REFUSED. */
int ssh_host_key_check(LIBSSH2_SESSION *session,
                       const struct upstream_config *config,
                       struct strbuf *why);
