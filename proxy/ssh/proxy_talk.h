#pragma once

/*
 * What is said to a proxy before it is a way to a host: HTTP's CONNECT (RFC
 * 9110, 9.3.6) or SOCKS5 (RFC 1928, with the user names and passwords of RFC
 * 1929). Bytes in, bytes out; no I/O. Names are the proxy's to look up.
 */

#include "policy/config/upstream_config.h"
#include "proxy/http/http_reader.h"

enum proxy_talk_state {
    PROXY_TALK_REPLY,  /* HTTP: what does it say to CONNECT? */
    PROXY_TALK_METHOD, /* SOCKS5: how does it want us to log in? */
    PROXY_TALK_LOGIN,  /* SOCKS5: does it let us in? */
    PROXY_TALK_TARGET, /* SOCKS5: does it connect us? */
    PROXY_TALK_DONE,
};

struct proxy_talk {
    enum proxy_talk_state state;
    struct str host; /* beyond the proxy; the caller's */
    unsigned port;
    struct strbuf credentials; /* a user, NUL, a password; or empty */
    struct strbuf out;         /* to be sent; the caller consumes it */
    struct strbuf in;          /* SOCKS5: of its next message */
    size_t read;               /* of its answer */
    bool unreached; /* it was refused because of the host, and not of us */
    struct http_reader *http;
};

enum { PROXY_TALK_E_REFUSED = 1 };

/*
 * Begin, to be connected to HOST and PORT by a proxy of KIND. CREDENTIALS,
 * empty for none, is "user:password". 0, and there is something in OUT; or
 * PROXY_TALK_E_REFUSED, when these credentials cannot be said, and WHY says
 * what is wrong. To be ended with proxy_talk_fini in any case.
 */
int proxy_talk_init(struct proxy_talk *talk, enum proxy_kind kind,
                    struct str host, unsigned port, struct str credentials,
                    struct strbuf *why);
void proxy_talk_fini(struct proxy_talk *talk);

/*
 * Read what the proxy said. *USED is how much of INPUT was its own: behind a 0,
 * what follows is the host's. 0 when it has connected us; -EAGAIN: more is to
 * come, and there may be something in OUT; PROXY_TALK_E_REFUSED, and WHY goes
 * on behind the proxy's name: "it ...".
 */
int proxy_talk_next(struct proxy_talk *talk, struct str input, size_t *used,
                    struct strbuf *why);
