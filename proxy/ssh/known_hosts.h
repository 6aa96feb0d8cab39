#pragma once

/*
 * Judges an SSH host key by an OpenSSH known_hosts file: the text goes in, a
 * verdict comes out. Understands what ssh does: lists of names, [host]:port,
 * hashed names, the wildcards * and ?, negation, @revoked. It never writes, and
 * it never says yes to a key that no line names. Lines it cannot read are
 * passed over, like ssh does.
 *
 * @cert-authority lines are recognised but of no use yet, since libssh2 knows
 * no host certificates.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"

enum {
    KNOWN_HOSTS_E_UNKNOWN = 1, /* no line names this host */
    KNOWN_HOSTS_E_CHANGED,     /* lines name it, all with other keys */
    KNOWN_HOSTS_E_REVOKED,     /* a line forbids this key */
    KNOWN_HOSTS_E_AUTHORITY,   /* only certificate authorities name it */
};

#define KNOWN_HOSTS_TYPES 16

/* The host we want to reach, as a known_hosts file would spell it. */
struct known_host {
    struct str name; /* a name or address, without brackets */
    unsigned port;
};

/* What the file says about a host. */
struct known_hosts_types {
    size_t count;
    struct str names[KNOWN_HOSTS_TYPES]; /* slices of TEXT: "ssh-ed25519" */
};

/*
 * Judge KEY, the host's public key in the wire format. Returns 0 when a line
 * of TEXT vouches for it, or one of the outcomes above; *LINE is the number of
 * the line that decided, or 0 when none did.
 */
int known_hosts_check(struct str text, struct known_host host, struct str key,
                      unsigned *line);

/*
 * The types of key that TEXT knows for HOST, in the order of its lines and
 * without repetition: only these can be judged, so ask the server for one.
 */
void known_hosts_types(struct str text, struct known_host host,
                       struct known_hosts_types *types);
