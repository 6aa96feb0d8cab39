#pragma once

/*
 * The URL of an engine, as Docker spells them:
 *
 *     ssh://[user@]host[:port][/path/of/docker.sock]
 *     unix:///path/of/docker.sock
 *     tcp://host:port
 *
 * and of several engines, whose hosts and ports the SRV records of a name tell
 * (RFC 2782):
 *
 *     ssh+srv://[user@]_service._proto.name[/path/of/docker.sock]
 *     tcp+srv://_service._proto.name
 *
 * An IPv6 address is in brackets. Nothing is percent-decoded: what a part
 * could only hold in that way is refused, as are passwords, queries and
 * fragments.
 */

#include "policy/config/upstream_config.h"

#define URL_SSH_PORT    22
#define URL_ENGINE_PATH "/var/run/docker.sock"

struct url {
    enum upstream_kind kind;
    struct str user; /* ssh: may be empty; the others have none */
    struct str host; /* ssh, tcp: without brackets */
    unsigned port;   /* ssh, tcp */
    struct str path; /* ssh, unix */
    bool port_given; /* ssh, tcp: else it is the usual one */
    bool srv;        /* HOST is the name of SRV records, and PORT is 0 */
};

enum { URL_E_INVALID = 1 };

/*
 * Take TEXT apart. Returns 0 and fills *URL, whose slices point into TEXT; or
 * URL_E_INVALID, having appended to WHY "has no ...; write ...". Where TEXT may
 * hold a password, WHY is cleared first, lest the caller has quoted it there.
 */
int url_parse(struct str text, struct url *url, struct strbuf *why);

/*
 * Take TEXT, "host:port", apart; the host, without brackets, points into it. 0;
 * or URL_E_INVALID as above.
 */
int url_host_port(struct str text, struct str *host, unsigned *port,
                  struct strbuf *why);

/*
 * Fill the parts of CONFIG that a URL names, url included; they must be empty
 * and are CONFIG's to free. DEFAULT_USER, which may be NULL, is taken for an
 * ssh URL without a user. Returns as url_parse does.
 */
int url_to_config(struct str text, const char *default_user,
                  struct upstream_config *config, struct strbuf *why);

/* Is HOST the URL itself, or might it be one that the SRV records of URL tell?
 */
bool url_may_lead_to(struct str url, struct str host);

/* Is the engine on this machine, so that nobody can listen on the way? */
bool upstream_is_local(const struct upstream_config *config);
