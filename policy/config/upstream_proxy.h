#pragma once

/*
 * The proxy before the first host of the way: what the policy says, or, where
 * it says so, what $ALL_PROXY and $NO_PROXY do.
 */

#include "policy/base/environment.h"
#include "policy/config/policy.h"

/*
 * Fill PROXY, which is empty, from TEXT: http://host:port, socks5://host:port
 * or socks5h://host:port, which is the same here: names are the proxy's to look
 * up. 0; or URL_E_INVALID with "has ...; write ..." in WHY, which is cleared
 * first where TEXT may hold a password.
 */
int upstream_proxy_parse(struct str text, struct proxy_config *proxy,
                         struct strbuf *why);

/*
 * May HOST and PORT be reached without a proxy, as LIST, of $NO_PROXY, says?
 * As Go reads it: names stand for themselves and what is below them, ".name"
 * for the latter only, then addresses, ranges of them, and "*"; each but a
 * range may have a port.
 */
bool upstream_proxy_is_spared(struct str list, const char *host, unsigned port);

/* Fill the proxy of CONFIG, the first host of the way, from KEYS. 0; or
 * URL_E_INVALID with a sentence in WHY. */
int upstream_proxy_make(const struct upstream_policy *keys,
                        const struct environment *environment,
                        struct upstream_config *config, struct strbuf *why);
