#pragma once

/* Addresses of this machine that no other can reach, with a port, in text:
 * "127.0.0.1:9323", "[::1]:9323". */

#include "policy/base/str.h"

struct loopback {
    int family;                /* AF_INET or AF_INET6 */
    unsigned char address[16]; /* in network order */
    uint16_t port;
};

/* Read TEXT; false for a name, another machine's address or no port. */
bool loopback_parse(struct str text, struct loopback *out);
