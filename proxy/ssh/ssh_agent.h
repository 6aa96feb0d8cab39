#pragma once

/*
 * A client of ssh-agent that never waits: libssh2's own would hold up the
 * whole loop while a person looks for the button on a security key. Lists the
 * keys and has data signed; key material stays in the agent.
 */

#include "policy/base/str.h"
#include "proxy/net/waker.h"

struct ssh_agent;

enum {
    SSH_AGENT_E_FAILED = 1, /* no agent, or it does not want to */
};

/*
 * Talk to the agent at the socket PATH; WAKER, which is copied, is woken when
 * it has answered. Never NULL: what is wrong shows in the calls below.
 */
struct ssh_agent *ssh_agent_new(const char *path, const struct waker *waker);
void ssh_agent_free(struct ssh_agent *agent);

/*
 * The public keys it has, in the wire format, one after the other as SSH
 * strings each followed by its comment; valid as long as the agent. 0, -EAGAIN
 * or SSH_AGENT_E_FAILED.
 */
int ssh_agent_keys(struct ssh_agent *agent, uint32_t *count, struct str *keys);

/* Is there a question that it has not answered yet? */
bool ssh_agent_is_asked(const struct ssh_agent *agent);

/*
 * Have DATA, the message of a publickey login (RFC 4252, 7), signed with KEY.
 * 0 and the bare signature (of a FIDO token: with its length in front, and
 * flags and counter behind it; openssh PROTOCOL.u2f), valid until the next
 * call; -EAGAIN, to be called again with the same; or SSH_AGENT_E_FAILED.
 */
int ssh_agent_sign(struct ssh_agent *agent, struct str key, struct str data,
                   struct str *signature);
